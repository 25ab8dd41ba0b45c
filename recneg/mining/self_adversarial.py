"""RotatE: every candidate stays, weighted by the softmax of its own score."""

from __future__ import annotations

from typing import Any

from recneg.checks import check_number
from recneg.mining.candidates import candidates_of
from recneg.mining.mined import Mined
from recneg.mining.weighing import weighed
from recneg.samplers import Negatives

__all__ = ["self_adversarial"]


def self_adversarial(negatives: Negatives, scores: Any, *, alpha: float = 1.0) -> Mined:
    """Return all candidates with the weights ``softmax(alpha s)``, without gradient.

    Sun et al., "RotatE: knowledge graph embedding by relational rotation in complex space", ICLR
    2019: self-adversarial negative sampling.

    Parameters
    ----------
    negatives : Negatives
        Shape (batch, n).
    scores : float array, shape (batch, n)
    alpha : float, default 1
        Inverse temperature; 0 weighs all alike.

    Returns
    -------
    Mined
        The candidates as they came, with `weights` and the sampler's `log_q`.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> items = np.array([[7, 1, 4, 3]])
    >>> drawn = Negatives(items, np.zeros(items.shape), items >= 0)
    >>> self_adversarial(drawn, np.array([[0.9, -0.2, 0.4, 0.1]])).weights.round(3).tolist()
    [[0.419, 0.139, 0.254, 0.188]]
    """
    candidates = candidates_of(negatives, scores)
    logits = check_number(alpha, "alpha") * candidates.scores
    return weighed(candidates, negatives, logits, scores.dtype)
