"""The kernels that draw from a `Law`: one for a batch, one inlined part for the trainers.

Draws are made for one user at a time, several together: all of them take each step of the
bisection of the user's history in turn. The steps of different draws do not wait for each other
and mispredict no branch, which makes 64 draws some four times as fast as 64 searches.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.jit import inlined, kernel
from recneg.keys import bounded, bounded_wide, philox, rejected, word
from recneg.samplers.law import UNIFORM, Law

__all__ = ["draw_for_user", "draw_rows"]

MAX_TRIES = 16
"""Rejections before a weighted law draws from its exact conditional law instead."""

U = np.uint64  # indices of this type spare Numba's check for negative ones
_32 = np.uint64(32)


@inlined
def fill_words(k0: Any, k1: Any, first_row: Any, num_slots: Any, words: Any) -> Any:
    """Fill the attempt-0 words of consecutive rows, `num_slots` each; two slots share a block."""
    x2 = x3 = np.uint32(0)
    for index in range(words.size):
        slot = index % num_slots
        if slot & 1:
            words[U(index)] = (np.uint64(x3) << _32) | np.uint64(x2)
        else:
            row = np.uint64(first_row + index // num_slots)
            x0, x1, x2, x3 = philox(
                np.uint32(row), np.uint32(row >> _32), np.uint32(slot >> 1), np.uint32(0), k0, k1
            )
            words[U(index)] = (np.uint64(x1) << _32) | np.uint64(x0)


@inlined
def draw_uniform(
    num_items: Any,
    indices: Any,
    begin: Any,
    end: Any,
    k0: Any,
    k1: Any,
    first_row: Any,
    num_slots: Any,
    words: Any,
    places: Any,
    out: Any,
) -> Any:
    """Rank shifting: draw a rank among the free items, then skip the excluded ones below it."""
    n = num_items - (end - begin)
    for index in range(words.size):
        rank, low_half = bounded(words[U(index)], n)
        attempt = 0
        while rejected(low_half, n):
            attempt += 1
            x = word(k0, k1, first_row + index // num_slots, index % num_slots, attempt)
            rank, low_half = bounded(x, n)
        out[U(index)] = rank
        places[U(index)] = 0
    remaining = np.int32(end - begin)
    while remaining > 0:  # how many excluded items have at most `rank` free items below them
        half = np.int32((remaining + np.int32(1)) >> np.int32(1))
        for index in range(words.size):
            place = np.int32(places[U(index)] + half - np.int32(1))
            below = np.int32(indices[U(begin + place)] - place) <= out[U(index)]
            places[U(index)] = np.int32(place + 1) if below else places[U(index)]
        remaining = np.int32(remaining - half)
    for index in range(words.size):
        out[U(index)] += places[U(index)]


@inlined
def draw_weighted(
    num_items: Any,
    indices: Any,
    begin: Any,
    end: Any,
    alias: Any,
    k0: Any,
    k1: Any,
    first_row: Any,
    num_slots: Any,
    words: Any,
    places: Any,
    out: Any,
) -> Any:
    """Alias draws; those that hit an excluded item become -1 and are left to `redraw`."""
    for index in range(words.size):
        item, fraction = bounded(words[U(index)], num_items)
        if fraction >= alias[U(item), U(0)]:
            item = np.int64(alias[U(item), U(1)])
        out[U(index)] = -1 if rejected(fraction, num_items) else item
        places[U(index)] = 0
    if end > begin:
        remaining = np.int32(end - begin)
        while remaining > 1:  # the last excluded item that is at most the drawn one
            half = np.int32(remaining >> np.int32(1))
            for index in range(words.size):
                place = np.int32(places[U(index)] + half)
                below = indices[U(begin + place)] <= out[U(index)]
                places[U(index)] = place if below else places[U(index)]
            remaining = np.int32(remaining - half)
        for index in range(words.size):
            seen = indices[U(begin + places[U(index)])] == out[U(index)]
            out[U(index)] = -1 if seen else out[U(index)]


@kernel
def redraw(
    num_items: Any,
    indices: Any,
    begin: Any,
    end: Any,
    alias: Any,
    prefix: Any,
    residual: Any,
    gap_entry: Any,
    gaps: Any,
    k0: Any,
    k1: Any,
    row: Any,
    slot: Any,
) -> Any:
    """Continue a weighted draw from attempt 1; exact and bounded, whatever the user has seen."""
    attempt = 1
    while attempt < MAX_TRIES or end == begin:
        item, fraction = bounded(word(k0, k1, row, slot, attempt), num_items)
        attempt += 1
        if rejected(fraction, num_items):
            continue
        if fraction >= alias[item, 0]:
            item = np.int64(alias[item, 1])
        low, high = begin, end
        while low < high:
            middle = (low + high) >> 1
            if indices[middle] < item:
                low = middle + 1
            else:
                high = middle
        if low == end or indices[low] != item:
            return item
    m = np.uint64(residual)
    unit, low_half = bounded_wide(word(k0, k1, row, slot, attempt), m)
    while low_half < m and low_half < (np.uint64(0) - m) % m:
        attempt += 1
        unit, low_half = bounded_wide(word(k0, k1, row, slot, attempt), m)
    return free_item_at(num_items, indices, begin, end, prefix, gap_entry, gaps, np.int64(unit))


@kernel
def free_item_at(
    num_items: Any,
    indices: Any,
    begin: Any,
    end: Any,
    prefix: Any,
    gap_entry: Any,
    gaps: Any,
    unit: Any,
) -> Any:
    """Return the free item that owns the given unit of a user's residual weight."""
    gap, before, start = 0, np.int64(0), 0
    if gap_entry >= 0:  # heavy user: bisect the stored gap sums
        high = end - begin
        while gap < high:
            middle = (gap + high) >> 1
            if gaps[gap_entry + middle] <= unit:
                gap = middle + 1
            else:
                high = middle
        if gap > 0:
            before = gaps[gap_entry + gap - 1]
            start = indices[begin + gap - 1] + 1
    else:  # a light user gets here once in 2**MAX_TRIES draws at most: walk
        while gap < end - begin:
            mass = prefix[indices[begin + gap]] - prefix[start]
            if unit < before + mass:
                break
            before += mass
            start = indices[begin + gap] + 1
            gap += 1
    target = prefix[start] + (unit - before)
    low = np.int64(start)
    high = np.int64(indices[begin + gap]) if gap < end - begin else np.int64(num_items)
    while low < high:
        middle = (low + high) >> 1
        if prefix[middle + 1] <= target:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def draw_for_user(
    kind: Any,
    num_items: Any,
    indptr: Any,
    indices: Any,
    alias: Any,
    prefix: Any,
    residual: Any,
    gap_start: Any,
    gaps: Any,
    k0: Any,
    k1: Any,
    user: Any,
    first_row: Any,
    num_slots: Any,
    words: Any,
    places: Any,
    out: Any,
) -> Any:
    """Draw `num_slots` items for each of ``out.size // num_slots`` consecutive rows of one user.

    `words` (uint64) and `places` (int32) are scratch of the size of `out` (int32). Returns the
    user's free mass, in items or units of weight; where it is 0, `out` is filled with -1.
    """
    begin, end = np.int64(0), np.int64(0)
    if indptr.size > 0:
        begin, end = indptr[U(user)], indptr[U(user + 1)]
    if kind == UNIFORM:
        free = num_items - (end - begin)
    else:
        free = residual[U(user)] if indptr.size > 0 else prefix[U(num_items)]
    if free == 0:
        for index in range(out.size):
            out[U(index)] = -1
    else:
        fill_words(k0, k1, first_row, num_slots, words)
        if kind == UNIFORM:
            draw_uniform(
                num_items, indices, begin, end, k0, k1, first_row, num_slots, words, places, out
            )
        else:
            draw_weighted(
                num_items, indices, begin, end, alias, k0, k1, first_row, num_slots, words, places,
                out,
            )  # fmt: skip
            for index in range(out.size):
                if out[U(index)] < 0:
                    out[U(index)] = redraw(
                        num_items, indices, begin, end, alias, prefix, free,
                        gap_start[U(user)] if indptr.size > 0 else -1, gaps,
                        k0, k1, first_row + index // num_slots, index % num_slots,
                    )  # fmt: skip
    return free


@kernel
def draw_rows(
    law: Law,
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    rows: NDArray[np.int64],
    items: NDArray[np.int64],
    log_q: NDArray[np.float32],
) -> None:
    """Fill `items` and `log_q`, (batch, num_negatives): -1 and -inf where a user has no item."""
    kind, num_items, indptr, indices, alias, prefix, log_share, residual, gap_start, gaps = law
    num_slots = items.shape[1]
    words = np.empty(num_slots, np.uint64)
    places = np.empty(num_slots, np.int32)
    out = np.empty(num_slots, np.int32)
    log_total = 0.0 if kind == UNIFORM else np.log(np.float64(prefix[num_items]))
    for r in range(users.size):
        free = draw_for_user(
            kind, num_items, indptr, indices, alias, prefix, residual, gap_start, gaps,
            k0, k1, users[r], rows[r], num_slots, words, places, out,
        )  # fmt: skip
        log_free = np.log(np.float64(free)) - log_total
        for slot in range(num_slots):
            item = out[U(slot)]
            items[U(r), U(slot)] = item
            if item < 0:
                log_q[U(r), U(slot)] = -np.inf
            elif kind == UNIFORM:
                log_q[U(r), U(slot)] = -log_free
            else:
                log_q[U(r), U(slot)] = log_share[U(item)] - log_free
