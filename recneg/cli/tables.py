"""Tables for people: light lines, names and numbers never cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

__all__ = ["counted", "print_table", "stdout"]

WIDTH_OF_FILES = 110
"""Columns when the output is not a terminal but a pipe or a file."""

WORD = 24
"""Letters of a word that stay together in columns that wrap."""


def counted(number: int, what: str) -> str:
    """Return a number with its noun: 1 epoch, 2 epochs."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def stdout() -> Console:
    """Return a console on standard output, which shows text as it is: ids are no markup."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDTH_OF_FILES
    return console


def print_table(
    title: str, headers: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[int] = ()
) -> None:
    """Print rows of text: names first, which never break; words in `left`, which wrap; numbers.

    Where they do not fit side by side, further columns follow in a table of their own, the names
    beside them again.
    """
    console, rows = stdout(), list(rows)
    cells = [[header, *(row[at] for row in rows)] for at, header in enumerate(headers)]
    wide = [max(cell_len(line) for cell in column for line in _lines(cell)) for column in cells]
    least = [
        min(WORD, max(cell_len(word) for cell in column for word in cell.split() or [""]))
        if at in left
        else wide[at]
        for at, column in enumerate(cells)
    ]
    if title:
        console.print(title)
    for columns in _side_by_side(least, console.width):
        widths = _stretched([least[at] for at in columns], [wide[at] for at in columns],
                            console.width)  # fmt: skip
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for at, width in zip(columns, widths, strict=True):
            numeric = at > 0 and at not in left
            table.add_column(
                headers[at], width=width, no_wrap=at not in left,
                justify="right" if numeric else "left", overflow="fold",
            )  # fmt: skip
        for row in rows:
            table.add_row(*(row[at] for at in columns))
        console.width = max(console.width, _total(widths))  # longer lines rather than less in them
        console.print(table)


def _lines(cell: str) -> list[str]:
    return cell.splitlines() or [""]


def _side_by_side(least: Sequence[int], width: int) -> list[list[int]]:
    """Group columns into tables of at most `width`, each with column 0 and at least another."""
    tables = [[0]]
    for at in range(1, len(least)):
        if len(tables[-1]) > 1 and _total(least[one] for one in (*tables[-1], at)) > width:
            tables.append([0])
        tables[-1].append(at)
    return tables


def _stretched(least: Sequence[int], wide: Sequence[int], width: int) -> list[int]:
    """Share out what room there is among the columns that would like more."""
    wishes = [most - few for few, most in zip(least, wide, strict=True)]
    share = min(1.0, max(0, width - _total(least)) / max(sum(wishes), 1))
    return [few + int(share * wish) for few, wish in zip(least, wishes, strict=True)]


def _total(widths: Iterable[int]) -> int:
    """Return what columns take, with a space and a gap each, and the edge."""
    return sum(width + 2 for width in widths) + 1
