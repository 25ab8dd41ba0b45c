"""Metrics of lists with graded relevance, all users at once, from flat arrays of their pairs.

A metric takes the lists as ranked, the same lists in the best order, and k; it returns one float64
a user of the test set. What it gives for users without a relevant item has no meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from recneg.interactions import Interactions

__all__ = ["UNIFORM_METRICS", "Lists"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Lists:
    """Test pairs, user after user and best first, and the relevance of each."""

    test: Interactions
    users: NDArray[np.int32]
    gains: Values

    @property
    def ranks(self) -> NDArray[np.int64]:
        """From 1 in each user's list."""
        return np.arange(1, len(self.test) + 1) - self.test.indptr[self.users]

    def total(self, values: Values, k: int | None = None) -> Values:
        """Return the sum over each user's first k places, or over all of them."""
        inside = values if k is None else np.where(self.ranks <= k, values, 0.0)
        sums = np.bincount(self.users, inside, minlength=self.test.num_users)
        return sums.astype(np.float64)  # of no values they are integers

    def precisions(self) -> Values:
        """Return the mean relevance of the list down to each place."""
        running = np.concatenate(([0.0], np.cumsum(self.gains)))
        return np.asarray((running[1:] - running[self.test.indptr[self.users]]) / self.ranks)


def _dcg(lists: Lists, ideal: Lists, k: int) -> Values:
    return lists.total(lists.gains / np.log2(lists.ranks + 1.0), k)


def _ndcg(lists: Lists, ideal: Lists, k: int) -> Values:
    return _ratio(_dcg(lists, ideal, k), _dcg(ideal, ideal, k))


def _recall(lists: Lists, ideal: Lists, k: int) -> Values:
    return _ratio(lists.total(lists.gains, k), lists.total(lists.gains))


def _map(lists: Lists, ideal: Lists, k: int) -> Values:
    found = lists.total(lists.gains * lists.precisions(), k)
    return _ratio(found, np.minimum(lists.total(lists.gains), k))


def _rel_mf_dcg(lists: Lists, ideal: Lists, k: int) -> Values:
    return lists.total(lists.gains / np.maximum(np.log2(lists.ranks), 1.0), k)


def _ratio(part: Values, whole: Values) -> Values:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


UNIFORM_METRICS: Mapping[str, Callable[[Lists, Lists, int], Values]] = MappingProxyType(
    {"ndcg": _ndcg, "dcg": _dcg, "recall": _recall, "map": _map, "rel_mf_dcg": _rel_mf_dcg}
)
"""Metrics of `evaluate_uniform` by name."""
