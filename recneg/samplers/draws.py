"""Drawing from a `Law`, for a batch and for all positives of users, and the probabilities.

Draws come in groups: the consecutive rows of one user, each with the same number of slots. In a
batch a group is a row; in training it holds all positives of a user. A uniform draw is a random
rank and the number of excluded items below it, which a `Directory` helps to find; a weighted one is
a random item, drawn again if it is excluded, which a Bloom filter rules out for most. Each phase of
the kernels is one call for all groups of a block, because a call that passes arrays costs more in
reference counting than a draw does, and because reads of memory for different draws then do not
wait for each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.jit import inlined, kernel
from recneg.keys import Key
from recneg.samplers.law import UNIFORM, Law
from recneg.samplers.uniform_draws import draw_uniform
from recneg.samplers.weighted_draws import draw_weighted, settle

__all__ = ["draw_groups", "draw_into", "draw_items", "log_prob_pairs"]

U = np.uint64  # indices of this type spare Numba's check for negative ones


def draw_groups(
    law: Law,
    key: Key,
    users: NDArray[np.int64],
    first_rows: NDArray[np.int64],
    counts: NDArray[np.int64],
    num_slots: int,
    out: NDArray[np.int32],
) -> None:
    """Draw `num_slots` items for each of ``counts[g]`` rows from ``first_rows[g]`` of ``users[g]``.

    Parameters
    ----------
    law : Law
    key : Key
    users, first_rows, counts : numpy.ndarray of int64, shape (num_groups,)
    num_slots : int
    out : numpy.ndarray of int32, shape (sum of counts * num_slots,)
        Filled, group after group; -1 for a user without an admissible item.
    """
    batch = (*key.words, users, first_rows, counts, num_slots, out)
    indptr, indices = law.indptr, law.indices
    if law.kind == UNIFORM:  # kernels that are not called are not compiled
        draw_uniform(law.num_items, indptr, indices, law.before, law.shifts, *batch)
    elif draw_weighted(law.alias, law.residual, law.bits, indptr, indices, *batch) > 0:
        settle(law, *batch)


def draw_items(
    law: Law,
    key: Key,
    users: NDArray[np.int64],
    rows: NDArray[np.int64],
    items: NDArray[np.int32],
) -> None:
    """Fill `items`, (batch, num_negatives), for single rows: -1 where a user has none."""
    counts = np.ones(users.size, np.int64)
    draw_groups(law, key, users, rows, counts, items.shape[1], items.reshape(-1))


def draw_into(
    law: Law,
    key: Key,
    users: NDArray[np.int64],
    rows: NDArray[np.int64],
    items: NDArray[np.int64],
    log_q: NDArray[np.float32],
) -> None:
    """Fill `items` and `log_q`, (batch, num_negatives): -1 and -inf where a user has none."""
    drawn = np.empty(items.shape, np.int32)
    draw_items(law, key, users, rows, drawn)
    _weigh(law.kind, law.indptr, law.log_share, law.log_left, users, drawn, items, log_q)


@kernel
def _weigh(
    kind: int,
    indptr: NDArray[np.int64],
    log_share: NDArray[np.float64],
    log_left: NDArray[np.float64],
    users: NDArray[np.int64],
    drawn: NDArray[np.int32],
    items: NDArray[np.int64],
    log_q: NDArray[np.float32],
) -> None:
    for r in range(users.size):
        left = log_left[U(left_entry(kind, indptr, users[U(r)]))]
        for slot in range(items.shape[1]):
            item = drawn[U(r), U(slot)]
            items[U(r), U(slot)] = item
            if item < 0:
                log_q[U(r), U(slot)] = -np.inf
            elif kind == UNIFORM:
                log_q[U(r), U(slot)] = -left
            else:
                log_q[U(r), U(slot)] = log_share[U(item)] - left


@inlined
def left_entry(kind: Any, indptr: Any, user: Any) -> Any:
    """Return where `Law.log_left` has what is left to a user."""
    if indptr.size == 0:
        return np.int64(0)
    return indptr[U(user + 1)] - indptr[U(user)] if kind == UNIFORM else user


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
        log_left = law.log_left[left_entry(law.kind, indptr, user)]
        if law.kind == UNIFORM:
            out[index] = -log_left
        else:  # -inf for weight zero, also where nothing is left at all
            share = law.log_share[item]
            out[index] = share - log_left if share > -np.inf else share
