"""Tables for people: light lines, numbers never cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

__all__ = ["counted", "print_table", "stdout"]

WIDTH_OF_FILES = 110
"""Columns when the output is not a terminal but a pipe or a file."""

WORD = 8
"""Letters of a word that stay together, if there is no room for more beside the numbers."""


def counted(number: int, what: str) -> str:
    """Return a number with its noun: 1 epoch, 2 epochs."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def stdout() -> Console:
    """Return a console on standard output."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH_OF_FILES)


def print_table(
    title: str, headers: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[int] = ()
) -> None:
    """Print rows of text: names first, which never break; words in `left`, which wrap; numbers."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    rows = list(rows)
    for number, header in enumerate(headers):
        cells = [header, *(row[number] for row in rows)]
        if number in left:
            longest = max(len(word) for cell in cells for word in cell.split() or [""])
            table.add_column(header, overflow="fold", min_width=min(longest, WORD))
        elif number == 0:
            table.add_column(header, no_wrap=True)
        else:
            longest = max(len(line) for cell in cells for line in cell.splitlines() or [""])
            table.add_column(header, justify="right", no_wrap=True, min_width=longest)
    for row in rows:
        table.add_row(*row)
    if title:
        stdout().print(title)
    stdout().print(table)
