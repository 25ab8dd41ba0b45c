"""Sequences -> train, validation and test over one set of items: the newest, or the last events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_number
from recneg.errors import InvalidDataError
from recneg.sequences import Sequences

__all__ = [
    "SequenceSplit",
    "Targets",
    "carve_newest",
    "check_same_items",
    "check_targets",
    "given_sequence_split",
    "leave_last_sequences",
    "newest_sequences",
]

Targets = Literal["every", "last"]


@dataclass(frozen=True, repr=False)
class SequenceSplit:
    """Train, validation and test over the same items.

    Attributes
    ----------
    train, validation, test : Sequences
        ``validation`` or ``test`` may be empty. Their ``num_items`` and item ids are equal.
    targets : {"every", "last"}
        What of a held-out sequence is predicted: every event after the first from those before
        it, or the last event alone.
    """

    train: Sequences
    validation: Sequences
    test: Sequences
    targets: Targets = "every"

    def __post_init__(self) -> None:
        check_targets(self.targets)
        for part in (self.validation, self.test):
            check_same_items(self.train, part)

    def __iter__(self) -> Iterator[Sequences]:
        return iter((self.train, self.validation, self.test))

    def __repr__(self) -> str:
        return (
            f"SequenceSplit({self.train.num_items} items, train {len(self.train)} sequences, "
            f"validation {len(self.validation)}, test {len(self.test)}, targets {self.targets!r})"
        )

    @property
    def checksum(self) -> str:
        """SHA-256 (16 hex digits) of all three parts and the targets."""
        digest = hashlib.sha256(self.targets.encode())
        for part in self:
            digest.update(np.array([len(part), part.num_items], np.int64).tobytes())
            digest.update(part.indptr.tobytes())
            digest.update(part.items.tobytes())
        return digest.hexdigest()[:16]


def check_targets(targets: Targets) -> None:
    """Raise `InvalidDataError` unless `targets` names what is predicted."""
    if targets not in ("every", "last"):
        raise InvalidDataError(f"targets must be 'every' or 'last'; got {targets!r}")


def check_same_items(train: Sequences, part: Sequences) -> None:
    """Raise `InvalidDataError` unless both have the same items under the same indices."""
    if part.num_items != train.num_items:
        raise InvalidDataError(
            "the parts of a split must share one set of items; "
            f"got {train.num_items} and {part.num_items}"
        )
    ours, theirs = train.item_ids, part.item_ids
    if (ours is None) != (theirs is None) or (
        ours is not None and theirs is not None and not np.array_equal(ours, theirs)
    ):
        raise InvalidDataError(
            "the parts of a split must share one set of items; their item_ids differ"
        )


def newest_sequences(
    sequences: Sequences, share: float | None = None, *, seconds: int | None = None
) -> NDArray[np.bool_]:
    """Mark the sequences that end last.

    Without timestamps the sequences must stand in order of time, as those of the public session
    data sets do, and the last ones are taken. With timestamps, empty sequences count as the oldest.

    Parameters
    ----------
    sequences : Sequences
    share : float, optional
        Of the number of sequences, in ``[0, 1]``, rounded to the nearest whole number; among equal
        times the later rows are newer.
    seconds : int, optional
        Instead of a share: those that end later than this long before the very last event, in the
        unit of the timestamps.

    Returns
    -------
    numpy.ndarray of bool, shape (num_sequences,)

    Raises
    ------
    ValueError
        Unless one of `share` and `seconds` is given, within its range.
    InvalidDataError
        For `seconds` without timestamps.
    """
    if (share is None) == (seconds is None):
        raise ValueError(
            f"one of share and seconds must be given; got share={share}, seconds={seconds}"
        )
    if seconds is not None:
        check_number(seconds, "seconds", "not negative")
        times = sequences.last_times()
        if not times.size:
            return np.zeros(0, np.bool_)
        return np.asarray(times > int(times.max()) - seconds)
    if share is None or not 0 <= share <= 1:
        raise ValueError(f"share must lie in [0, 1]; got {share}")
    number = int(len(sequences) * share + 0.5)
    newest = np.zeros(len(sequences), np.bool_)
    if sequences.timestamps is None:
        newest[len(sequences) - number :] = True
    else:
        newest[np.argsort(sequences.last_times(), kind="stable")[len(sequences) - number :]] = True
    return newest


def carve_newest(
    train: Sequences, share: float | None = None, *, seconds: int | None = None
) -> tuple[Sequences, Sequences]:
    """Split the newest training sequences off for model selection.

    Parameters
    ----------
    train : Sequences
    share, seconds
        As in `newest_sequences`; default: a tenth.

    Returns
    -------
    tuple of Sequences
        The older ones, to train on, and the newest, to validate with. Items that occur in the
        newest alone keep their indices.

    Raises
    ------
    InvalidDataError
        If nothing would be left to train on.

    Examples
    --------
    >>> data = Sequences.from_arrays([0, 0, 1, 1, 2, 2], [4, 1, 0, 3, 2, 1])
    >>> carve_newest(data, 1 / 3)[1].items.tolist()
    [2, 1]
    """
    newest = newest_sequences(
        train, 0.1 if share is None and seconds is None else share, seconds=seconds
    )
    older = train.select(~newest)
    if not older.num_events:
        raise InvalidDataError(
            "carving must leave something to train on; got "
            f"{int(newest.sum())} of {len(train)} sequences to validate with"
        )
    return older, train.select(newest)


def leave_last_sequences(sequences: Sequences) -> SequenceSplit:
    """Hold out each sequence's last event for test, and the one before it for validation.

    Row r is the same sequence in all parts: train has all but its last two events, validation all
    but the last, test all of them, and the last event of each is the target. A sequence of one
    event, or of two in validation, has no target there.
    """
    return SequenceSplit(
        sequences.without_last(2), sequences.without_last(1), sequences, targets="last"
    )


def given_sequence_split(
    train: Sequences,
    test: Sequences,
    validation: Sequences | None = None,
    *,
    targets: Targets = "every",
) -> SequenceSplit:
    """Use parts that were made elsewhere, after checking that they share one set of items.

    Parameters
    ----------
    train, test : Sequences
    validation : Sequences, optional
        Default: empty.
    targets : {"every", "last"}
    """
    if validation is None:
        validation = train.select(np.zeros(len(train), np.bool_))
    return SequenceSplit(train, validation, test, targets)
