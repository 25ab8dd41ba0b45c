"""Clicks with known truth whose relevance and exposure are those of real ratings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.checks import check_count, check_number
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.keys import Key, as_key, random_floats, random_integers
from recneg.logistic import sigmoid
from recneg.simulation.known_truth import KnownTruth

__all__ = ["RatedTruth", "SemiSynthetic", "semi_synthetic"]

BLOCK_PAIRS = 1 << 22
"""Pairs looked at together: some 100 MiB of their random numbers and probabilities."""

Floats = NDArray[np.float64]
Slopes = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, eq=False, repr=False)
class RatedTruth(KnownTruth):
    """The known truth behind semi-synthetic clicks, with the methods of `Truth`.

    They take indices that broadcast against each other and return arrays of that shape.

    Attributes
    ----------
    rating_users, rating_items : numpy.ndarray of float64, shapes (num_users, d), (num_items, d)
        Their inner products are the expected ratings.
    seen_users, seen_items : numpy.ndarray of float64, shapes (num_users, d), (num_items, d)
        Their inner products are the logits of having been rated.
    low, high : float
        Expected ratings are held within these.
    epsilon, exponent : float
    exposure_key, relevance_key : Key
        With them, ``(user, item)`` decides what was realised.
    """

    rating_users: Floats
    rating_items: Floats
    seen_users: Floats
    seen_items: Floats
    low: float
    high: float
    epsilon: float
    exponent: float
    exposure_key: Key
    relevance_key: Key

    @property
    def num_users(self) -> int:
        """Number of users."""
        return len(self.rating_users)

    @property
    def num_items(self) -> int:
        """Number of items."""
        return len(self.rating_items)

    def __repr__(self) -> str:
        return (
            f"RatedTruth({self.num_users} users, {self.num_items} items, "
            f"epsilon={self.epsilon:g}, exponent={self.exponent:g})"
        )

    def relevance(self, users: ArrayLike, items: ArrayLike) -> Floats:
        """Return gamma, the probability that each item is relevant to each user."""
        u, i = self._pairs(users, items)
        ratings = _products(self.rating_users, self.rating_items, u, i)
        return sigmoid(np.clip(ratings, self.low, self.high) - self.epsilon)

    def exposure(self, users: ArrayLike, items: ArrayLike) -> Floats:
        """Return theta, the probability that each user saw each item."""
        u, i = self._pairs(users, items)
        seen = sigmoid(_products(self.seen_users, self.seen_items, u, i))
        return np.asarray(seen**self.exponent)

    def click(self, users: ArrayLike, items: ArrayLike) -> Floats:
        """Return ``theta gamma``, the probability that each pair is among the interactions."""
        return self.exposure(users, items) * self.relevance(users, items)

    def is_exposed(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.bool_]:
        """Return O, the realised exposure."""
        u, i = self._pairs(users, items)
        return np.asarray(random_floats(self.exposure_key, u, i) < self.exposure(u, i))


@dataclass(frozen=True)
class SemiSynthetic:
    """Semi-synthetic clicks.

    Attributes
    ----------
    interactions : Interactions
        The clicks, in the id space of the ratings.
    truth : RatedTruth
        Relevance and exposure of any pair.
    """

    interactions: Interactions
    truth: RatedTruth


def semi_synthetic(
    ratings: Interactions,
    *,
    exponent: float = 1.0,
    epsilon: float = 5.0,
    key: int | Key = 0,
    factors: int = 20,
    learning_rate: float = 0.01,
    steps: int = 300,
    batch_size: int = 256,
) -> SemiSynthetic:
    """Turn ratings into clicks whose relevance and exposure are known (Saito et al., WSDM 2020).

    Two matrix factorizations, without biases and regularization, are fitted by Adam on batches of
    pairs, drawn with replacement: one by squared loss to the ratings, one by logistic loss to the
    matrix of what was rated, its pairs uniform over all. From their predictions r, held within the
    range of the ratings, and o follow

    - ``gamma_ui = sigmoid(r_ui - epsilon)`` and ``R ~ Bernoulli(gamma)``;
    - ``theta_ui = o_ui ** exponent`` and ``O ~ Bernoulli(theta)``;
    - clicks where ``O R = 1``.

    Settings are the published ones; they stop far from convergence. Both truths are of low rank
    by construction, so this tells how a method copes with exposure, not with a wrong model. The
    same key gives the same R at every exponent, and exposures that are nested. Memory is that of
    the factors; time is that of looking at every pair once, a second for ten million.

    Parameters
    ----------
    ratings : Interactions
        With ratings as weights.
    exponent : float, default 1
        Not negative: 0 for everything seen; the larger, the more it is popular items that are seen.
    epsilon : float, default 5
        The rating at which half of the items are relevant.
    key : int or Key
    factors, steps, batch_size : int
    learning_rate : float
        Of Adam.

    Raises
    ------
    InvalidDataError
        For interactions without ratings, or none at all.
    ValueError
        For a parameter outside its range.
    FloatingPointError
        If the factors overflow.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rated = np.nonzero(rng.random((50, 40)) < 0.3)
    >>> ratings = Interactions.from_arrays(*rated, weights=rng.integers(1, 6, rated[0].size))
    >>> semi_synthetic(ratings, key=1).truth
    RatedTruth(50 users, 40 items, epsilon=5, exponent=1)
    """
    if ratings.weights is None or not len(ratings):
        raise InvalidDataError(
            f"ratings must hold at least one pair with a rating as its weight; got {ratings!r}"
            + ("" if ratings.weights is not None else " without weights")
        )
    check_number(exponent, "exponent", "not negative")
    check_number(epsilon, "epsilon")
    check_number(learning_rate, "learning_rate", "positive")
    for name, value in (("factors", factors), ("steps", steps), ("batch_size", batch_size)):
        check_count(value, name)
    streams = [as_key(key).fold_in(number) for number in range(4)]
    owners, values = ratings.users(), ratings.weights.astype(np.float64)
    slots = np.arange(batch_size)

    def rated(step: int) -> _Batch:
        rows = random_integers(streams[0], len(ratings), step, slots)
        return _Batch(owners[rows], ratings.indices[rows], values[rows])

    def any_pair(step: int) -> _Batch:
        users = random_integers(streams[1], ratings.num_users, step, 2 * slots)
        items = random_integers(streams[1], ratings.num_items, step, 2 * slots + 1)
        return _Batch(users, items, ratings.contains(users, items).astype(np.float64))

    fits = [
        _factorize(ratings, batch, slopes, stream.fold_in(0), factors, learning_rate, steps)
        for batch, slopes, stream in (
            (rated, _squared_slopes, streams[0]),
            (any_pair, _logistic_slopes, streams[1]),
        )
    ]
    low, high = float(values.min()), float(values.max())
    truth = RatedTruth(*fits[0], *fits[1], low, high, epsilon, exponent, streams[2], streams[3])
    return SemiSynthetic(_clicks(truth, ratings), truth)


@dataclass(frozen=True)
class _Batch:
    users: NDArray[Any]
    items: NDArray[Any]
    targets: Floats


def _squared_slopes(scores: Floats, targets: Floats) -> Floats:
    return 2 * (scores - targets)


def _logistic_slopes(scores: Floats, targets: Floats) -> Floats:
    return sigmoid(scores) - targets


def _factorize(
    ratings: Interactions,
    batch: Callable[[int], _Batch],
    slopes: Slopes,
    key: Key,
    factors: int,
    learning_rate: float,
    steps: int,
) -> tuple[Floats, Floats]:
    """Descend along the mean loss of each batch with Adam over the whole tables."""
    tables = [
        _glorot(key.fold_in(side), size, factors)
        for side, size in enumerate((ratings.num_users, ratings.num_items))
    ]
    means, squares = ([np.zeros_like(table) for table in tables] for _ in range(2))
    for step in range(steps):
        rows = batch(step)
        u, i = tables[0][rows.users], tables[1][rows.items]
        slope = (slopes((u * i).sum(axis=1), rows.targets) / len(rows.targets))[:, None]
        for side, (index, gradient) in enumerate(
            ((rows.users, slope * i), (rows.items, slope * u))
        ):
            total = np.zeros_like(tables[side])
            np.add.at(total, index, gradient)
            means[side] = 0.9 * means[side] + 0.1 * total
            squares[side] = 0.999 * squares[side] + 0.001 * total**2
            mean = means[side] / (1 - 0.9 ** (step + 1))
            spread = np.sqrt(squares[side] / (1 - 0.999 ** (step + 1)))
            tables[side] -= learning_rate * mean / (spread + 1e-8)
    if not all(np.isfinite(table.sum()) for table in tables):
        raise FloatingPointError(
            f"factors must stay finite; choose a smaller learning_rate, got {learning_rate}"
        )
    return tables[0], tables[1]


def _glorot(key: Key, num_rows: int, factors: int) -> Floats:
    """Return numbers uniform in ±sqrt(6 / (num_rows + factors)) (Glorot and Bengio, 2010)."""
    floats = random_floats(key, np.arange(num_rows)[:, None], np.arange(factors))
    return np.asarray((2 * floats - 1) * np.sqrt(6 / (num_rows + factors)))


def _clicks(truth: RatedTruth, ratings: Interactions) -> Interactions:
    items = np.arange(truth.num_items)
    at_once = max(1, BLOCK_PAIRS // max(truth.num_items, 1))
    found = []
    for start in range(0, truth.num_users, at_once):
        users = np.arange(start, min(start + at_once, truth.num_users))[:, None]
        rows, columns = np.nonzero(truth.is_exposed(users, items) & truth.is_relevant(users, items))
        found.append((rows + start, columns))
    return Interactions.from_arrays(
        *(np.concatenate(part) for part in zip(*found, strict=True)),
        num_users=truth.num_users,
        num_items=truth.num_items,
        user_ids=ratings.user_ids,
        item_ids=ratings.item_ids,
    )


def _products(
    left: Floats, right: Floats, users: NDArray[np.int64], items: NDArray[np.int64]
) -> Floats:
    """Return inner products, one factor at a time: no table of factors for every pair."""
    total = np.zeros(users.shape)
    for factor in range(left.shape[1]):
        total += left[users, factor] * right[items, factor]
    return total
