"""Static laws as data: the arrays that `recneg.samplers.draws` draws from.

A law reaches the compiled kernels as arrays because a compiled function that is passed as an
argument would defeat Numba's cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.jit import kernel
from recneg.parallel import map_blocks
from recneg.samplers.bloom import bloom_of
from recneg.samplers.directory import NO_DIRECTORY, directory_of
from recneg.samplers.weights import weight_table

__all__ = ["NO_LAW", "UNIFORM", "WEIGHTED", "Law", "excluding", "uniform_law", "weighted_law"]

UNIFORM, WEIGHTED = 0, 1


class Law(NamedTuple):
    """A static law q(item | user) over all items, or over those that are not excluded.

    Attributes
    ----------
    kind : int
        ``UNIFORM`` or ``WEIGHTED``.
    num_items : int
    indptr, indices : numpy.ndarray of int64 and int32
        Sorted excluded items per user; `indptr` is empty where nothing is excluded.
    alias, prefix, log_share : numpy.ndarray
        The `WeightTable` of a weighted law; empty for a uniform one.
    log_left : numpy.ndarray of float64
        Logarithm of what exclusion leaves: of uniform laws the number of items, by the number of
        excluded ones; of weighted ones the share of the weight, by user. One entry without any.
    residual : numpy.ndarray of int64, shape (num_users,)
        Units of weight left to each user after exclusion; weighted laws with exclusion only.
    gap_start : numpy.ndarray of int64, shape (num_users,)
        Where a heavy user's entries in `gaps` begin; -1 for the others.
    gaps : numpy.ndarray of int64
        For users who have seen more than half of the weight: running units of the gaps between
        their excluded items, one entry an excluded item and one more.
    before, shifts : numpy.ndarray of int32 and uint8
        The `Directory` of the excluded items; uniform laws only.
    bits : numpy.ndarray of uint64
        Of the excluded items, as `find_hits` takes them; weighted laws only.
    """

    kind: int
    num_items: int
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    alias: NDArray[np.uint64]
    prefix: NDArray[np.int64]
    log_share: NDArray[np.float64]
    log_left: NDArray[np.float64]
    residual: NDArray[np.int64]
    gap_start: NDArray[np.int64]
    gaps: NDArray[np.int64]
    before: NDArray[np.int32]
    shifts: NDArray[np.uint8]
    bits: NDArray[np.uint64]


_NO_INT = np.empty(0, np.int64)
_NO_ITEM = np.empty(0, np.int32)
_NO_ALIAS = np.empty((0, 2), np.uint64)
_NO_SHARE = np.empty(0, np.float64)
NO_LAW = Law(
    UNIFORM, 0, _NO_INT, _NO_ITEM, _NO_ALIAS, _NO_INT, _NO_SHARE, _NO_SHARE, _NO_INT, _NO_INT,
    _NO_INT, *NO_DIRECTORY, np.empty(0, np.uint64),
)  # fmt: skip
"""Stands for a law that is not data where a kernel wants one; nothing can be drawn from it."""


def uniform_law(interactions: Interactions, exclude: bool) -> Law:
    """Return the uniform law over all items, or over those that a user has not interacted with."""
    if interactions.num_items == 0:
        raise InvalidDataError("a sampler needs at least one item; got 0")
    law = NO_LAW._replace(
        num_items=interactions.num_items, log_left=np.log([float(interactions.num_items)])
    )
    return excluding(law, interactions) if exclude else law


def weighted_law(interactions: Interactions, weights: ArrayLike, exclude: bool) -> Law:
    """Return the law proportional to item weights, shape (num_items,), after exclusion."""
    table = weight_table(weights)
    if len(table.alias) != interactions.num_items:
        raise InvalidDataError(
            f"item weights must have length {interactions.num_items}; got {len(table.alias)}"
        )
    law = NO_LAW._replace(
        kind=WEIGHTED, num_items=interactions.num_items, log_left=np.zeros(1), **table._asdict()
    )  # fmt: skip
    return excluding(law, interactions) if exclude else law


def excluding(law: Law, interactions: Interactions) -> Law:
    """Return the law conditional on nothing that is in `interactions`, and only on that."""
    indptr, indices = interactions.indptr, interactions.indices
    law = law._replace(indptr=indptr, indices=indices)
    with np.errstate(divide="ignore"):
        if law.kind == UNIFORM:
            most = int(interactions.user_counts().max(initial=0))
            where = directory_of(interactions.num_items, indptr, indices)
            left = np.log(law.num_items - np.arange(most + 1.0))
            return law._replace(log_left=left, **where._asdict())
        residual, gap_start, gaps = _user_masses(law.prefix, indptr, indices)
        left = np.log(residual / float(law.prefix[-1]))
    bits = bloom_of(indptr, indices)
    return law._replace(log_left=left, residual=residual, gap_start=gap_start, gaps=gaps, bits=bits)


def _user_masses(
    prefix: NDArray[np.int64], indptr: NDArray[np.int64], indices: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the residual units of every user and the gap sums of the heavy ones."""
    num_users = len(indptr) - 1
    residual = np.empty(num_users, np.int64)
    map_blocks(
        lambda start, stop: _residuals(prefix, indptr, indices, start, stop, residual),
        num_users,
        1 << 14,
    )
    heavy = residual < prefix[-1] // 2
    sizes = np.where(heavy, np.diff(indptr) + 1, 0)
    ends = np.cumsum(sizes)
    gap_start = np.where(heavy, ends - sizes, -1)
    gaps = np.empty(int(ends[-1]) if num_users else 0, np.int64)
    _fill_gaps(prefix, indptr, indices, gap_start, gaps)
    return residual, gap_start, gaps


@kernel
def _residuals(
    prefix: NDArray[np.int64],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    start: int,
    stop: int,
    residual: NDArray[np.int64],
) -> None:
    for user in range(start, stop):
        left = prefix[-1]
        for position in range(indptr[user], indptr[user + 1]):
            item = indices[position]
            left -= prefix[item + 1] - prefix[item]
        residual[user] = left


@kernel
def _fill_gaps(
    prefix: NDArray[np.int64],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    gap_start: NDArray[np.int64],
    gaps: NDArray[np.int64],
) -> None:
    num_items = prefix.size - 1
    for user in range(gap_start.size):
        entry = gap_start[user]
        if entry < 0:
            continue
        running, begin = np.int64(0), 0
        for position in range(indptr[user], indptr[user + 1] + 1):
            stop = indices[position] if position < indptr[user + 1] else num_items
            running += prefix[stop] - prefix[begin]
            gaps[entry] = running
            entry += 1
            begin = stop + 1
