"""Data sets by name, as interactions, given splits and titles in one id space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recneg.datasets.cards import Card, Counts, card, names
from recneg.errors import InvalidDataError

if TYPE_CHECKING:
    from pathlib import Path

    from recneg.interactions import Interactions
    from recneg.splits import Split

__all__ = ["Availability", "Dataset", "available", "load"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A data set, verified against its published counts.

    Attributes
    ----------
    name : str
    interactions : Interactions
        Everything, the parts of a split together: ratings as weights, and timestamps (Unix
        seconds), where there are any. A pair that occurs in two parts is kept once, with the
        rating of the earlier part, and counted in `num_duplicates`.
    split : Split or None
        The given split, in the id space of `interactions`.
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
    interactions: Interactions
    split: Split | None
    titles: NDArray[np.str_] | None
    card: Card
    where: Path
    note: str | None = None

    def __repr__(self) -> str:
        parts = [repr(self.name), repr(self.interactions)]
        parts += [] if self.split is None else [repr(self.split)]
        parts += [] if self.note is None else [f"note={self.note!r}"]
        return f"Dataset({', '.join(parts)})"


@dataclass(frozen=True)
class Availability:
    """One line of `available`: a data set, and where it is at hand, if it is."""

    name: str
    title: str
    licence: str
    counts: Counts
    where: Path | None

    @property
    def at_hand(self) -> bool:
        """Whether `load` needs no download."""
        return self.where is not None


def available() -> list[Availability]:
    """List every data set, and where each is at hand; nothing is read, verified or downloaded."""
    from recneg.datasets.sources import where

    cards = [card(name) for name in names()]
    return [Availability(c.name, c.title, c.licence, c.counts, where(c)) for c in cards]


def load(
    name: str,
    *,
    threshold: float | None = None,
    fold: str | None = None,
    progress: bool = True,
    download: bool = True,
) -> Dataset:
    """Load a data set by name; see `available` for the names.

    Looked for in the folder that ``RECNEG_DATA`` names, then in the cache, then downloaded from
    the publisher to the cache. The counts are compared with the published ones in every case.

    Parameters
    ----------
    name : str
        Such as ``"movielens-100k"``, ``"gowalla"``, ``"sample"``.
    threshold : float, optional
        Keep only interactions rated at least this, in every part of a split. Users and items all
        of whose interactions are dropped are dropped too.
    fold : str, optional
        One of the official splits of ``"movielens-100k"``: ``"u1"`` to ``"u5"``, ``"ua"``,
        ``"ub"``.
    progress : bool
        Show a download's progress on standard error.
    download : bool
        Whether the network may be used.

    Returns
    -------
    Dataset

    Raises
    ------
    DataUnavailableError
        If it is not at hand and cannot be downloaded; the message says what to put where.
    IntegrityError
        If a file does not match its checksum, or the data their published counts.
    InvalidDataError
        For an unknown name or fold, a threshold on data without ratings, and session data, which
        `load_sequences` loads.
    """
    from recneg.datasets.assembling import assemble
    from recneg.datasets.sources import find, require_ratings

    chosen = card(name)
    if chosen.sessions is not None:
        raise InvalidDataError(
            f"{name} holds sessions, whose order and repetitions count; load it with load_sequences"
        )
    folds = chosen.folds.names if chosen.folds else ()
    if fold is not None and fold not in folds:
        known = ", ".join(folds) or "absent, as this data set has none"
        raise InvalidDataError(f"the fold of {name} must be {known}; got {fold!r}")
    parsed = find(chosen, fold, fetch=download, progress=progress)
    if threshold is not None:
        if not np.isfinite(threshold):
            raise InvalidDataError(f"a threshold must be finite; got {threshold}")
        require_ratings(chosen, parsed, threshold)
    interactions, split, titles = assemble(parsed, threshold, name)
    return Dataset(name, interactions, split, titles, chosen, parsed.where, parsed.note)
