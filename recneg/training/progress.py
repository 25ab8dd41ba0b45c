"""A progress bar for epochs, shown on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from recneg.progress import progress_bar

if TYPE_CHECKING:
    from recneg.training.state import Epoch

__all__ = ["Report", "epoch_progress"]


class Report(Protocol):
    """What a trainer calls after each epoch."""

    def __call__(self, epoch: Epoch) -> None:
        """Take note of the epoch."""


@contextmanager
def epoch_progress(
    name: str, epochs: int, done: int, show: bool, measure: str = "NDCG@20"
) -> Iterator[Report]:
    """Show a bar over the epochs with the latest figures, if standard error is a terminal.

    `measure` is what validation is judged by.
    """
    with progress_bar(show) as progress:
        task = progress.add_task(name, total=epochs, completed=done, figures="")

        def report(epoch: Epoch) -> None:
            figures = f"loss {epoch.loss:.3f}  correct {epoch.correct:.1%}"
            if epoch.validation is not None:
                figures += f"  validation {measure} {epoch.validation:.4f}"
            progress.update(task, completed=epoch.epoch, figures=figures)

        yield report
