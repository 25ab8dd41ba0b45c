"""Softmax weights whose temperature follows the spread of each row's losses."""

from __future__ import annotations

from typing import Any

from recneg.checks import check_number
from recneg.mining.candidates import candidates_of, row_values
from recneg.mining.logistic import softplus
from recneg.mining.mined import Mined
from recneg.mining.weighing import proposal_log_q, weighed
from recneg.samplers import Negatives

__all__ = ["adaptive_softmax"]


def adaptive_softmax(
    negatives: Negatives, scores: Any, *, positive_scores: Any, rho: float = 0.5
) -> Mined:
    """Return all candidates with the weights ``softmax(Z / tau - log_q)``, without gradient.

    Softmax(rho, N) of Shi et al., "On the theories behind hard negative sampling for
    recommendation", WWW 2023: ``Z_j = -ln sigmoid(s_pos - s_j)`` is the loss of a pair, and
    ``tau = sqrt(Var(Z) / (2 rho))``, with the variance over the row's candidates, is about the
    temperature of the worst case in a ball of KL radius rho.

    Parameters
    ----------
    negatives : Negatives
        Shape (batch, n), with a `log_q` that is known.
    scores : float array, shape (batch, n)
    positive_scores : float array, shape (batch,)
    rho : float, default 0.5
        Larger is harder.

    Returns
    -------
    Mined
        The candidates as they came, with `weights` and the sampler's `log_q`. Where all losses are
        equal the weights are those of ``softmax(-log_q)``.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> items = np.array([[7, 1, 4, 3]])
    >>> drawn = Negatives(items, np.zeros(items.shape), items >= 0)
    >>> scores, positive_scores = np.array([[0.9, -0.2, 0.4, 0.1]]), np.array([0.7])
    >>> adaptive_softmax(drawn, scores, positive_scores=positive_scores).weights.round(3).tolist()
    [[0.699, 0.048, 0.168, 0.085]]
    """
    check_number(rho, "rho", "positive")
    candidates = candidates_of(negatives, scores)
    xp, eligible = candidates.xp, candidates.eligible
    loss = softplus(
        xp, candidates.scores - row_values(xp, positive_scores, scores, "positive_scores")
    )
    size = xp.sum(xp.astype(eligible, xp.float64), axis=-1, keepdims=True)
    size = xp.where(size > 0, size, xp.ones_like(size))
    zero = xp.zeros_like(loss)
    mean = xp.sum(xp.where(eligible, loss, zero), axis=-1, keepdims=True) / size
    centred = xp.where(eligible, loss - mean, zero)
    tau = xp.sqrt(xp.sum(centred**2, axis=-1, keepdims=True) / size / (2 * rho))
    logits = centred / xp.where(tau > 0, tau, xp.ones_like(tau))
    return weighed(
        candidates, negatives, logits - proposal_log_q(candidates, negatives), scores.dtype
    )
