"""What all truths of simulated data share: pairs, realised relevance, pickling."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.frozen import Frozen
from recneg.ids import check_ids
from recneg.keys import Key, random_floats

__all__ = ["KnownTruth"]


class KnownTruth(Frozen):
    """A frozen dataclass of arrays and numbers that knows the truth of every pair.

    Its methods take indices that broadcast against each other and return arrays of that shape, so
    ``truth.relevance(users[:, None], np.arange(num_items))`` is a block of the full matrix.
    """

    relevance_key: Key

    @property
    @abstractmethod
    def num_users(self) -> int:
        """Number of users."""

    @property
    @abstractmethod
    def num_items(self) -> int:
        """Number of items."""

    @abstractmethod
    def relevance(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """Return gamma, the probability that each item is relevant to each user."""

    def is_relevant(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.bool_]:
        """Return R, the realised relevance: what a user asked about the item would answer."""
        u, i = self._pairs(users, items)
        return np.asarray(random_floats(self.relevance_key, u, i) < self.relevance(u, i))

    def _pairs(
        self, users: ArrayLike, items: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        u, i = np.broadcast_arrays(
            check_ids(users, "user", self.num_users), check_ids(items, "item", self.num_items)
        )
        return u, i
