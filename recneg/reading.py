"""From files and frames to columns: user, item, and optionally weight and timestamp."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError, InvalidIdError, with_article
from recneg.labels import label_array
from recneg.times import parse_times

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["PARQUET", "columns_of", "polars_of_pandas", "read_interactions", "read_table"]

PARQUET = (".parquet", ".pq")
"""How names of Parquet files end; other files are text."""

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
        elif role == "timestamp" and isinstance(series.dtype, (pl.Datetime, pl.Date)):
            columns[role] = series.to_numpy()
        elif series.dtype.is_decimal():
            columns[role] = series.cast(pl.Float64).to_numpy()
        elif series.dtype.is_numeric():
            columns[role] = series.to_numpy()
        else:
            raise InvalidDataError(
                f"column {name!r} must be numeric; got {series.dtype}, first value {series[0]!r}"
            )
    return columns


def polars_of_pandas(frame: pd.DataFrame, names: Iterable[str | None]) -> pl.DataFrame:
    """Convert the columns of these names, None for none, missing values to nulls."""
    import polars as pl

    table = {}
    for name in filter(None, names):
        if name not in frame.columns:
            raise InvalidDataError(
                f"column {name!r} must be present; got columns {list(frame.columns)}"
            )
        values = frame[name].to_numpy(copy=True)
        if values.dtype == "datetime64[s]":  # which Polars has not
            values = values.astype("datetime64[ms]")
        if values.dtype.kind != "O":
            table[name] = pl.Series(name, values)
            continue
        missing = frame[name].isna().to_numpy()
        try:
            values[missing] = None
            table[name] = pl.Series(name, values.tolist())
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            raise InvalidDataError(
                f"column {name!r} must hold values of one type; "
                f"got {sorted({type(value).__name__ for value in values[~missing]})}, "
                f"first value {values[0]!r}"
            ) from None
    return pl.DataFrame(table)


def _ids(series: pl.Series, name: str) -> NDArray[Any]:
    import polars as pl

    if series.dtype == pl.String or isinstance(series.dtype, (pl.Categorical, pl.Enum)):
        return label_array(series.cast(pl.String))
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
    weight: str | Literal[False] | None = None,
    timestamp: str | Literal[False] | None = None,
    ids: Literal["integer", "string"] = "integer",
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Read a file of interactions; return the frame and the names of its columns by role.

    None stands for a column that is found by its usual names, False for none.
    """
    import polars as pl

    if ids not in ("integer", "string"):
        raise ValueError(f"ids must be 'integer' or 'string'; got {ids!r}")
    path = Path(path)
    frame, has_header = read_table(path)
    in_text = not path.name.lower().endswith(PARQUET)
    given = {"user": user, "item": item, "weight": weight, "timestamp": timestamp}
    names = _roles(frame.columns, given, in_text, path)
    if not in_text:
        return frame, names
    header = [name for name in (names["user"], names["item"]) if name is not None]
    if has_header and all((frame[name] == name).any() for name in header):
        raise InvalidDataError(
            f"{path.name}, line 1: a header must not occur among what it names; {header[0]!r} and "
            f"{header[1]!r} do: a first line of data needs a header above it"
        )
    first_line = 2 if has_header else 1
    blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    casts = {}
    for role, name in names.items():
        if name is None:
            continue
        values, good, want = _parse(frame[name].str.strip_chars(), role, ids)
        bad = ~good & ~blank
        if bad.any():
            row = int(bad.arg_max() or 0)
            error = InvalidIdError if role in ("user", "item") else InvalidDataError
            off = ""
            if given[role] is None and role in ("weight", "timestamp"):
                off = f"; {role}=False leaves this column, found by its name, aside"
            raise error(
                f"{path.name}, line {row + first_line}: {name!r} must be {want}; "
                f"got {frame[name][row]!r}{off}"
            )
        if values.dtype == pl.String:
            _check_text(values, f"{path.name}, line ", first_line)
        casts[name] = values
    return pl.DataFrame(casts).filter(~blank), names


def _check_text(labels: pl.Series, where: str, first_line: int) -> None:
    """Refuse labels that were not UTF-8: other bytes are all read as one character, U+FFFD."""
    strange = labels.str.contains("\ufffd", literal=True).fill_null(False)
    if strange.any():
        row = int(strange.arg_max() or 0)
        raise InvalidDataError(
            f"{where}{row + first_line}: labels must be UTF-8 text; got {labels[row]!r}, "
            "where the file has other bytes"
        )


def _parse(text: pl.Series, role: str, ids: str) -> tuple[pl.Series, pl.Series, str]:
    """Parse a text column by its role: the values, which of them are good, what good means."""
    import polars as pl

    if role in ("user", "item"):
        if ids == "string":
            return text, (text != "").fill_null(False), "a label"
        values = text.cast(pl.Int64, strict=False)
        want = "an integer in [0, 2**63) (read labels with ids='string')"
        return values, (values >= 0).fill_null(False), want
    if role == "weight":
        numbers = text.cast(pl.Float64, strict=False)
        return numbers, numbers.is_finite().fill_null(False), "a finite number"
    times = parse_times(text)
    return times, times.is_not_null(), "a number or an ISO date"


def read_table(path: Path) -> tuple[pl.DataFrame, bool]:
    """Read a Parquet file, or a delimited text file as columns of strings.

    Returns the frame and whether a header line named its columns; without one they are called
    ``user``, ``item``, ``weight``, ``timestamp`` and then ``column_5`` and so on.
    """
    import polars as pl

    if not path.is_file():
        if path.is_dir():
            raise FileNotFoundError(f"the data must be a file, not a folder; got {path}")
        raise FileNotFoundError(f"the file must exist; got {path}")
    name = path.name.lower()
    if name.endswith(PARQUET):
        try:
            return pl.read_parquet(path), True
        except pl.exceptions.PolarsError as error:
            raise InvalidDataError(f"{path} must be a Parquet file: {error}") from None
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if name.endswith(".gz") else data
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidDataError(f"{path} must be a gzip file: {error}") from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InvalidDataError(f"{path.name} must be UTF-8 text; it begins as UTF-16 does")
    head = data[:65536].decode("utf-8-sig", "replace").splitlines()
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
    quoted = separator in ",;" or any(
        re.fullmatch(r'\s*".*"\s*', cell) for line in head[:2] for cell in line.split(separator)
    )
    cells = [cell.strip().strip('"') for cell in head[0].split(separator)]
    has_header = not any(re.fullmatch(r"[-+]?\d+(\.\d+)?", cell) for cell in cells)
    try:
        frame = pl.read_csv(
            io.BytesIO(data),
            separator=separator,
            has_header=has_header,
            infer_schema=False,
            quote_char='"' if quoted else None,
            encoding="utf8-lossy",
        )
    except pl.exceptions.PolarsError as error:
        where = _first_long_line(data, separator, len(cells))
        raise InvalidDataError(f"{path.name}{where}: {str(error).splitlines()[0]}") from None
    if not has_header:
        width = frame.width
        frame.columns = [*ORDER[:width], *(f"column_{i + 1}" for i in range(len(ORDER), width))]
    return frame, has_header


def _first_long_line(data: bytes, separator: str, width: int) -> str:
    """Name the first line with more than `width` cells, if that is what is wrong."""
    for number, line in enumerate(data.splitlines(), 1):
        if line.count(separator.encode()) >= width and b'"' not in line:
            return f", line {number}"
    return ""


def _roles(
    columns: list[str], given: Mapping[str, str | Literal[False] | None], in_text: bool, path: Path
) -> dict[str, str | None]:
    """Give each role a column: the one named by the user, else the first with a usual name."""
    plain: dict[str, str] = {}
    for column in columns:
        plain.setdefault(re.sub(r"[^a-z]", "", column.lower().split(":")[0]), column)
    roles: dict[str, str | None] = {}
    for role, name in given.items():
        if name is False:
            roles[role] = None
            continue
        if name is not None:
            if name not in columns:
                raise InvalidDataError(
                    f"{path.name}: column {name!r} must be present; got columns {columns}"
                )
            roles[role] = name
            continue
        roles[role] = next((plain[usual] for usual in NAMES[role] if usual in plain), None)
        if roles[role] is None and role in ("user", "item"):
            line = ", line 1" * in_text
            data = "; a first line of data without any number needs a header above it"
            raise InvalidDataError(
                f"{path.name}{line}: no column looks like {with_article(role)} "
                f"(such as {NAMES[role][1]!r}); name one of {columns}{data * in_text}"
            )
    return roles
