"""From files and frames to columns: user, item, and optionally weight and timestamp."""

from __future__ import annotations

import gzip
import io
import re
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError, InvalidIdError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["columns_of", "read_interactions", "read_table"]

# Usual spellings, compared without case and punctuation.
NAMES = {
    "user": ("user", "userid", "uid", "users", "userindex", "customer", "customerid", "session",
             "sessionid", "visitorid"),
    "item": ("item", "itemid", "iid", "items", "itemindex", "movie", "movieid", "product",
             "productid", "asin", "book", "bookid", "track", "trackid", "venue", "business",
             "businessid", "sid"),
    "weight": ("weight", "rating", "ratings", "score", "count", "plays", "playcount", "value"),
    "timestamp": ("timestamp", "time", "ts", "unixtime", "datetime", "date"),
}  # fmt: skip
ORDER = ("user", "item", "weight", "timestamp")


def columns_of(
    frame: pl.DataFrame | pl.LazyFrame,
    user: str,
    item: str,
    weight: str | None,
    timestamp: str | None,
) -> dict[str, NDArray[Any]]:
    """Return checked NumPy columns ``user``, ``item`` and, if named, ``weight``, ``timestamp``."""
    import polars as pl

    names = {"user": user, "item": item, "weight": weight, "timestamp": timestamp}
    present = frame.collect_schema().names()
    for name in names.values():
        if name is not None and name not in present:
            raise InvalidDataError(f"column {name!r} must be present; got columns {present}")
    wanted = [name for name in names.values() if name is not None]
    table = frame.lazy().select(list(dict.fromkeys(wanted))).collect()
    if table.height == 0:
        raise InvalidDataError("the data must have at least one row; got none")
    columns: dict[str, NDArray[Any]] = {}
    for role, name in names.items():
        if name is None:
            continue
        series = table[name]
        if series.null_count():
            row = int(series.is_null().arg_true()[0])
            raise InvalidDataError(f"column {name!r} must have no missing value; row {row} has one")
        if role in ("user", "item"):
            columns[role] = _ids(series, name)
        elif series.dtype.is_temporal():
            columns[role] = series.cast(pl.Datetime("us")).cast(pl.Int64).to_numpy() // 1_000_000
        elif series.dtype.is_numeric():
            columns[role] = series.to_numpy()
        else:
            raise InvalidDataError(
                f"column {name!r} must be numeric; got {series.dtype}, first value {series[0]!r}"
            )
    return columns


def _ids(series: pl.Series, name: str) -> NDArray[Any]:
    import polars as pl

    if series.dtype == pl.String or isinstance(series.dtype, (pl.Categorical, pl.Enum)):
        return series.cast(pl.String).to_numpy().astype(str)
    if series.dtype.is_float():
        wrong = series.is_nan().arg_true()
        row = int(wrong[0]) if len(wrong) else 0
        raise InvalidIdError(
            f"ids in column {name!r} must be integers or strings; got {series.dtype}, "
            f"row {row} is {series[row]}"
        )
    if not series.dtype.is_integer():
        raise InvalidIdError(
            f"ids in column {name!r} must be integers or strings; got {series.dtype}"
        )
    values = series.to_numpy()
    if values.min() < 0:
        row = int(np.argmax(values < 0))
        raise InvalidIdError(
            f"ids in column {name!r} must not be negative; row {row} is {values[row]} "
            "(opaque labels can be passed as strings)"
        )
    return np.asarray(values)


def read_interactions(
    path: str | PathLike[str],
    *,
    user: str | None = None,
    item: str | None = None,
    weight: str | None = None,
    timestamp: str | None = None,
    ids: Literal["integer", "string"] = "integer",
) -> tuple[pl.DataFrame, dict[str, str | None]]:
    """Read a file of interactions; return the frame and the names of its columns by role."""
    import polars as pl

    if ids not in ("integer", "string"):
        raise ValueError(f"ids must be 'integer' or 'string'; got {ids!r}")
    path = Path(path)
    frame, has_header = read_table(path)
    given = {"user": user, "item": item, "weight": weight, "timestamp": timestamp}
    names = _roles(frame.columns, given, has_header, path)
    is_text = not path.name.lower().endswith((".parquet", ".pq"))
    if not is_text:
        return frame, names
    first_line = 2 if has_header else 1
    casts = {}
    for role, name in names.items():
        if name is None:
            continue
        if role in ("user", "item"):
            kind = pl.String if ids == "string" else pl.Int64
        else:
            kind = pl.Float64
        casts[name] = _cast(frame[name], kind, name, path, first_line, role)
    return pl.DataFrame(casts), names


def _cast(series: pl.Series, kind: Any, name: str, path: Path, first_line: int, role: str) -> Any:
    """Cast a text column, or name the first line that does not fit."""
    import polars as pl

    text = series.str.strip_chars()
    values = text if kind == pl.String else text.cast(kind, strict=False)
    bad = values.is_null() | (text == "")
    if kind == pl.Float64:
        bad = bad | ~values.is_finite().fill_null(False)
    if bad.any():
        row = int(bad.arg_true()[0])
        want = {pl.Int64: "an integer", pl.Float64: "a finite number"}.get(kind, "not empty")
        error = InvalidIdError if role in ("user", "item") else InvalidDataError
        hint = " (read labels with ids='string')" if kind == pl.Int64 else ""
        raise error(
            f"{path.name}, line {row + first_line}: {name!r} must be {want}; "
            f"got {series[row]!r}{hint}"
        )
    if role == "timestamp":
        return values.cast(pl.Int64)
    return values


def read_table(path: Path) -> tuple[pl.DataFrame, bool]:
    """Read a Parquet file, or a delimited text file as columns of strings.

    Returns the frame and whether a header line named its columns; without one they are called
    ``user``, ``item``, ``weight``, ``timestamp`` and then ``column_5`` and so on.
    """
    import polars as pl

    if not path.is_file():
        raise FileNotFoundError(f"the file must exist; got {path}")
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        try:
            return pl.read_parquet(path), True
        except pl.exceptions.PolarsError as error:
            raise InvalidDataError(f"{path} must be a Parquet file: {error}") from None
    opened = gzip.open(path) if name.endswith(".gz") else path.open("rb")
    try:
        with opened as file:
            data = file.read()
    except (gzip.BadGzipFile, EOFError) as error:
        raise InvalidDataError(f"{path} must be a gzip file: {error}") from None
    head = data[:65536].decode("utf-8", "replace").splitlines()
    if not data.strip():
        raise InvalidDataError(f"{path.name} must have at least one row; it is empty")
    separator = next((s for s in ("::", "\t", ",", ";", "|", " ") if s in head[0]), None)
    if separator is None:
        raise InvalidDataError(
            f"{path.name}, line 1: columns must be separated by '::', tab, comma, semicolon, bar "
            f"or space; got {head[0][:80]!r}"
        )
    if separator == "::":
        data, separator = data.replace(b"::", b"\t"), "\t"
        head[0] = head[0].replace("::", "\t")
    cells = [cell.strip().strip('"') for cell in head[0].split(separator)]
    has_header = not any(re.fullmatch(r"[-+]?\d+(\.\d+)?", cell) for cell in cells)
    try:
        frame = pl.read_csv(
            io.BytesIO(data),
            separator=separator,
            has_header=has_header,
            infer_schema=False,
            quote_char='"' if separator == "," else None,
            encoding="utf8-lossy",
        )
    except pl.exceptions.PolarsError as error:
        raise InvalidDataError(f"{path.name}: {str(error).splitlines()[0]}") from None
    if not has_header:
        width = frame.width
        frame.columns = [*ORDER[:width], *(f"column_{i + 1}" for i in range(len(ORDER), width))]
    return frame, has_header


def _roles(
    columns: list[str], given: dict[str, str | None], has_header: bool, path: Path
) -> dict[str, str | None]:
    """Give each role a column: the one named by the user, else the first with a usual name."""
    plain = {re.sub(r"[^a-z]", "", column.lower().split(":")[0]): column for column in columns}
    roles: dict[str, str | None] = {}
    for role, name in given.items():
        if name is not None:
            if name not in columns:
                raise InvalidDataError(
                    f"{path.name}: column {name!r} must be present; got columns {columns}"
                )
            roles[role] = name
            continue
        roles[role] = next((plain[usual] for usual in NAMES[role] if usual in plain), None)
        if roles[role] is None and role in ("user", "item"):
            raise InvalidDataError(
                f"{path.name}: no column looks like a {role} (such as {NAMES[role][1]!r}); "
                f"name one of {columns}"
            )
    return roles
