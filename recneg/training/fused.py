"""The fused CPU engine: score, gradient and update in one kernel over blocks of users.

Users are visited in a shuffled order, `BLOCK_USERS` at a time; the positives of a block are
shuffled among themselves. A block's user vectors then stay in the first cache, and the vectors of
items are asked for before their turn. Kernels are serial and hold no GIL; several of
them may run on the same factors at a time without locks (Hogwild; Niu et al., NeurIPS 2011).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.intrinsics import prefetch_row
from recneg.jit import inlined, kernel, kernel_fast
from recneg.keys import Key, philox
from recneg.losses.bpr import bpr_weight

__all__ = ["BLOCK_USERS", "bpr_users", "random_factors"]

BLOCK_USERS = 64
"""Users of a block: at 64 factors their vectors take 16 KB, half of a first-level cache."""

AHEAD = 4
"""Pairs between asking for the vectors of items and using them: item tables exceed caches."""

U = np.uint64


@kernel
def _fill_factors(k0: np.uint32, k1: np.uint32, scale: float, out: NDArray[np.float32]) -> None:
    low = np.float32(2.0**-32)
    for row in range(out.shape[0]):
        r = np.uint64(row)
        for first in range(0, out.shape[1], 4):
            words = philox(
                np.uint32(r), np.uint32(r >> U(32)), np.uint32(first >> 2), np.uint32(0), k0, k1
            )
            for offset in range(min(4, out.shape[1] - first)):
                unit = (np.float32(words[offset]) + np.float32(0.5)) * low - np.float32(0.5)
                out[row, first + offset] = np.float32(scale) * unit


def random_factors(num_rows: int, factors: int, deviation: float, key: Key) -> NDArray[np.float32]:
    """Return uniform random factors, shape (num_rows, factors), mean 0, the given deviation.

    A row depends on (key, row) alone, not on the number of rows.
    """
    out = np.empty((num_rows, factors), np.float32)
    _fill_factors(*key.words, deviation * 12.0**0.5, out)
    return out


@kernel
def _shuffle(k0: np.uint32, k1: np.uint32, block: int, size: int, order: NDArray[np.int32]) -> None:
    """Fill ``order[:size]`` with a random permutation (Fisher and Yates), four swaps a block.

    The bounded integers are 32-bit products, biased by at most ``size / 2**32``: this is the order
    of visits and no sampling law.
    """
    for index in range(size):
        order[index] = index
    b = np.uint64(block)
    words = philox(np.uint32(b), np.uint32(b >> U(32)), np.uint32(0), np.uint32(0), k0, k1)
    for index in range(size - 1, 0, -1):
        step = size - 1 - index
        if step & 3 == 0:
            words = philox(
                np.uint32(b), np.uint32(b >> U(32)), np.uint32(step >> 2), np.uint32(0), k0, k1
            )
        other = np.int64((U(words[step & 3]) * U(index + 1)) >> U(32))
        order[index], order[other] = order[other], order[index]


@inlined
def _bpr_step(
    user_factors: Any,
    item_factors: Any,
    u: Any,
    i: Any,
    j: Any,
    bias: Any,
    rate: Any,
    decay_u: Any,
    decay_i: Any,
    decay_j: Any,
    pair_weight: Any,
) -> Any:
    """Take one step on a triple; return the score difference and the pair's weight before it."""
    score = bias
    for f in range(user_factors.shape[1]):
        score += user_factors[u, f] * (item_factors[i, f] - item_factors[j, f])
    weight = np.float32(bpr_weight(score))
    step = np.float32(rate * weight * pair_weight)
    for f in range(user_factors.shape[1]):
        w, p, n = user_factors[u, f], item_factors[i, f], item_factors[j, f]
        user_factors[u, f] = w * decay_u + step * (p - n)
        item_factors[i, f] = p * decay_i + step * w
        item_factors[j, f] = n * decay_j - step * w
    return score, weight


@kernel_fast
def bpr_users(
    users: NDArray[np.int32],
    negatives: NDArray[np.int32],
    pair_weights: NDArray[np.float32],
    first_block: int,
    num_slots: int,
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    s0: np.uint32,
    s1: np.uint32,
    user_factors: NDArray[np.float32],
    item_factors: NDArray[np.float32],
    item_biases: NDArray[np.float32],
    rate: float,
    regularization: tuple[float, float, float, float],
) -> tuple[float, int, int]:
    """Train on all positives of `users`; return the sum of losses, correct pairs, and pairs.

    `negatives` has `num_slots` for each positive, in the order of `users`; -1 is none. The key
    ``(s0, s1)`` shuffles the blocks. `regularization` is for users, positives, negatives and
    biases.
    """
    with_bias, weighted = item_biases.size > 0, pair_weights.size > 0
    rate32, ahead = np.float32(rate), max(AHEAD // max(num_slots, 1), 1)
    decay_user = np.float32(1.0 - rate * regularization[0])
    decay_positive = np.float32(1.0 - rate * regularization[1])
    decay_negative = np.float32(1.0 - rate * regularization[2])
    decay_bias = np.float32(1.0 - rate * regularization[3])
    loss, correct, updates, pairs = 0.0, 0, 0, 0
    for start in range(0, users.size, BLOCK_USERS):
        stop = min(start + BLOCK_USERS, users.size)
        size: Any = np.int64(0)
        for user in users[start:stop]:
            size += indptr[user + 1] - indptr[user]
        owner, positive = np.empty(size, np.int64), np.empty(size, np.int32)
        filled = 0
        for user in users[start:stop]:  # loops: `np.repeat` takes Numba a second to compile
            for row in range(indptr[user], indptr[user + 1]):
                owner[filled], positive[filled] = user, indices[row]
                filled += 1
        drawn = negatives[pairs : pairs + size * num_slots]
        first_pair = pairs
        pairs += drawn.size
        order = np.empty(size, np.int32)
        _shuffle(s0, s1, first_block + start // BLOCK_USERS, size, order)
        product = 1.0  # of probabilities: one logarithm serves many pairs
        for visit in range(size):
            place, coming = order[U(visit)], order[U(min(visit + ahead, size - 1))]
            prefetch_row(item_factors, positive[U(coming)])
            for slot in range(num_slots):
                prefetch_row(item_factors, max(drawn[U(coming * num_slots + slot)], 0))
            i = positive[U(place)]
            u, ii = U(owner[U(place)]), U(i)
            for slot in range(num_slots):
                j = drawn[U(place * num_slots + slot)]
                if j < 0 or j == i:
                    continue
                jj = U(j)
                bias = item_biases[ii] - item_biases[jj] if with_bias else np.float32(0.0)
                pair_weight = np.float32(1.0)
                if weighted:
                    pair_weight = pair_weights[U(first_pair + place * num_slots + slot)]
                score, weight = _bpr_step(
                    user_factors, item_factors, u, ii, jj, bias,
                    rate32, decay_user, decay_positive, decay_negative, pair_weight,
                )  # fmt: skip
                if with_bias:
                    bias_step = rate32 * weight * pair_weight
                    item_biases[ii] = item_biases[ii] * decay_bias + bias_step
                    item_biases[jj] = item_biases[jj] * decay_bias - bias_step
                updates += 1
                if score > 0:
                    correct += 1
                if score > -10.0:
                    product *= 1.0 - weight
                    if product < 1e-290:
                        loss -= np.log(product)
                        product = 1.0
                else:
                    loss -= score  # to within e**-10 of it
        loss -= np.log(product)
    return loss, correct, updates
