"""Kernels for weighted laws: alias draws, and again those that hit what a user has seen.

What hits is drawn again in rounds, all hits of a block together: random words, alias draws and the
look at what is excluded then run as fast as in the first round. After `MAX_TRIES` attempts the
conditional law itself is drawn from, so that every draw ends, whatever the user has seen. This
last resort is a kernel of its own: few data ever need it, and others need not wait until it is
compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.jit import inlined, kernel
from recneg.keys import bounded, bounded_wide, fill_words, rejected, word, words_at
from recneg.samplers.bloom import find_hits
from recneg.samplers.groups import block_of_groups
from recneg.samplers.law import Law

__all__ = ["draw_weighted", "settle"]

MAX_TRIES = 16
"""Attempts before a weighted law draws from its exact conditional law instead."""

UNSETTLED = -2
"""Stands for an item that no attempt has found."""

U = np.uint64  # indices of this type spare Numba's check for negative ones


@kernel
def draw_weighted(
    alias: NDArray[np.uint64],
    residual: NDArray[np.int64],
    bits: NDArray[np.uint64],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    first_rows: NDArray[np.int64],
    counts: NDArray[np.int64],
    num_slots: int,
    out: NDArray[np.int32],
) -> int:
    """Draw from a weighted law; see `recneg.samplers.draws.draw_groups`.

    The first five are those of a `Law`: each array more costs compilation, and microseconds a call.
    Returns how many draws it left `UNSETTLED`, for `settle`.
    """
    unsettled = 0
    group: Any = 0
    start: Any = 0
    while group < users.size:
        last, size = block_of_groups(group, counts, num_slots)
        words, part = np.empty(size, np.uint64), out[start : start + size]
        of, rows, many = users[group:last], first_rows[group:last], counts[group:last]
        fill_words(k0, k1, rows, many, num_slots, words)
        first_items(alias, words, part)
        unsettled += redraw_excluded(
            alias, residual, bits, indptr, indices, k0, k1, of, rows, many, num_slots, part
        )
        group, start = last, start + size
    return unsettled


@kernel
def first_items(
    alias: NDArray[np.uint64], words: NDArray[np.uint64], out: NDArray[np.int32]
) -> None:
    """Fill `out` with alias draws of a weighted law, excluded or not; -1 for one to be redrawn."""
    num_items = len(alias)
    for index in range(out.size):
        item, fraction = bounded(words[U(index)], num_items)
        other = np.int64(alias[U(item), U(1)])
        kept = np.int64(fraction < alias[U(item), U(0)])  # a branch would often be mispredicted
        out[U(index)] = -1 if rejected(fraction, num_items) else other + kept * (item - other)


@kernel
def redraw_excluded(
    alias: NDArray[np.uint64],
    residual: NDArray[np.int64],
    bits: NDArray[np.uint64],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    first_rows: NDArray[np.int64],
    counts: NDArray[np.int64],
    num_slots: int,
    out: NDArray[np.int32],
) -> int:
    """Draw again what hit an excluded item or is -1; -1 for users without any item.

    Leaves `UNSETTLED` where no attempt was admissible, and returns the number of these.
    """
    hits, owners = np.empty(out.size, np.int64), np.empty(out.size, np.int64)
    found = find_hits(bits, indptr, indices, users, counts, num_slots, out, hits, owners)
    if found == 0:
        return 0
    drawn_for, ones = np.empty(found, np.int64), np.ones(found, np.int64)
    rows, slots = np.empty(found, np.int64), np.empty(found, np.int64)
    exclude, group, start, left = indptr.size > 0, 0, 0, 0
    for hit in range(found):  # rows and slots; leave out users who have seen everything
        while group < owners[U(hit)]:
            start += counts[U(group)] * num_slots
            group += 1
        user, place = users[U(group)], hits[U(hit)] - start
        if exclude and residual[U(user)] == 0:
            out[U(hits[U(hit)])] = -1
            continue
        hits[U(left)], drawn_for[U(left)] = hits[U(hit)], user
        row = np.int64(U(place) // U(num_slots))
        rows[U(left)], slots[U(left)] = first_rows[U(group)] + row, place - row * num_slots
        left += 1
    words, attempts = np.empty(left, np.uint64), np.empty(left, np.int64)
    items, again = np.empty(left, np.int32), np.empty(left, np.int64)
    one: Any = np.int64(1)  # a literal would have a kernel compiled once more
    attempt: Any = one
    while left > 0 and (attempt < MAX_TRIES or not exclude):
        attempts[:left] = attempt
        words_at(k0, k1, rows[:left], slots[:left], attempts[:left], words[:left])
        first_items(alias, words[:left], items[:left])
        for hit in range(left):
            out[U(hits[U(hit)])] = items[U(hit)]
        left = find_hits(
            bits, indptr, indices, drawn_for[:left], ones[:left], one, items[:left], again[:left],
            owners[:left],
        )  # fmt: skip
        attempt += 1
        for hit in range(left):
            old = again[U(hit)]
            hits[U(hit)], drawn_for[U(hit)] = hits[U(old)], drawn_for[U(old)]
            rows[U(hit)], slots[U(hit)] = rows[U(old)], slots[U(old)]
    for hit in range(left):
        out[U(hits[U(hit)])] = UNSETTLED
    return left


@kernel
def settle(
    law: Law,
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    first_rows: NDArray[np.int64],
    counts: NDArray[np.int64],
    num_slots: int,
    out: NDArray[np.int32],
) -> None:
    """Draw what `draw_weighted` has left from the conditional law itself."""
    index = 0
    for group in range(users.size):
        for row in range(counts[U(group)]):
            for slot in range(num_slots):
                if out[U(index)] == UNSETTLED:
                    out[U(index)] = draw_exactly(
                        law, k0, k1, users[U(group)], first_rows[U(group)] + row, np.int64(slot)
                    )
                index += 1


@inlined
def draw_exactly(law: Any, k0: Any, k1: Any, user: Any, row: Any, slot: Any) -> Any:
    """Draw from what is left to a user: one more random word, whatever he has seen."""
    begin, end = law.indptr[U(user)], law.indptr[U(user) + U(1)]
    attempt: Any = np.int64(MAX_TRIES)
    m = np.uint64(law.residual[U(user)])
    unit, low_half = bounded_wide(word(k0, k1, row, slot, attempt), m)
    while low_half < m and low_half < (np.uint64(0) - m) % m:
        attempt += 1
        unit, low_half = bounded_wide(word(k0, k1, row, slot, attempt), m)
    return free_item_at(
        law.num_items, law.indices, begin, end, law.prefix, law.gap_start[U(user)], law.gaps,
        np.int64(unit),
    )  # fmt: skip


@inlined
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
