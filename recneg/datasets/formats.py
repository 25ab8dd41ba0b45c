"""From the publishers' bytes to frames of interactions and of titles."""

from __future__ import annotations

import io
import json
import warnings
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recneg.errors import IntegrityError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["parse_interactions", "parse_titles"]

HEADER = b"userId,movieId,rating,timestamp"


def parse_interactions(data: bytes, kind: str, what: str) -> pl.DataFrame:
    """Parse interactions.

    Parameters
    ----------
    data : bytes
    kind : {"tab", "colons", "csv", "lists", "json-lists", "matrix"}
        "tab", "colons" (``::``) and "csv" (with a header) have the columns user, item, rating,
        timestamp; "lists" has a line ``user item item ...`` for each user; "json-lists" is a list
        of item lists, the position being the user; "matrix" has a line of ratings for each user,
        0 where there is none.
    what : str
        Named in errors.

    Raises
    ------
    IntegrityError
        If the bytes are not of that format.
    """
    try:
        if kind in ("tab", "colons", "csv"):
            return _ratings(data, kind)
        if kind == "matrix":
            return _matrix(np.loadtxt(io.BytesIO(data), ndmin=2))
        return _lists(_rows_of_text(data) if kind == "lists" else json.loads(data))
    except IntegrityError:
        raise
    except Exception as error:  # polars, json and NumPy each raise their own kinds
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise IntegrityError(f"{what} must be in the format {kind!r}: {first}") from None


def _ratings(data: bytes, kind: str) -> pl.DataFrame:
    import polars as pl

    schema = {"user": pl.Int32, "item": pl.Int32, "rating": pl.Float32, "timestamp": pl.Int64}
    if kind == "colons":
        data = data.replace(b"::", b"\t")
    elif kind == "csv" and not data.startswith(HEADER):
        raise ValueError(f"the first line must be {HEADER.decode()}; got {data[:40]!r}")
    frame = pl.read_csv(
        data,
        separator="," if kind == "csv" else "\t",
        has_header=False,
        skip_rows=int(kind == "csv"),
        schema=schema,
        quote_char=None,
    )
    if frame.height == 0 or frame.null_count().sum_horizontal().item():
        raise ValueError("there must be rows, and four values in each")
    return frame


def _rows_of_text(data: bytes) -> list[NDArray[np.int64]]:
    """Parse lines of integers; a line's first is the user, and the result is indexed by it."""
    lines = data.splitlines()
    sizes = np.fromiter((len(line.split()) for line in lines), np.int64, len(lines))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = np.fromstring(data.decode("ascii"), dtype=np.int64, sep=" ")
    if values.size != sizes.sum():
        raise ValueError(f"{sizes.sum()} integers were expected; got {values.size}")
    rows = np.split(values, np.cumsum(sizes)[:-1])
    users = np.array([row[0] for row in rows if row.size], np.int64)
    if np.unique(users).size != users.size or users.min() < 0:
        raise ValueError("each user must have one line")
    result = [values[:0]] * (int(users.max()) + 1)
    for row in rows:
        if row.size:
            result[row[0]] = row[1:]
    return result


def _lists(rows: Any) -> pl.DataFrame:
    import polars as pl

    sizes = np.fromiter((len(row) for row in rows), np.int64, len(rows))
    if not sizes.any():
        raise ValueError("there must be at least one interaction")
    items = np.fromiter((index(item) for row in rows for item in row), np.int32, sizes.sum())
    users = np.repeat(np.arange(len(rows), dtype=np.int32), sizes)
    return pl.DataFrame({"user": users, "item": items})


def _matrix(ratings: NDArray[Any]) -> pl.DataFrame:
    import polars as pl

    users, items = np.nonzero(ratings)
    values = ratings[users, items].astype(np.float32)
    frame = pl.DataFrame({"user": users, "item": items, "rating": values})
    return frame.cast({"user": pl.Int32, "item": pl.Int32})


def parse_titles(data: bytes, kind: str, encoding: str, what: str) -> pl.DataFrame:
    """Parse a table whose first two columns are item and title, the title with stray space cut.

    Parameters
    ----------
    kind : {"bar", "colons", "csv"}
        "bar" (``|``) and "colons" (``::``) have no header and no quoting, "csv" has both.

    Raises
    ------
    IntegrityError
        If the bytes are not of that format.
    """
    import polars as pl

    try:
        if kind == "csv":
            frame = pl.read_csv(data, columns=[0, 1], infer_schema=False)
            frame.columns = ["item", "title"]
            frame = frame.cast({"item": pl.Int32})
        else:
            separator = "|" if kind == "bar" else "::"
            rows = [line.split(separator, 2) for line in data.decode(encoding).splitlines() if line]
            frame = pl.DataFrame({"item": [int(row[0]) for row in rows],
                                  "title": [row[1] for row in rows]},
                                 schema={"item": pl.Int32, "title": pl.String})  # fmt: skip
    except Exception as error:
        raise IntegrityError(f"{what} must be in the format {kind!r}: {error}") from None
    return frame.with_columns(pl.col("title").str.strip_chars())
