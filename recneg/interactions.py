"""Who interacted with what: sorted unique items per user in CSR form, with the raw ids."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.csr import (
    check_csr,
    check_size,
    check_values,
    check_vocabulary,
    contains_pairs,
    rows_of_pairs,
    union_rows,
)
from recneg.errors import InvalidDataError, InvalidIdError
from recneg.frozen import Frozen
from recneg.ids import ID_LIMIT, check_ids, look_up
from recneg.parallel import map_blocks
from recneg.ragged import flat_positions

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from scipy.sparse import csr_matrix, sparray, spmatrix

__all__ = ["ID_LIMIT", "Interactions", "check_ids", "check_interactions"]


@dataclass(frozen=True, eq=False, repr=False)
class Interactions(Frozen):
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
        check_csr(self.indptr, self.indices, self.num_items)
        for name, values in (("weights", self.weights), ("timestamps", self.timestamps)):
            if values is not None and values.shape != self.indices.shape:
                raise InvalidDataError(
                    f"{name} must have shape {self.indices.shape}; got {values.shape}"
                )
        check_vocabulary(self.user_ids, self.num_users, "user_ids")
        check_vocabulary(self.item_ids, self.num_items, "item_ids")
        super().__post_init__()

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
        """Return the sorted items of one user index; `InvalidIdError` for any other number."""
        if check_ids(user, "user", self.num_users).ndim:
            raise InvalidIdError(f"user must be one index; got {user!r}")
        return self.indices[self.indptr[user] : self.indptr[user + 1]]

    def user_counts(self) -> NDArray[np.int64]:
        """Return the number of items of each user, shape (num_users,)."""
        return np.diff(self.indptr)

    def item_counts(self) -> NDArray[np.int64]:
        """Return the number of users of each item, shape (num_items,)."""
        counts = np.zeros(self.num_items, np.int64)
        step = max(self.num_items, 1 << 16)  # NumPy makes int64 of what it counts
        for start in range(0, len(self), step):
            counts += np.bincount(self.indices[start : start + step], minlength=self.num_items)
        return counts

    def users(self) -> NDArray[np.int32]:
        """Return the user index of every interaction, aligned with `indices`."""
        return np.repeat(np.arange(self.num_users, dtype=np.int32), self.user_counts())

    def contains(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.bool_]:
        """Tell for each (user, item) pair of indices, broadcast together, if it was observed."""
        u, i = np.broadcast_arrays(
            check_ids(users, "user", self.num_users), check_ids(items, "item", self.num_items)
        )
        out = np.empty(u.shape, np.bool_)
        flat = out.reshape(-1)
        owners, wanted = u.flatten(), i.flatten()
        map_blocks(
            lambda start, stop: contains_pairs(
                self.indptr, self.indices, owners[start:stop], wanted[start:stop], flat[start:stop]
            ),
            out.size,
            1 << 16,
        )
        return out

    def rows_of(self, users: ArrayLike) -> NDArray[np.int64]:
        """Return the positions in `indices` of all interactions of `users`, user after user."""
        u = check_ids(users, "user", self.num_users)
        return flat_positions(self.indptr[u], self.user_counts()[u])

    def union(self, other: Interactions) -> Interactions:
        """Return the pairs of either, in this id space, without weights and timestamps.

        Raises
        ------
        InvalidDataError
            If the other has other numbers of users or items.
        """
        if (other.num_users, other.num_items) != (self.num_users, self.num_items):
            raise InvalidDataError(
                "both must have the same users and items, "
                f"{(self.num_users, self.num_items)}; got {(other.num_users, other.num_items)}"
            )
        indptr, indices = union_rows((self.indptr, self.indices), (other.indptr, other.indices))
        return Interactions(
            indptr, indices, self.num_items, user_ids=self.user_ids, item_ids=self.item_ids
        )

    def user_index(self, raw: ArrayLike) -> NDArray[np.int64]:
        """Return the indices of raw user ids; `InvalidIdError` for one that does not occur."""
        return look_up(raw, self.user_ids, self.num_users, "user")

    def item_index(self, raw: ArrayLike) -> NDArray[np.int64]:
        """Return the indices of raw item ids; `InvalidIdError` for one that does not occur."""
        return look_up(raw, self.item_ids, self.num_items, "item")

    def select(self, keep: NDArray[np.bool_]) -> Interactions:
        """Return the interactions marked in `keep`, in the same id space.

        Parameters
        ----------
        keep : numpy.ndarray of bool, shape (num_interactions,)
        """
        if keep.dtype != np.bool_ or keep.shape != (len(self),):
            raise InvalidDataError(
                f"keep must be bool of shape ({len(self)},); got {keep.dtype} of {keep.shape}"
            )
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
        """Return a SciPy CSR matrix of the weights, or of ones.

        Its arrays are writable copies: libraries with compiled code refuse read-only ones.
        """
        from scipy.sparse import csr_matrix

        data = np.ones(len(self), np.float32) if self.weights is None else self.weights
        shape = (self.num_users, self.num_items)
        matrix = csr_matrix((data, self.indices, self.indptr), shape=shape, copy=True)
        matrix.has_sorted_indices = True
        return matrix

    def to_polars(self) -> pl.DataFrame:
        """Return a frame of raw ids: ``user``, ``item``, and ``weight``, ``timestamp`` if known."""
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
        user_ids: ArrayLike | None = None,
        item_ids: ArrayLike | None = None,
    ) -> Interactions:
        """Build from one user index and one item index an interaction.

        Parameters
        ----------
        users, items : array_like of int, shape (n,)
            0-based indices below 2**31 - 1; duplicates are merged and counted.
        weights : array_like of float, shape (n,), optional
            Finite.
        timestamps : array_like of int, float or datetime64, shape (n,), optional
            Dates become seconds since 1970, fractions are rounded down.
        num_users, num_items : int, optional
            Default: one more than the largest index.
        user_ids, item_ids : array_like, optional
            Sorted raw ids, if indices are not the ids.

        Raises
        ------
        InvalidIdError
            For an id that is not an integer, negative, or not below the count.
        InvalidDataError
            For lengths that differ, NaN or infinite weights, or counts beyond int32.
        """
        check_size(num_users, "num_users")
        check_size(num_items, "num_items")
        u = check_ids(users, "user", ID_LIMIT if num_users is None else num_users)
        i = check_ids(items, "item", ID_LIMIT if num_items is None else num_items)
        if u.ndim != 1 or u.shape != i.shape:
            raise InvalidDataError(
                f"users and items must be vectors of one length; got shapes {u.shape} and {i.shape}"
            )
        num_users = (int(u.max()) + 1 if u.size else 0) if num_users is None else num_users
        num_items = (int(i.max()) + 1 if i.size else 0) if num_items is None else num_items
        w = check_values(weights, u.size, "weights", np.float32)
        t = check_values(timestamps, u.size, "timestamps", np.int64)
        with np.errstate(over="ignore"):
            indptr, indices, w, t = rows_of_pairs(u, i, num_users, num_items, w, t)
        if w is not None and w.size < u.size and not np.isfinite(w).all():
            raise InvalidDataError(
                "weights of equal pairs must have a finite sum in float32; got overflow"
            )
        return cls(
            indptr,
            indices,
            num_items,
            w,
            t,
            None if user_ids is None else np.array(user_ids),  # the caller's stay writable
            None if item_ids is None else np.array(item_ids),
            num_duplicates=u.size - indices.size,
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
            raise InvalidDataError(f"a threshold needs a weight column; got weight={weight}")
        columns = columns_of(frame, user, item, weight, timestamp)
        if threshold is not None:
            rows = len(columns["weight"])
            check_values(columns["weight"], rows, "weights", np.float32)  # NaN is no low rating
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
    def from_pandas(
        cls,
        frame: pd.DataFrame,
        *,
        user: str = "user",
        item: str = "item",
        weight: str | None = None,
        timestamp: str | None = None,
        threshold: float | None = None,
        num_users: int | None = None,
        num_items: int | None = None,
    ) -> Interactions:
        """Build from a pandas frame; the arguments are those of `from_polars`."""
        from recneg.reading import polars_of_pandas

        return cls.from_polars(
            polars_of_pandas(frame, (user, item, weight, timestamp)),
            user=user, item=item, weight=weight, timestamp=timestamp, threshold=threshold,
            num_users=num_users, num_items=num_items,
        )  # fmt: skip

    @classmethod
    def from_scipy(cls, matrix: spmatrix | sparray) -> Interactions:
        """Build from a users x items SciPy matrix; explicit zeros are no interactions.

        The values become weights unless all of them are one.
        """
        from scipy.sparse import coo_matrix

        anything: Any = matrix  # the overloads of `coo_matrix` know no base class
        coo = coo_matrix(anything)
        keep = coo.data != 0
        values = coo.data[keep]
        plain = bool(np.all(values == 1))
        return cls.from_arrays(
            coo.row[keep],
            coo.col[keep],
            weights=None if plain else values,
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
        weight: str | Literal[False] | None = None,
        timestamp: str | Literal[False] | None = None,
        threshold: float | None = None,
        ids: Literal["integer", "string"] = "integer",
        num_users: int | None = None,
        num_items: int | None = None,
    ) -> Interactions:
        """Read a CSV, TSV, ``::``-separated or Parquet file, plain or gzipped.

        Columns are found by their usual names (``userId``, ``movie_id``, ``rating``, ...) or taken
        as given; False for `weight` or `timestamp` takes none. A text file with a number in its
        first line has no header, and is read as user, item, weight, timestamp; above labels alone
        there must be one. Text is UTF-8.

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


def check_interactions(value: Any, name: str) -> Interactions:
    """Return `value` after checking that it is `Interactions`."""
    if not isinstance(value, Interactions):
        raise InvalidDataError(
            f"{name} must be Interactions (see Interactions.from_scipy and others); "
            f"got {type(value).__name__}"
        )
    return value
