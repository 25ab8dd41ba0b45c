"""What happened in which order: ragged sequences of items, one a session or user."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.checks import check_count
from recneg.csr import check_rows, check_size, check_values, check_vocabulary
from recneg.errors import InvalidDataError
from recneg.event_order import check_times, order_of
from recneg.frozen import Frozen
from recneg.ids import ID_LIMIT, check_ids, look_up
from recneg.interactions import Interactions
from recneg.ragged import flat_positions

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["Sequences", "check_sequences"]


@dataclass(frozen=True, eq=False, repr=False)
class Sequences(Frozen):
    """Ordered events of each session or user; an item may occur several times in one.

    Build one with `from_arrays`, `from_polars`, `from_pandas`, `from_file` or `from_interactions`.

    Attributes
    ----------
    indptr : numpy.ndarray of int64, shape (num_sequences + 1,)
    items : numpy.ndarray of int32, shape (num_events,)
        Sequence after sequence, the oldest event first.
    num_items : int
    timestamps : numpy.ndarray of int64, shape (num_events,), optional
        Any clock that does not run backwards inside a sequence.
    sequence_ids, item_ids : numpy.ndarray, optional
        Sorted raw ids (integers or strings); row `i` belongs to index `i`. ``None`` where the
        indices are the ids.

    Examples
    --------
    >>> data = Sequences.from_arrays([0, 0, 1, 0], [3, 1, 2, 3], timestamps=[10, 30, 5, 20])
    >>> data
    Sequences(2 sequences, 4 items, 4 events)
    >>> data.items_of(0).tolist()
    [3, 3, 1]
    """

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]
    num_items: int
    timestamps: NDArray[np.int64] | None = None
    sequence_ids: NDArray[Any] | None = None
    item_ids: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        check_rows(
            self.indptr, self.items, self.num_items, field="items", entry="event", row="sequence"
        )
        if self.timestamps is not None:
            check_times(self.indptr, self.timestamps)
        check_vocabulary(self.sequence_ids, self.num_sequences, "sequence_ids")
        check_vocabulary(self.item_ids, self.num_items, "item_ids")
        super().__post_init__()

    # -- sizes ---------------------------------------------------------------------------------

    @property
    def num_sequences(self) -> int:
        """Number of sequences, the empty ones included."""
        return len(self.indptr) - 1

    @property
    def num_events(self) -> int:
        """Number of events, repeated ones included."""
        return len(self.items)

    def __len__(self) -> int:
        return self.num_sequences

    def __repr__(self) -> str:
        return (
            f"Sequences({self.num_sequences} sequences, {self.num_items} items, "
            f"{self.num_events} events)"
        )

    # -- views ---------------------------------------------------------------------------------

    def items_of(self, sequence: int) -> NDArray[np.int32]:
        """Return the items of one sequence index, oldest first."""
        if check_ids(sequence, "sequence", self.num_sequences).ndim:
            raise InvalidDataError(f"sequence must be one index; got {sequence!r}")
        return self.items[self.indptr[sequence] : self.indptr[sequence + 1]]

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of events of each sequence, shape (num_sequences,)."""
        return np.diff(self.indptr)

    def item_counts(self) -> NDArray[np.int64]:
        """Return the number of events of each item, shape (num_items,)."""
        return np.bincount(self.items, minlength=self.num_items)

    def owners(self) -> NDArray[np.int32]:
        """Return the sequence index of every event, aligned with `items`."""
        return np.repeat(np.arange(self.num_sequences, dtype=np.int32), self.lengths())

    def last_times(self) -> NDArray[np.int64]:
        """Return the time of each sequence's last event; the lowest int64 for an empty one.

        Raises
        ------
        InvalidDataError
            Without timestamps.
        """
        if self.timestamps is None:
            raise InvalidDataError("the last times need timestamps; the sequences have none")
        times = np.full(self.num_sequences, np.iinfo(np.int64).min)
        filled = self.lengths() > 0
        times[filled] = self.timestamps[self.indptr[1:][filled] - 1]
        return times

    def events_of(self, sequences: ArrayLike) -> NDArray[np.int64]:
        """Return the positions in `items` of all events of `sequences`, one after another."""
        rows = check_ids(sequences, "sequence", self.num_sequences).reshape(-1)
        return flat_positions(self.indptr[rows], self.lengths()[rows])

    def sequence_index(self, raw: ArrayLike) -> NDArray[np.int64]:
        """Return the indices of raw sequence ids; `InvalidIdError` for one that does not occur."""
        return look_up(raw, self.sequence_ids, self.num_sequences, "sequence")

    def item_index(self, raw: ArrayLike) -> NDArray[np.int64]:
        """Return the indices of raw item ids; `InvalidIdError` for one that does not occur."""
        return look_up(raw, self.item_ids, self.num_items, "item")

    # -- parts ---------------------------------------------------------------------------------

    def select(self, keep: NDArray[np.bool_]) -> Sequences:
        """Return the sequences marked in `keep`, renumbered, with their ids, over the same items.

        Where they stand together, their events are not copied.

        Parameters
        ----------
        keep : numpy.ndarray of bool, shape (num_sequences,)
        """
        keep = _check_mask(keep, len(self))
        marked = np.flatnonzero(keep)
        if marked.size and marked[-1] - marked[0] == marked.size - 1:
            return self.between(int(marked[0]), int(marked[-1]) + 1)
        ids = marked if self.sequence_ids is None else self.sequence_ids[keep]
        return self._cut(self.indptr[:-1][keep], self.lengths()[keep], ids)

    def between(self, start: int, stop: int) -> Sequences:
        """Return the sequences from `start` to before `stop`, without a copy of their events."""
        check_ids([start, stop], "sequence", self.num_sequences + 1)
        if start > stop:
            raise InvalidDataError(f"start must not be beyond stop; got {start} and {stop}")
        part = slice(self.indptr[start], self.indptr[stop])
        ids = self.sequence_ids
        if ids is None and start > 0:
            ids = np.arange(stop)
        return replace(
            self,
            indptr=self.indptr[start : stop + 1] - self.indptr[start],
            items=self.items[part],
            timestamps=None if self.timestamps is None else self.timestamps[part],
            sequence_ids=None if ids is None else ids[start:stop],
        )

    def latest(self, length: int) -> Sequences:
        """Return the last `length` events of each sequence, or all where there are fewer."""
        counts = np.minimum(self.lengths(), self._bounded(length, "length", 0))
        return self._cut(self.indptr[1:] - counts, counts, self.sequence_ids)

    def without_last(self, n: int = 1) -> Sequences:
        """Return all but the last `n` events of each sequence, which may become empty."""
        counts = np.maximum(self.lengths() - self._bounded(n, "n", 0), 0)
        return self._cut(self.indptr[:-1], counts, self.sequence_ids)

    def windows(self, length: int) -> Sequences:
        """Return windows of at most `length` events, so that a model of so many learns from all.

        The last window of a sequence ends with it, and a window begins with the event that the one
        before it ends with: every event but a sequence's first follows another in one window. Each
        window is a sequence of its own, without an id; a short sequence is one as it stands.

        Nothing tells which windows were one sequence: what excludes the items of a sequence, as a
        sampler's `unseen` does, knows of a window's own items alone.

        Parameters
        ----------
        length : int
            At least 2.

        Examples
        --------
        >>> data = Sequences.from_arrays([0, 0, 0, 0, 0, 0, 1], [1, 2, 3, 4, 5, 6, 7])
        >>> [window.tolist() for window in map(data.windows(3).items_of, range(4))]
        [[1, 2], [2, 3, 4], [4, 5, 6], [7]]
        """
        length = self._bounded(length, "length", 2)
        step = length - 1
        numbers = 1 + np.maximum(-(-(self.lengths() - length) // step), 0)
        owners = np.repeat(np.arange(self.num_sequences), numbers)
        after = np.cumsum(numbers)[owners] - 1 - np.arange(len(owners))
        stops = self.indptr[1:][owners] - after * step
        starts = np.maximum(stops - length, self.indptr[:-1][owners])
        return self._cut(starts, stops - starts, None)

    def select_events(self, keep: NDArray[np.bool_]) -> Sequences:
        """Return the events marked in `keep`, in the same sequences, which may become empty.

        Parameters
        ----------
        keep : numpy.ndarray of bool, shape (num_events,)
        """
        keep = _check_mask(keep, self.num_events)
        running = np.concatenate(([0], np.cumsum(keep, dtype=np.int64)))
        return replace(
            self,
            indptr=running[self.indptr],
            items=self.items[keep],
            timestamps=None if self.timestamps is None else self.timestamps[keep],
        )

    def without_times(self) -> Sequences:
        """Return the same events in the same order, without timestamps."""
        return replace(self, timestamps=None)

    def _bounded(self, count: int, name: str, least: int) -> int:
        """Return a number of events, where it is beyond all of them as one that int64 holds."""
        return min(check_count(count, name, least), self.num_events + least)

    def _cut(
        self,
        starts: NDArray[np.int64],
        counts: NDArray[np.int64],
        sequence_ids: NDArray[Any] | None,
    ) -> Sequences:
        """Return the sequences made of `counts` events from `starts`."""
        events = flat_positions(starts, counts)
        return replace(
            self,
            indptr=np.concatenate((np.zeros(1, np.int64), np.cumsum(counts))),
            items=self.items[events],
            timestamps=None if self.timestamps is None else self.timestamps[events],
            sequence_ids=sequence_ids,
        )

    # -- conversions ---------------------------------------------------------------------------

    def to_interactions(self) -> Interactions:
        """Return the distinct items of each sequence, the sequences as users.

        Timestamps are those of an item's last event in the sequence.
        """
        return Interactions.from_arrays(
            self.owners(),
            self.items,
            timestamps=self.timestamps,
            num_users=self.num_sequences,
            num_items=self.num_items,
            user_ids=self.sequence_ids,
            item_ids=self.item_ids,
        )

    def to_polars(self) -> pl.DataFrame:
        """Return a frame of raw ids, in order: ``sequence``, ``item``, ``timestamp`` if known."""
        import polars as pl

        owners = self.owners()
        columns: dict[str, Any] = {
            "sequence": owners if self.sequence_ids is None else self.sequence_ids[owners],
            "item": self.items if self.item_ids is None else self.item_ids[self.items],
        }
        if self.timestamps is not None:
            columns["timestamp"] = self.timestamps
        return pl.DataFrame(columns)

    # -- constructors --------------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        sequences: ArrayLike,
        items: ArrayLike,
        *,
        timestamps: ArrayLike | None = None,
        num_sequences: int | None = None,
        num_items: int | None = None,
        sequence_ids: NDArray[Any] | None = None,
        item_ids: NDArray[Any] | None = None,
    ) -> Sequences:
        """Build from one sequence index and one item index an event.

        Parameters
        ----------
        sequences, items : array_like of int, shape (n,)
            0-based indices below 2**31 - 1. Events of one sequence need not stand together.
        timestamps : array_like of int, float or datetime64, shape (n,), optional
            Order the events of a sequence; events of one time, and all without timestamps, keep
            the order of the rows. Dates are kept as seconds since 1970. Fractions count for the
            order; what is kept is rounded down.
        num_sequences, num_items : int, optional
            Default: one more than the largest index.
        sequence_ids, item_ids : numpy.ndarray, optional
            Sorted raw ids, if indices are not the ids.

        Raises
        ------
        InvalidIdError
            For an id that is not an integer, negative, or not below the count.
        InvalidDataError
            For lengths that differ, missing or infinite timestamps, or counts beyond int32.
        """
        check_size(num_sequences, "num_sequences")
        check_size(num_items, "num_items")
        s = check_ids(sequences, "sequence", ID_LIMIT if num_sequences is None else num_sequences)
        i = check_ids(items, "item", ID_LIMIT if num_items is None else num_items)
        if s.ndim != 1 or s.shape != i.shape:
            raise InvalidDataError(
                "sequences and items must be vectors of one length; "
                f"got shapes {s.shape} and {i.shape}"
            )
        times = check_values(timestamps, s.size, "timestamps", np.int64)
        order = order_of(s, None if times is None else np.asarray(timestamps))
        if order is not None:
            s, i, times = s[order], i[order], None if times is None else times[order]
        count = (int(s[-1]) + 1 if s.size else 0) if num_sequences is None else num_sequences
        num_items = (int(i.max()) + 1 if i.size else 0) if num_items is None else num_items
        indptr = np.zeros(count + 1, np.int64)
        np.cumsum(np.bincount(s, minlength=count), out=indptr[1:])
        return cls(indptr, i.astype(np.int32), num_items, times, sequence_ids, item_ids)

    @classmethod
    def from_polars(
        cls,
        frame: pl.DataFrame | pl.LazyFrame,
        *,
        sequence: str = "sequence",
        item: str = "item",
        timestamp: str | None = None,
    ) -> Sequences:
        """Build from a Polars frame of raw ids, one row an event.

        Parameters
        ----------
        frame : polars.DataFrame or polars.LazyFrame
        sequence, item : str
            Columns of raw ids: non-negative integers of any width, or strings. They are given
            indices in sorted order.
        timestamp : str, optional
            A column of numbers or dates that orders the events of a sequence. Without it, and
            among equal times, the order of the rows counts.

        Raises
        ------
        InvalidDataError
            For a missing column, an empty frame, NaN or nulls.
        InvalidIdError
            For float or negative ids.
        """
        from recneg.reading import columns_of

        columns = columns_of(frame, sequence, item, None, timestamp)
        sequence_ids, sequences = np.unique(columns["user"], return_inverse=True)
        item_ids, items = np.unique(columns["item"], return_inverse=True)
        return cls.from_arrays(
            sequences,
            items,
            timestamps=columns.get("timestamp"),
            num_sequences=len(sequence_ids),
            num_items=len(item_ids),
            sequence_ids=sequence_ids,
            item_ids=item_ids,
        )

    @classmethod
    def from_pandas(
        cls,
        frame: pd.DataFrame,
        *,
        sequence: str = "sequence",
        item: str = "item",
        timestamp: str | None = None,
    ) -> Sequences:
        """Build from a pandas frame; the arguments are those of `from_polars`."""
        from recneg.reading import polars_of_pandas

        table = polars_of_pandas(frame, (sequence, item, timestamp))
        return cls.from_polars(table, sequence=sequence, item=item, timestamp=timestamp)

    @classmethod
    def from_file(
        cls,
        path: str | PathLike[str],
        *,
        sequence: str | None = None,
        item: str | None = None,
        timestamp: str | None = None,
        layout: Literal["events", "lines"] = "events",
        ids: Literal["integer", "string"] = "integer",
    ) -> Sequences:
        """Read a file of events or of whole sequences, plain or gzipped.

        Parameters
        ----------
        layout : {"events", "lines"}
            "events" is a CSV, TSV, ``::``-separated or Parquet file with a row an event, as
            `Interactions.from_file` reads it; "lines" has a line ``sequence item item ...``, the
            oldest item first, with space or tab between.
        sequence, item, timestamp : str, optional
            Columns of a file of events. Default: found by their usual names; no order but that of
            the rows where no column looks like a time.
        ids : {"integer", "string"}
            How ids of text files are read.

        Raises
        ------
        FileNotFoundError
        InvalidDataError, InvalidIdError
            As in `from_polars`; for text files with the line number.
        """
        from recneg.reading import read_interactions
        from recneg.sequence_lines import read_lines

        if layout not in ("events", "lines"):
            raise ValueError(f"layout must be 'events' or 'lines'; got {layout!r}")
        if layout == "lines":
            if not sequence == item == timestamp is None:
                raise ValueError(f"lines have no columns; got {sequence or item or timestamp!r}")
            return cls(**read_lines(path, ids))
        frame, names = read_interactions(
            path, user=sequence, item=item, timestamp=timestamp, ids=ids, weight=False
        )
        return cls.from_polars(
            frame, sequence=names["user"], item=names["item"], timestamp=names["timestamp"]
        )

    @classmethod
    def from_interactions(cls, interactions: Interactions) -> Sequences:
        """Order each user's items by time, equal times by item id.

        Raises
        ------
        InvalidDataError
            Without timestamps.
        """
        if interactions.timestamps is None:
            raise InvalidDataError("sequences need timestamps; the interactions have none")
        order = np.lexsort((interactions.timestamps, interactions.users()))
        return cls(
            interactions.indptr,
            interactions.indices[order],
            interactions.num_items,
            interactions.timestamps[order],
            interactions.user_ids,
            interactions.item_ids,
        )


def check_sequences(value: Any, name: str) -> Sequences:
    """Return `value` after checking that it is `Sequences`."""
    if not isinstance(value, Sequences):
        raise InvalidDataError(
            f"{name} must be Sequences (see Sequences.from_arrays and others); "
            f"got {type(value).__name__}"
        )
    return value


def _check_mask(keep: ArrayLike, size: int) -> NDArray[np.bool_]:
    keep = np.asarray(keep)
    if keep.dtype != np.bool_ or keep.shape != (size,):
        raise InvalidDataError(
            f"keep must be bool of shape ({size},); got {keep.dtype} of {keep.shape}"
        )
    return keep
