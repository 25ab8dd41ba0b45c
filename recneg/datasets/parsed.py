"""What every source of a data set comes down to: verified rows and titles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PART_CODES", "Parsed"]

PART_CODES = {"train": 0, "validation": 1, "valid": 1, "test": 2}


@dataclass(frozen=True)
class Parsed:
    """Verified rows ``user, item[, rating][, timestamp][, part]``, titles, and whence they came.

    With `ranked`, the timestamps are ranks inside each user, not times.
    """

    rows: pl.DataFrame
    titles: pl.DataFrame | None
    where: Path
    note: str | None = None
    ranked: bool = False
