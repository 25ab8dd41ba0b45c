"""What the commands do with a factor model: users' interactions, split at random or as given."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from recneg.catalogue import Material, Recipe
from recneg.cli.data import load_data, make_split, training_dislikes
from recneg.cli.job import Job, Listed, raw_id
from recneg.cli.options import DataOptions
from recneg.cli.tables import counted
from recneg.evaluation import evaluate
from recneg.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

__all__ = ["FactorJob"]


class FactorJob(Job):
    """Interactions, and models of users and items."""

    def __init__(self, options: DataOptions) -> None:
        self._options, self._loaded = options, load_data(options)
        self.split = make_split(self._loaded, options)
        self.note, self.titles = self._loaded.note, self._loaded.titles
        repeated = self._loaded.interactions.num_duplicates
        if repeated:
            merged = f"{counted(repeated, 'row')} repeated a pair and were merged"
            self.note = f"{self.note}\n{merged}" if self.note else merged
        self.num_items, self.item_ids = self.split.train.num_items, self.split.train.item_ids

    def recipe(self, make: Callable[[Material], Recipe]) -> dict[str, Any]:
        """Return the arguments for a trainer that draw as told."""
        shown = training_dislikes(self._loaded, self.split, self._options)
        return make(Material(self.split.train, shown))._asdict()

    def fit(self, model: Trainer, checkpoint: str | PathLike[str] | None) -> None:
        """Train on train; validation chooses the epoch."""
        validation = self.split.validation if len(self.split.validation) else None
        model.fit(self.split.train, validation=validation, checkpoint=checkpoint)

    def judged_by(self, model: Trainer) -> str:
        """Return the metric of all factor models."""
        return "NDCG@20"

    def evaluate(self, model: Trainer, k: list[int]) -> tuple[pl.DataFrame, str]:
        """Return metrics on test and who was left out; train and validation are masked."""
        split = self.split
        result = evaluate(model, split.train, split.test, k=k, exclude=split.validation)
        left = len(result.skipped_users)
        users = counted(len(result.users), "user")
        return result.to_polars(), f"{users}; {left} without test items left out"

    def recommend(self, model: Trainer, who: str, n: int) -> Listed:
        """Return the best items that the user has in neither train nor validation."""
        train, validation, test = self.split
        index = int(train.user_index([raw_id(who, train.user_ids, "user")])[0])
        seen = np.concatenate((train.items_of(index), validation.items_of(index)))
        found = model.recommend(index, N=n, filter_already_liked_items=False, filter_items=seen)
        title = f"user {who}, who has {counted(len(seen), 'item')} in train and validation"
        return Listed(title, *found, set(test.items_of(index).tolist()))
