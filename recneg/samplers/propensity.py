"""The propensity law: what is missing is drawn the more, the surer it is a true negative."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions, check_ids, check_interactions
from recneg.keys import Key
from recneg.propensity import Exposure, power_law, relmf_weights, ubpr_weights
from recneg.samplers.arrays import numpy_and_back
from recneg.samplers.base import Negatives, Sampler
from recneg.samplers.law import Law, weighted_law
from recneg.samplers.static import StaticSampler
from recneg.samplers.thinned import ThinnedSampler
from recneg.samplers.uniform import Uniform

__all__ = ["Propensity", "PropensityWeights", "mean_relevance", "true_negative"]

MOST_RELEVANT = 0.99
"""Bound of the estimated prior relevance: at 1 nothing could be a true negative."""


class PropensityWeights(NamedTuple):
    """Loss weights of a batch; see `Propensity.weights`.

    Attributes
    ----------
    relevant : float32, shape (batch,)
        Of the positive, as relevant: ``1 / theta``.
    irrelevant : float32, shape (batch,)
        Of the positive, as irrelevant: ``1 - 1 / theta``, not above zero.
    unlabelled : float32, shape (batch, num_negatives)
        Of the negatives, as irrelevant; 0 where masked.
    """

    relevant: Any
    irrelevant: Any
    unlabelled: Any


@dataclass(frozen=True, eq=False)
class Propensity(Sampler):
    """Items in proportion to ``P(R = 0 | Y = 0) = (1 - gamma) / (1 - theta gamma)``.

    That is the probability that a missing click is a true negative, where a click Y needs exposure
    (probability theta) and relevance (gamma): an item that the user must have seen, and did not
    click, is one that he does not want. Its derivation stands in ``docs/methods/propensity.md``.

    Where theta depends on the item alone, this is a static law, and the fused trainers take it: 32
    bytes an item, 33 a user, 2 an interaction, and 8 more for users who have seen over half of the
    weight.
    Where it depends on the user too, uniform proposals are thinned: 8 bytes a user, users x items
    time at construction, and ``1 / (1 - gamma)`` proposals a draw at most. Both besides the
    exposure.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    exposure : Exposure, optional
        Default: `recneg.propensity.power_law` of the interactions.
    relevance : float or array_like, shape (num_items,), optional
        The prior relevance gamma, in [0, 1). Default: one number, the mean over all pairs of
        ``Y / theta``, which is unbiased for the mean relevance where theta is right and not
        clipped; at most 0.99.
    unseen : bool, default True

    Examples
    --------
    >>> import numpy as np
    >>> from recneg import Interactions
    >>> from recneg.propensity import given
    >>> data = Interactions.from_arrays([0, 0, 1], [0, 3, 1], num_items=4)
    >>> law = Propensity(data, given([1.0, 1.0, 0.5, 0.5]), relevance=0.5)
    >>> [round(float(q), 3) for q in np.exp(law.log_prob(0, [0, 1, 2, 3]))]
    [0.0, 0.6, 0.4, 0.0]
    """

    interactions: Interactions
    exposure: Exposure | None = None
    relevance: ArrayLike | None = field(default=None, kw_only=True)
    unseen: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        check_interactions(self.interactions, "interactions")
        exposure = power_law(self.interactions) if self.exposure is None else self.exposure
        if not isinstance(exposure, Exposure):
            raise InvalidDataError(
                "exposure must be an Exposure, such as recneg.propensity.given(theta); "
                f"got {type(exposure).__name__}"
            )
        exposure.check(self.interactions)
        object.__setattr__(self, "exposure", exposure)
        relevance = (
            mean_relevance(self.interactions, exposure)
            if self.relevance is None
            else _checked(self.relevance, self.num_items)
        )
        object.__setattr__(self, "relevance", relevance)
        _ = self._inner  # errors in the data show here, not at the first draw

    @cached_property
    def _inner(self) -> Sampler:
        exposure, gamma = self._parts()
        if exposure.user_dependent:
            base = Uniform(self.interactions, unseen=self.unseen)
            return _ByUserAndItem(base, exposure, gamma)
        return _ByItem(self.interactions, exposure, gamma, unseen=self.unseen)

    def _parts(self) -> tuple[Exposure, NDArray[np.float64]]:
        """Return the exposure and the relevance that the constructor settled."""
        assert self.exposure is not None
        return self.exposure, np.asarray(self.relevance, np.float64)

    @property
    def law(self) -> Law | None:
        """The law as data where exposure depends on the item alone."""
        return self._inner.law

    def _draw(
        self, users: NDArray[np.int64], num_negatives: int, key: Key, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return self._inner._draw(users, num_negatives, key, rows)

    def _log_prob(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._inner._log_prob(users, items)

    def weights(self, users: Any, positives: Any, negatives: Negatives) -> PropensityWeights:
        """Return the weights that make an epoch of rows an unbiased estimate of Rel-MF's loss.

        With one row for every interaction (u, i), its draws j and the losses ``l1`` and ``l0`` of a
        relevant and an irrelevant pair, the expectation over the draws of ::

            sum over rows of  relevant * l1(u, i) + irrelevant * l0(u, i)
                              + sum over j of unlabelled * l0(u, j)

        is Rel-MF's sum over *all* pairs of the users who have an interaction, seen or not (users
        without one have no row). The weight of a draw is ``1 / (rows of u * num_negatives * q(j |
        u))``. Divide by the number of those pairs for the mean. With ``unseen=False`` the draws
        stand for all items, and `irrelevant` is ``-1 / theta`` instead of ``1 - 1 / theta``.

        Parameters
        ----------
        users, positives : int array, shape (batch,)
            NumPy or torch; the rows' interactions.
        negatives : Negatives
            What `sample` drew for these users.

        Returns
        -------
        PropensityWeights
            Arrays of the kind of `users`, on its device.
        """
        u, i, q, back = self._arrays(users, positives, negatives)
        indptr = self.interactions.indptr
        rows_of_user = np.maximum(indptr[u + 1] - indptr[u], 1)
        relevant, irrelevant = relmf_weights(1, self._parts()[0].theta(u, i))
        num_draws = rows_of_user[:, None] * float(max(q.shape[1], 1))
        unlabelled = _inverse(q, num_draws)
        return PropensityWeights(
            back(relevant.astype(np.float32)),
            back((irrelevant if self.unseen else -relevant).astype(np.float32)),
            back(unlabelled.astype(np.float32)),
        )

    def pair_weights(self, users: Any, positives: Any, negatives: Negatives) -> Any:
        """Return the weights, (batch, num_negatives), that make an epoch estimate UBPR's loss.

        The expectation over the draws of the sum over rows and slots of ``weight * l(u, i, j)`` is
        the sum over users, clicked i and *all* other items j of ``(1 / theta_i) (1 - Y_j /
        theta_j) l(u, i, j)``, which in turn is unbiased for ``gamma_i (1 - gamma_j)``. A draw that
        is the positive itself weighs nothing. Arguments are those of `weights`.

        Raises
        ------
        ValueError
            With ``unseen=True``: UBPR needs the clicked j too.
        """
        if self.unseen:
            raise ValueError("UBPR's pairs need a law over all items, unseen=False; got True")
        u, i, q, back = self._arrays(users, positives, negatives)
        j = np.maximum(numpy_and_back(negatives.items)[0], 0)
        theta = self._parts()[0].theta
        labels = self.interactions.contains(u[:, None], j)
        pairs = ubpr_weights(theta(u, i)[:, None], labels, theta(u[:, None], j))
        weights = pairs * _inverse(q, np.full((u.size, 1), float(max(q.shape[1], 1))))
        return back(np.where(j == i[:, None], 0.0, weights).astype(np.float32))

    def _arrays(
        self, users: Any, positives: Any, negatives: Negatives
    ) -> tuple[Any, Any, Any, Any]:
        array, back = numpy_and_back(users)
        u = check_ids(array, "user", self.num_users)
        i = check_ids(numpy_and_back(positives)[0], "item", self.num_items)
        log_q = numpy_and_back(negatives.log_q)[0].astype(np.float64)
        if u.ndim != 1 or i.shape != u.shape or log_q.shape[:1] != u.shape:
            raise InvalidDataError(
                "users and positives must have shape (batch,) and negatives (batch, n); "
                f"got {u.shape}, {i.shape} and {log_q.shape}"
            )
        return u, i, log_q, back


def true_negative(theta: ArrayLike, relevance: ArrayLike) -> NDArray[np.float64]:
    """Return ``(1 - gamma) / (1 - theta gamma)``, the chance that a missing click is a negative."""
    gamma = np.asarray(relevance, np.float64)
    return np.asarray((1 - gamma) / (1 - np.asarray(theta, np.float64) * gamma))


def mean_relevance(interactions: Interactions, exposure: Exposure) -> float:
    """Return the mean of ``Y / theta`` over all pairs, at most 0.99; 0 without interactions."""
    pairs = interactions.num_users * interactions.num_items
    inverse = 1 / exposure.theta(interactions.users(), interactions.indices)
    return min(float(inverse.sum()) / max(pairs, 1), MOST_RELEVANT)


@dataclass(frozen=True, eq=False)
class _ByItem(StaticSampler):
    """The law where exposure depends on the item alone: item weights."""

    exposure: Exposure
    relevance: NDArray[np.float64]

    def _build(self) -> Law:
        theta = self.exposure.theta(0, np.arange(self.num_items))
        return weighted_law(self.interactions, true_negative(theta, self.relevance), self.unseen)


@dataclass(frozen=True, eq=False)
class _ByUserAndItem(ThinnedSampler):
    """The law where exposure depends on both: uniform proposals, thinned."""

    exposure: Exposure
    relevance: NDArray[np.float64]

    def _acceptance(
        self, users: NDArray[np.int64], items: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        gamma = self.relevance[items] if self.relevance.ndim else self.relevance
        return true_negative(self.exposure.theta(users, items), gamma)


def _checked(relevance: ArrayLike, num_items: int) -> NDArray[np.float64]:
    gamma = np.array(relevance, np.float64)
    if gamma.shape not in ((), (num_items,)):
        raise InvalidDataError(
            f"relevance must be a number or have shape ({num_items},); got {gamma.shape}"
        )
    wrong = ~((gamma >= 0) & (gamma < 1))
    if wrong.any():
        raise InvalidDataError(f"relevance must lie in [0, 1); got {gamma[wrong][0]}")
    return gamma


def _inverse(log_q: NDArray[np.float64], num_draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``1 / (num_draws q)``, and 0 where there is no draw."""
    if np.isnan(log_q).any():
        raise InvalidDataError(
            "log_q must be known: these negatives were mined, and follow no law that could be "
            "corrected for; got NaN"
        )
    drawn = log_q > -np.inf
    return np.where(drawn, np.exp(-np.where(drawn, log_q, 0.0)) / num_draws, 0.0)
