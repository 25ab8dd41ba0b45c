"""Exposure by expectation maximisation: a click is a labelled positive, selected not at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from recneg.checks import check_count, check_number
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions, check_ids
from recneg.keys import Key, as_key, random_floats
from recneg.logistic import sigmoid
from recneg.propensity.attributes import ItemAttributes, item_attributes
from recneg.propensity.exposure import CLIP, Exposure, check_clip
from recneg.propensity.power_law import power_law

__all__ = ["SarEm", "sar_em"]

BLOCK_PAIRS = 1 << 19
"""Pairs in memory at a time: a dozen arrays of 4 MB."""

WINDOW = 10
"""Iterations over which the improvement is measured."""

LARGEST_START = 0.9
"""Exposure at the start; at 1 whatever is not clicked is irrelevant, and e could never fall."""

NEARLY_ONE = 1 - 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class SarEm:
    """What `sar_em` learned.

    Attributes
    ----------
    exposure : Exposure
        By item.
    user_factors, item_factors : numpy.ndarray of float64, (num_users, d + 1), (num_items, d + 1)
        Relevance is the sigmoid of their inner products; the last column of `item_factors` is 1.
    history : numpy.ndarray of float64, shape (iterations,)
        Mean penalised log-likelihood of a pair before each iteration; never falls.
    """

    exposure: Exposure
    user_factors: NDArray[np.float64]
    item_factors: NDArray[np.float64]
    history: NDArray[np.float64]

    def relevance(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """Return the relevance f of user and item indices that broadcast against each other."""
        u = check_ids(users, "user", len(self.user_factors))
        i = check_ids(items, "item", len(self.item_factors))
        return sigmoid(np.einsum("...d,...d->...", self.user_factors[u], self.item_factors[i]))


def sar_em(
    interactions: Interactions,
    *,
    groups: ArrayLike | None = None,
    features: ArrayLike | None = None,
    factors: int = 4,
    regularization: float = 0.3,
    prior: float = 0.5,
    max_iterations: int = 500,
    tolerance: float = 1e-4,
    clip: float = CLIP,
    key: int | Key = 0,
) -> SarEm:
    """Learn exposure e and relevance f together from clicks (SAR-EM; Bekker, Robberechts, Davis).

    The model of "Beyond the Selected Completely At Random Assumption" (ECML PKDD 2019), carried
    over to recommendation: ``P(s = 1) = f_ui e_i``, with f a logistic matrix factorisation and e a
    function of attributes of the item. Each iteration computes the chance that a pair is relevant,
    ``y = s + (1 - s) f (1 - e) / (1 - f e)``, fits f to y and 1 - y, and e to the clicks s weighted
    by y. Both steps raise the likelihood: e in closed form (by a bound where there are features), f
    by the quadratic bound of the logistic function (Boehning and Lindsay 1988), users and items in
    turn.

    What is not identifiable: the product f e is, its parts are only as far as the forms of f and e
    differ. Doubling every e and halving every f changes little while both are small, so the *scale*
    of e leans on the start and the penalty; its *ratios* between items are what to use. An
    attribute that moves relevance as well as exposure is counted as exposure; what exposure owes to
    the user is counted as relevance.

    An iteration takes time users x items x factors; memory is 32 (factors + 1) bytes a user and an
    item, and a dozen arrays of half a million pairs.

    Parameters
    ----------
    interactions : Interactions
        The clicks s.
    groups : int array, shape (num_items,), optional
        Items of one group share their exposure. Default: each item by itself.
    features : float array, shape (num_items, k), optional
        Exposure is logistic in them, with an intercept; instead of `groups`. Their units do not
        matter: they are standardised, and a slight L2 penalty keeps their weights finite.
    factors : int
        Of relevance; may be 0, for one relevance a user. Too many take over what is exposure.
    regularization : float
        Positive: L2 penalty on the factors, and on how far a user's bias is from `prior`'s logit.
    prior : float
        Relevance at the start, in (0, 1).
    max_iterations : int
    tolerance : float
        Stops when the likelihood of a pair rose by less than this part of itself in 10 iterations.
    clip : float
    key : int or Key
        Of the factors at the start.

    Examples
    --------
    >>> from recneg.simulation import simulate
    >>> world = simulate(60, 40, 500, key=3)
    >>> learned = sar_em(world.interactions, factors=2, max_iterations=20)
    >>> learned.exposure
    Exposure(40 items, over items, clip=0.01)
    >>> bool(np.all(np.diff(learned.history) >= 0))
    True
    """
    check_clip(clip)
    _check(factors, regularization, prior, max_iterations, tolerance, interactions)
    attributes = item_attributes(interactions, groups, features)
    num_users, num_items = interactions.num_users, interactions.num_items
    logit = float(np.log(prior / (1 - prior)))
    users, items = (
        (random_floats(as_key(key).fold_in(side), np.arange(n)[:, None], np.arange(factors)) - 0.5)
        for side, n in enumerate((num_users, num_items))
    )
    users = np.column_stack((users, np.full(num_users, logit)))
    items = np.column_stack((items, np.ones(num_items)))
    centre = np.append(np.zeros(factors), logit)
    guess = power_law(interactions, clip=clip).items
    e = attributes.start(np.minimum(guess, LARGEST_START))
    history: list[float] = []
    with threadpool_limits(1, "blas"):  # whose sums would depend on the number of threads
        for _ in range(max_iterations):
            objective = _step_users(interactions, users, items, e, regularization, centre)
            history.append((objective - attributes.penalty(e)) / (num_users * num_items))
            e = _step_items(interactions, users, items, e, regularization, attributes)
            if len(history) > WINDOW:
                rise = history[-1] - history[-1 - WINDOW]
                if rise < tolerance * abs(history[-1]):
                    break
    return SarEm(Exposure(e, None, clip), users, items, np.asarray(history))


def _expect(
    interactions: Interactions,
    users: NDArray[np.float64],
    items: NDArray[np.float64],
    e: NDArray[np.float64],
    start: int,
    stop: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return f, the expected relevance y, and the likelihood of each pair of a block of users."""
    f = sigmoid(users[start:stop] @ items.T)
    clicked = np.minimum(f * e, NEARLY_ONE)
    missed = 1 - clicked
    y = (f - clicked) / missed
    first, last = interactions.indptr[start], interactions.indptr[stop]
    row = np.repeat(np.arange(stop - start), np.diff(interactions.indptr[start : stop + 1]))
    item = interactions.indices[first:last]
    missed[row, item] = np.maximum(clicked[row, item], 1e-300)
    y[row, item] = 1.0
    return f, y, missed


def _step_users(
    interactions: Interactions,
    users: NDArray[np.float64],
    items: NDArray[np.float64],
    e: NDArray[np.float64],
    regularization: float,
    centre: NDArray[np.float64],
) -> float:
    """Move the user factors uphill, in place; return the penalised log-likelihood before it."""
    bound = items.T @ items / 4 + regularization * np.eye(items.shape[1])
    away = users - centre
    penalty = (away**2).sum() + (items[:, :-1] ** 2).sum()
    value = -regularization / 2 * float(penalty)
    for start, stop in _blocks(interactions):
        f, y, likelihood = _expect(interactions, users, items, e, start, stop)
        value += float(np.log(likelihood).sum())
        gradient = (y - f) @ items - regularization * away[start:stop]
        users[start:stop] += np.linalg.solve(bound, gradient.T).T
    return value


def _step_items(
    interactions: Interactions,
    users: NDArray[np.float64],
    items: NDArray[np.float64],
    e: NDArray[np.float64],
    regularization: float,
    attributes: ItemAttributes,
) -> NDArray[np.float64]:
    """Move the item factors uphill, in place, but for the constant column; return the new e."""
    part = users[:, :-1]
    bound = part.T @ part / 4 + regularization * np.eye(part.shape[1])
    gradient = -regularization * items[:, :-1]
    expected = np.zeros(interactions.num_items)
    for start, stop in _blocks(interactions):
        f, y, _ = _expect(interactions, users, items, e, start, stop)
        expected += y.sum(axis=0)
        gradient += (y - f).T @ part[start:stop]
    if part.shape[1]:
        items[:, :-1] += np.linalg.solve(bound, gradient.T).T
    return attributes.fit(expected, e)


def _blocks(interactions: Interactions) -> list[tuple[int, int]]:
    size = max(BLOCK_PAIRS // interactions.num_items, 1)
    ends = range(0, interactions.num_users, size)
    return [(start, min(start + size, interactions.num_users)) for start in ends]


def _check(
    factors: int,
    regularization: float,
    prior: float,
    max_iterations: int,
    tolerance: float,
    interactions: Interactions,
) -> None:
    check_count(factors, "factors", 0)
    check_number(regularization, "regularization", "positive")
    if np.isnan(tolerance):
        raise ValueError(f"tolerance must not be NaN; got {tolerance}")
    if not 0 < prior < 1:
        raise ValueError(f"prior must lie in (0, 1); got {prior}")
    check_count(max_iterations, "max_iterations")
    if not interactions.num_interactions:
        raise InvalidDataError("exposure is learned from clicks; got no interactions")
