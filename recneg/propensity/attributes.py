"""What exposure may depend on in SAR-EM: the item, a group of items, or features of the item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import ID_LIMIT, Interactions, check_ids
from recneg.logistic import sigmoid

__all__ = ["ItemAttributes", "item_attributes"]

RIDGE = 1e-3
"""L2 penalty of the weights of features, finite thus where they separate the items."""


@dataclass(frozen=True, eq=False)
class ItemAttributes:
    """The exposure model: one value a group, or logistic in features.

    Attributes
    ----------
    clicks : numpy.ndarray of float64, shape (num_items,)
    groups : numpy.ndarray of int64, shape (num_items,)
    features : numpy.ndarray of float64, shape (num_items, k + 1), optional
        Standardised, with the intercept as the last column; then `groups` is not used.
    """

    clicks: NDArray[np.float64]
    groups: NDArray[np.int64]
    features: NDArray[np.float64] | None

    def start(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the model's form of a first guess: means of groups, or one value for all."""
        if self.features is not None:
            return np.full_like(theta, theta.mean())
        sizes = np.bincount(self.groups)
        return (np.bincount(self.groups, theta) / np.maximum(sizes, 1))[self.groups]

    def fit(self, expected: NDArray[np.float64], e: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the e that raises the likelihood of the clicks among the expected relevant.

        Parameters
        ----------
        expected : numpy.ndarray of float64, shape (num_items,)
            Expected number of users to whom each item is relevant; at least its clicks.
        e : numpy.ndarray of float64, shape (num_items,)
            The exposure so far.
        """
        if self.features is None:
            clicks, total = (np.bincount(self.groups, x) for x in (self.clicks, expected))
            return np.asarray((clicks / np.maximum(total, 1e-300))[self.groups])
        x, weights = self.features, self._weights(e)
        ridge = np.append(np.full(x.shape[1] - 1, RIDGE), 0.0)
        for _ in range(5):
            e = sigmoid(x @ weights)
            gradient = x.T @ (self.clicks - expected * e) - ridge * weights
            weights = weights + np.linalg.solve(
                x.T @ (x * (expected / 4)[:, None]) + np.diag(ridge), gradient
            )
        return sigmoid(x @ weights)

    def penalty(self, e: NDArray[np.float64]) -> float:
        """Return what the weights of the features that give `e` take from the likelihood."""
        if self.features is None:
            return 0.0
        return RIDGE / 2 * float((self._weights(e)[:-1] ** 2).sum())

    def _weights(self, e: NDArray[np.float64]) -> NDArray[np.float64]:
        logits = np.log(e) - np.log1p(-e)
        assert self.features is not None
        weights = np.linalg.lstsq(self.features, logits, rcond=None)[0]  # exact: e is logistic
        return np.asarray(weights)


def item_attributes(
    interactions: Interactions, groups: ArrayLike | None, features: ArrayLike | None
) -> ItemAttributes:
    """Check the attributes, one row for every item; without any, each item is its own group."""
    n = interactions.num_items
    clicks = interactions.item_counts().astype(np.float64)
    if groups is not None and features is not None:
        raise ValueError("exposure must depend on groups or on features; got both")
    if features is not None:
        x = np.asarray(features, np.float64)
        if x.ndim != 2 or len(x) != n or not np.isfinite(x).all():
            raise InvalidDataError(
                f"features must be finite, of shape ({n}, k); got shape {x.shape}"
            )
        deviation = x.std(axis=0)
        x = (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
        return ItemAttributes(clicks, np.empty(0, np.int64), np.column_stack((x, np.ones(n))))
    labels = np.arange(n) if groups is None else check_ids(groups, "group", ID_LIMIT)
    if labels.shape != (n,):
        raise InvalidDataError(f"groups must have shape ({n},); got {labels.shape}")
    return ItemAttributes(clicks, np.unique(labels, return_inverse=True)[1], None)
