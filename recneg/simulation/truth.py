"""What a simulated world really is: the probability of every event, for any pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.jit import kernel
from recneg.keys import Key
from recneg.simulation.known_truth import KnownTruth

__all__ = ["Truth"]


@kernel
def relevance_of(
    bias: float,
    user_factors: NDArray[np.float32],
    item_factors: NDArray[np.float32],
    user: int,
    item: int,
) -> float:
    """Return ``sigmoid(bias + user . item)`` of one pair."""
    logit = bias
    for factor in range(user_factors.shape[1]):
        logit += np.float64(user_factors[user, factor]) * np.float64(item_factors[item, factor])
    return float(1.0 / (1.0 + np.exp(-logit)))


@kernel
def _relevances(
    bias: float,
    user_factors: NDArray[np.float32],
    item_factors: NDArray[np.float32],
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    for index in range(out.size):
        out[index] = relevance_of(bias, user_factors, item_factors, users[index], items[index])


@dataclass(frozen=True, eq=False, repr=False)
class Truth(KnownTruth):
    """The known truth behind simulated interactions.

    Its methods take indices that broadcast against each other and return arrays of that shape, so
    ``truth.relevance(users[:, None], np.arange(num_items))`` is a block of the full matrix.

    Attributes
    ----------
    user_factors, item_factors : numpy.ndarray of float32, shapes (num_users, d), (num_items, d)
    bias : float
        Relevance is ``sigmoid(bias + user_factors[u] @ item_factors[i])``.
    user_activity : numpy.ndarray of float64, shape (num_users,)
    item_popularity : numpy.ndarray of float64, shape (num_items,)
        Share of all showings, seen or not; sums to one.
    item_examination : numpy.ndarray of float64, shape (num_items,)
        Probability that a showing of the item is examined.
    edges : numpy.ndarray of float64, shape (num_items + 1,)
        Running sum of popularity times examination: item i owns ``edges[i] .. edges[i + 1]``.
    scale : float
        Expected number of showings of a user of activity one.
    false_positive_rate, false_negative_rate : float
    relevance_key : Key
        With it, ``(user, item)`` decides the realised relevance.
    """

    user_factors: NDArray[np.float32]
    item_factors: NDArray[np.float32]
    bias: float
    user_activity: NDArray[np.float64]
    item_popularity: NDArray[np.float64]
    item_examination: NDArray[np.float64]
    edges: NDArray[np.float64]
    scale: float
    false_positive_rate: float
    false_negative_rate: float
    relevance_key: Key

    @property
    def num_users(self) -> int:
        """Number of users."""
        return len(self.user_activity)

    @property
    def num_items(self) -> int:
        """Number of items."""
        return len(self.item_popularity)

    def __repr__(self) -> str:
        return f"Truth({self.num_users} users, {self.num_items} items, scale {self.scale:.4g})"

    def relevance(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """Return gamma, the probability that each item is relevant to each user."""
        u, i = self._pairs(users, items)
        out = np.empty(u.shape)
        _relevances(
            self.bias,
            self.user_factors,
            self.item_factors,
            u.flatten(),
            i.flatten(),
            out.reshape(-1),
        )
        return out

    def exposure(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """Return theta, the probability that each user examined each item at least once."""
        u, i = self._pairs(users, items)
        rates = self.edges[i + 1] - self.edges[i]
        return np.asarray(-np.expm1(-self.scale * self.user_activity[u] * rates))

    def click(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """Return the probability that each pair is among the interactions."""
        return self.exposure(users, items) * self.click_if_exposed(users, items)

    def click_if_exposed(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """Return ``gamma (1 - fn) + (1 - gamma) fp``: the click probability of what is examined."""
        gamma = self.relevance(users, items)
        return gamma * (1 - self.false_negative_rate) + (1 - gamma) * self.false_positive_rate
