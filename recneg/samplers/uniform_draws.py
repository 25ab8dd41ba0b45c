"""Kernels for uniform laws: random ranks among the items that a user may get, and their items.

A rank becomes an item by skipping the excluded items below it, which a `Directory` finds: no draw
is ever rejected.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.jit import inlined, kernel
from recneg.keys import bounded, fill_words, rejected, word
from recneg.samplers.directory import count_excluded
from recneg.samplers.groups import block_of_groups

__all__ = ["draw_uniform"]

U = np.uint64  # indices of this type spare Numba's check for negative ones


@kernel
def draw_uniform(
    num_items: int,
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    before: NDArray[np.int32],
    shifts: NDArray[np.uint8],
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    first_rows: NDArray[np.int64],
    counts: NDArray[np.int64],
    num_slots: int,
    out: NDArray[np.int32],
) -> None:
    """Draw from a uniform law; see `recneg.samplers.draws.draw_groups`.

    The first five are those of a `Law`: each array more costs compilation, and microseconds a call.
    """
    group: Any = 0
    start: Any = 0
    while group < users.size:
        last, size = block_of_groups(group, counts, num_slots)
        words, part = np.empty(size, np.uint64), out[start : start + size]
        of, rows, many = users[group:last], first_rows[group:last], counts[group:last]
        fill_words(k0, k1, rows, many, num_slots, words)
        first_ranks(num_items, indptr, k0, k1, of, rows, many, num_slots, words, part)
        if indices.size > 0:
            places = np.empty(size, np.int32)
            count_excluded(indptr, indices, before, shifts, of, many, num_slots, part, places)
            shift_ranks(places, part)
        group, start = last, start + size


@inlined
def first_ranks(
    num_items: int,
    indptr: NDArray[np.int64],
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


@inlined
def shift_ranks(places: NDArray[np.int32], out: NDArray[np.int32]) -> None:
    """Turn ranks into items: skip the excluded ones below."""
    for index in range(out.size):
        out[U(index)] += places[U(index)] if out[U(index)] >= 0 else np.int32(0)
