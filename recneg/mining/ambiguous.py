"""SimANS: negatives whose scores lie near the positive's, neither too easy nor likely relevant."""

from __future__ import annotations

from typing import Any

from recneg.checks import check_count, check_number
from recneg.keys import Key
from recneg.mining.candidates import candidates_of, row_values
from recneg.mining.mined import Mined
from recneg.mining.noise import gumbel_noise, stream
from recneg.samplers import Negatives

__all__ = ["ambiguous"]


def ambiguous(
    negatives: Negatives,
    scores: Any,
    *,
    positive_scores: Any,
    key: int | Key,
    num_negatives: int = 1,
    a: float = 0.5,
    b: float = 0.0,
    among: int | None = None,
    rows: Any = None,
) -> Mined:
    """Draw candidates without replacement, ``p_j`` proportional to ``exp(-a (s_j - s_pos - b)^2)``.

    Zhou et al., "SimANS: simple ambiguous negatives sampling for dense text retrieval", EMNLP 2022
    (industry track). The draw adds keyed Gumbel noise, of one number for each
    (row, item, occurrence), to the logarithms.

    Parameters
    ----------
    negatives : Negatives
        Shape (batch, n).
    scores : float array, shape (batch, n)
    positive_scores : float array, shape (batch,)
    key : int or Key
    num_negatives : int, default 1
    a, b : float
        How sharply the probability falls, above 0, and where it peaks against the positive.
    among : int, optional
        Draw from this many highest-scored candidates only (100 to 1000 in the paper). Default: all.
    rows : int array, shape (batch,), optional
        Global row numbers. Default: ``0 .. batch - 1``.

    Returns
    -------
    Mined
        In the order of drawing. ``log_q`` is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> items = np.array([[7, 1, 4]])
    >>> drawn = Negatives(items, np.zeros(items.shape), items >= 0)
    >>> scores, positive_scores = np.array([[-30.0, 1.8, 40.0]]), np.array([2.0])
    >>> ambiguous(drawn, scores, positive_scores=positive_scores, key=0).items
    array([[1]])
    """
    count = check_count(num_negatives, "num_negatives")
    check_number(a, "a", "positive")
    check_number(b, "b")
    if among is not None and check_count(among, "among") < count:
        raise ValueError(f"among must be at least num_negatives, {count}; got {among}")
    candidates = candidates_of(negatives, scores).highest(among)
    centre = row_values(candidates.xp, positive_scores, scores, "positive_scores") + b
    log_p = -a * (candidates.scores - centre) ** 2
    return candidates.best(log_p + gumbel_noise(candidates, stream(key, "simans"), rows), count)
