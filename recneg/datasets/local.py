"""Parquet copies of data sets: in the user's own folder, or bundled with the package."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

from recneg.datasets import checking, formats
from recneg.datasets.cards import Card, Local, cards_folder
from recneg.datasets.parsed import PART_CODES, Parsed
from recneg.datasets.places import data_folder
from recneg.errors import IntegrityError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["copies", "read_local"]


def copies(card: Card, fold: str | None) -> list[tuple[Local, Path]]:
    """Return the Parquet files of a card that are at hand, bundled or in the user's folder."""
    base = cards_folder() if card.bundled else data_folder()
    found = []
    for local in (card.bundled,) if card.bundled else card.local:
        inside = local.file if fold is None else local.folds
        if base is not None and inside is not None:
            path = base / local.folder / inside.format(fold=fold)
            if path.is_file():
                found.append((local, path))
    return found


def read_local(card: Card, fold: str | None, local: Local, path: Path) -> Parsed:
    """Read and verify one of them.

    Raises
    ------
    IntegrityError
        If a column is missing or the counts are not the published ones.
    """
    import polars as pl

    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise IntegrityError(f"{path} must be a Parquet file: {error}") from None
    split = card.counts.is_split or fold is not None
    names = set(table.columns)
    missing = [
        name for name in ("user", "item", *(["split"] if split else [])) if name not in names
    ]
    if missing:
        raise IntegrityError(f"{path} must have the columns {missing}; got {table.columns}")
    columns = [pl.col("user"), pl.col("item")]
    for role, sources in (("rating", ("rating", "weight")), ("timestamp", ("timestamp", "seq"))):
        source = next((name for name in sources if name in names), None)
        if source is not None:
            kind = pl.Float32 if role == "rating" else pl.Int64
            columns.append(pl.col(source).cast(kind).alias(role))
    if split:
        part = pl.col("split").replace_strict(PART_CODES, default=255, return_dtype=pl.UInt8)
        columns.append(part.alias("part"))
    rows = table.select(columns)
    checking.check_counts(rows, card.counts, str(path), parts=card.counts.is_split)
    folder = path.parents[(local.file if fold is None else local.folds or "").count("/")]
    ranked = "timestamp" not in names and "seq" in names
    return Parsed(rows, _titles(card, folder, local), path, local.note, ranked)


def _titles(card: Card, folder: Path, local: Local) -> pl.DataFrame | None:
    import polars as pl

    path = None if local.titles is None else folder / local.titles
    if path is None or not path.is_file():
        return None
    if path.suffix == ".parquet":
        return pl.read_parquet(path).select("item", "title")
    if card.titles is None:
        return None
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return formats.parse_titles(data, card.titles.format, card.titles.encoding, str(path))
