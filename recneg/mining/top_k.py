"""TRON: the k highest of a pool of candidates that rows share."""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.mining.candidates import admissible, check_flags, like_scores
from recneg.mining.mined import Mined
from recneg.mining.order import highest
from recneg.samplers import Negatives

__all__ = ["top_k"]


def top_k(
    negatives: Negatives,
    scores: Any,
    *,
    num_negatives: int = 100,
    mask_accidental_hits: bool = False,
    positives: Any = None,
    seen: Any = None,
) -> Mined:
    """Return the k highest-scored candidates of each row, or of each time of each session.

    Wilm et al., "Scaling session-based transformer recommendations using optimized negative
    sampling and loss functions" (TRON), RecSys 2023. The pool, say 8192 uniform items drawn once a
    batch and 127 clicks of other sessions, is the caller's; so is the loss over the chosen ones.

    Parameters
    ----------
    negatives : Negatives
        The pool: items and mask of shape (n,) or (1, n), shared by all rows; or (batch, n), shared
        by the times of a session; or the shape of the scores.
    scores : float array, shape (batch, n) or (batch, time, n)
    num_negatives : int, default 100
        k.
    mask_accidental_hits : bool, default False
        Leave out candidates that are the row's positive. The paper does not: it excludes positions
        of the session, not items.
    positives : int array, shape of the scores without the last axis, optional
        Looked at only with `mask_accidental_hits`.
    seen : bool array, broadcast to the scores like the items, optional
        True for candidates to leave out, whatever `mask_accidental_hits`.

    Returns
    -------
    Mined
        Arrays of shape (batch, k) or (batch, time, k), highest first. ``log_q`` is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> pool = np.array([5, 3, 8])
    >>> drawn = Negatives(pool, np.zeros(3), pool >= 0)
    >>> scores = np.array([[0.3, 0.2, 0.9], [0.5, 0.6, 0.1]], np.float32)
    >>> top_k(drawn, scores, num_negatives=2).items.tolist()
    [[8, 5], [3, 5]]
    >>> hits = dict(mask_accidental_hits=True, positives=np.array([8, 0]))
    >>> top_k(drawn, scores, num_negatives=2, **hits).items.tolist()
    [[5, 3], [3, 5]]
    """
    count = check_count(num_negatives, "num_negatives")
    xp, items, values, eligible = admissible(negatives, scores)
    if seen is not None:
        check_flags(xp, seen, "seen")
        eligible = eligible & ~like_scores(xp, seen, values, "seen")
    if mask_accidental_hits:
        if positives is None and seen is None:
            raise ValueError("mask_accidental_hits needs positives or seen; got neither")
        if positives is not None:
            positives = xp.asarray(positives, device=device(values))
            if tuple(positives.shape) != tuple(values.shape[:-1]):
                raise InvalidDataError(
                    f"positives must have shape {tuple(values.shape[:-1])}; "
                    f"got {tuple(positives.shape)}"
                )
            eligible = eligible & (items != positives[..., None])
    return highest(xp, items, values, eligible, count)
