"""Who interacted with what: sorted unique items per user in CSR form, with the raw-id vocabulary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidDataError, InvalidIdError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from scipy.sparse import csr_matrix, sparray, spmatrix

__all__ = ["ID_LIMIT", "Interactions", "check_ids"]

ID_LIMIT = 2**31 - 1
"""User and item counts stay at or below this, so that every id fits int32."""


def check_ids(values: ArrayLike, what: str, limit: int = ID_LIMIT) -> NDArray[np.int64]:
    """Return `values` as int64 after checking that they are integers in ``[0, limit)``.

    Raises
    ------
    InvalidIdError
        Naming the requirement, the position and the offending value.
    """
    array = np.asarray(values)
    if array.dtype.kind == "O" and array.size and isinstance(array.reshape(-1)[0], int):
        array = _integers_from_objects(array, what, limit)
    if array.dtype.kind not in "iu" and array.size:
        raise InvalidIdError(
            f"{what} ids must be integers; got dtype {array.dtype}, "
            f"first value {array.reshape(-1)[0]!r}"
        )
    if array.size and (array.min() < 0 or array.max() >= limit):
        flat = array.reshape(-1)
        position = int(np.argmax((flat < 0) | (flat >= limit)))
        raise InvalidIdError(
            f"{what} ids must lie in [0, {limit}); got {flat[position]} at position {position}"
        )
    return array.astype(np.int64, copy=False)


def _integers_from_objects(array: NDArray[Any], what: str, limit: int) -> NDArray[Any]:
    """Convert Python integers, which may be too large for any integer dtype."""
    for position, value in enumerate(array.reshape(-1)):
        if not isinstance(value, int) or not 0 <= value < limit:
            raise InvalidIdError(
                f"{what} ids must be integers in [0, {limit}); got {value!r} at position {position}"
            )
    return array.astype(np.int64)


@dataclass(frozen=True, eq=False, repr=False)
class Interactions:
    """Implicit feedback as a CSR matrix of sorted, unique items per user.

    Build one with `from_arrays`, `from_polars`, `from_pandas`, `from_scipy` or `from_file`.

    Attributes
    ----------
    indptr : numpy.ndarray of int64, shape (num_users + 1,)
    indices : numpy.ndarray of int32, shape (num_interactions,)
        Items, strictly increasing inside each user.
    num_items : int
    weights : numpy.ndarray of float32, shape (num_interactions,), optional
        Ratings, play counts or confidences; those of duplicates are summed.
    timestamps : numpy.ndarray of int64, shape (num_interactions,), optional
        Any increasing clock; of duplicates the latest is kept.
    user_ids, item_ids : numpy.ndarray, optional
        Sorted raw ids (integers or strings); row `i` belongs to index `i`. ``None`` where the
        indices are the ids.
    num_duplicates : int
        Rows that were merged into another one.

    Examples
    --------
    >>> data = Interactions.from_arrays([0, 0, 2], [3, 1, 1])
    >>> data
    Interactions(3 users, 4 items, 3 interactions, density 0.25)
    >>> data.items_of(0).tolist()
    [1, 3]
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    num_items: int
    weights: NDArray[np.float32] | None = None
    timestamps: NDArray[np.int64] | None = None
    user_ids: NDArray[Any] | None = None
    item_ids: NDArray[Any] | None = None
    num_duplicates: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        _check_csr(self)
        for array in (self.indptr, self.indices, self.weights, self.timestamps):
            if array is not None:
                array.setflags(write=False)

    # -- sizes ---------------------------------------------------------------------------------

    @property
    def num_users(self) -> int:
        """Number of users, those without interactions included."""
        return len(self.indptr) - 1

    @property
    def num_interactions(self) -> int:
        """Number of distinct (user, item) pairs."""
        return len(self.indices)

    def __len__(self) -> int:
        return self.num_interactions

    def __repr__(self) -> str:
        cells = self.num_users * self.num_items
        density = self.num_interactions / cells if cells else 0.0
        return (
            f"Interactions({self.num_users} users, {self.num_items} items, "
            f"{self.num_interactions} interactions, density {density:.4g})"
        )

    # -- views ---------------------------------------------------------------------------------

    def items_of(self, user: int) -> NDArray[np.int32]:
        """Return the sorted items of one user index."""
        return self.indices[self.indptr[user] : self.indptr[user + 1]]

    def user_counts(self) -> NDArray[np.int64]:
        """Return the number of items of each user, shape (num_users,)."""
        return np.diff(self.indptr)

    def item_counts(self) -> NDArray[np.int64]:
        """Return the number of users of each item, shape (num_items,)."""
        return np.bincount(self.indices, minlength=self.num_items)

    def users(self) -> NDArray[np.int32]:
        """Return the user index of every interaction, aligned with `indices`."""
        return np.repeat(np.arange(self.num_users, dtype=np.int32), self.user_counts())

    def contains(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.bool_]:
        """Tell for each (user, item) pair of indices, broadcast together, if it was observed."""
        u, i = np.broadcast_arrays(
            check_ids(users, "user", self.num_users), check_ids(items, "item", self.num_items)
        )
        low, high = self.indptr[u], self.indptr[u + 1]
        end = high.copy()
        while np.any(low < high):  # bisection of all pairs together
            middle = (low + high) >> 1
            right = (low < high) & (self.indices[np.minimum(middle, len(self) - 1)] < i)
            low, high = np.where(right, middle + 1, low), np.where(right, high, middle)
        found = low < end
        found[found] = self.indices[low[found]] == i[found]
        return found

    def user_index(self, raw: ArrayLike) -> NDArray[np.int64]:
        """Return the indices of raw user ids."""
        return _lookup(raw, self.user_ids, self.num_users, "user")

    def item_index(self, raw: ArrayLike) -> NDArray[np.int64]:
        """Return the indices of raw item ids."""
        return _lookup(raw, self.item_ids, self.num_items, "item")

    def select(self, keep: NDArray[np.bool_]) -> Interactions:
        """Return the interactions marked in `keep`, shape (num_interactions,), in the same id space."""
        running = np.concatenate(([0], np.cumsum(keep, dtype=np.int64)))
        return replace(
            self,
            indptr=running[self.indptr],
            indices=self.indices[keep],
            weights=None if self.weights is None else self.weights[keep],
            timestamps=None if self.timestamps is None else self.timestamps[keep],
            num_duplicates=0,
        )

    # -- conversions ---------------------------------------------------------------------------

    def to_scipy(self) -> csr_matrix[Any]:
        """Return a SciPy CSR matrix of the weights, or of ones; the indices are shared."""
        from scipy.sparse import csr_matrix

        data = np.ones(len(self), np.float32) if self.weights is None else self.weights
        shape = (self.num_users, self.num_items)
        matrix = csr_matrix((data, self.indices, self.indptr), shape=shape, copy=False)
        matrix.has_sorted_indices = True
        return matrix

    def to_polars(self) -> pl.DataFrame:
        """Return a frame of raw ids: ``user``, ``item`` and, where known, ``weight``, ``timestamp``."""
        import polars as pl

        users = self.users() if self.user_ids is None else self.user_ids[self.users()]
        items = self.indices if self.item_ids is None else self.item_ids[self.indices]
        columns: dict[str, Any] = {"user": users, "item": items}
        if self.weights is not None:
            columns["weight"] = self.weights
        if self.timestamps is not None:
            columns["timestamp"] = self.timestamps
        return pl.DataFrame(columns)

    # -- constructors --------------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        users: ArrayLike,
        items: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        timestamps: ArrayLike | None = None,
        num_users: int | None = None,
        num_items: int | None = None,
        user_ids: NDArray[Any] | None = None,
        item_ids: NDArray[Any] | None = None,
    ) -> Interactions:
        """Build from one user index and one item index an interaction.

        Parameters
        ----------
        users, items : array_like of int, shape (n,)
            0-based indices below 2**31 - 1; duplicates are merged and counted.
        weights : array_like of float, shape (n,), optional
            Finite.
        timestamps : array_like of int, shape (n,), optional
        num_users, num_items : int, optional
            Default: one more than the largest index.
        user_ids, item_ids : numpy.ndarray, optional
            Sorted raw ids, if indices are not the ids.

        Raises
        ------
        InvalidIdError
            For an id that is not an integer, negative, or not below the count.
        InvalidDataError
            For lengths that differ, NaN or infinite weights, or counts beyond int32.
        """
        num_users = _count(num_users, "num_users")
        num_items = _count(num_items, "num_items")
        u = check_ids(users, "user", ID_LIMIT if num_users is None else num_users)
        i = check_ids(items, "item", ID_LIMIT if num_items is None else num_items)
        if u.ndim != 1 or u.shape != i.shape:
            raise InvalidDataError(
                f"users and items must be vectors of one length; got shapes {u.shape} and {i.shape}"
            )
        num_users = (int(u.max()) + 1 if u.size else 0) if num_users is None else num_users
        num_items = (int(i.max()) + 1 if i.size else 0) if num_items is None else num_items
        w = _values(weights, u.size, "weights", np.float32)
        t = _values(timestamps, u.size, "timestamps", np.int64)
        pairs, w, t = _merge(u * max(num_items, 1) + i, w, t)
        user_of, item_of = np.divmod(pairs, max(num_items, 1))
        indptr = np.zeros(num_users + 1, np.int64)
        np.cumsum(np.bincount(user_of, minlength=num_users), out=indptr[1:])
        return cls(
            indptr,
            item_of.astype(np.int32),
            num_items,
            w,
            t,
            user_ids,
            item_ids,
            num_duplicates=u.size - pairs.size,
        )

    @classmethod
    def from_polars(
        cls,
        frame: pl.DataFrame | pl.LazyFrame,
        *,
        user: str = "user",
        item: str = "item",
        weight: str | None = None,
        timestamp: str | None = None,
        threshold: float | None = None,
        num_users: int | None = None,
        num_items: int | None = None,
    ) -> Interactions:
        """Build from a Polars frame of raw ids.

        Parameters
        ----------
        frame : polars.DataFrame or polars.LazyFrame
        user, item : str
            Columns of raw ids: non-negative integers of any width, or strings. They are given
            indices in sorted order.
        weight, timestamp : str, optional
            Columns to keep.
        threshold : float, optional
            Keep only rows with at least this weight: how ratings become implicit feedback.
            Users and items all of whose rows are dropped are dropped too.
        num_users, num_items : int, optional
            Expected counts of distinct ids, checked against the data.

        Raises
        ------
        InvalidDataError
            For a missing column, an empty frame, NaN or nulls, or counts that contradict the data.
        InvalidIdError
            For float or negative ids.
        """
        from recneg.reading import columns_of

        if threshold is not None and weight is None:
            raise InvalidDataError("a threshold needs a weight column; got weight=None")
        columns = columns_of(frame, user, item, weight, timestamp)
        if threshold is not None:
            keep = columns["weight"] >= threshold
            columns = {name: values[keep] for name, values in columns.items()}
            if not keep.any():
                raise InvalidDataError(f"no row has a weight of at least {threshold}")
        user_ids, users = np.unique(columns["user"], return_inverse=True)
        item_ids, items = np.unique(columns["item"], return_inverse=True)
        for name, expected, found in (
            ("num_users", num_users, len(user_ids)),
            ("num_items", num_items, len(item_ids)),
        ):
            if expected is not None and expected != found:
                raise InvalidDataError(
                    f"{name} must equal the number of distinct ids; got {expected} "
                    f"where the data have {found}"
                )
        return cls.from_arrays(
            users,
            items,
            weights=columns.get("weight"),
            timestamps=columns.get("timestamp"),
            num_users=len(user_ids),
            num_items=len(item_ids),
            user_ids=user_ids,
            item_ids=item_ids,
        )

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame, **columns: Any) -> Interactions:
        """Build from a pandas frame; the arguments are those of `from_polars`."""
        import polars as pl

        names = [columns.get(name, name) for name in ("user", "item")]
        names += [columns[name] for name in ("weight", "timestamp") if columns.get(name)]
        missing = [name for name in names if name not in frame.columns]
        if missing:
            raise InvalidDataError(
                f"column {missing[0]!r} must be present; got columns {list(frame.columns)}"
            )
        return cls.from_polars(
            pl.DataFrame({name: _series(frame[name].to_numpy()) for name in names}), **columns
        )

    @classmethod
    def from_scipy(cls, matrix: spmatrix | sparray) -> Interactions:
        """Build from a users x items SciPy matrix; explicit zeros are no interactions.

        The values become weights unless all of them are one.
        """
        from scipy.sparse import coo_matrix

        coo = coo_matrix(matrix)
        values = np.asarray(coo.data, np.float32)
        if not np.isfinite(values).all():
            position = int(np.argmin(np.isfinite(values)))
            raise InvalidDataError(
                f"weights must be finite; got {values[position]} at position {position}"
            )
        keep = values != 0
        plain = bool(np.all(values[keep] == 1))
        return cls.from_arrays(
            coo.row[keep],
            coo.col[keep],
            weights=None if plain else values[keep],
            num_users=int(coo.shape[0]),
            num_items=int(coo.shape[1]),
        )

    @classmethod
    def from_file(
        cls,
        path: str | PathLike[str],
        *,
        user: str | None = None,
        item: str | None = None,
        weight: str | None = None,
        timestamp: str | None = None,
        threshold: float | None = None,
        ids: Literal["integer", "string"] = "integer",
        num_users: int | None = None,
        num_items: int | None = None,
    ) -> Interactions:
        """Read a CSV, TSV, ``::``-separated or Parquet file, plain or gzipped.

        Columns are found by their usual names (``userId``, ``movie_id``, ``rating``, ...) or taken
        as given. A text file without a header is read as user, item, weight, timestamp.

        Parameters
        ----------
        ids : {"integer", "string"}
            How ids of text files are read. With "integer", any other id is an error that names
            its line.
        user, item, weight, timestamp, threshold, num_users, num_items
            As in `from_polars`.

        Raises
        ------
        FileNotFoundError
        InvalidDataError, InvalidIdError
            As in `from_polars`; for text files with the line number.
        """
        from recneg.reading import read_interactions

        frame, names = read_interactions(
            path, user=user, item=item, weight=weight, timestamp=timestamp, ids=ids
        )
        return cls.from_polars(
            frame, **names, threshold=threshold, num_users=num_users, num_items=num_items
        )


def _check_csr(data: Interactions) -> None:
    indptr, indices = data.indptr, data.indices
    if indptr.ndim != 1 or indptr.size < 1 or indptr[0] != 0 or indptr[-1] != len(indices):
        raise InvalidDataError(
            f"indptr must run from 0 to the number of interactions, {len(indices)}"
        )
    if not 0 <= data.num_items <= ID_LIMIT or len(indptr) - 1 > ID_LIMIT:
        raise InvalidDataError(f"counts must lie in [0, {ID_LIMIT}]; got {data.num_items} items")
    if np.any(np.diff(indptr) < 0):
        raise InvalidDataError("indptr must not decrease")
    if indices.size:
        check_ids([indices.min(), indices.max()], "item", data.num_items)
        rising = np.diff(indices) > 0
        starts = indptr[1:-1]
        rising[starts[(starts > 0) & (starts < indices.size)] - 1] = True
        if not rising.all():
            raise InvalidDataError("items must be strictly increasing inside each user")
    for name in ("weights", "timestamps"):
        values = getattr(data, name)
        if values is not None and len(values) != len(indices):
            raise InvalidDataError(f"{name} must have length {len(indices)}; got {len(values)}")
    for name, ids, count in (
        ("user_ids", data.user_ids, data.num_users),
        ("item_ids", data.item_ids, data.num_items),
    ):
        if ids is not None and len(ids) != count:
            raise InvalidDataError(f"{name} must have length {count}; got {len(ids)}")


def _count(value: int | None, name: str) -> int | None:
    if value is not None and not 0 <= value <= ID_LIMIT:
        raise InvalidDataError(f"{name} must lie in [0, {ID_LIMIT}]; got {value}")
    return value


def _values(values: ArrayLike | None, size: int, name: str, dtype: Any) -> NDArray[Any] | None:
    if values is None:
        return None
    array = np.asarray(values)
    if array.shape != (size,):
        raise InvalidDataError(f"{name} must have shape ({size},); got {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        position = int(np.argmin(np.isfinite(array)))
        raise InvalidDataError(
            f"{name} must be finite; got {array[position]} at position {position}"
        )
    return array.astype(dtype)


def _merge(
    pairs: NDArray[np.int64], weights: NDArray[Any] | None, timestamps: NDArray[Any] | None
) -> tuple[NDArray[np.int64], NDArray[Any] | None, NDArray[Any] | None]:
    """Sort pair keys and merge equal ones: weights are summed, the latest timestamp is kept."""
    if weights is None and timestamps is None:
        return _unique_sorted(np.sort(pairs)), None, None
    order = np.argsort(pairs, kind="stable")
    pairs = pairs[order]
    first = np.ones(pairs.size, np.bool_)
    first[1:] = pairs[1:] != pairs[:-1]
    starts = np.flatnonzero(first)
    if weights is not None:
        weights = np.add.reduceat(weights[order], starts) if starts.size else weights
    if timestamps is not None:
        timestamps = np.maximum.reduceat(timestamps[order], starts) if starts.size else timestamps
    return pairs[starts], weights, timestamps


def _unique_sorted(values: NDArray[np.int64]) -> NDArray[np.int64]:
    first = np.ones(values.size, np.bool_)
    first[1:] = values[1:] != values[:-1]
    return values if first.all() else values[first]


def _lookup(
    raw: ArrayLike, vocabulary: NDArray[Any] | None, count: int, what: str
) -> NDArray[np.int64]:
    if vocabulary is None:
        return check_ids(raw, what, count)
    values = np.asarray(raw)
    if values.dtype.kind != vocabulary.dtype.kind and vocabulary.dtype.kind == "U":
        values = values.astype(str)
    elif values.dtype.kind not in "iu" and vocabulary.dtype.kind in "iu" and values.size:
        raise InvalidIdError(f"raw {what} ids are integers in this data; got {values.flat[0]!r}")
    places = np.minimum(np.searchsorted(vocabulary, values), max(len(vocabulary) - 1, 0))
    known = vocabulary[places] == values if len(vocabulary) else np.zeros(values.shape, np.bool_)
    if not np.all(known):
        unknown = values.reshape(-1)[int(np.argmin(np.reshape(known, -1)))]
        raise InvalidIdError(f"raw {what} ids must occur in the data; got {unknown!r}")
    return np.asarray(places, np.int64)


def _series(values: Iterable[Any]) -> Any:
    array = np.asarray(values)
    return array.tolist() if array.dtype.kind == "O" else array
