"""GISTEmbed: candidates that a guide finds nearer than the positive are not negatives."""

from __future__ import annotations

from typing import Any, Literal

from recneg.checks import check_count, check_number
from recneg.errors import InvalidDataError
from recneg.mining.candidates import admissible, check_rows, detached, row_values
from recneg.mining.mined import Mined, mined_at
from recneg.samplers import Negatives

__all__ = ["guided"]


def guided(
    negatives: Negatives,
    scores: Any,
    *,
    guide_scores: Any,
    guide_positive_scores: Any,
    num_negatives: int | None = None,
    margin: float = 0.0,
    margin_kind: Literal["absolute", "relative"] = "absolute",
) -> Mined:
    """Drop candidates that a guide model scores above the row's positive; keep the others.

    Solatorio, "GISTEmbed: guided in-sample selection of training negatives for text embedding
    fine-tuning", 2024. The guide decides alone; `scores` are only checked. A candidate is dropped
    if its guide score exceeds ``g_pos - margin``, or with a relative margin ``g_pos (1 - margin)``.

    Those kept stay in the order of drawing, so of independent draws each is a draw from q
    restricted to what the guide admits. That law is known up to a constant of the user only, hence
    ``log_q`` is NaN. With fewer places than admitted candidates the first are returned, which
    depends on the order of the candidates. A relative margin is for positives whose guide score is
    positive; below 0 it raises the bound.

    Parameters
    ----------
    negatives : Negatives
        Shape (batch, n).
    scores, guide_scores : float array, shape (batch, n)
    guide_positive_scores : float array, shape (batch,)
    num_negatives : int, optional
        Default: n.
    margin : float, default 0
    margin_kind : {"absolute", "relative"}

    Returns
    -------
    Mined

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> items = np.array([[7, 1, 4]])
    >>> drawn = Negatives(items, np.zeros(items.shape), items >= 0)
    >>> found = np.array([[0.8, 0.3, 0.6]])
    >>> own = np.array([0.6])
    >>> guided(drawn, 0 * found, guide_scores=found, guide_positive_scores=own).items
    array([[ 1,  4, -1]])
    """
    xp, items, values, eligible = admissible(negatives, scores)
    check_rows(values)
    wanted = values.shape[-1] if num_negatives is None else num_negatives
    count = check_count(wanted, "num_negatives")
    check_number(margin, "margin")
    guide = detached(guide_scores)
    if tuple(guide.shape) != tuple(values.shape):
        raise InvalidDataError(
            f"guide_scores must have shape {tuple(values.shape)}; got {tuple(guide.shape)}"
        )
    if bool(xp.any(eligible & xp.isnan(guide))):
        raise InvalidDataError("guide_scores must not be NaN")
    bound = row_values(xp, guide_positive_scores, values, "guide_positive_scores")
    if margin_kind == "absolute":
        bound = bound - margin
    elif margin_kind == "relative":
        bound = bound * (1 - margin)
    else:
        raise ValueError(f"margin_kind must be 'absolute' or 'relative'; got {margin_kind!r}")
    kept = eligible & (xp.astype(guide, xp.float64) <= bound)
    positions = xp.argsort(xp.astype(~kept, xp.int8), axis=-1, stable=True)[..., :count]
    positions = xp.astype(positions, xp.int64, copy=False)
    return mined_at(xp, items, positions, xp.take_along_axis(kept, positions, axis=-1), count)
