"""Ragged batches of sequences: which sequences, in which order, with which candidates.

A batch is a pure function of (key, epoch, number): any number of worker processes gives the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.keys import Key, shuffled
from recneg.ragged import flat_positions
from recneg.sequences import Sequences
from recneg.training.candidates import Candidates, CandidateSource, Hits
from recneg.training.streams import NEGATIVES, ORDER

__all__ = ["Order", "SequenceBatch", "SequenceBatches"]

Order = Literal["length", "random", "given"]

CHUNK = 32
"""Batches whose sequences are sorted by length together."""


class SequenceBatch(NamedTuple):
    """A step before it is scored: inputs, the items that came next, and candidates.

    Attributes
    ----------
    lengths : numpy.ndarray of int64, shape (num_rows,)
        Input events of each sequence, at least 1.
    items, targets : numpy.ndarray of int32, shape (num_events,)
        The inputs, sequence after sequence, and what came after each.
    candidates : Candidates
    hidden : tuple of three arrays
        Index pointers and sorted items that must not be candidates, and the list of each event;
        empty if nothing is hidden.
    """

    lengths: NDArray[np.int64]
    items: NDArray[np.int32]
    targets: NDArray[np.int32]
    candidates: Candidates
    hidden: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]


class SequenceBatches:
    """Cuts epochs into batches.

    Of a sequence of n events the last ``min(n - 1, max_length)`` before its last are inputs, each
    with the next as target. Sequences of fewer than two events are passed over.

    Parameters
    ----------
    sequences : Sequences
        Whole, for `hits`.
    source : CandidateSource
        Over the same sequences, of which it may have the last ``max_length + 1`` events alone.
    batch_size : int
        Sequences.
    max_length : int
    order : {"length", "random", "given"}
        "length": in random order, but those of a few thousand that follow each other are sorted by
        length, and cut where a batch has as many events as `batch_size` sequences have on average,
        so that padding is rare and no event counts for more in its batch than others elsewhere;
        then the batches are shuffled. "random": in random order. "given": as they stand, which
        may be that of time.
    hits : {"keep", "target", "sequence"}
    key : Key
        Of the run.

    Raises
    ------
    InvalidDataError
        If no sequence has two events.
    """

    def __init__(
        self,
        sequences: Sequences,
        source: CandidateSource,
        *,
        batch_size: int,
        max_length: int,
        order: Order,
        hits: Hits,
        key: Key,
    ) -> None:
        self.whole, self.sequences = sequences, source.sequences
        self.source, self.key = source, key
        self.batch_size, self.order, self.hits = batch_size, order, hits
        self._counts = np.minimum(self.sequences.lengths() - 1, max_length)
        self._usable = np.flatnonzero(self._counts > 0)
        if not self._usable.size:
            raise InvalidDataError(
                "training must have a sequence of at least two events; "
                f"got none among {len(sequences)}"
            )
        self.num_events = int(self._counts[self._usable].sum())
        self._cut: tuple[int, list[NDArray[np.int64]]] = (-1, [])

    def rows(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the sequences of each batch of an epoch."""
        if self._cut[0] != epoch:
            self._cut = epoch, self._rows(epoch)
        return self._cut[1]

    def _rows(self, epoch: int) -> list[NDArray[np.int64]]:
        size, order = self.batch_size, self._usable
        key = self.key.fold_in(ORDER).fold_in(epoch)
        if self.order != "given":
            order = shuffled(key, order)
        if self.order != "length":
            return [order[start : start + size] for start in range(0, len(order), size)]
        batches = []
        for start in range(0, len(order), size * CHUNK):
            chunk = order[start : start + size * CHUNK]
            chunk = chunk[np.argsort(self._counts[chunk], kind="stable")]
            running = np.cumsum(self._counts[chunk])
            number = -(-len(chunk) // size)
            shares = np.arange(1, number) * running[-1] // number
            parts = np.split(chunk, np.searchsorted(running, shares, side="right"))
            batches += [part for part in parts if part.size]
        mixed = shuffled(key.fold_in(0), np.arange(len(batches)))
        return [batches[index] for index in mixed]

    def batch(self, epoch: int, number: int) -> SequenceBatch:
        """Return a batch with its candidates."""
        rows, data = self.rows(epoch)[number], self.sequences
        lengths = self._counts[rows]
        firsts = data.indptr[rows + 1] - 1 - lengths
        events = flat_positions(firsts, lengths)
        key = self.key.fold_in(NEGATIVES).fold_in(epoch)
        found = self.source.draw(key, number, rows, lengths, events)
        targets = data.items[events + 1]
        hidden = self._hidden(rows, lengths, targets)
        return SequenceBatch(lengths, data.items[events], targets, found, hidden)

    def _hidden(
        self, rows: NDArray[np.int64], lengths: NDArray[np.int64], targets: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
        if self.hits == "keep":
            return np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.int64)
        if self.hits == "target":
            return np.arange(len(targets) + 1), targets, np.arange(len(targets))
        width, numbers = self.whole.num_items, np.arange(len(rows))
        owners = np.repeat(numbers, self.whole.lengths()[rows])
        every = np.unique(owners * width + self.whole.items[self.whole.events_of(rows)])
        indptr = np.searchsorted(every, np.arange(len(rows) + 1) * width)
        return indptr, (every % width).astype(np.int32), np.repeat(numbers, lengths)

    def epoch(self, epoch: int, workers: int = 0) -> Iterator[SequenceBatch]:
        """Yield the batches of an epoch, made by worker processes or, with 0, by this one."""
        numbers = range(len(self.rows(epoch)))
        if workers == 0:
            return (self.batch(epoch, number) for number in numbers)
        import torch
        from torch.utils.data import DataLoader

        loader: Any = DataLoader(
            _Numbered(self, epoch), batch_size=None, num_workers=workers, collate_fn=_unchanged,
            generator=torch.Generator(),  # else it draws from torch's global state
        )  # fmt: skip
        return iter(loader)


class _Numbered:
    """The batches of an epoch as a map-style data set of torch."""

    def __init__(self, batches: SequenceBatches, epoch: int) -> None:
        self.batches, self.number = batches, epoch

    def __len__(self) -> int:
        return len(self.batches.rows(self.number))

    def __getitem__(self, number: int) -> SequenceBatch:
        return self.batches.batch(self.number, number)


def _unchanged(batch: SequenceBatch) -> SequenceBatch:
    return batch
