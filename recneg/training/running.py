"""How epochs follow each other: judged, kept, reported and stopped, whatever the model."""

from __future__ import annotations

import time
from collections.abc import Callable
from os import PathLike
from typing import Any, ClassVar, NamedTuple, Protocol

from recneg.training.options import RunOptions
from recneg.training.progress import epoch_progress
from recneg.training.state import Epoch, TrainingState

__all__ = ["Checkpoint", "Engine", "Model", "run_epochs"]

KEPT_EVERY = 30.0
"""Seconds after which a checkpoint is written at the end of an epoch without an evaluation."""


class Engine(Protocol):
    """What runs the epochs of one `fit`."""

    def epoch(self, state: TrainingState, tell: Callable[[float], None]) -> Epoch:
        """Train for one epoch and return its record; `tell` what share of it is over."""


class Model(Protocol):
    """What is trained."""

    name: ClassVar[str]

    @property
    def options(self) -> RunOptions:
        """How long, and judged how."""

    def adopt(self, state: TrainingState) -> None:
        """Take the weights and the history of a run."""


class Checkpoint(NamedTuple):
    """Where a run is written, and what it may be resumed with alone."""

    path: str | PathLike[str]
    made_of: dict[str, Any]


def run_epochs(
    model: Model,
    engine: Engine,
    state: TrainingState,
    *,
    score: Callable[[], float] | None,
    measure: str,
    checkpoint: Checkpoint | None,
    show_progress: bool,
    callback: Callable[[Epoch], None] | None,
) -> None:
    """Run the epochs that are left, and leave the model with the last or the best weights.

    Parameters
    ----------
    model : Model
    engine : Engine
    state : TrainingState
        Of a new run, or from a checkpoint.
    score : callable, optional
        Judges the model on validation data.
    measure : str
        What it returns, to be shown.
    checkpoint : Checkpoint, optional
    show_progress : bool
    callback : callable, optional
        Called after each epoch, when the model has its weights.
    """
    options = model.options
    done, written = len(state.history), time.monotonic()
    with epoch_progress(model.name, options.epochs, done, show_progress, measure) as report:
        while len(state.history) < options.epochs and not state.exhausted(options.patience):
            epoch = engine.epoch(state, report.within)
            due = epoch.epoch % options.evaluate_every == 0 or epoch.epoch == options.epochs
            if score is not None and due:
                model.adopt(state)
                found = score()
                epoch = epoch._replace(validation=found)
                state.judge(found, options.plateau)
            state.history.append(epoch)
            if checkpoint is not None and (due or time.monotonic() - written > KEPT_EVERY):
                state.write(*checkpoint)
                written = time.monotonic()
            report.after(epoch)
            if callback is not None:
                model.adopt(state)
                callback(epoch)
    if options.patience is not None and state.best is not None:
        state.factors = state.best
    model.adopt(state)
