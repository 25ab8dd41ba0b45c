"""How far a training is: a bar on a terminal, now and then a line elsewhere; on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from recneg.progress import progress_bar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from recneg.training.state import Epoch

__all__ = ["Report", "epoch_progress"]

BETWEEN_LINES = 60.0
"""Seconds between lines where there is no bar: short trainings print none."""

BETWEEN_MOVES = 0.1
"""Seconds between moves of the bar inside an epoch."""


class Report:
    """What is told of a training.

    Parameters
    ----------
    bar : rich.progress.Progress
        With the task of this training.
    task : rich.progress.TaskID
    name : str
        Of the model.
    epochs : int
    done : int
        Epochs before this run.
    show : bool
        Whether anything is to be shown.
    measure : str
        What validation is judged by.
    before : int
        Steps of the task that trainings before this one take.
    """

    def __init__(
        self,
        bar: Progress,
        task: TaskID,
        name: str,
        epochs: int,
        done: int = 0,
        show: bool = True,
        measure: str = "NDCG@20",
        before: int = 0,
    ) -> None:
        self._bar, self._task, self._name, self._measure = bar, task, name, measure
        self._before = before
        self._epochs, self._done, self._lines = epochs, done, show and bar.disable
        self._figures = ""
        self._started = self._line = self._move = time.monotonic()

    def within(self, share: float) -> None:
        """Take note that a share of the present epoch is over; any thread may call this."""
        now = time.monotonic()
        if now - self._move >= BETWEEN_MOVES:
            self._move = now
            self._bar.update(self._task, completed=self._before + self._done + share)
        if self._lines and now - self._line >= BETWEEN_LINES:
            self._print(f"{self._done + share:.2f}")

    def after(self, epoch: Epoch) -> None:
        """Take note of an epoch that is over."""
        self._done = epoch.epoch
        self._figures = f"loss {epoch.loss:.3f}  correct {epoch.correct:.1%}"
        if epoch.validation is not None:
            self._figures += f"  validation {self._measure} {epoch.validation:.4f}"
        self._bar.update(
            self._task,
            description=self._name,
            completed=self._before + epoch.epoch,
            figures=self._figures,
        )
        if self._lines and time.monotonic() - self._line >= BETWEEN_LINES:
            self._print(str(epoch.epoch))

    def _print(self, epochs: str) -> None:
        self._line = time.monotonic()
        seconds = self._line - self._started
        line = f"{self._name}: epoch {epochs} of {self._epochs}, {seconds:.0f} s  {self._figures}"
        print(line.rstrip(), file=sys.stderr, flush=True)


@contextmanager
def epoch_progress(name: str, epochs: int, done: int, show: bool, measure: str) -> Iterator[Report]:
    """Show how far the epochs are, with the latest figures.

    `measure` is what validation is judged by.
    """
    with progress_bar(show) as bar:
        task = bar.add_task(name, total=epochs, completed=done, figures="")
        yield Report(bar, task, name, epochs, done, show, measure)
