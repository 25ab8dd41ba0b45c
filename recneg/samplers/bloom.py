"""Bits of each user's excluded items, which rule out nearly all draws that are none of them.

A weighted law draws from all items and asks afterwards whether the user has seen the item. A
Bloom filter answers from one word of memory: "no", or "perhaps", and few draws are left to be
looked up. (Bloom, CACM 13, 1970; all bits of an item in one word: Putze, Sanders and Singler,
"Cache-, hash- and space-efficient Bloom filters", WEA 2007.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.intrinsics import prefetch
from recneg.jit import inlined, kernel
from recneg.parallel import map_blocks

__all__ = ["bloom_of", "find_hits"]

U = np.uint64  # indices of this type spare Numba's check for negative ones

USERS_AT_ONCE = 1 << 13


def bloom_of(indptr: NDArray[np.int64], indices: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Return the bits of all users, 16 an excluded item: user u's words begin at
    ``indptr[u] // 4 + u``, a word for four items.
    """
    num_users = len(indptr) - 1
    bits = np.zeros(len(indices) // 4 + num_users, np.uint64)
    map_blocks(
        lambda start, stop: _fill(indptr, indices, start, stop, bits), num_users, USERS_AT_ONCE
    )
    return bits


@kernel
def _fill(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    first: int,
    last: int,
    bits: NDArray[np.uint64],
) -> None:
    for user in range(first, last):
        start, words = words_of(indptr, user)
        for entry in range(indptr[user], indptr[user + 1]):
            mixed = spread(indices[entry])
            bits[start + word_at(mixed, words)] |= bits_at(mixed)


@kernel
def find_hits(
    bits: NDArray[np.uint64],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    users: NDArray[np.int64],
    counts: NDArray[np.int64],
    num_slots: int,
    items: NDArray[np.int32],
    hits: NDArray[np.int64],
    owners: NDArray[np.int64],
) -> int:
    """Note where `items` has an excluded one or -1, in order, and the group; return their number.

    `items`, `hits` and `owners` have ``counts[g] * num_slots`` entries for ``users[g]``, one group
    after the other. `indices` may be empty: then only -1 is noted.
    """
    index, left = 0, 0
    if indices.size == 0:
        for group in range(users.size):
            for _ in range(counts[U(group)] * num_slots):
                hits[U(left)], owners[U(left)] = index, group
                left += items[U(index)] < 0
                index += 1
        return left
    for group in range(users.size):
        start, words = words_of(indptr, users[U(group)])
        for _ in range(counts[U(group)] * num_slots):
            spot = start + word_at(spread(items[U(index)]), words)
            prefetch(bits, U(spot))
            hits[U(index)], owners[U(index)] = spot, group  # for now the word of each
            index += 1
    for draw in range(index):
        item = items[U(draw)]
        wanted = bits_at(spread(item))
        there = bits[U(hits[U(draw)])] & wanted
        hits[U(left)], owners[U(left)] = draw, owners[U(draw)]  # no branch to mispredict
        left += (there == wanted) | (item < 0)
    return _looked_up(indptr, indices, users, items, hits[:left], owners[:left])


@kernel
def _looked_up(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    users: NDArray[np.int64],
    items: NDArray[np.int32],
    hits: NDArray[np.int64],
    owners: NDArray[np.int64],
) -> int:
    """Keep the places of `hits` whose item is excluded or -1; return their number.

    All bisections go step by step together, so that their reads do not wait for each other.
    """
    first, size = np.empty(hits.size, np.int64), np.empty(hits.size, np.int64)
    wanted, longest, final = np.empty(hits.size, np.int32), np.int64(0), indices.size - 1
    for hit in range(hits.size):
        user = U(users[U(owners[U(hit)])])
        first[U(hit)] = indptr[user]
        size[U(hit)] = indptr[user + U(1)] - indptr[user]
        wanted[U(hit)] = items[U(hits[U(hit)])]
        longest = max(longest, size[U(hit)])
    while longest > 1:
        longest -= longest >> 1
        for hit in range(hits.size):
            half = size[U(hit)] >> 1
            probe = indices[U(first[U(hit)] + half - 1)] if half > 0 else np.int32(0)
            first[U(hit)] += half * np.int64(probe < wanted[U(hit)])  # a branch would mispredict
            size[U(hit)] -= half
    found = 0
    for hit in range(hits.size):
        item, at = wanted[U(hit)], min(first[U(hit)], final)
        excluded = (item < 0) | ((size[U(hit)] > 0) & (indices[U(at)] == item))
        hits[U(found)], owners[U(found)] = hits[U(hit)], owners[U(hit)]
        found += excluded
    return found


@inlined
def words_of(indptr: Any, user: Any) -> Any:
    """Return where a user's words begin, and how many there are."""
    begin = indptr[U(user)]
    size = indptr[U(user) + U(1)] - begin
    return (begin >> 2) + np.int64(user), U(max((size + 3) >> 2, 1))


@inlined
def spread(item: Any) -> Any:
    """Return 64 bits of an item, each of which depends on many of its own."""
    mixed = U(np.uint32(item)) * U(0x9E3779B97F4A7C15)
    return mixed ^ (mixed >> U(32))


@inlined
def word_at(mixed: Any, words: Any) -> Any:
    """Return which of a user's words has an item's bits: by the high half."""
    return np.int64(((mixed >> U(32)) * words) >> U(32))


@inlined
def bits_at(mixed: Any) -> Any:
    """Return an item's three bits of a word: by the low half."""
    one = U(1)
    return (
        (one << (mixed & U(63))) | (one << ((mixed >> U(6)) & U(63)))
        | (one << ((mixed >> U(12)) & U(63)))
    )  # fmt: skip
