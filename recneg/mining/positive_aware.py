"""NV-Retriever: hard negatives that stay clearly below the positive's score."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from recneg.checks import check_number
from recneg.keys import Key
from recneg.mining.candidates import check_rows, detached, row_values
from recneg.mining.hardest import hardest
from recneg.mining.mined import Mined
from recneg.samplers import Negatives

__all__ = ["positive_aware"]


def positive_aware(
    negatives: Negatives,
    scores: Any,
    *,
    positive_scores: Any,
    num_negatives: int = 4,
    margin: float | None = None,
    percentage: float | None = None,
    among: int | None = None,
    key: int | Key | None = None,
    rows: Any = None,
) -> Mined:
    """Return the hardest candidates below a bound that the positive's score sets.

    Moreira et al., "NV-Retriever: improving text embedding models with effective hard-negative
    mining", 2024: TopK-MarginPos keeps ``s_j < s_pos - margin`` (0.05 there), TopK-PercPos
    ``s_j < percentage * s_pos`` (0.95 there, the better one). Meant for scores of a teacher.

    Parameters
    ----------
    negatives : Negatives
        Shape (batch, n).
    scores : float array, shape (batch, n)
    positive_scores : float array, shape (batch,)
    num_negatives : int, default 4
    margin, percentage : float, optional
        One of the two; with neither, a percentage of 0.95. A percentage supposes positive scores,
        such as cosines of related pairs: below zero its bound lies above the positive.
    among : int, optional
        Choose at random among this many highest of those kept (10 in the paper). Default: the
        highest.
    key : int or Key, optional
        For `among`.
    rows : int array, shape (batch,), optional
        Global row numbers. Default: ``0 .. batch - 1``.

    Returns
    -------
    Mined
        Masked where fewer candidates stay below the bound. ``log_q`` is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> items = np.array([[7, 1, 4, 3]])
    >>> drawn = Negatives(items, np.zeros(items.shape), items >= 0)
    >>> scores, positive_scores = np.array([[0.9, -0.2, 0.4, 0.1]]), np.array([0.7])
    >>> positive_aware(drawn, scores, positive_scores=positive_scores).items
    array([[ 4,  3,  1, -1]])
    """
    if margin is not None and percentage is not None:
        raise ValueError(f"give margin or percentage, not both; got {margin} and {percentage}")
    scores = detached(scores)
    xp: Any = array_namespace(scores)
    check_rows(scores)
    bound = row_values(xp, positive_scores, scores, "positive_scores")
    if margin is not None:
        bound = bound - check_number(margin, "margin")
    else:
        share = 0.95 if percentage is None else percentage
        bound = bound * check_number(share, "percentage", "positive")
    kept = negatives.mask & ~(xp.astype(scores, xp.float64) >= bound)
    return hardest(
        negatives._replace(mask=kept),
        scores,
        num_negatives=num_negatives,
        among=among,
        key=key,
        rows=rows,
    )
