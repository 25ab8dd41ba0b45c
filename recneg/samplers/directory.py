"""A directory of each user's excluded items: where to look, without a search through all of them.

Draws of users in random order wait for memory: a bisection of a history takes several steps to
lines that no cache has, one after the other. A directory cuts the ranks among a user's other items
into buckets of equal width and states how many excluded items lie before each. So a draw reads one
entry of the directory and one place of the history, both asked for beforehand.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.intrinsics import WINDOW, count_in_window, prefetch
from recneg.jit import kernel
from recneg.parallel import map_blocks

__all__ = ["NO_DIRECTORY", "Directory", "count_excluded", "directory_of"]

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
    num_items: int, indptr: NDArray[np.int64], indices: NDArray[np.int32]
) -> Directory:
    """Return the directory of sorted excluded items.

    Parameters
    ----------
    num_items : int
    indptr, indices
        Excluded items of each user, sorted.
    """
    num_users = len(indptr) - 1
    before = np.empty(len(indices) // 2 + 2 * num_users, np.int32)
    shifts = np.empty(num_users, np.uint8)
    map_blocks(
        lambda start, stop: _fill(num_items, indptr, indices, start, stop, before, shifts),
        num_users,
        USERS_AT_ONCE,
    )
    return Directory(before, shifts)


@kernel
def _fill(
    num_items: int,
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    first: int,
    last: int,
    before: NDArray[np.int32],
    shifts: NDArray[np.uint8],
) -> None:
    for user in range(first, last):
        begin, size = indptr[user], indptr[user + 1] - indptr[user]
        width = num_items - size
        shift, start = 0, (begin >> 1) + 2 * user
        while (width >> shift) > (size >> 1):
            shift += 1
        shifts[user] = shift
        buckets, bucket = ((width - 1) >> shift) + 1 if width > 0 else 1, 0
        for j in range(size):
            value = indices[begin + j] - j
            while bucket <= min(value >> shift, buckets):
                before[start + bucket] = j
                bucket += 1
        while bucket <= buckets:
            before[start + bucket] = size
            bucket += 1


@kernel
def count_excluded(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    before: NDArray[np.int32],
    shifts: NDArray[np.uint8],
    users: NDArray[np.int64],
    counts: NDArray[np.int64],
    num_slots: int,
    ranks: NDArray[np.int32],
    places: NDArray[np.int32],
) -> None:
    """Fill `places` with the number of excluded items before the item of each rank.

    Ranks are among the items that are not excluded. `ranks` and `places` have
    ``counts[g] * num_slots`` entries for ``users[g]``, one group after the other; negative ranks
    get any place.
    """
    spots = np.empty(ranks.size, np.int64)  # of the directory's entries, then of the history
    ends = np.empty(ranks.size, np.int32)
    index = 0
    for group in range(users.size):
        user = U(users[U(group)])
        start, shift = (indptr[user] >> 1) + 2 * np.int64(user), shifts[user]
        for _ in range(counts[U(group)] * num_slots):
            bucket = max(np.int64(ranks[U(index)]), np.int64(0)) >> shift
            spots[U(index)] = start + bucket
            prefetch(before, U(start + bucket))
            index += 1
    index = 0
    for group in range(users.size):
        begin = indptr[U(users[U(group)])]
        for _ in range(counts[U(group)] * num_slots):
            entry = U(spots[U(index)])
            place = before[entry]
            places[U(index)], ends[U(index)] = place, before[entry + U(1)]
            spots[U(index)] = begin + place
            prefetch(indices, U(begin + place))
            prefetch(indices, U(begin + place + WINDOW - 1))
            index += 1
    final = np.int64(indices.size - WINDOW)
    for draw in range(index):
        rank, spot = ranks[U(draw)], spots[U(draw)]
        low, high = np.int64(places[U(draw)]), np.int64(ends[U(draw)])
        begin = spot - low
        while high - low > WINDOW or (final < 0 and low < high):  # side by side, or no window
            middle = (low + high) >> 1
            if indices[U(begin + middle)] - middle <= rank:
                low = middle + 1
            else:
                high = middle
        if final >= 0:
            at = min(begin + low, final)
            first = np.int32(at - begin)
            low = np.int64(first) + count_in_window(indices, at, first, np.int32(high), rank)
        places[U(draw)] = np.int32(low)
