"""PRIS and AdaSIR: candidates stand in for a softmax law, by weight or by resampling."""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from recneg.checks import check_count, check_number
from recneg.keys import Key
from recneg.mining.candidates import Candidates, candidates_of
from recneg.mining.counting import count_at_most
from recneg.mining.mined import Mined
from recneg.mining.noise import row_numbers, stream, unit_noise
from recneg.mining.weighing import proposal_log_q, softmax_weights, weighed
from recneg.samplers import Negatives

__all__ = ["importance_resampled", "importance_weighted"]


def importance_weighted(negatives: Negatives, scores: Any, *, temperature: float = 1.0) -> Mined:
    """Return all candidates with the weights ``softmax(s / temperature - log_q)``.

    Lian, Liu and Chen, "Personalized ranking with importance sampling" (PRIS), WWW 2020: what is
    drawn from q and weighed so stands for a draw from ``softmax(s / temperature)``. The weights
    hold the correction for q; a loss that uses them must not correct again.

    Parameters
    ----------
    negatives : Negatives
        Shape (batch, n), with a `log_q` that is known.
    scores : float array, shape (batch, n)
    temperature : float, default 1

    Returns
    -------
    Mined
        The candidates as they came, with `weights`, without gradient, and the sampler's `log_q`.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> items = np.array([[7, 1]])
    >>> drawn = Negatives(items, np.log([[0.2, 0.6]]), items >= 0)
    >>> importance_weighted(drawn, np.zeros((1, 2))).weights
    array([[0.75, 0.25]])
    """
    candidates, logits = _logits(negatives, scores, temperature)
    return weighed(candidates, negatives, logits, scores.dtype)


def importance_resampled(
    negatives: Negatives,
    scores: Any,
    *,
    key: int | Key,
    num_negatives: int = 1,
    temperature: float = 1.0,
    rows: Any = None,
) -> Mined:
    """Draw candidates with replacement in proportion to ``exp(s / temperature) / q``.

    Sampling-importance resampling as in Chen et al., "Learning recommenders for implicit feedback
    with importance resampling" (AdaSIR), WWW 2022: as the number of candidates grows, each result
    follows ``softmax(s / temperature)`` over all items. Draws come from the inverse of the
    cumulative weights in the order of item ids; draw j takes one number of (key, row, j).

    Parameters
    ----------
    negatives : Negatives
        Shape (batch, n), with a `log_q` that is known.
    scores : float array, shape (batch, n)
    key : int or Key
    num_negatives : int, default 1
        May exceed n.
    temperature : float, default 1
    rows : int array, shape (batch,), optional
        Global row numbers. Default: ``0 .. batch - 1``.

    Returns
    -------
    Mined
        ``log_q`` is NaN: the law is known in the limit only.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> items = np.array([[7, 1, 4]])
    >>> drawn = Negatives(items, np.log([[0.2, 0.6, 0.1]]), items >= 0)
    >>> importance_resampled(drawn, np.array([[0.0, 90.0, 0.0]]), num_negatives=4, key=0).items
    array([[1, 1, 1, 1]])
    """
    count = check_count(num_negatives, "num_negatives")
    candidates, logits = _logits(negatives, scores, temperature)
    xp, weights = candidates.xp, softmax_weights(candidates, logits)
    running = xp.cumulative_sum(weights, axis=-1)
    total = running[..., -1:]
    slots = xp.arange(count, dtype=xp.int64, device=device(weights))[None, :]
    numbers = row_numbers(xp, rows, weights)
    unit = unit_noise(xp, stream(key, "resample"), numbers, slots, xp.zeros_like(slots))
    drawn = count_at_most(xp, running, unit * total)
    last = xp.sum(xp.astype(running < total, xp.int64), axis=-1, keepdims=True)
    return candidates.at(xp.where(drawn < last, drawn, last), count)


def _logits(negatives: Negatives, scores: Any, temperature: float) -> tuple[Candidates, Any]:
    check_number(temperature, "temperature", "positive")
    candidates = candidates_of(negatives, scores)
    return candidates, candidates.scores / temperature - proposal_log_q(candidates, negatives)
