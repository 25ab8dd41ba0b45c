"""The arrays of a CSR matrix of interactions: checked, sorted, merged."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidDataError
from recneg.ids import ID_LIMIT, check_ids
from recneg.jit import kernel
from recneg.ragged import first_inside

__all__ = [
    "check_csr",
    "check_rows",
    "check_size",
    "check_values",
    "check_vocabulary",
    "contains_pairs",
    "merge",
    "rows_of_pairs",
    "sort_rows",
    "union_rows",
]

MERGED_AT_ONCE = 1 << 16
"""Pairs that are sorted at a time: their keys stay in the second cache."""


def check_csr(indptr: NDArray[Any], indices: NDArray[Any], num_items: int) -> None:
    """Raise `InvalidDataError` unless these are sorted unique items per user."""
    check_rows(indptr, indices, num_items, field="indices", entry="interaction", row="user")
    fall = first_inside(indptr, indices[1:] <= indices[:-1])
    if fall is not None:
        user, place = fall
        raise InvalidDataError(
            "items must be strictly increasing inside each user; got "
            f"{indices[place]} after {indices[place - 1]} in user {user}"
        )


def check_rows(
    indptr: NDArray[Any],
    items: NDArray[Any],
    num_items: int,
    *,
    field: str,
    entry: str,
    row: str,
) -> None:
    """Raise an error unless these are rows of items, one after another.

    Parameters
    ----------
    indptr : numpy.ndarray of int64, shape (num_rows + 1,)
    items : numpy.ndarray of int32, shape (num_entries,)
    num_items : int
    field, entry, row : str
        What errors call the array of items, one of its entries and a row.

    Raises
    ------
    InvalidDataError
        For other dtypes or shapes, index pointers that do not fit, and counts beyond int32.
    InvalidIdError
        For an item outside ``[0, num_items)``.
    """
    if indptr.dtype != np.int64 or items.dtype != np.int32:
        raise InvalidDataError(
            f"indptr must be int64 and {field} int32; got {indptr.dtype} and {items.dtype}"
        )
    if (indptr.ndim, items.ndim) != (1, 1):
        raise InvalidDataError(
            f"indptr and {field} must be vectors; got shapes {indptr.shape} and {items.shape}"
        )
    ends = [*indptr[:1].tolist(), *indptr[-1:].tolist()]
    if ends != [0, items.size]:
        raise InvalidDataError(
            f"indptr must run from 0 to the number of {entry}s, {items.size}; got the ends {ends}"
        )
    check_size(num_items, "num_items")
    check_size(indptr.size - 1, f"num_{row}s")
    falls = indptr[1:] < indptr[:-1]
    if falls.any():
        place = int(np.argmax(falls))
        raise InvalidDataError(
            f"indptr must not decrease; got {indptr[place + 1]} after {indptr[place]} "
            f"in {row} {place}"
        )
    if items.size and (items.min() < 0 or items.max() >= num_items):
        check_ids(items, "item", num_items)


def check_vocabulary(ids: NDArray[Any] | None, count: int, name: str) -> None:
    """Raise `InvalidDataError` unless raw ids are sorted, unique and `count` in number."""
    if ids is None:
        return
    if ids.shape != (count,):
        raise InvalidDataError(f"{name} must have shape ({count},); got {ids.shape}")
    falls = ids[1:] <= ids[:-1]
    if falls.any():
        place = int(np.argmax(falls))
        raise InvalidDataError(
            f"{name} must be strictly increasing; got {ids[place]!r} before {ids[place + 1]!r}"
        )


def check_size(value: int | None, name: str) -> None:
    """Raise `InvalidDataError` unless `value` is None or a possible number of users or items."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InvalidDataError(f"{name} must be an integer; got {value!r}")
    if not 0 <= value <= ID_LIMIT:
        raise InvalidDataError(f"{name} must lie in [0, {ID_LIMIT}]; got {value}")


def check_values(values: ArrayLike | None, size: int, name: str, dtype: Any) -> NDArray[Any] | None:
    """Return a fresh array of `dtype`, after checking shape, kind and that all are finite.

    For an integer dtype fractions are rounded down, and dates become seconds since 1970.
    """
    if values is None:
        return None
    array = np.asarray(values)
    if array.shape != (size,):
        raise InvalidDataError(f"{name} must have shape ({size},); got {array.shape}")
    target = np.dtype(dtype)
    if array.dtype.kind == "M" and target.kind == "i":
        missing = np.isnat(array)
        if missing.any():
            raise InvalidDataError(
                f"{name} must be dates or numbers; got NaT at position {int(np.argmax(missing))}"
            )
        return array.astype("datetime64[s]").astype(target)
    if array.dtype.kind not in "iufb" and size:
        raise InvalidDataError(
            f"{name} must be numbers; got dtype {array.dtype}, first value {array[0]!r}"
        )
    if target.kind == "i" and np.can_cast(array.dtype, target):
        return array.astype(target)
    magnitudes = np.abs(array.astype(np.float64))
    if target.kind == "f":
        fits = magnitudes <= float(np.finfo(target).max)  # false for NaN
    else:
        fits = magnitudes < float(np.iinfo(target).max)  # rounds up to 2**63, which does not fit
    if not fits.all():
        position = int(np.argmin(fits))
        raise InvalidDataError(
            f"{name} must be finite {target} numbers; got {array[position]} at position {position}"
        )
    if target.kind == "i" and array.dtype.kind == "f":
        array = np.floor(array)
    return array.astype(target)


def merge(
    pairs: NDArray[np.int64], weights: NDArray[Any] | None, timestamps: NDArray[Any] | None
) -> tuple[NDArray[np.int64], NDArray[Any] | None, NDArray[Any] | None]:
    """Sort pair keys and merge equal ones: weights are summed, the latest timestamp is kept."""
    if weights is None and timestamps is None:
        pairs = np.sort(pairs)
        first = np.ones(pairs.size, np.bool_)
        first[1:] = pairs[1:] != pairs[:-1]
        return (pairs if first.all() else pairs[first]), None, None
    order = np.argsort(pairs, kind="stable")
    pairs = pairs[order]
    starts = np.flatnonzero(np.diff(pairs, prepend=-1))
    if weights is not None:
        weights = np.add.reduceat(weights[order], starts) if starts.size else weights
    if timestamps is not None:
        timestamps = np.maximum.reduceat(timestamps[order], starts) if starts.size else timestamps
    return pairs[starts], weights, timestamps


def rows_of_pairs(
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    num_users: int,
    num_items: int,
    weights: NDArray[Any] | None,
    timestamps: NDArray[Any] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[Any] | None, NDArray[Any] | None]:
    """Return (indptr, indices, weights, timestamps) of pairs in any order, equal ones merged.

    A user's pairs are first put side by side; then blocks of users are sorted and merged where they
    stand. Beyond the result that takes 16 bytes a user, and what a block needs.
    """
    sizes = np.bincount(users, minlength=num_users)
    starts = np.concatenate(([0], np.cumsum(sizes)))
    width = max(num_items, 1)
    if users.size <= 4 * MERGED_AT_ONCE:  # nothing to compile for
        pairs, weights, timestamps = merge(users * width + items, weights, timestamps)
        owners, found = np.divmod(pairs, width)
        starts[1:] = np.cumsum(np.bincount(owners, minlength=num_users))
        return starts, found.astype(np.int32), weights, timestamps
    indices = _side_by_side(users, items, starts, np.int32)
    values = [
        None if each is None else _side_by_side(users, each, starts, each.dtype)
        for each in (weights, timestamps)
    ]
    kept = user = 0
    while user < num_users:
        stop = int(np.searchsorted(starts, starts[user] + MERGED_AT_ONCE, "right")) - 1
        stop = max(min(stop, num_users), user + 1)
        part = slice(int(starts[user]), int(starts[stop]))
        owners = np.repeat(np.arange(stop - user), sizes[user:stop])
        pairs, *merged = merge(
            owners * width + indices[part], *(None if v is None else v[part] for v in values)
        )
        owners, found = np.divmod(pairs, width)
        sizes[user:stop] = np.bincount(owners, minlength=stop - user)
        for array, new in zip((indices, *values), (found, *merged), strict=True):
            if array is not None:
                array[kept : kept + pairs.size] = new
        kept, user = kept + pairs.size, stop
    np.cumsum(sizes, out=starts[1:])
    for array in (indices, *values):
        if array is not None and kept < array.size:
            array.resize(kept, refcheck=False)  # gives the end back without a copy
    return starts, indices, values[0], values[1]


def _side_by_side(
    users: NDArray[np.int64], values: NDArray[Any], starts: NDArray[np.int64], dtype: Any
) -> NDArray[Any]:
    """Return the values user after user, those of a user in their order."""
    out = np.empty(values.size, dtype)
    _place(users, values, starts[:-1].copy(), out)
    return out


@kernel
def _place(
    users: NDArray[np.int64],
    values: NDArray[Any],
    places: NDArray[np.int64],
    out: NDArray[Any],
) -> None:
    for index in range(users.size):
        user = users[index]
        out[places[user]] = values[index]
        places[user] += 1


@kernel
def contains_pairs(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    out: NDArray[np.bool_],
) -> None:
    """Tell for each pair whether it is among the rows: a bisection each."""
    for index in range(out.size):
        low, end = indptr[users[index]], indptr[users[index] + 1]
        high = end
        while low < high:
            middle = (low + high) >> 1
            if indices[middle] < items[index]:
                low = middle + 1
            else:
                high = middle
        out[index] = low < end and indices[low] == items[index]


def union_rows(
    left: tuple[NDArray[np.int64], NDArray[np.int32]],
    right: tuple[NDArray[np.int64], NDArray[np.int32]],
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return (indptr, indices) of the items that either matrix has, row by row; no other memory."""
    indptr = np.zeros(left[0].size, np.int64)
    _merge_rows(left, right, indptr, np.empty(0, np.int32))
    np.cumsum(indptr, out=indptr)
    indices = np.empty(int(indptr[-1]), np.int32)
    _merge_rows(left, right, indptr, indices)
    return indptr, indices


@kernel
def _merge_rows(
    left: tuple[NDArray[np.int64], NDArray[np.int32]],
    right: tuple[NDArray[np.int64], NDArray[np.int32]],
    indptr: NDArray[np.int64],
    out: NDArray[np.int32],
) -> None:
    """Fill `out`, or, where it is empty, put the size of row r into ``indptr[r + 1]``."""
    counting = out.size == 0
    for row in range(indptr.size - 1):
        a, a_end = left[0][row], left[0][row + 1]
        b, b_end = right[0][row], right[0][row + 1]
        start = np.int64(0) if counting else indptr[row]
        size = 0
        while a < a_end or b < b_end:
            take_a = b == b_end or (a < a_end and left[1][a] <= right[1][b])
            item = left[1][a] if take_a else right[1][b]
            if take_a and b < b_end and right[1][b] == item:
                b += 1
            if take_a:
                a += 1
            else:
                b += 1
            if not counting:
                out[start + size] = item
            size += 1
        if counting:
            indptr[row + 1] = size


@kernel
def sort_rows(indptr: NDArray[np.int64], values: NDArray[np.int32], start: int, stop: int) -> None:
    """Sort the values of each row from `start` to before `stop`."""
    for row in range(start, stop):
        values[indptr[row] : indptr[row + 1]].sort()
