"""Item weights as exact integers: one alias table, one prefix sum, no rounding between them.

Floating-point weights are turned into integer *units* that sum to ``num_items * 2**c``, a number
close to ``2**62``. The alias table, the prefix sums and every log-probability are made from these
integers, so they state one law and not three that differ by rounding, and every positive weight
can be drawn. A weight's share of the total changes by less than ``2**-61``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidDataError
from recneg.jit import kernel

__all__ = ["WeightTable", "weight_table"]

TOTAL_BITS = 62


class WeightTable(NamedTuple):
    """Integer weights ready to draw from; 32 bytes an item.

    Attributes
    ----------
    alias : numpy.ndarray of uint64, shape (num_items, 2)
        Column 0: the threshold, in ``2**-64``, below which a bucket yields its own item.
        Column 1: the item it yields otherwise. One entry is one quarter of a cache line.
    prefix : numpy.ndarray of int64, shape (num_items + 1,)
        Units of all items before each item; the last entry is the total.
    log_share : numpy.ndarray of float64, shape (num_items,)
        Natural logarithm of each item's share of the total; -inf for weight zero.
    """

    alias: NDArray[np.uint64]
    prefix: NDArray[np.int64]
    log_share: NDArray[np.float64]


def weight_table(weights: ArrayLike) -> WeightTable:
    """Build the table of non-negative, finite weights, shape (num_items,).

    Raises
    ------
    InvalidDataError
        For an empty vector, a weight that is NaN, infinite or negative, or a total of zero.
    """
    w = np.asarray(weights, np.float64)
    if w.ndim != 1 or w.size == 0:
        raise InvalidDataError(
            f"item weights must be a vector of at least one; got shape {w.shape}"
        )
    wrong = ~(np.isfinite(w) & (w >= 0))
    if wrong.any():
        item = int(np.argmax(wrong))
        raise InvalidDataError(
            f"item weights must be finite and not negative; got {w[item]} for item {item}"
        )
    if not w.any():
        raise InvalidDataError("item weights must not all be zero")
    bits = TOTAL_BITS - (w.size - 1).bit_length()  # num_items * 2**bits <= 2**62
    units = _units(w, w.size << bits)
    prefix = np.zeros(w.size + 1, np.int64)
    np.cumsum(units, out=prefix[1:])
    alias = np.empty((w.size, 2), np.uint64)
    _fill_alias(units.copy(), bits, alias)
    with np.errstate(divide="ignore"):
        log_share = np.log(units / float(prefix[-1]))
    return WeightTable(alias, prefix, log_share)


def _units(weights: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Round weights to integers that sum to `total`; a positive weight gets at least one unit."""
    scaled = weights / weights.max()  # no overflow in the sum, no underflow of the largest
    units: NDArray[np.int64] = np.rint(scaled * (total / scaled.sum())).astype(np.int64)
    units[(units == 0) & (weights > 0)] = 1
    units[np.argmax(units)] += total - int(units.sum())  # far below one part in 2**29 of it
    return units


@kernel
def _fill_alias(units: NDArray[np.int64], bits: int, alias: NDArray[np.uint64]) -> None:
    """Vose's method in integers: every bucket holds ``2**bits`` units; consumes `units`."""
    capacity = np.int64(1) << bits
    shift = np.uint64(64 - bits)
    small = np.empty(units.size, np.int64)
    large = np.empty(units.size, np.int64)
    num_small, num_large = 0, 0
    for item in range(units.size):
        alias[item, 0] = np.uint64(0)
        alias[item, 1] = np.uint64(item)
        if units[item] < capacity:
            small[num_small] = item
            num_small += 1
        elif units[item] > capacity:
            large[num_large] = item
            num_large += 1
    while num_small > 0:  # the total is exact, so a small bucket always has a large donor
        num_small -= 1
        taker, donor = small[num_small], large[num_large - 1]
        alias[taker, 0] = np.uint64(units[taker]) << shift
        alias[taker, 1] = np.uint64(donor)
        units[donor] -= capacity - units[taker]
        if units[donor] <= capacity:
            num_large -= 1
            if units[donor] < capacity:
                small[num_small] = donor
                num_small += 1
