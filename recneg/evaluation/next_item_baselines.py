"""What a trained sequence model has to beat: the popular items, and what follows the last item."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_count
from recneg.sequences import Sequences, check_sequences

__all__ = ["MostPopularNext", "Transitions", "most_popular_next", "transitions"]

EXACT_WINDOW = 10
"""The longest window whose weights are too far apart for the backoff to overrule one."""


class MostPopularNext:
    """Scores every item by how often it came after another one, whatever the sequence.

    Parameters
    ----------
    train : Sequences
    """

    def __init__(self, train: Sequences) -> None:
        self.item_factors = _next_counts(train)[:, None]

    def next_item_vectors(self, sequences: Sequences) -> NDArray[np.float64]:
        """Return a vector of one number, 1, for each event."""
        return np.ones((sequences.num_events, 1))

    def __repr__(self) -> str:
        return f"MostPopularNext({len(self.item_factors)} items)"


class Transitions:
    """Scores items by how often they followed the last item in train: a first-order Markov chain.

    With a `window` beyond 1 these are the sequential rules of Ludewig and Jannach (2018, section
    3.1): item b gets 1 / d for each time it came d events after item a, for d up to the window.
    With `both_ways` it gets the same for each time it came before a: co-occurrence. Items that
    never followed come after all others, the popular ones first.

    Parameters
    ----------
    train : Sequences
    window : int
        At least 1.
    both_ways : bool
    """

    def __init__(self, train: Sequences, *, window: int = 1, both_ways: bool = False) -> None:
        from scipy.sparse import coo_matrix

        check_count(window, "window")
        owners = train.owners()
        shape = (train.num_items, train.num_items)
        total: Any = coo_matrix(shape, dtype=np.float64).tocsr()
        for distance in range(1, window + 1):
            same = owners[distance:] == owners[:-distance]
            before, after = train.items[:-distance][same], train.items[distance:][same]
            total += coo_matrix((np.full(after.size, 1 / distance), (before, after)), shape).tocsr()
        total = total + total.T if both_ways else total
        self._rules = total.tocsr()
        counts = _next_counts(train)
        # weights of windows up to 10 are multiples of 1 / 2520: it decides among equals alone
        share = 1e-4
        if window > EXACT_WINDOW:
            self._rules.data, share = _places_in_rows(self._rules), 0.5
        self._backoff = share * counts / (counts.sum() + 1)

    def __call__(self, sequences: Sequences) -> NDArray[np.float64]:
        """Return scores, float64 of shape (num_events, num_items).

        With a window beyond 10, whose weights can be as near to each other as you like, the score
        is not the weight but its place among those that followed the same item, from 1.
        """
        scores = np.empty((sequences.num_events, self._backoff.size))
        scores[:] = self._backoff
        rules = self._rules[sequences.items]
        rows = np.repeat(np.arange(sequences.num_events), np.diff(rules.indptr))
        scores[rows, rules.indices] += rules.data
        return scores

    def __repr__(self) -> str:
        return f"Transitions({self._backoff.size} items, {self._rules.nnz} rules)"


def most_popular_next(train: Sequences) -> MostPopularNext:
    """Return the most-popular baseline of `train`, a model for `evaluate_next_item`."""
    return MostPopularNext(check_sequences(train, "train"))


def transitions(train: Sequences, *, window: int = 1, both_ways: bool = False) -> Transitions:
    """Return the baseline of what followed the last item, a model for `evaluate_next_item`."""
    return Transitions(check_sequences(train, "train"), window=window, both_ways=both_ways)


def _places_in_rows(rules: Any) -> NDArray[np.float64]:
    """Return the place of each weight among the distinct ones of its row, from 1."""
    rows = np.repeat(np.arange(rules.shape[0]), np.diff(rules.indptr))
    order = np.lexsort((rules.data, rows))
    higher = np.ones(order.size, np.int64)  # equal sums differ by rounding
    higher[1:] = (np.diff(rules.data[order]) > 1e-9) | (np.diff(rows[order]) > 0)
    running, places = np.cumsum(higher), np.empty(order.size)
    before = np.concatenate(([0], running))[rules.indptr[:-1]]
    places[order] = running - before[rows]
    return places


def _next_counts(train: Sequences) -> NDArray[np.float64]:
    """Return how often each item came after another event, float64 of shape (num_items,)."""
    starts = train.indptr[:-1][train.lengths() > 0]
    counts = train.item_counts() - np.bincount(train.items[starts], minlength=train.num_items)
    return counts.astype(np.float64)
