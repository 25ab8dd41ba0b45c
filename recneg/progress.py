"""The one progress bar: steps, time, and the latest figures, on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["progress_bar"]


def progress_bar(show: bool = True) -> Progress:
    """Return a bar whose tasks have a field ``figures``; hidden where nobody looks.

    That is if `show` is false or standard error is neither a terminal nor a notebook.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}"),
        console=console,
        transient=True,
        disable=not (show and (console.is_terminal or console.is_jupyter)),
    )
