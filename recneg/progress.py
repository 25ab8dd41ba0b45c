"""The one progress bar: steps, time, and the latest figures, on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["progress_bar", "stderr"]


def stderr() -> Console:
    """Return a console on standard error; nothing moves on it if that is a file or a pipe.

    Not even where ``FORCE_COLOR`` or the like is set, as it is where logs are kept in colour.
    """
    from rich.console import Console

    return Console(stderr=True, force_terminal=None if sys.stderr.isatty() else False)


def progress_bar(show: bool = True) -> Progress:
    """Return a bar whose tasks have a field ``figures``; hidden where nobody looks.

    That is if `show` is false or standard error is neither a terminal that can move its cursor nor
    a notebook.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = stderr()
    moves = console.is_terminal and not console.is_dumb_terminal
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}"),
        console=console,
        transient=True,
        disable=not (show and (moves or console.is_jupyter)),
    )
