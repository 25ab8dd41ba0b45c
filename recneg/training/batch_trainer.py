"""What trainers that take one step for each batch share: the plan of their batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.losses import Loss
from recneg.training.batched import BatchPlan
from recneg.training.fingerprint import fingerprint
from recneg.training.negatives import NegativeSource
from recneg.training.options import FactorizationOptions
from recneg.training.sides import ExposureLike, SideValues, Thresholds
from recneg.training.state import TrainingState
from recneg.training.trainer import Trainer

__all__ = ["BatchTrainer"]


class BatchTrainer(Trainer):
    """A trainer whose negatives, and what its loss needs beside scores, are drawn by a plan."""

    options: FactorizationOptions
    loss: Loss
    propensity: ExposureLike | None
    thresholds: Thresholds

    def _sides(self, train: Interactions) -> SideValues:
        return SideValues(self.loss, train, self.propensity, self.thresholds)

    def _plan(self, train: Interactions, source: NegativeSource, key: Key) -> BatchPlan:
        """Return how a run's batches are made."""
        return BatchPlan(train, source, self._sides(train), self.loss, self.options, key)

    def _made_of(self, train: Interactions, source: NegativeSource) -> dict[str, Any]:
        exposure = self._sides(train).exposure
        return super()._made_of(train, source) | {"propensity": fingerprint(exposure)}

    def _negatives(
        self, train: Interactions, source: NegativeSource, state: TrainingState, key: Key
    ) -> NDArray[np.int64]:
        sides = SideValues.nothing(train)  # which nothing is drawn by
        return BatchPlan(train, source, sides, self.loss, self.options, key).negatives(state)
