"""MixGCF's mixing with the positive, told in scores: for models whose scores are inner products."""

from __future__ import annotations

from math import log
from typing import Any

from recneg.checks import check_count
from recneg.keys import Key
from recneg.mining.candidates import candidates_of, detached, row_values
from recneg.mining.logistic import softplus
from recneg.mining.mined import Mined
from recneg.mining.noise import row_numbers, stream, unit_noise
from recneg.samplers import Negatives

__all__ = ["mixed_margin"]

MOST = 10.0
"""Largest weight, as WARP's is in LightFM."""


def mixed_margin(
    negatives: Negatives,
    scores: Any,
    *,
    positive_scores: Any,
    key: int | Key,
    num_negatives: int = 1,
    rows: Any = None,
) -> Mined:
    """Return the highest-scored candidates, weighed as if part of the positive were mixed in.

    Of `mixed_positive` (MixGCF; Huang et al., KDD 2021) for one layer. The mixture
    ``a p + (1 - a) n`` scores ``a s_p + (1 - a) s_n``, so that it lies ``(1 - a)(s_p - s_n)`` below
    the positive, and the gradient of the BPR loss by all three vectors is that of the candidate
    itself times ``w = (1 - a) sigmoid(-(1 - a) d) / sigmoid(-d)`` with ``d = s_p - s_n``: what a
    trainer that knows scores alone needs of it. The weight exceeds 1 where the candidate lies far
    below the positive, by up to ``exp(a d)``; it is cut off at 10.

    Parameters
    ----------
    negatives : Negatives
        Shape (batch, n).
    scores : float array, shape (batch, n)
    positive_scores : float array, shape (batch,)
    key : int or Key
        Of the mixing shares a, uniform on (0, 1), one a row.
    num_negatives : int
    rows : int array, shape (batch,), optional
        Global row numbers. Default: ``0 .. batch - 1``.

    Returns
    -------
    Mined
        Shape (batch, num_negatives), with weights.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> items = np.array([[7, 1]])
    >>> drawn = Negatives(items, np.zeros(items.shape), items >= 0)
    >>> mined = mixed_margin(drawn, np.array([[0.2, 0.9]]), positive_scores=np.array([0.9]), key=0)
    >>> int(mined.items[0, 0]), bool(0 < mined.weights[0, 0] < 1)  # a tie: 1 - a
    (1, True)
    """
    candidates = candidates_of(negatives, scores)
    xp = candidates.xp
    chosen = candidates.best_scores(check_count(num_negatives, "num_negatives"))
    score = xp.take_along_axis(xp.astype(detached(scores), xp.float64), chosen.positions, axis=-1)
    gap = row_values(xp, positive_scores, scores, "positive_scores") - score
    gap = xp.where(chosen.mask, gap, xp.zeros_like(gap))
    none = xp.zeros_like(chosen.positions[:1, :1])
    row = row_numbers(xp, rows, scores)
    share = unit_noise(xp, stream(key, "mixgcf"), row, none, none)
    log_w = xp.log(1 - share) - softplus(xp, (1 - share) * gap) + softplus(xp, gap)
    weights = xp.exp(xp.where(log_w < log(MOST), log_w, xp.full_like(log_w, log(MOST))))
    weights = xp.where(chosen.mask, weights, xp.zeros_like(weights))
    return chosen._replace(weights=xp.astype(weights, scores.dtype))
