"""WARP: the first candidate that violates the margin, weighted by the rank that it suggests."""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from recneg.checks import check_count, check_number
from recneg.mining.candidates import admissible, check_rows, row_values
from recneg.mining.mined import Mined, mined_at
from recneg.samplers import Negatives

__all__ = ["until_violation"]


def until_violation(
    negatives: Negatives,
    scores: Any,
    *,
    positive_scores: Any,
    num_items: int,
    margin: float = 1.0,
    max_weight: float | None = 10.0,
) -> Mined:
    """Return the first candidate with ``s_j > s_pos - margin``, weighted by the estimated rank.

    Weston, Bengio and Usunier, "WSABIE: scaling up to large vocabulary image annotation", IJCAI
    2011; the weight ``ln(max(1, floor((num_items - 1) / tries)))`` and its clipping are LightFM's.

    The order of the candidates is the order of drawing and is part of the method, so permuting
    them changes the answer. Every candidate up to the violator is a try, masked ones too.

    Parameters
    ----------
    negatives : Negatives
        Shape (batch, n), n the largest number of tries (10 in LightFM).
    scores : float array, shape (batch, n)
    positive_scores : float array, shape (batch,)
    num_items : int
        Items in the catalogue.
    margin : float, default 1
    max_weight : float or None, default 10
        Bound on the weight, reached by catalogues of over 22,000 items.

    Returns
    -------
    Mined
        Shape (batch, 1), masked and of weight 0 where no candidate violates. ``log_q`` is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> items = np.array([[7, 1, 4]])
    >>> drawn = Negatives(items, np.zeros(items.shape), items >= 0)
    >>> scores, positive_scores = np.array([[-3.0, 1.5, 1.9]]), np.array([2.0])
    >>> mined = until_violation(drawn, scores, positive_scores=positive_scores, num_items=1000)
    >>> int(mined.items[0, 0]), float(mined.weights[0, 0].round(4))
    (1, 6.2126)
    """
    check_count(num_items, "num_items")
    check_number(margin, "margin")
    xp, items, values, eligible = admissible(negatives, scores)
    check_rows(values)
    bound = row_values(xp, positive_scores, values, "positive_scores") - margin
    n = values.shape[-1]
    place = xp.arange(n, dtype=xp.int64, device=device(values))
    violates = eligible & (xp.astype(values, xp.float64) > bound)
    first = xp.min(xp.where(violates, place, n), axis=-1, keepdims=True)
    found = first < n
    rank = xp.astype((num_items - 1) // (first + 1), xp.float64)
    weights = xp.log(xp.where(rank > 1, rank, xp.ones_like(rank)))
    if max_weight is not None:
        weights = xp.clip(weights, max=check_number(max_weight, "max_weight", "positive"))
    weights = xp.astype(xp.where(found, weights, xp.zeros_like(weights)), values.dtype)
    positions = xp.where(found, first, xp.zeros_like(first))
    return mined_at(xp, items, positions, found, 1, weights)
