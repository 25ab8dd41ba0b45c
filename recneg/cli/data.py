"""From the data options to interactions, a split and titles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recneg.cli.options import DataOptions, SourceOptions
from recneg.errors import InvalidDataError, did_you_mean
from recneg.interactions import Interactions
from recneg.keys import Key, random_floats
from recneg.splits import Split, carve_validation, leave_last_out, random_split, time_split

__all__ = [
    "OF_FILES",
    "LoadedData",
    "column",
    "load_data",
    "make_split",
    "refuse",
    "training_dislikes",
]

SIMULATED = {"num_users": 2_000, "num_items": 1_500, "num_interactions": 100_000}
OF_FILES = ("user", "item", "weight", "timestamp", "ids")
"""Options that tell how a file is read."""

TEXT_SUFFIXES = (".csv", ".tsv", ".dat", ".txt", ".data", ".gz", ".parquet", ".pq")


@dataclass(frozen=True)
class LoadedData:
    """Interactions with, where the data have them, their own split, titles and dislikes."""

    interactions: Interactions
    dislikes: Interactions | None = None
    split: Split | None = None
    titles: NDArray[Any] | None = None
    note: str | None = None


def load_data(options: SourceOptions) -> LoadedData:
    """Load what ``--data`` names: a built-in data set, a simulation or a file."""
    from recneg.datasets import load, names

    path = Path(options.data)
    if options.data in (*names(), "simulated"):
        refuse(options, OF_FILES, "of a file")
    if options.data not in names():
        refuse(options, ("fold",), "of a data set that has folds")
    if options.data == "simulated":
        refuse(options, ("threshold",), "of data with ratings")
    if options.data == "simulated":
        from recneg.simulation import simulate

        return LoadedData(simulate(**SIMULATED, key=options.seed).interactions)
    if options.data in names():
        dataset = load(options.data, threshold=options.threshold, fold=options.fold)
        shown = None
        if options.threshold is not None:
            everything = load(options.data, fold=options.fold).interactions
            shown = _dislikes(everything, dataset.interactions)
        return LoadedData(dataset.interactions, shown, dataset.split, dataset.titles, dataset.note)
    if not path.exists() and not options.data.lower().endswith(TEXT_SUFFIXES):
        known = [*names(), "simulated"]
        raise InvalidDataError(
            f"--data must be one of {', '.join(known)}, or a file; "
            f"got {options.data!r}{did_you_mean(options.data, known)}"
        )
    read = partial(
        Interactions.from_file, path, user=options.user, item=options.item,
        weight=column(options.weight), timestamp=column(options.timestamp), ids=options.ids,
    )  # fmt: skip
    interactions = read(threshold=options.threshold)
    dislikes = None if options.threshold is None else _dislikes(read(), interactions)
    return LoadedData(interactions, dislikes)


def refuse(options: SourceOptions, names: Sequence[str], wanted: str) -> None:
    """Raise `InvalidDataError` for options that these data do not have."""
    plain = SourceOptions()
    given = [f"--{name}" for name in names if getattr(options, name) != getattr(plain, name)]
    if given:
        raise InvalidDataError(
            f"{', '.join(f'--{name}' for name in names)} must be {wanted}; "
            f"got --data {options.data} {' '.join(given)}"
        )


def column(name: str | None) -> str | Literal[False] | None:
    """Return the name of a column, False where none is wanted."""
    return False if name == "none" else name


def _dislikes(rated: Interactions, liked: Interactions) -> Interactions:
    """Return the rated pairs below the threshold, of users and items that have one above it."""
    users, items = (
        indices if raw is None else raw[indices]
        for raw, indices in ((rated.user_ids, rated.users()), (rated.item_ids, rated.indices))
    )
    known = _known(users, liked.user_ids, liked.num_users)
    known &= _known(items, liked.item_ids, liked.num_items)
    u, i = liked.user_index(users[known]), liked.item_index(items[known])
    disliked = ~liked.contains(u, i)
    times = None if rated.timestamps is None else rated.timestamps[known][disliked]
    return Interactions.from_arrays(
        u[disliked], i[disliked], timestamps=times,
        num_users=liked.num_users, num_items=liked.num_items,
    )  # fmt: skip


def training_dislikes(data: LoadedData, split: Split, options: DataOptions) -> Interactions | None:
    """Return the dislikes that training may know: none from the time or the part held out.

    A data set's own split says itself which ratings are for training. Else dislikes are held out
    as the likes are: the same share at random, what is younger than any training interaction, or
    what is not older than the user's first held-out interaction.
    """
    dislikes = data.dislikes
    if dislikes is None or split is data.split or _how(data, options) == "given":
        return dislikes
    if _how(data, options) == "random":
        unit = random_floats(Key(options.seed).fold_in(len(dislikes)), np.arange(len(dislikes)))
        return dislikes.select(unit >= options.test + options.validation)
    train, times = split.train, dislikes.timestamps
    assert train.timestamps is not None
    assert times is not None
    if _how(data, options) == "time":
        return dislikes.select(times <= train.timestamps.max(initial=np.iinfo(np.int64).min))
    first = np.full(train.num_users, np.iinfo(np.int64).max)
    for held_out in (split.validation, split.test):
        if held_out.timestamps is not None:
            np.minimum.at(first, held_out.users(), held_out.timestamps)
    return dislikes.select(times < first[dislikes.users()])


def _known(raw: NDArray[Any], ids: NDArray[Any] | None, count: int) -> NDArray[np.bool_]:
    return raw < count if ids is None else np.isin(raw, ids)


def _how(data: LoadedData, options: DataOptions) -> str:
    if options.split != "auto":
        return options.split
    return "random" if data.split is None else "given"


def make_split(data: LoadedData, options: DataOptions) -> Split:
    """Split as the options say; a given split without validation gets it carved from its train."""
    how = _how(data, options)
    if how == "given":
        if data.split is None:
            raise InvalidDataError(
                f"--split given needs data with a split of its own; {options.data} has none"
            )
        split = data.split
        if len(split.validation) == 0 and options.validation > 0:
            train, validation = carve_validation(split.train, options.validation, key=options.seed)
            split = Split(train, validation, split.test)
        return split
    if how == "random":
        return random_split(
            data.interactions, test=options.test, validation=options.validation, key=options.seed
        )
    if how == "time":
        return time_split(data.interactions, test=options.test, validation=options.validation)
    return leave_last_out(data.interactions)
