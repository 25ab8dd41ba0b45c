"""Position bias from displayed lists: exposure and relevance learned from each other (DLA)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.checks import check_count, check_number
from recneg.errors import InvalidDataError
from recneg.interactions import ID_LIMIT, check_ids
from recneg.keys import Key, as_key, random_bits
from recneg.propensity.exposure import CLIP, Exposure, check_clip

__all__ = ["PositionBias", "dual_learning"]

MAX_NORM = 5.0
"""Longer gradients of a batch are cut to this length, as published."""


@dataclass(frozen=True, eq=False, repr=False)
class PositionBias:
    """What `dual_learning` learned.

    Attributes
    ----------
    positions : numpy.ndarray of float64, shape (num_positions,)
        Probability that a place is examined, divided by that of the most examined place; NaN for
        a place in no list with a click, of which nothing is known.
    relevance : numpy.ndarray of float64, shape (num_items,)
        Scores of the items: relevance is proportional to their ``exp``.
    clip : float
    """

    positions: NDArray[np.float64]
    relevance: NDArray[np.float64]
    clip: float

    def __repr__(self) -> str:
        return f"PositionBias({np.array2string(self.positions, precision=3)})"

    def theta(self, positions: ArrayLike) -> NDArray[np.float64]:
        """Return the propensity of showings at these places, at least `clip`.

        Raises
        ------
        InvalidDataError
            For a place that was in no list with a click.
        """
        places = check_ids(positions, "position", len(self.positions))
        unknown = places[np.isnan(self.positions[places])]
        if unknown.size:
            raise InvalidDataError(
                f"places must be in some list with a click; {int(unknown[0])} is in none"
            )
        return np.maximum(self.positions[places], self.clip)

    def exposure(self, items: ArrayLike, positions: ArrayLike) -> Exposure:
        """Return each item's mean propensity over its showings; `clip` for one never shown.

        It is that of a *showing*, relative to the most examined place; how seldom an item is listed
        at all is not part of it.

        Parameters
        ----------
        items, positions : int arrays of one shape
            The showings.
        """
        i = check_ids(items, "item", len(self.relevance)).reshape(-1)
        theta = self.theta(positions).reshape(-1)
        if i.shape != theta.shape:
            raise InvalidDataError(f"items and positions must pair up; got {i.size}, {theta.size}")
        shown = np.bincount(i, minlength=len(self.relevance))
        total = np.bincount(i, theta, minlength=len(self.relevance))
        return Exposure(np.minimum(total / np.maximum(shown, 1), 1.0), None, self.clip)


def dual_learning(
    lists: ArrayLike,
    items: ArrayLike,
    positions: ArrayLike,
    clicks: ArrayLike,
    *,
    num_items: int | None = None,
    epochs: int = 100,
    batch_size: int = 256,
    learning_rate: float = 0.05,
    clip: float = CLIP,
    key: int | Key = 0,
) -> PositionBias:
    """Learn how likely each place of a list is examined (DLA; Ai et al., SIGIR 2018).

    Two models are trained on the clicks of displayed lists, each weighted by the other: relevance
    scores by softmax cross-entropy over the items of a list, where a click at place k weighs
    ``P(o_1) / P(o_k)``, and scores of the places by the same loss, where it weighs ``P(r_1) /
    P(r_k)``; place 1 is the first one of the list. Both probabilities are softmaxes of the other
    model's scores. Adagrad. Relevance is one score an item; what users add to it is taken as noise,
    so it must not decide the place of an item among its own showings.

    What is not identifiable: the level of examination, so that all values are relative to the most
    examined place; and the difference between places that do not show the same items: with each
    item always at one place, place and relevance are one. A click out of trust in the place counts
    as examination. Memory is 16 bytes an item and some 60 bytes a showing.

    Parameters
    ----------
    lists : int array, shape (showings,)
        Which list a showing belongs to; any numbers, in any order.
    items : int array, shape (showings,)
    positions : int array, shape (showings,)
        From 0, no place twice in one list; lists may differ in length.
    clicks : bool array, shape (showings,)
    num_items : int, optional
        Default: the largest item plus one.
    epochs, batch_size : int
        Passes, and lists of a step.
    learning_rate : float
        Of Adagrad; the published 0.05.
    clip : float
        Weights of clicks are at most ``1 / clip``.
    key : int or Key
        Of the order of the lists.

    Raises
    ------
    InvalidDataError
        For arrays that do not pair up, a place that occurs twice in a list, and no click at all.
    FloatingPointError
        If the scores overflow.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> lists, positions = np.repeat(np.arange(4000), 3), np.tile(np.arange(3), 4000)
    >>> items = np.concatenate([rng.permutation(3) for _ in range(4000)])
    >>> clicks = rng.random(12000) < np.array([0.8, 0.4, 0.2])[positions]
    >>> dual_learning(lists, items, positions, clicks)
    PositionBias([1.    0.493 0.262])
    """
    data = _sorted(lists, items, positions, clicks, num_items)
    check_clip(clip)
    check_count(epochs, "epochs")
    check_count(batch_size, "batch_size")
    check_number(learning_rate, "learning_rate", "positive")
    relevance = _Scores(data.num_items, learning_rate)
    examination = _Scores(int(data.positions.max()) + 1, learning_rate)
    lists_of_clicks = np.flatnonzero(np.add.reduceat(data.clicks, data.starts) > 0)
    for epoch in range(epochs):
        order = np.argsort(random_bits(as_key(key).fold_in(epoch), lists_of_clicks), kind="stable")
        for start in range(0, order.size, batch_size):
            chosen = lists_of_clicks[order[start : start + batch_size]]
            sizes = data.sizes[chosen]
            begins = np.cumsum(sizes) - sizes
            rows = np.repeat(data.starts[chosen] - begins, sizes) + np.arange(sizes.sum())
            items_, places, clicked = data.items[rows], data.positions[rows], data.clicks[rows]
            o = _softmax(examination.values[places], begins, sizes)
            r = _softmax(relevance.values[items_], begins, sizes)
            relevance.step(items_, _gradient(clicked, o, r, begins, sizes, clip))
            examination.step(places, _gradient(clicked, r, o, begins, sizes, clip))
    if not (np.isfinite(examination.values).all() and np.isfinite(relevance.values).all()):
        raise FloatingPointError(
            f"scores must stay finite; choose a smaller learning_rate, got {learning_rate}"
        )
    clicked_on = np.repeat(np.add.reduceat(data.clicks, data.starts) > 0, data.sizes)
    learned = np.isin(np.arange(examination.values.size), data.positions[clicked_on])
    values = np.where(learned, examination.values, np.nan)
    positions_ = np.exp(values - np.nanmax(values))
    return PositionBias(positions_, relevance.values, clip)


class _Scores:
    """Scores that Adagrad moves."""

    def __init__(self, size: int, learning_rate: float) -> None:
        self.values = np.zeros(size)
        self.squares = np.zeros(size)
        self.learning_rate = learning_rate

    def step(self, index: NDArray[np.int64], gradient: NDArray[np.float64]) -> None:
        """Descend along the summed gradients of `index`."""
        touched, inverse = np.unique(index, return_inverse=True)
        total = np.asarray(np.bincount(inverse, gradient), np.float64)
        total = total * (MAX_NORM / max(float(np.sqrt((total**2).sum())), MAX_NORM))
        self.squares[touched] += total**2
        scale = np.sqrt(self.squares[touched]) + 1e-10
        self.values[touched] -= self.learning_rate * total / scale


@dataclass(frozen=True)
class _Lists:
    """Showings in order of list and place, and where each list begins."""

    items: NDArray[np.int64]
    positions: NDArray[np.int64]
    clicks: NDArray[np.float64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    num_items: int


def _softmax(
    scores: NDArray[np.float64], begins: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the softmax of each list, its showings side by side."""
    shares = np.exp(scores - np.repeat(np.maximum.reduceat(scores, begins), sizes))
    return np.asarray(shares / np.repeat(np.add.reduceat(shares, begins), sizes))


def _gradient(
    clicks: NDArray[np.float64],
    other: NDArray[np.float64],
    own: NDArray[np.float64],
    begins: NDArray[np.int64],
    sizes: NDArray[np.int64],
    clip: float,
) -> NDArray[np.float64]:
    """Return the gradient of the mean weighted softmax cross-entropy, for each showing's score."""
    weighted = clicks * np.minimum(np.repeat(other[begins], sizes) / other, 1 / clip)
    total = np.repeat(np.add.reduceat(weighted, begins), sizes)
    return (total * own - weighted) / len(begins)


def _sorted(
    lists: ArrayLike,
    items: ArrayLike,
    positions: ArrayLike,
    clicks: ArrayLike,
    num_items: int | None,
) -> _Lists:
    ids = np.asarray(lists)
    i = check_ids(items, "item", ID_LIMIT if num_items is None else num_items)
    k = check_ids(positions, "position", ID_LIMIT)
    c = np.asarray(clicks)
    if ids.ndim != 1 or not ids.shape == i.shape == k.shape == c.shape:
        raise InvalidDataError(
            "lists, items, positions and clicks must be vectors of one length; "
            f"got shapes {ids.shape}, {i.shape}, {k.shape} and {c.shape}"
        )
    others = c[~np.isin(c, (0, 1))]
    if others.size or not c.any():
        found = others[0] if others.size else f"{c.size} of 0"
        raise InvalidDataError(f"clicks must be 0 or 1, and at least one of them 1; got {found}")
    order = np.lexsort((k, ids))
    ids, i, k = ids[order], i[order], k[order]
    same_list = ids[1:] == ids[:-1]
    if (same_list & (k[1:] == k[:-1])).any():
        twice = ids[1:][same_list & (k[1:] == k[:-1])][0]
        raise InvalidDataError(f"a list must show one item at a place; list {twice} shows two")
    starts = np.flatnonzero(np.append(True, ~same_list))
    sizes = np.diff(np.append(starts, ids.size))
    count = int(i.max()) + 1 if num_items is None else num_items
    return _Lists(i, k, c[order].astype(np.float64), starts, sizes, count)
