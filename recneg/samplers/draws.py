"""The kernels that draw from a `Law`: for a batch, and for the trainers' blocks of users.

Draws come in groups: the consecutive rows of one user, each with the same number of slots. In a
batch a group is a row; in training it holds all positives of a user. A draw is a random rank or
item, and the number of excluded items below it, which a `Directory` helps to find. Each phase below
is one call for all groups, because a call that passes arrays costs more in reference counting than
a draw does, and because reads of memory for different draws then do not wait for each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.jit import inlined, kernel
from recneg.keys import bounded, fill_words, rejected, word
from recneg.samplers.directory import count_excluded
from recneg.samplers.law import UNIFORM, Law
from recneg.samplers.redraws import first_items, redraw_excluded

__all__ = ["draw_groups", "draw_items", "log_prob_pairs", "log_q_of_draws"]

DRAWS_AT_ONCE = 1024
"""Draws whose scratch memory, and most of what they ask for, stays in the first cache."""

U = np.uint64  # indices of this type spare Numba's check for negative ones


@kernel
def first_ranks(
    law: Law,
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    first_rows: NDArray[np.int64],
    counts: NDArray[np.int64],
    num_slots: int,
    words: NDArray[np.uint64],
    out: NDArray[np.int32],
) -> None:
    """Fill `out` with uniform ranks among the items that a user may get, -1 if there are none."""
    num_items, indptr = law.num_items, law.indptr
    n: Any = num_items
    start = 0
    for group in range(users.size):
        if indptr.size > 0:
            user = U(users[U(group)])
            n = num_items - (indptr[user + U(1)] - indptr[user])
        stop = start + counts[U(group)] * num_slots
        doubtful = False
        for index in range(start, stop):
            rank, low_half = bounded(words[U(index)], n)
            out[U(index)] = rank if n > 0 else -1
            doubtful = doubtful or bool(low_half < np.uint64(n))
        if doubtful and n > 0:
            for index in range(start, stop):
                rank, low_half = bounded(words[U(index)], n)
                attempt = 0
                while rejected(low_half, n):
                    attempt += 1
                    row = first_rows[U(group)] + (index - start) // num_slots
                    again = word(k0, k1, row, (index - start) % num_slots, attempt)
                    rank, low_half = bounded(again, n)
                out[U(index)] = rank
        start = stop


@kernel
def shift_ranks(places: NDArray[np.int32], out: NDArray[np.int32]) -> None:
    """Turn ranks into items: skip the excluded ones below."""
    for index in range(out.size):
        out[U(index)] += places[U(index)] if out[U(index)] >= 0 else np.int32(0)


@kernel
def draw_groups(
    law: Law,
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    first_rows: NDArray[np.int64],
    counts: NDArray[np.int64],
    num_slots: int,
    words: NDArray[np.uint64],
    places: NDArray[np.int32],
    out: NDArray[np.int32],
) -> None:
    """Draw `num_slots` items for each of ``counts[g]`` rows from ``first_rows[g]`` of ``users[g]``.

    `words` and `places` are scratch of the size of `out`, the sum of ``counts * num_slots``. A user
    without an admissible item gets -1.
    """
    fill_words(k0, k1, first_rows, counts, num_slots, words)
    ranked = law.kind == UNIFORM
    if ranked:
        first_ranks(law, k0, k1, users, first_rows, counts, num_slots, words, out)
    else:
        first_items(law, words, out)
    if law.indices.size > 0:
        count_excluded(
            law.indptr, law.indices, law.before, law.shifts, ranked, users, counts, num_slots, out,
            places,
        )  # fmt: skip
    if not ranked:
        redraw_excluded(law, k0, k1, users, first_rows, counts, num_slots, places, out)
    elif law.indices.size > 0:
        shift_ranks(places, out)


@kernel
def draw_items(
    law: Law,
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    rows: NDArray[np.int64],
    items: NDArray[np.int32],
) -> None:
    """Fill `items`, (batch, num_negatives): -1 where a user has none."""
    num_slots = items.shape[1]
    if num_slots == 0:
        return
    together = max(DRAWS_AT_ONCE // num_slots, 1)
    words = np.empty(together * num_slots, np.uint64)
    places = np.empty(together * num_slots, np.int32)
    counts = np.ones(together, np.int64)
    for start in range(0, users.size, together):
        stop = min(start + together, users.size)
        size = (stop - start) * num_slots
        draw_groups(
            law, k0, k1, users[start:stop], rows[start:stop], counts[: stop - start], num_slots,
            words[:size], places[:size], items[start:stop].reshape(-1),
        )  # fmt: skip


@kernel
def log_q_of_draws(
    law: Law,
    users: NDArray[np.int64],
    items: NDArray[np.int32],
    log_q: NDArray[np.float32],
) -> None:
    """Fill the log-probabilities of drawn items, (batch, num_negatives): -inf for -1."""
    for r in range(users.size):
        log_left = law.log_left[U(left_entry(law, users[U(r)]))]
        for slot in range(items.shape[1]):
            item = items[U(r), U(slot)]
            if item < 0:
                log_q[U(r), U(slot)] = -np.inf
            elif law.kind == UNIFORM:
                log_q[U(r), U(slot)] = -log_left
            else:
                log_q[U(r), U(slot)] = law.log_share[U(item)] - log_left


@inlined
def left_entry(law: Any, user: Any) -> Any:
    """Return where `log_left` has what is left to a user."""
    if law.indptr.size == 0:
        return np.int64(0)
    return law.indptr[U(user + 1)] - law.indptr[U(user)] if law.kind == UNIFORM else user


@kernel
def log_prob_pairs(
    law: Law, users: NDArray[np.int64], items: NDArray[np.int64], out: NDArray[np.float64]
) -> None:
    """Fill log q(item | user) for pairs of users and items; -inf off the support."""
    indptr, indices = law.indptr, law.indices
    for index in range(out.size):
        user, item = users[index], items[index]
        if indptr.size > 0:
            low, end = indptr[user], indptr[user + 1]
            high = end
            while low < high:
                middle = (low + high) >> 1
                if indices[middle] < item:
                    low = middle + 1
                else:
                    high = middle
            if low < end and indices[low] == item:
                out[index] = -np.inf
                continue
        log_left = law.log_left[left_entry(law, user)]
        if law.kind == UNIFORM:
            out[index] = -log_left
        else:  # -inf for weight zero, also where nothing is left at all
            share = law.log_share[item]
            out[index] = share - log_left if share > -np.inf else share
