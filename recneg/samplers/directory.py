"""A directory of each user's excluded items: where to look, without a search through all of them.

Draws of users in random order wait for memory: a bisection of a history takes several steps to
lines that no cache has, one after the other. A directory cuts what is searched, ranks or items,
into buckets of equal width and states how many excluded items lie before each. So a draw reads one
entry of the directory and one place of the history, and the reads of different draws do not wait
for each other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.jit import kernel
from recneg.parallel import map_blocks

__all__ = ["NO_DIRECTORY", "Directory", "count_in_buckets", "directory_of"]

U = np.uint64

USERS_AT_ONCE = 1 << 13


class Directory(NamedTuple):
    """Buckets of each user, at most half as many as he has excluded items: 2 bytes an item.

    Attributes
    ----------
    before : numpy.ndarray of int32
        Excluded items before each bucket of a user, and at his end all of them. User u's entries
        begin at ``indptr[u] // 2 + 2 * u``.
    shifts : numpy.ndarray of uint8, shape (num_users,)
        Logarithm to base 2 of the width of a user's buckets.
    """

    before: NDArray[np.int32]
    shifts: NDArray[np.uint8]


NO_DIRECTORY = Directory(np.empty(0, np.int32), np.empty(0, np.uint8))


def directory_of(
    num_items: int, indptr: NDArray[np.int64], indices: NDArray[np.int32], by_rank: bool
) -> Directory:
    """Return the directory of sorted excluded items.

    Parameters
    ----------
    num_items : int
    indptr, indices
        Excluded items of each user, sorted.
    by_rank : bool
        Whether buckets are of ranks among the items that are not excluded, or of items.
    """
    num_users = len(indptr) - 1
    before = np.empty(len(indices) // 2 + 2 * num_users, np.int32)
    shifts = np.empty(num_users, np.uint8)
    map_blocks(
        lambda start, stop: _fill(num_items, indptr, indices, by_rank, start, stop, before, shifts),
        num_users,
        USERS_AT_ONCE,
    )
    return Directory(before, shifts)


@kernel
def _fill(
    num_items: int,
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    by_rank: bool,
    first: int,
    last: int,
    before: NDArray[np.int32],
    shifts: NDArray[np.uint8],
) -> None:
    for user in range(first, last):
        begin, size = indptr[user], indptr[user + 1] - indptr[user]
        width = num_items - size if by_rank else np.int64(num_items)
        shift, start = 0, (begin >> 1) + 2 * user
        while (width >> shift) > (size >> 1):
            shift += 1
        shifts[user] = shift
        buckets, bucket = ((width - 1) >> shift) + 1 if width > 0 else 1, 0
        for j in range(size):
            value = indices[begin + j] - j if by_rank else indices[begin + j]
            while bucket <= min(value >> shift, buckets):
                before[start + bucket] = j
                bucket += 1
        while bucket <= buckets:
            before[start + bucket] = size
            bucket += 1


@kernel
def count_in_buckets(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    before: NDArray[np.int32],
    shifts: NDArray[np.uint8],
    by_rank: bool,
    users: NDArray[np.int64],
    num_slots: int,
    values: NDArray[np.int32],
    places: NDArray[np.int32],
) -> Any:
    """Fill `places` with the numbers of excluded items that have at most each value.

    By rank, an item's value is the number of items before it that are not excluded. `values` and
    `places` have `num_slots` entries for each of the users; negative values get any place.
    """
    index, met = 0, 0
    for r in range(users.size):
        user = U(users[U(r)])
        start, shift = (indptr[user] >> 1) + 2 * users[U(r)], shifts[user]
        for _ in range(num_slots):
            bucket = max(np.int64(values[U(index)]), np.int64(0)) >> shift
            places[U(index)] = before[U(start + bucket)]
            index += 1
    index, last = 0, np.int64(indices.size - 1)
    for r in range(users.size):  # these reads do not wait for each other either
        begin = indptr[U(users[U(r)])]
        for _ in range(num_slots):
            met += indices[U(min(begin + places[U(index)], last))]
            index += 1
    index = 0
    for r in range(users.size):
        user = U(users[U(r)])
        begin, start, shift = indptr[user], (indptr[user] >> 1) + 2 * users[U(r)], shifts[user]
        for _ in range(num_slots):
            value, place = np.int64(values[U(index)]), np.int64(places[U(index)])
            end = np.int64(before[U(start + (max(value, np.int64(0)) >> shift) + 1)])
            while end - place > 4:  # many excluded items side by side
                middle = (place + end) >> 1
                if indices[U(begin + middle)] - (middle if by_rank else 0) <= value:
                    place = middle + 1
                else:
                    end = middle
            low, more = place, np.int64(0)
            for step in range(4):
                at = low + step
                held = indices[U(min(begin + at, last))] - (at if by_rank else 0)
                more += np.int64((at < end) & (held <= value))
            places[U(index)] = np.int32(low + more)
            index += 1
    return met
