"""The most-popular baseline: every user gets the items with the highest training counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.interactions import Interactions, check_interactions

__all__ = ["MostPopular", "most_popular"]


class MostPopular:
    """Scores every item by its count in train, the same for all users.

    Ties, frequent in the tail, go to the smaller item id when ranked.

    Parameters
    ----------
    train : Interactions
    """

    def __init__(self, train: Interactions) -> None:
        self._counts = check_interactions(train, "train").item_counts().astype(np.float64)

    def __call__(self, users: NDArray[np.int64]) -> NDArray[Any]:
        """Return scores, float64 of shape (len(users), num_items), a read-only view."""
        return np.broadcast_to(self._counts, (len(users), self._counts.size))

    def __repr__(self) -> str:
        return f"MostPopular({self._counts.size} items)"


def most_popular(train: Interactions) -> MostPopular:
    """Return the most-popular baseline of `train`, a model for `evaluate`."""
    return MostPopular(train)
