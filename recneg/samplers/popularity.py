"""The popularity law: items in proportion to a power of their training count."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from recneg.errors import InvalidDataError
from recneg.samplers.law import Law, weighted_law
from recneg.samplers.static import StaticSampler

__all__ = ["Popularity"]


@dataclass(frozen=True, eq=False)
class Popularity(StaticSampler):
    """Items in proportion to ``count ** exponent``, renormalised over each user's unseen items.

    The unigram law of word2vec (Mikolov et al., NeurIPS 2013) with its exponent 0.75. Counts are
    distinct users in the training interactions. An item without any has weight zero and is never
    drawn, unless the exponent is 0, where all items weigh the same.

    A draw takes an alias table, and rejects what the user has seen; after 16 rejections it draws
    once from the exact law of the unseen items, so no user can make it loop. 32 bytes an item, 16
    a user, and 8 an interaction of users who have seen over half of the weight.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    exponent : float, default 0.75
    unseen : bool, default True

    Examples
    --------
    >>> import numpy as np
    >>> from recneg import Interactions, Popularity
    >>> data = Interactions.from_arrays([0, 1, 2, 2], [0, 0, 0, 1], num_items=3)
    >>> np.exp(Popularity(data, 1.0).log_prob(1, [0, 1, 2])).tolist()
    [0.0, 1.0, 0.0]
    >>> np.exp(Popularity(data, 1.0, unseen=False).log_prob(1, [0, 1, 2])).tolist()
    [0.75, 0.25, 0.0]
    """

    exponent: float = 0.75

    def _build(self) -> Law:
        if not math.isfinite(self.exponent):
            raise InvalidDataError(f"the exponent must be finite; got {self.exponent}")
        counts = self.interactions.item_counts().astype(np.float64)
        weights = np.zeros_like(counts)
        drawn = (counts > 0) | (self.exponent == 0)
        weights[drawn] = counts[drawn] ** self.exponent
        return weighted_law(self.interactions, weights, self.unseen)
