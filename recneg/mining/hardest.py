"""Dynamic negative sampling: the highest-scored of the candidates, or some among the highest."""

from __future__ import annotations

from typing import Any

from recneg.checks import check_count
from recneg.keys import Key
from recneg.mining.candidates import admissible, candidates_of
from recneg.mining.mined import Mined
from recneg.mining.noise import gumbel_noise, stream
from recneg.mining.order import highest
from recneg.samplers import Negatives

__all__ = ["hardest"]


def hardest(
    negatives: Negatives,
    scores: Any,
    *,
    num_negatives: int = 1,
    among: int | None = None,
    key: int | Key | None = None,
    rows: Any = None,
) -> Mined:
    """Return the highest-scored candidates, or some chosen at random among the highest.

    DNS of Zhang et al., "Optimizing top-N collaborative filtering via dynamic negative item
    sampling", SIGIR 2013: the highest of a few uniform draws. With `among`, DNS(M, N) of Shi et
    al., "On the theories behind hard negative sampling for recommendation", WWW 2023: uniformly,
    without replacement, among the M highest of the N candidates.

    Parameters
    ----------
    negatives : Negatives
        What a sampler drew, shape (batch, n).
    scores : float array, shape (batch, n)
    num_negatives : int, default 1
    among : int, optional
        M, at least `num_negatives`. Default: the highest themselves.
    key : int or Key, optional
        For `among`.
    rows : int array, shape (batch,), optional
        Global row numbers. Default: ``0 .. batch - 1``.

    Returns
    -------
    Mined
        ``log_q`` is NaN. Highest first, or in random order with `among`.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> items = np.array([[4, 2, 9, 2]])
    >>> drawn = Negatives(items, np.zeros(items.shape), items >= 0)
    >>> hardest(drawn, np.array([[0.1, 0.7, 0.7, 0.7]]), num_negatives=3).items
    array([[2, 2, 9]])
    """
    count = check_count(num_negatives, "num_negatives")
    if among is None:
        return highest(*admissible(negatives, scores), count)
    if check_count(among, "among") < count:
        raise ValueError(f"among must be at least num_negatives, {count}; got {among}")
    candidates = candidates_of(negatives, scores).highest(among)
    return candidates.best(gumbel_noise(candidates, stream(key, "hardest"), rows), count)
