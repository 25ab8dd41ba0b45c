"""OTTO's JSON lines: a session a line, with clicks, carts and orders in the order of time."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from recneg.errors import InvalidDataError

if TYPE_CHECKING:
    import polars as pl

    from recneg.sequences import Sequences

__all__ = ["TYPES", "read_otto", "scan_otto"]

TYPES = ("clicks", "carts", "orders")


def read_otto(path: str | PathLike[str], *, types: Sequence[str] = ("clicks",)) -> Sequences:
    """Read one file of the OTTO data set, plain or gzipped.

    The file is scanned in pieces, so that memory holds the wanted events but never its text.

    Parameters
    ----------
    path : str or PathLike
        Lines ``{"session": 0, "events": [{"aid": 1, "ts": 1659304800025, "type": "clicks"}]}``.
    types : sequence of str
        Which events to keep, among "clicks", "carts" and "orders". Sessions without one are
        dropped.

    Returns
    -------
    Sequences
        With the publisher's ids, and timestamps in seconds.

    Raises
    ------
    FileNotFoundError
    InvalidDataError
        For unknown types, for a file in another format, and one without a wanted event.
    """
    import polars as pl

    from recneg.datasets.ordered_rows import sequences_of_rows

    try:
        rows = scan_otto(Path(path), types).drop("type").collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise InvalidDataError(
            f"{path} must have a session in JSON on each line: {str(error).splitlines()[0]}"
        ) from None
    if rows.height == 0:
        raise InvalidDataError(f"{path} must have {' or '.join(types)}; got none")
    theirs = {"user": "session", "item": "aid", "timestamp": "ts"}
    lacking = [name for column, name in theirs.items() if rows[column].null_count()]
    if lacking:
        raise InvalidDataError(
            f"{path} must have session, aid and ts of every event; there are some without "
            f"{', '.join(lacking)}"
        )
    return sequences_of_rows(rows)


def scan_otto(path: Path, types: Sequence[str] = TYPES) -> pl.LazyFrame:
    """Return the events of a file lazily: ``user``, ``item``, ``timestamp``, ``type``."""
    import polars as pl

    unknown = [name for name in types if name not in TYPES]
    if unknown or not types:
        raise InvalidDataError(f"types must be some of {list(TYPES)}; got {list(types)}")
    if not path.is_file():
        raise FileNotFoundError(f"the file must exist; got {path}")
    event = pl.Struct({"aid": pl.Int32, "ts": pl.Int64, "type": pl.String})
    return (
        pl.scan_ndjson(path, schema={"session": pl.Int32, "events": pl.List(event)})
        .explode("events")
        .unnest("events")
        .filter(pl.col("type").is_in(list(types)))
        .select(
            pl.col("session").alias("user"),
            pl.col("aid").alias("item"),
            (pl.col("ts") // 1000).alias("timestamp"),
            "type",
        )
    )
