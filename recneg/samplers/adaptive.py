"""Laws that follow something: functions that return a sampler, for trainers to call on schedule.

A sampler never changes. What depends on the current model or on the batch is a function that makes
one, and these two say when a trainer calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.samplers.base import Sampler

__all__ = ["Adaptive", "PerBatch", "described"]


@dataclass(frozen=True)
class Adaptive:
    """A law that follows the model: rebuilt from its factors every few epochs.

    Parameters
    ----------
    make : callable
        ``make(interactions, user_factors, item_factors) -> Sampler``, for example `Softmax` or
        ``functools.partial(Softmax, temperature=0.5)``. If it has a parameter ``key``, it gets one
        of the epoch.
    every : int, default 1
        Epochs between two rebuilds; the first law is that of the initial factors.

    Examples
    --------
    >>> from recneg import BPR, Interactions
    >>> from recneg.samplers import Softmax
    >>> data = Interactions.from_arrays([0, 0, 1, 2], [0, 1, 2, 1], num_items=6)
    >>> model = BPR(4, epochs=4, sampler=Adaptive(Softmax, every=2))
    >>> len(model.fit(data, show_progress=False).history)
    4
    """

    make: Callable[..., Sampler]
    every: int = 1

    def __post_init__(self) -> None:
        _check_make(self.make, "Adaptive(Softmax)")
        check_count(self.every, "every")

    def __repr__(self) -> str:
        return f"Adaptive({described(self.make)}, every={self.every})"

    def build(
        self,
        interactions: Interactions,
        user_factors: NDArray[np.float32],
        item_factors: NDArray[np.float32],
        key: Key,
    ) -> Sampler:
        """Return the law for factors whose inner products are the scores."""
        more: dict[str, Any] = {"key": key} if "key" in signature(self.make).parameters else {}
        return self.make(interactions, user_factors, item_factors, **more)


@dataclass(frozen=True)
class PerBatch:
    """A law that follows the batch: made anew from the positives of each.

    Parameters
    ----------
    make : callable
        ``make(interactions, positives) -> Sampler``, for example `InBatch`.
    batches : int, default 1
        How many batches, the last of them the current one, the positives come from. More than one
        is a queue across batches.
    """

    make: Callable[[Interactions, NDArray[np.int64]], Sampler]
    batches: int = 1

    def __post_init__(self) -> None:
        _check_make(self.make, "PerBatch(InBatch)")
        check_count(self.batches, "batches")

    def __repr__(self) -> str:
        return f"PerBatch({described(self.make)}, batches={self.batches})"


def described(make: Callable[..., Any]) -> str:
    """Return a name that is the same in every process: checkpoints are compared by it."""
    if isinstance(make, partial):
        given = [repr(value) for value in make.args]
        given += [f"{name}={value!r}" for name, value in make.keywords.items()]
        return f"{described(make.func)}({', '.join(given)})"
    return getattr(make, "__qualname__", type(make).__qualname__)


def _check_make(make: Any, example: str) -> None:
    if not callable(make):
        raise InvalidDataError(f"make must be a class or a function, as in {example}; got {make!r}")
