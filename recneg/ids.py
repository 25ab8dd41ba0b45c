"""Checks of user and item ids, and the way from raw ids to indices."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidIdError

__all__ = ["ID_LIMIT", "check_ids", "look_up"]

ID_LIMIT = 2**31 - 1
"""User and item counts stay at or below this, so that every id fits int32."""


def check_ids(values: ArrayLike, what: str, limit: int = ID_LIMIT) -> NDArray[np.int64]:
    """Return `values` as int64 after checking that they are integers in ``[0, limit)``.

    Raises
    ------
    InvalidIdError
        Naming the requirement, the position and the offending value.
    """
    array = _as_array(values)
    if array.dtype.kind == "O":
        array = _integers_from_objects(array, what, limit)
    if array.dtype.kind not in "iu" and array.size:
        hint = ""
        if what in ("user", "item"):
            hint = (
                " (they are positions: Interactions.from_polars and from_pandas take labels, "
                f"{what}_index finds those of labels)"
            )
        raise InvalidIdError(
            f"{what} ids must be integers; got dtype {array.dtype}, "
            f"first value {array.reshape(-1)[0]!r}{hint}"
        )
    if array.size and (array.min() < 0 or array.max() >= limit):
        flat = array.reshape(-1)
        position = int(np.argmax((flat < 0) | (flat >= limit)))
        raise InvalidIdError(
            f"{what} ids must lie in [0, {limit}); got {flat[position]} at position {position}"
        )
    return array.astype(np.int64, copy=False)


def _as_array(values: ArrayLike) -> NDArray[Any]:
    """Convert to an array; NumPy would make floats of a list of small and very large integers."""
    array = np.asarray(values)
    if array.dtype.kind == "f" and array.size and isinstance(values, (list, tuple)):
        return np.asarray(values, object)
    return array


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _integers_from_objects(array: NDArray[Any], what: str, limit: int) -> NDArray[Any]:
    """Convert Python integers, which may be too large for any integer dtype."""
    for position, value in enumerate(array.reshape(-1)):
        if not _is_integer(value) or not 0 <= value < limit:
            raise InvalidIdError(
                f"{what} ids must be integers in [0, {limit}); got {value!r} at position {position}"
            )
    return array.astype(np.int64)


def look_up(
    raw: ArrayLike, vocabulary: NDArray[Any] | None, count: int, what: str
) -> NDArray[np.int64]:
    """Return the places of raw ids in a sorted vocabulary; without one they are the indices.

    Raises
    ------
    InvalidIdError
        For an id of another kind, or one that does not occur.
    """
    if vocabulary is None:
        return check_ids(raw, what, count)
    values = _as_array(raw)
    flat = values.reshape(-1)
    if vocabulary.dtype.kind in "iu":
        if flat.dtype.kind not in "iuO" and flat.size:
            raise InvalidIdError(f"raw {what} ids are integers in this data; got {flat[0]!r}")
        end = int(vocabulary[-1]) + 1 if vocabulary.size else 0
        if flat.dtype.kind == "O":
            bad = np.array([not _is_integer(x) or not 0 <= x < end for x in flat], np.bool_)
        else:
            bad = (flat < 0) | (flat >= end)
        if bad.any():
            raise _unknown(flat, bad, what)
        flat = flat.astype(vocabulary.dtype)  # mixed integer kinds would compare as floats
    else:
        flat = flat.astype(str)
    places = np.searchsorted(vocabulary, flat)
    found = np.zeros(flat.shape, np.bool_)
    inside = places < vocabulary.size
    found[inside] = vocabulary[places[inside]] == flat[inside]
    if not found.all():
        raise _unknown(flat, ~found, what)
    return places.astype(np.int64).reshape(values.shape)


def _unknown(values: NDArray[Any], bad: NDArray[np.bool_], what: str) -> InvalidIdError:
    value = values[int(np.argmax(bad))]
    shown = repr(value.item() if isinstance(value, np.generic) else value)
    return InvalidIdError(f"raw {what} ids must occur in the data; got {shown}")
