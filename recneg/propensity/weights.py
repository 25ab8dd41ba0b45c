"""Inverse-propensity weights: clicks made to stand for what was relevant but not seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidDataError
from recneg.propensity.exposure import check_clip

__all__ = ["RelevanceWeights", "relmf_weights", "ubpr_weights"]


class RelevanceWeights(NamedTuple):
    """Weights of the two losses of a pair.

    Attributes
    ----------
    relevant : numpy.ndarray of float64
        ``Y / theta``: of the loss that holds if the pair is relevant.
    irrelevant : numpy.ndarray of float64
        ``1 - Y / theta``: of the loss that holds if it is not. Negative for clicks.
    """

    relevant: NDArray[np.float64]
    irrelevant: NDArray[np.float64]


def relmf_weights(
    labels: ArrayLike, theta: ArrayLike, clip: float | None = None
) -> RelevanceWeights:
    """Return Rel-MF's weights of pairs (Saito et al., WSDM 2020).

    With ``P(Y = 1) = theta gamma`` the mean of ``relevant`` is the relevance gamma, whatever theta,
    so that the weighted loss is unbiased for ``gamma * loss_1 + (1 - gamma) * loss_0``.

    Parameters
    ----------
    labels : array_like of 0 and 1 or bool
        The clicks Y.
    theta : array_like
        Exposure in (0, 1], broadcast against `labels`.
    clip : float, optional
        In (0, 1]; theta is at least this. Trades bias for variance, which grows as ``1 / theta``.

    Examples
    --------
    >>> relmf_weights([1, 0], [0.25, 0.5])
    RelevanceWeights(relevant=array([4., 0.]), irrelevant=array([-3.,  1.]))
    """
    clicked = np.asarray(labels, np.float64)
    wrong = clicked[(clicked != 0) & (clicked != 1)]
    if wrong.size:
        raise InvalidDataError(f"labels must be 0 or 1; got {wrong[0]:g}")
    relevant = clicked / _clipped(theta, clip)
    return RelevanceWeights(relevant, 1 - relevant)


def ubpr_weights(
    positive_theta: ArrayLike,
    negative_labels: ArrayLike,
    negative_theta: ArrayLike,
    clip: float | None = None,
) -> NDArray[np.float64]:
    """Return UBPR's weights of pairs (i, j) with i clicked (Saito, ICTIR 2020).

    ``(1 / theta_i) (1 - Y_j / theta_j)``, with j from *all* items: a j that was clicked has a
    negative weight, without which the loss would stay biased. The loss may be bounded from below,
    ``max(loss, -beta)``, on every pair.

    Parameters
    ----------
    positive_theta, negative_theta : array_like
        Exposure of the clicked and of the other item, in (0, 1]; all arguments broadcast.
    negative_labels : array_like of 0 and 1 or bool
        Whether the other item was clicked by the same user.
    clip : float, optional
        In (0, 1].

    Examples
    --------
    >>> ubpr_weights(0.25, [0, 1], 0.5)
    array([ 4., -4.])
    """
    other = relmf_weights(negative_labels, negative_theta, clip).irrelevant
    return np.asarray(other / _clipped(positive_theta, clip))


def _clipped(theta: ArrayLike, clip: float | None) -> NDArray[np.float64]:
    values = np.asarray(theta, np.float64)
    if clip is not None:
        check_clip(clip)
        values = np.maximum(values, clip)
    if not np.all((values > 0) & (values <= 1)):
        wrong = values[~((values > 0) & (values <= 1))][0]
        raise ValueError(f"theta must lie in (0, 1]; got {wrong}")
    return values
