"""SRNS: prefer candidates that score high and whose score varies over epochs."""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from recneg.checks import check_count, check_number
from recneg.errors import InvalidDataError
from recneg.mining.candidates import candidates_of, detached, row_values
from recneg.mining.logistic import sigmoid
from recneg.mining.mined import Mined
from recneg.samplers import Negatives

__all__ = ["variance"]


def variance(
    negatives: Negatives,
    scores: Any,
    *,
    positive_scores: Any,
    past_scores: Any,
    past_positive_scores: Any,
    epoch: int,
    num_negatives: int = 1,
    alpha: float = 5.0,
    warm_up: int = 50,
) -> Mined:
    """Return the candidates of the highest ``sigmoid(s_j - s_pos) + alpha_t std_j``.

    Ding et al., "Simplify and robustify negative sampling for implicit collaborative filtering"
    (SRNS), NeurIPS 2020. ``std_j`` is the standard deviation (divided by the number of epochs) of
    ``sigmoid(s_j - s_pos)`` over past epochs, and ``alpha_t = alpha min(1, epoch / warm_up)``. It
    is added: false negatives score high and steadily, so what scores high and unsteadily is hard
    and likely not relevant.

    Parameters
    ----------
    negatives : Negatives
        Shape (batch, n).
    scores : float array, shape (batch, n)
    positive_scores : float array, shape (batch,)
    past_scores : float array, shape (batch, n, epochs)
        The candidates' scores in earlier epochs (5 in the paper). With no epoch yet, all deviations
        are 0.
    past_positive_scores : float array, shape (batch, epochs)
    epoch : int
        Epochs done.
    num_negatives : int, default 1
    alpha : float, default 5
    warm_up : int, default 50
        T0; 0 for none.

    Returns
    -------
    Mined
        ``log_q`` is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> items = np.array([[7, 1]])
    >>> drawn = Negatives(items, np.zeros(items.shape), items >= 0)
    >>> known = dict(positive_scores=np.zeros(1), past_positive_scores=np.zeros((1, 3)))
    >>> known["past_scores"] = np.array([[[1.0, 1.0, 1.0], [1.0, -1.0, 1.0]]])
    >>> now = np.array([[1.0, 0.9]])
    >>> [int(variance(drawn, now, **known, epoch=epoch).items[0, 0]) for epoch in (0, 50)]
    [7, 1]
    """
    count = check_count(num_negatives, "num_negatives")
    check_number(alpha, "alpha")
    check_number(epoch, "epoch", "not negative")
    check_number(warm_up, "warm_up", "not negative")
    candidates = candidates_of(negatives, scores)
    xp = candidates.xp
    gap = candidates.scores - row_values(xp, positive_scores, scores, "positive_scores")
    deviation = _deviation(xp, past_scores, past_positive_scores, scores)
    deviation = candidates.arranged(deviation)
    if bool(xp.any(candidates.eligible & xp.isnan(deviation))):
        raise InvalidDataError("past scores of admissible candidates must be finite; got NaN")
    alpha_t = alpha * (min(1.0, epoch / warm_up) if warm_up else 1.0)
    return candidates.best(sigmoid(xp, gap) + alpha_t * deviation, count)


def _deviation(xp: Any, past_scores: Any, past_positive_scores: Any, scores: Any) -> Any:
    past = xp.asarray(detached(past_scores), device=device(scores))
    past_positives = xp.asarray(detached(past_positive_scores), device=device(scores))
    batch, n = scores.shape
    epochs = past.shape[-1]
    if tuple(past.shape) != (batch, n, epochs) or tuple(past_positives.shape) != (batch, epochs):
        raise InvalidDataError(
            f"past_scores must have shape ({batch}, {n}, epochs) and past_positive_scores "
            f"({batch}, epochs); got {tuple(past.shape)} and {tuple(past_positives.shape)}"
        )
    if not epochs:
        return xp.zeros((batch, n), dtype=xp.float64, device=device(scores))
    gaps = xp.astype(past, xp.float64) - xp.astype(past_positives, xp.float64)[:, None, :]
    chance = sigmoid(xp, gaps)
    mean = xp.sum(chance, axis=-1, keepdims=True) / epochs
    return xp.sqrt(xp.sum((chance - mean) ** 2, axis=-1) / epochs)
