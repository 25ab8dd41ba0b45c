"""The popularity law: items in proportion to a power of how often they occur."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from recneg.checks import check_number
from recneg.errors import InvalidDataError
from recneg.samplers.law import Law, weighted_law
from recneg.samplers.static import StaticSampler

__all__ = ["Popularity"]


@dataclass(frozen=True, eq=False)
class Popularity(StaticSampler):
    """Items in proportion to ``max(count, floor) ** exponent``, renormalised over the unseen.

    The unigram law of word2vec (Mikolov et al., NeurIPS 2013) with its exponent 0.75. Counts are
    distinct users in the training interactions. An item without any has weight zero and is never
    drawn, unless there is a floor, or the exponent is 0, where all items weigh the same.

    A draw takes an alias table, and rejects what the user has seen; after 16 rejections it draws
    once from the exact law of the unseen items, so no user can make it loop. 32 bytes an item, 33
    a user, 2 an interaction, and 8 more for users who have seen over half of the weight.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    exponent : float, default 0.75
        Weights are whole numbers of 2**-62 of their sum, at least one: what a user has not seen
        keeps its proportions as long as it is more than some 1e-15 of all.
    floor : float, default 0
        Items count as if they occurred this often at least.
    counts : array_like of float, shape (num_items,), optional
        What to raise to the power instead of the training counts: impressions, sales, counts of
        another period. Finite and not negative.
    unseen : bool, default True

    Examples
    --------
    >>> import numpy as np
    >>> from recneg import Interactions, Popularity
    >>> data = Interactions.from_arrays([0, 1, 2, 2], [0, 0, 0, 1], num_items=3)
    >>> np.exp(Popularity(data, 1.0).log_prob(1, [0, 1, 2])).tolist()
    [0.0, 1.0, 0.0]
    >>> np.exp(Popularity(data, 1.0, floor=1, unseen=False).log_prob(1, [0, 1, 2])).round(3)
    array([0.6, 0.2, 0.2], dtype=float32)
    """

    exponent: float = 0.75
    floor: float = field(default=0.0, kw_only=True)
    counts: ArrayLike | None = field(default=None, kw_only=True, repr=False)

    def _build(self) -> Law:
        check_number(self.exponent, "exponent")
        if not 0 <= self.floor < math.inf:
            raise InvalidDataError(f"floor must be finite and not negative; got {self.floor}")
        counts = np.maximum(self._counts(), self.floor)
        weights = np.zeros_like(counts)
        drawn = (counts > 0) | (self.exponent == 0)
        with np.errstate(over="ignore", under="ignore"):
            weights[drawn] = counts[drawn] ** self.exponent
            if not np.isfinite(weights).all() or not weights[drawn].all():
                extreme = np.max if self.exponent > 0 else np.min  # the heaviest weighs 1
                weights[drawn] = (counts[drawn] / extreme(counts[drawn])) ** self.exponent
        return weighted_law(self.interactions, weights, self.unseen)

    def _counts(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        if self.counts is None:
            return self.interactions.item_counts().astype(np.float64)
        counts = np.array(self.counts, np.float64)
        if counts.shape != (self.num_items,):
            raise InvalidDataError(
                f"counts must have shape ({self.num_items},); got {counts.shape}"
            )
        wrong = ~(np.isfinite(counts) & (counts >= 0))
        if wrong.any():
            item = int(np.argmax(wrong))
            raise InvalidDataError(
                f"counts must be finite and not negative; got {counts[item]} for item {item}"
            )
        return counts
