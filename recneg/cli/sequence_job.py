"""What the commands do with a model of sequences: the next item after each event."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recneg.catalogue import Material, Recipe
from recneg.cli.data import OF_FILES, column, refuse
from recneg.cli.job import Job, Listed, raw_id
from recneg.cli.options import DataOptions
from recneg.cli.tables import counted
from recneg.errors import InvalidDataError
from recneg.evaluation import evaluate_next_item
from recneg.evaluation.next_item_result import RANK_METRICS
from recneg.sequence_splits import (
    SequenceSplit,
    carve_newest,
    given_sequence_split,
    leave_last_sequences,
    newest_sequences,
)
from recneg.sequences import Sequences
from recneg.training import TRON

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

__all__ = ["SequenceJob"]


SHOWN = {"recall": "Recall", "mrr": "MRR", "ndcg": "NDCG"}


class SequenceJob(Job):
    """Events in the order of time.

    auto is the data set's own split; of a file the newest sequences are held out. A split without
    validation gets it from the newest of train. Where each sequence loses its last events, what
    came before in it is masked: histories do not come back to items, sessions do.
    """

    def __init__(self, options: DataOptions) -> None:
        whole, own = self._load(options)
        split = _split(whole, own, options)
        if not len(split.validation) and options.validation > 0:
            train, validation = carve_newest(split.train, options.validation)
            split = SequenceSplit(train, validation, split.test, split.targets)
        self.split = split
        self.num_items, self.item_ids = split.train.num_items, split.train.item_ids

    def _load(self, options: DataOptions) -> tuple[Sequences, SequenceSplit | None]:
        from recneg.datasets import load_sequences, names

        refuse(options, ("threshold", "fold", "weight"), "of interactions, not of sequences")
        if options.data in names():
            refuse(options, OF_FILES, "of a file")
            found = load_sequences(options.data)
            self.note, self.titles = found.note, found.titles
            return found.sequences, found.split
        if not Path(options.data).is_file():
            raise InvalidDataError(
                f"--data of a model of sequences must be one of {', '.join(names())}, or a file "
                f"of events; got {options.data!r}"
            )
        self.note, self.titles = None, None
        whole = Sequences.from_file(
            options.data, sequence=options.user, item=options.item,
            timestamp=column(options.timestamp) or None, ids=options.ids,
        )  # fmt: skip
        return whole, None

    def recipe(self, make: Callable[[Material], Recipe]) -> dict[str, Any]:
        """Return the arguments for a trainer that draw as told, sequences being the users."""
        return make(Material(self.split.train.to_interactions()))._asdict()

    def fit(self, model: TRON, checkpoint: str | PathLike[str] | None) -> None:
        """Train on train; validation chooses the epoch."""
        validation = self.split.validation if len(self.split.validation) else None
        model.fit(
            self.split.train, validation=validation, targets=self.split.targets,
            exclude_seen=self._masks, checkpoint=checkpoint,
        )  # fmt: skip

    def judged_by(self, model: TRON) -> str:
        """Return the model's metric."""
        return f"{SHOWN[model.options.metric]}@20"

    def evaluate(self, model: TRON, k: list[int]) -> tuple[pl.DataFrame, str]:
        """Return metrics on test, and what of it was unseen or masked."""
        result = evaluate_next_item(
            model, self.split.test, k=k, metrics=tuple(RANK_METRICS), targets=self.split.targets,
            exclude_seen=self._masks, train=self.split.train,
        )  # fmt: skip
        return result.to_polars(), (
            f"{counted(len(result.events), 'event')}, {result.num_unseen_targets} of them of items "
            f"that train lacks; {result.num_masked_targets} of items met before left out"
        )

    def recommend(self, model: TRON, who: str, n: int) -> Listed:
        """Return what comes next after the events of a test sequence, without the last one."""
        test = self.split.test
        index = int(test.sequence_index([raw_id(who, test.sequence_ids, "sequence")])[0])
        events = test.items_of(index)
        if len(events) < 2:
            raise InvalidDataError(f"sequence {who} must have two events; got {len(events)}")
        found = model.recommend(events[:-1], N=n, filter_already_seen_items=self._masks)
        title = f"after {counted(len(events) - 1, 'event')} of sequence {who}"
        return Listed(title, *found, {int(events[-1])})

    @property
    def _masks(self) -> bool:
        return bool(self.split.targets == "last")


def _split(whole: Sequences, own: SequenceSplit | None, options: DataOptions) -> SequenceSplit:
    if options.split in ("auto", "given") and own is not None:
        return own
    if options.split == "leave-last":
        return leave_last_sequences(whole)
    if options.split in ("auto", "time"):
        if own is None and whole.timestamps is None:
            raise InvalidDataError(
                "a split by time needs timestamps; the file has none (--split leave-last does not)"
            )
        newest = newest_sequences(whole, options.test)
        return given_sequence_split(whole.select(~newest), whole.select(newest))
    raise InvalidDataError(
        "sequences must be split by auto, given (where data have a split), leave-last or time; "
        f"got {options.split}"
    )
