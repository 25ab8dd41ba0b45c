"""Checked candidates in one canonical order, so that no result depends on the order they came in.

Everything that looks at scores works on candidates sorted by item id, admissible ones first. Ties
of a stable sort by score then fall to the smaller id, sums run in one order, and noise is addressed
by item: permuting the candidates of a row permutes nothing in what is chosen.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace, device

from recneg.errors import InvalidDataError
from recneg.mining.mined import Mined, mined_at
from recneg.samplers import Negatives

__all__ = [
    "Candidates",
    "admissible",
    "candidates_of",
    "check_flags",
    "check_rows",
    "detached",
    "like_scores",
    "row_values",
    "sorted_candidates",
]

ITEM_LIMIT = 2**31 - 1


class Candidates(NamedTuple):
    """Candidates sorted by item id, admissible ones first; arrays of shape (batch, n).

    Attributes
    ----------
    xp : module
        The array namespace.
    given : int array
        The items in the order in which they came.
    order : int64
        Where each sorted candidate stood.
    items : int64
        Sorted.
    scores : float64
        Detached, in sorted order.
    eligible : bool
        In sorted order.
    """

    xp: Any
    given: Any
    order: Any
    items: Any
    scores: Any
    eligible: Any

    def arranged(self, values: Any) -> Any:
        """Bring `values` of shape (batch, n), given as the candidates came, into sorted order."""
        return self.xp.take_along_axis(values, self.order, axis=-1)

    def highest(self, among: int | None) -> Candidates:
        """Keep only the `among` candidates of the highest scores admissible; None keeps all."""
        xp = self.xp
        if among is None:
            return self
        scores = xp.where(self.eligible, self.scores, -xp.inf)
        rank = xp.argsort(xp.argsort(scores, axis=-1, descending=True, stable=True), axis=-1)
        kept = self.eligible & (rank < among)
        again = xp.argsort(xp.astype(~kept, xp.int8), axis=-1, stable=True)
        moved = [xp.take_along_axis(a, again, axis=-1) for a in (*self[2:5], kept)]
        return Candidates(xp, self.given, *moved)

    def best(self, preference: Any, num_negatives: int) -> Mined:
        """Choose those of the highest `preference`, given in sorted order; ties by item id."""
        xp = self.xp
        preference = xp.where(self.eligible, preference, -xp.inf)
        ranked = xp.argsort(preference, axis=-1, descending=True, stable=True)
        return self.at(ranked[..., :num_negatives], num_negatives)

    def best_scores(self, num_negatives: int) -> Mined:
        """Choose those of the highest scores; ties by item id."""
        return self.best(self.scores, num_negatives)

    def at(self, ranked: Any, num_negatives: int) -> Mined:
        """Return candidates by their places in sorted order, best first."""
        xp = self.xp
        mask = xp.take_along_axis(self.eligible, ranked, axis=-1)
        positions = xp.take_along_axis(self.order, ranked, axis=-1)
        return mined_at(xp, self.given, positions, mask, num_negatives)


def detached(values: Any) -> Any:
    """Return `values` without the graph of their gradient."""
    return values.detach() if hasattr(values, "detach") else values


def admissible(negatives: Negatives, scores: Any, keep: Any = None) -> tuple[Any, Any, Any, Any]:
    """Check candidates and return (namespace, items, detached scores, eligible), in given order.

    Parameters
    ----------
    negatives : recneg.samplers.Negatives
        Items and mask; a missing leading axis means that the rows share the candidates.
    scores : float array, shape (batch, n) or (batch, time, n)
        Of the same kind and on the same device.
    keep : bool array, optional
        What else is required of a candidate; broadcast to the scores.

    Raises
    ------
    InvalidDataError
        For shapes that do not fit, scores that are not floats, ids from 2**31 - 1 on, and scores of
        NaN or +inf. A score of -inf is a way to mask: such a candidate is not eligible.
    """
    items, mask, scores = negatives.items, negatives.mask, detached(scores)
    xp: Any = array_namespace(items, mask, scores)
    if scores.ndim not in (2, 3) or scores.shape[-1] < 1:
        raise InvalidDataError(
            f"scores must have shape (batch, n) with n of at least 1; got {tuple(scores.shape)}"
        )
    if not xp.isdtype(scores.dtype, "real floating"):
        raise InvalidDataError(f"scores must be floats; got {scores.dtype}")
    if not xp.isdtype(items.dtype, "integral"):
        raise InvalidDataError(f"candidates must be integers; got {items.dtype}")
    check_flags(xp, mask, "mask")
    items = like_scores(xp, items, scores, "items")
    eligible = like_scores(xp, mask, scores, "mask")
    if keep is not None:
        eligible = eligible & like_scores(xp, keep, scores, "keep")
    wrong = eligible & (xp.isnan(scores) | (scores == xp.inf))
    misnamed = eligible & ((items < 0) | (items >= ITEM_LIMIT))
    if bool(xp.any(wrong | misnamed)):
        if bool(xp.any(wrong)):
            row = int(xp.nonzero(xp.reshape(xp.any(wrong, axis=-1), (-1,)))[0][0])
            raise InvalidDataError(f"scores must not be NaN or +inf; got one in row {row}")
        worst = int(items[misnamed][0])
        raise InvalidDataError(
            f"candidates must be item ids in [0, {ITEM_LIMIT}) where mask is true; got {worst}"
        )
    eligible = eligible & (scores > -xp.inf)
    return xp, items, xp.where(eligible, scores, xp.zeros_like(scores)), eligible


def check_flags(xp: Any, array: Any, name: str) -> None:
    """Raise `InvalidDataError` unless an array is bool."""
    if not xp.isdtype(array.dtype, "bool"):
        raise InvalidDataError(f"{name} must be bool; got {array.dtype}")


def like_scores(xp: Any, array: Any, scores: Any, name: str) -> Any:
    """Broadcast an array of one entry a candidate to the scores.

    A missing axis is one that is shared: (n,) by all rows, (batch, n) by all times.
    """
    shape, wanted = tuple(array.shape), tuple(scores.shape)
    if len(shape) == 2 and len(wanted) == 3:
        array = array[:, None, :]
    aligned = (1,) * (len(wanted) - array.ndim) + tuple(array.shape)
    if shape[-1:] != wanted[-1:] or any(
        size not in (1, full) for size, full in zip(aligned, wanted, strict=False)
    ):
        raise InvalidDataError(
            f"{name} must have the shape of scores, {wanted}, or be shared by rows; got {shape}"
        )
    return xp.broadcast_to(xp.reshape(array, aligned), wanted)


def candidates_of(negatives: Negatives, scores: Any, keep: Any = None) -> Candidates:
    """Return the checked candidates in canonical order; see `admissible` for the arguments."""
    xp, items, scores, eligible = admissible(negatives, scores, keep)
    check_rows(scores)
    return sorted_candidates(xp, items, scores, eligible)


def check_rows(scores: Any) -> None:
    """Raise `InvalidDataError` for scores with a time axis, which most functions do not take."""
    if scores.ndim != 2:
        raise InvalidDataError(f"scores must have shape (batch, n); got {tuple(scores.shape)}")


def sorted_candidates(xp: Any, items: Any, scores: Any, eligible: Any) -> Candidates:
    """Sort what `admissible` returned by item id, candidates that are not eligible last."""
    items = xp.astype(items, xp.int64)
    order = xp.argsort(xp.where(eligible, items, ITEM_LIMIT), axis=-1, stable=True)
    arranged = (xp.take_along_axis(a, order, axis=-1) for a in (items, scores, eligible))
    ids, ordered, kept = arranged
    return Candidates(xp, items, order, ids, xp.astype(ordered, xp.float64), kept)


def row_values(xp: Any, values: Any, scores: Any, name: str) -> Any:
    """Return one detached float64 value a row, as a column, after checking shape and NaN."""
    values = xp.asarray(detached(values), device=device(scores))
    if tuple(values.shape) != (scores.shape[0],):
        raise InvalidDataError(
            f"{name} must have shape ({scores.shape[0]},); got {tuple(values.shape)}"
        )
    if not bool(xp.all(xp.isfinite(values))):
        raise InvalidDataError(f"{name} must be finite; got NaN or infinity")
    return xp.astype(values, xp.float64)[:, None]
