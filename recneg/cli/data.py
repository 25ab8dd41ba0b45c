"""From the data options to interactions, a split and titles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from recneg.cli.options import DataOptions, SourceOptions
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.splits import Split, carve_validation, leave_last_out, random_split, time_split

__all__ = ["LoadedData", "load_data", "make_split"]

SIMULATED = {"num_users": 2_000, "num_items": 1_500, "num_interactions": 100_000}
TEXT_SUFFIXES = (".csv", ".tsv", ".dat", ".txt", ".data", ".gz", ".parquet", ".pq")


@dataclass(frozen=True)
class LoadedData:
    """Interactions with, where the data have them, their own split and titles."""

    interactions: Interactions
    split: Split | None = None
    titles: NDArray[Any] | None = None
    note: str | None = None


def load_data(options: SourceOptions) -> LoadedData:
    """Load what ``--data`` names: a built-in data set, a simulation or a file."""
    from recneg.datasets import load, names

    if options.data == "simulated":
        from recneg.simulation import simulate

        return LoadedData(simulate(**SIMULATED, key=options.seed).interactions)
    if options.data in names():
        dataset = load(options.data, threshold=options.threshold, fold=options.fold)
        return LoadedData(dataset.interactions, dataset.split, dataset.titles, dataset.note)
    path = Path(options.data)
    if not path.exists() and not options.data.lower().endswith(TEXT_SUFFIXES):
        raise InvalidDataError(
            f"--data must be one of {', '.join([*names(), 'simulated'])}, or a file; "
            f"got {options.data!r}"
        )
    return LoadedData(
        Interactions.from_file(
            path,
            user=options.user,
            item=options.item,
            weight=options.weight,
            timestamp=options.timestamp,
            threshold=options.threshold,
            ids=options.ids,
        )
    )


def make_split(data: LoadedData, options: DataOptions) -> Split:
    """Split as the options say; a given split without validation gets it carved from its train."""
    how = options.split
    if how == "auto":
        how = "random" if data.split is None else "given"
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
