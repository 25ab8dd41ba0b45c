"""Data sets by name as sequences: sessions with their own split, or users' histories by time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recneg.datasets.cards import Card, card
from recneg.datasets.parsed import PART_CODES
from recneg.errors import InvalidDataError

if TYPE_CHECKING:
    from pathlib import Path

    from recneg.datasets.parsed import Parsed
    from recneg.sequence_splits import SequenceSplit
    from recneg.sequences import Sequences

__all__ = ["SequenceDataset", "load_sequences"]


@dataclass(frozen=True, eq=False, repr=False)
class SequenceDataset:
    """A data set in the order of time, verified against its published counts.

    Attributes
    ----------
    name : str
    sequences : Sequences
        Everything. Sessions are in the order of time, the test sessions last. Timestamps, in Unix
        seconds, where there are any.
    split : SequenceSplit
        Of session data the given one: every event of a test session is predicted, and validation
        is empty (see `recneg.sequence_splits.carve_newest`). Of users' histories the last two
        events: see `recneg.sequence_splits.leave_last_sequences`.
    titles : numpy.ndarray of str, shape (num_items,), or None
        Aligned with item indices; empty where a title is unknown.
    card : Card
        Source, licence, citation and published counts.
    where : pathlib.Path
        The file or folder that was read.
    note : str or None
        What this copy lacks of the original.
    """

    name: str
    sequences: Sequences
    split: SequenceSplit
    titles: NDArray[np.str_] | None
    card: Card
    where: Path
    note: str | None = None

    def __repr__(self) -> str:
        parts = [repr(self.name), repr(self.sequences), repr(self.split)]
        parts += [] if self.note is None else [f"note={self.note!r}"]
        return f"SequenceDataset({', '.join(parts)})"


def load_sequences(name: str, *, progress: bool = True, download: bool = True) -> SequenceDataset:
    """Load a data set by name, in the order of time; see `recneg.datasets.available`.

    It is looked for where `recneg.datasets.load` looks. Publishers of sessions mostly want people
    to sign in; the error then says which file to put where.

    Parameters
    ----------
    name : str
        Such as ``"diginetica"``, ``"yoochoose-1-64"``, ``"amazon-beauty"``, ``"movielens-1m"``.
    progress : bool
        Show a download's progress on standard error.
    download : bool
        Whether the network may be used.

    Returns
    -------
    SequenceDataset

    Raises
    ------
    DataUnavailableError
        If it is not at hand and cannot be downloaded; the message says what to put where.
    IntegrityError
        If a file does not match its checksum, or the data their published counts.
    InvalidDataError
        For an unknown name, or data whose order is not known.

    Examples
    --------
    >>> from recneg.datasets import load_sequences
    >>> load_sequences("sample").sequences
    Sequences(671 sequences, 9066 items, 100004 events)
    """
    from recneg.datasets.assembling import index_ids
    from recneg.datasets.sources import find
    from recneg.sequence_splits import given_sequence_split, leave_last_sequences

    chosen = card(name)
    parsed = find(chosen, None, fetch=download, progress=progress)
    sequences, titles = _assemble(chosen, parsed)
    if chosen.sessions is None:
        split = leave_last_sequences(sequences)
    else:
        parts = np.empty(len(sequences), np.uint8)
        users = index_ids(parsed.rows["user"].to_numpy(), np.int32)[1]
        parts[users] = parsed.rows["part"].to_numpy()
        train, test = (sequences.select(parts == PART_CODES[part]) for part in ("train", "test"))
        split = given_sequence_split(train, test)
    return SequenceDataset(name, sequences, split, titles, chosen, parsed.where, parsed.note)


def _assemble(chosen: Card, parsed: Parsed) -> tuple[Sequences, NDArray[np.str_] | None]:
    """Return all sequences and the titles of their items.

    Raises
    ------
    InvalidDataError
        If nothing orders the rows.
    """
    from recneg.datasets.assembling import titles_of
    from recneg.datasets.ordered_rows import sequences_of_rows

    rows = parsed.rows
    if "timestamp" not in rows.columns:
        raise InvalidDataError(
            f"the order of events must be known; {chosen.name} does not state it"
        )
    sequences = sequences_of_rows(rows)
    if parsed.ranked or chosen.ordered:
        sequences = sequences.without_times()
    if parsed.titles is None:
        return sequences, None
    ids = sequences.item_ids
    return sequences, titles_of(
        parsed.titles, np.arange(sequences.num_items) if ids is None else ids
    )
