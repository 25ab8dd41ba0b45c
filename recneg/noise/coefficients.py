"""The ascent coefficients of BPO and the three forms of NBPO."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.jit import kernel

__all__ = [
    "BPO",
    "NBPO",
    "NBPO_LIKELIHOOD",
    "NBPO_SURROGATE",
    "OBJECTIVES",
    "Coefficients",
    "coefficients",
    "pair_coefficients",
]

BPO, NBPO_LIKELIHOOD, NBPO_SURROGATE, NBPO = 0, 1, 2, 3

OBJECTIVES = {"bpo": BPO, "nbpo-o": NBPO_LIKELIHOOD, "nbpo-s": NBPO_SURROGATE, "nbpo": NBPO}
"""Codes of the objectives, by their published names."""


class Coefficients(NamedTuple):
    """What each score of a positive i and a negative j gains by one step uphill.

    Attributes
    ----------
    positive, positive_flip, negative, negative_flip : numpy.ndarray of float64
        Of the preference score r_i, the flip score g_i, of r_j and of g_j. A score ``a . b`` moves
        a by the coefficient times b, and b by the coefficient times a.
    """

    positive: NDArray[np.float64]
    positive_flip: NDArray[np.float64]
    negative: NDArray[np.float64]
    negative_flip: NDArray[np.float64]


@kernel
def _sigmoid(x: float) -> float:
    return float(1.0 / (1.0 + np.exp(-min(max(x, -10.0), 10.0))))


@kernel
def pair_coefficients(
    objective: int, r_i: float, g_i: float, r_j: float, g_j: float
) -> tuple[float, float, float, float]:
    """Return the four coefficients of one positive i and one negative j; see `coefficients`."""
    like, dislike = _sigmoid(r_j), _sigmoid(-r_j)
    flip, keep = _sigmoid(g_j), _sigmoid(-g_j)
    if objective == BPO:
        return _sigmoid(-r_i), 0.0, -like, 0.0
    if objective == NBPO_LIKELIHOOD:
        unvoted = dislike + flip * like
        return (
            _sigmoid(-r_i),
            -_sigmoid(g_i),
            (flip - 1.0) * like * dislike / unvoted,
            flip * keep * like / unvoted,
        )
    if objective == NBPO_SURROGATE:
        voted = _sigmoid(-g_i) * _sigmoid(r_i)
        return (
            voted * _sigmoid(-r_i),
            -voted * _sigmoid(g_i),
            (flip - 1.0) * like * dislike,
            flip * keep * like,
        )
    return (
        _sigmoid(-g_i) * _sigmoid(-r_i),
        -_sigmoid(g_i) * _sigmoid(r_i),
        flip * dislike - like,
        keep * like,
    )


@kernel
def _fill(objective: int, scores: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for index in range(scores.shape[1]):
        found = pair_coefficients(
            objective, scores[0, index], scores[1, index], scores[2, index], scores[3, index]
        )
        for which in range(4):
            out[which, index] = found[which]


def coefficients(
    objective: str,
    positive_scores: ArrayLike,
    positive_flips: ArrayLike,
    negative_scores: ArrayLike,
    negative_flips: ArrayLike,
) -> Coefficients:
    """Return the ascent coefficients of an objective (Yu and Qin, SIGIR 2020).

    With ``R = sigmoid(r)`` the preference and ``gamma = sigmoid(g)`` the chance that a vote is
    missing although the item is wanted, ``P(y = 1) = (1 - gamma) R``:

    - ``"bpo"``: the gradient of ``ln R_i + ln(1 - R_j)``; no flips;
    - ``"nbpo-o"``: of the log-likelihood, ``ln((1 - gamma_i) R_i) + ln(1 - R_j + gamma_j R_j)``;
    - ``"nbpo-s"``: of the likelihood without the logarithm;
    - ``"nbpo"``: of a surrogate in which each factor of a product is held while the logarithm of
      the other is raised: the positive counts ``1 - gamma_i``, the negative counts as one, and as a
      positive with weight ``gamma_j``.

    Sigmoids are those of scores cut to [-10, 10], as published.

    Parameters
    ----------
    objective : {"bpo", "nbpo-o", "nbpo-s", "nbpo"}
    positive_scores, positive_flips, negative_scores, negative_flips : array_like of float
        r_i, g_i, r_j and g_j; they broadcast.

    Examples
    --------
    >>> found = coefficients("bpo", 0.0, 0.0, 0.0, 0.0)
    >>> [float(value) for value in found]
    [0.5, 0.0, -0.5, 0.0]
    """
    if objective not in OBJECTIVES:
        raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}; got {objective!r}")
    scores = np.broadcast_arrays(
        *(
            np.asarray(x, np.float64)
            for x in (positive_scores, positive_flips, negative_scores, negative_flips)
        )
    )
    out = np.empty((4, scores[0].size))
    _fill(OBJECTIVES[objective], np.stack([x.reshape(-1) for x in scores]), out)
    return Coefficients(*(row.reshape(scores[0].shape) for row in out))
