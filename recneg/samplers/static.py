"""Samplers whose law is data: drawn by one compiled kernel, in the batch path and in training."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recneg.interactions import Interactions, check_interactions
from recneg.keys import Key
from recneg.samplers.base import Sampler
from recneg.samplers.draws import draw_into, log_prob_pairs
from recneg.samplers.law import Law

__all__ = ["StaticSampler", "draw_law", "log_prob_law"]


@dataclass(frozen=True, eq=False)
class StaticSampler(Sampler):
    """Base of the laws that reduce to data; a subclass gives `_build`.

    Parameters
    ----------
    interactions : Interactions
        The training interactions, and nothing else: what is in here is never drawn if `unseen`.
    unseen : bool
        Draw only items that the user has not interacted with (the default), or any item.
    """

    interactions: Interactions
    unseen: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        check_interactions(self.interactions, "interactions")
        _ = self.law  # errors in the data show here, not at the first draw

    @abstractmethod
    def _build(self) -> Law: ...

    @cached_property
    def law(self) -> Law:
        """The law as data."""
        return self._build()

    def _draw(
        self, users: NDArray[np.int64], num_negatives: int, key: Key, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return draw_law(self.law, users, num_negatives, key, rows)

    def _log_prob(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        return log_prob_law(self.law, users, items)


def draw_law(
    law: Law, users: NDArray[np.int64], num_negatives: int, key: Key, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Draw (items, log_q), each (batch, num_negatives), from a law that is data."""
    items = np.empty((users.size, num_negatives), np.int64)
    log_q = np.empty((users.size, num_negatives), np.float32)
    draw_into(law, key, users, rows, items, log_q)
    return items, log_q


def log_prob_law(
    law: Law, users: NDArray[np.int64], items: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return log q(item | user) of a law that is data, for two arrays of one shape."""
    out = np.empty(items.shape, np.float64)
    log_prob_pairs(law, users.flatten(), items.flatten(), out.reshape(-1))
    return out
