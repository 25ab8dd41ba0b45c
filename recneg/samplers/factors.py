"""Frozen factors of a model: what laws that follow the scores are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions, check_interactions
from recneg.jit import inlined
from recneg.samplers.arrays import numpy_and_back
from recneg.samplers.base import Sampler

__all__ = [
    "FactorSampler",
    "first_above",
    "frozen_factors",
    "inner",
    "unit_float",
    "within_float32",
]

U = np.uint64  # indices of this type spare Numba's check for negative ones
_11 = np.uint64(11)


@dataclass(frozen=True, eq=False)
class FactorSampler(Sampler):
    """Base of the laws over the scores ``user_factors @ item_factors.T`` of a model.

    The factors are copied: the law stays what it was while the model is trained. A trainer rebuilds
    it with ``make(interactions, user_factors, item_factors)``.

    Parameters
    ----------
    interactions : Interactions
        The training interactions.
    user_factors : array_like, shape (num_users, d)
    item_factors : array_like, shape (num_items, d)
        Finite numbers, kept as float32; ``d >= 1``. An item bias is a last factor that is 1 for
        every user.
    unseen : bool
        Draw only items that the user has not interacted with (the default), or any item.

    Raises
    ------
    InvalidDataError
        For factors of another shape, or that are not finite.
    """

    _item_order: ClassVar[Literal["C", "F"]] = "C"

    interactions: Interactions
    user_factors: NDArray[np.float32] = field(repr=False)
    item_factors: NDArray[np.float32] = field(repr=False)
    unseen: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        check_interactions(self.interactions, "interactions")
        if self.num_items == 0:
            raise InvalidDataError("a sampler needs at least one item; got 0")
        users = frozen_factors(self.user_factors, "user", self.num_users)
        items = frozen_factors(self.item_factors, "item", self.num_items, self._item_order)
        if users.shape[1] != items.shape[1]:
            raise InvalidDataError(
                "user_factors and item_factors must have the same number of columns; "
                f"got {users.shape[1]} and {items.shape[1]}"
            )
        object.__setattr__(self, "user_factors", users)
        object.__setattr__(self, "item_factors", items)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for array in (self.user_factors, self.item_factors):  # NumPy does not pickle the flag
            array.setflags(write=False)


def frozen_factors(
    values: ArrayLike, name: str, size: int, order: Literal["C", "F"] = "C"
) -> NDArray[np.float32]:
    """Return a read-only float32 copy of factors, contiguous in the given order, after checks."""
    with np.errstate(over="ignore"):
        factors = np.array(numpy_and_back(values)[0], np.float32, order=order)
    if factors.ndim != 2 or factors.shape[0] != size or factors.shape[1] == 0:
        raise InvalidDataError(
            f"{name}_factors must have shape ({size}, d) with d >= 1; got {factors.shape}"
        )
    wrong = ~np.isfinite(factors).all(axis=1)
    if wrong.any():
        raise InvalidDataError(
            f"{name}_factors must be finite in float32; those of {name} {np.argmax(wrong)} are not"
        )
    factors.setflags(write=False)
    return factors


def within_float32(log_q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `log_q` with -inf, as its conversion gives, in place of what float32 cannot hold."""
    log_q[log_q < -np.finfo(np.float32).max] = -np.inf
    return log_q


@inlined
def inner(left: Any, i: Any, first: Any, right: Any, j: Any) -> Any:
    """Return the inner product of row j of `right` with row i of `left` from column `first` on.

    It sums in float64, factor after factor, so it does not depend on the processor.
    """
    total = 0.0
    for f in range(right.shape[1]):
        total += np.float64(left[U(i), U(first + f)]) * np.float64(right[U(j), U(f)])
    return total


@inlined
def unit_float(bits: Any) -> Any:
    """Return the float in ``[0, 1)`` of a word, a multiple of ``2**-53``."""
    return np.float64(bits >> _11) * 2.0**-53


@inlined
def first_above(running: Any, target: Any) -> Any:
    """Return the first position whose running mass is above `target`, else the last position.

    What is found has a mass of its own if ``0 <= target < running[-1]``. A float below 1 times the
    total is below the total also when rounded.
    """
    low, high = 0, running.size - 1
    while low < high:
        middle = (low + high) >> 1
        if running[U(middle)] <= target:
            low = middle + 1
        else:
            high = middle
    return low
