"""BNS: weigh how informative a candidate is against how likely it is relevant."""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from recneg.checks import check_count, check_number
from recneg.errors import InvalidDataError
from recneg.mining.candidates import candidates_of, detached, row_values
from recneg.mining.counting import count_at_most
from recneg.mining.logistic import sigmoid
from recneg.mining.mined import Mined
from recneg.samplers import Negatives

__all__ = ["bayesian", "bayesian_risk"]


def bayesian(
    negatives: Negatives,
    scores: Any,
    *,
    positive_scores: Any,
    item_popularity: Any,
    reference_scores: Any = None,
    num_negatives: int = 1,
    trade_off: float = 5.0,
) -> Mined:
    """Return the candidates of the least `bayesian_risk`.

    Liu and Wang, "Bayesian negative sampling for recommendation" (BNS), ICDE 2023, which draws 5
    candidates. F is the share of the user's unseen items that score no higher than the candidate,
    and the prior chance to be relevant is the item's share of all interactions.

    Parameters
    ----------
    negatives : Negatives
        Shape (batch, n).
    scores : float array, shape (batch, n)
    positive_scores : float array, shape (batch,)
    item_popularity : array, shape (num_items,)
        Interactions of each item.
    reference_scores : float array, shape (batch, m), optional
        Scores that stand for the user's unseen items, such as those of all items with -inf for the
        seen ones: -inf is left out. Default: the candidates' own.
    num_negatives : int, default 1
    trade_off : float, default 5
        The paper's lambda.

    Returns
    -------
    Mined
        ``log_q`` is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> items = np.array([[0, 1, 2]])
    >>> drawn = Negatives(items, np.zeros(items.shape), items >= 0)
    >>> known = dict(positive_scores=np.zeros(1), item_popularity=np.array([1, 1, 200]))
    >>> bayesian(drawn, np.array([[0.1, 0.8, 0.9]]), **known).items
    array([[1]])
    """
    count = check_count(num_negatives, "num_negatives")
    check_number(trade_off, "trade_off")
    candidates = candidates_of(negatives, scores)
    xp, eligible = candidates.xp, candidates.eligible
    gap = row_values(xp, positive_scores, scores, "positive_scores") - candidates.scores
    if reference_scores is None:
        reference = xp.where(eligible, candidates.scores, -xp.inf)
    else:
        reference = xp.asarray(detached(reference_scores), device=device(scores))
        if reference.ndim != 2 or reference.shape[0] != scores.shape[0]:
            raise InvalidDataError(
                f"reference_scores must have shape ({scores.shape[0]}, m); "
                f"got {tuple(reference.shape)}"
            )
        if bool(xp.any(xp.isnan(reference))):
            raise InvalidDataError("reference_scores must not be NaN")
        reference = xp.astype(reference, xp.float64)
    absent = xp.sum(xp.astype(reference == -xp.inf, xp.int64), axis=-1, keepdims=True)
    below = count_at_most(xp, reference, candidates.scores) - absent
    size = reference.shape[-1] - absent
    share = xp.astype(below, xp.float64) / xp.astype(
        xp.where(size > 0, size, xp.ones_like(size)), xp.float64
    )
    prior = _prior(xp, item_popularity, candidates.items, eligible)
    return candidates.best(-bayesian_risk(xp, gap, share, prior, trade_off), count)


def bayesian_risk(xp: Any, gap: Any, share: Any, prior: Any, trade_off: float) -> Any:
    """Return ``(1 - unbias) info - trade_off unbias info``.

    ``info = 1 - sigmoid(s_pos - s_j)`` and ``unbias = (1 - F) (1 - P) / (1 - F - P + 2 F P)``, the
    posterior chance that the candidate is a true negative.

    Parameters
    ----------
    xp : module
        The array namespace.
    gap : float array
        ``s_pos - s_j``.
    share, prior : float arrays
        F and P, in [0, 1]. Where both are certain and disagree, the prior decides.
    trade_off : float
    """
    info = sigmoid(xp, -gap)
    negative = (1 - share) * (1 - prior)
    total = negative + share * prior
    certain = total <= 0
    unbias = xp.where(certain, 1 - prior, negative / xp.where(certain, xp.ones_like(total), total))
    return info * (1 - unbias - trade_off * unbias)


def _prior(xp: Any, item_popularity: Any, items: Any, eligible: Any) -> Any:
    counts = xp.asarray(item_popularity, device=device(items))
    if counts.ndim != 1 or bool(xp.any(~((counts >= 0) & (counts < xp.inf)))):
        raise InvalidDataError(
            f"item_popularity must be a vector of finite numbers of at least 0; got {counts}"
        )
    if bool(xp.any(eligible & (items >= counts.shape[0]))):
        raise InvalidDataError(
            f"candidates must be below the length of item_popularity, {counts.shape[0]}; "
            f"got {int(xp.max(xp.where(eligible, items, -1)))}"
        )
    counts = xp.astype(counts, xp.float64)
    total = xp.sum(counts)
    shares = counts / xp.where(total > 0, total, xp.ones_like(total))
    index = xp.where(eligible, items, xp.zeros_like(items))
    return xp.reshape(xp.take(shares, xp.reshape(index, (-1,)), axis=0), tuple(items.shape))
