"""Read text files with a whole sequence a line: its id, then its items, the oldest first."""

from __future__ import annotations

import gzip
import zlib
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError, InvalidIdError
from recneg.labels import index_labels

if TYPE_CHECKING:
    import polars as pl

__all__ = ["parse_lines", "read_lines"]


def read_lines(path: str | PathLike[str], ids: Literal["integer", "string"]) -> dict[str, Any]:
    """Read a file, plain or gzipped; see `parse_lines`.

    Raises
    ------
    FileNotFoundError
    InvalidDataError
        For a file that is empty or no gzip file, and as `parse_lines`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"the file must exist; got {path}")
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.name.lower().endswith(".gz") else data
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidDataError(f"{path} must be a gzip file: {error}") from None
    return parse_lines(data, ids, path.name)


def parse_lines(data: bytes, ids: Literal["integer", "string"], what: str) -> dict[str, Any]:
    """Parse lines ``sequence item item ...``; blank lines are skipped.

    Parameters
    ----------
    data : bytes
        UTF-8, with space or tab between ids; lines end as on any system.
    ids : {"integer", "string"}
        With "integer", any other id is an error that names its line.
    what : str
        Named in errors.

    Returns
    -------
    dict of str to Any
        The arguments of `recneg.sequences.Sequences`, sequences in sorted order of their ids.

    Raises
    ------
    InvalidDataError
        For no line at all, for a sequence with two, and for bytes that are not UTF-8.
    InvalidIdError
        For an id that is no non-negative integer.
    """
    import polars as pl

    if ids not in ("integer", "string"):
        raise ValueError(f"ids must be 'integer' or 'string'; got {ids!r}")
    if not data.strip():
        raise InvalidDataError(f"{what} must have at least one line; it is empty")
    words = pl.Series(_lines(data, what)).str.extract_all(r"\S+")
    sizes = words.list.len().cast(pl.Int64).to_numpy()
    lines = np.flatnonzero(sizes) + 1
    sizes = sizes[sizes > 0]
    flat = words.explode().drop_nulls()
    if ids == "integer":
        numbers = flat.cast(pl.Int64, strict=False)
        bad = (numbers < 0).fill_null(True)
        if bad.any():
            place = int(bad.arg_max() or 0)
            line = lines[np.searchsorted(np.cumsum(sizes), place, side="right")]
            raise InvalidIdError(
                f"{what}, line {line}: ids must be integers in [0, 2**63) "
                f"(read labels with ids='string'); got {flat[place]!r}"
            )
        flat = numbers
    first = np.zeros(len(flat), np.bool_)
    first[np.cumsum(sizes) - sizes] = True
    sequence_ids, rows = _index(flat.filter(pl.Series(first)))
    if sequence_ids.size < rows.size:
        again = int(np.argmax(np.bincount(rows) > 1))
        raise InvalidDataError(
            f"{what} must have one line a sequence; {sequence_ids[again]!r} has two, "
            f"lines {lines[rows == again][:2].tolist()}"
        )
    item_ids, items = _index(flat.filter(pl.Series(~first)))
    order = np.argsort(np.repeat(rows, sizes - 1), kind="stable")
    indptr = np.zeros(rows.size + 1, np.int64)
    indptr[1 + rows] = sizes - 1
    return {
        "indptr": np.cumsum(indptr),
        "items": items[order].astype(np.int32),
        "num_items": len(item_ids),
        "sequence_ids": sequence_ids,
        "item_ids": item_ids,
    }


def _lines(data: bytes, what: str) -> list[str]:
    """Return the lines of the text, without a mark of its encoding."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        return data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        text, place = error.object, error.start
        line, byte = text.count(b"\n", 0, place) + 1, text[place]
        raise InvalidDataError(
            f"{what}, line {line}: text must be UTF-8; got byte 0x{byte:02x}"
        ) from None


def _index(raw: pl.Series) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the sorted distinct ids and the place of each among them."""
    import polars as pl

    if raw.dtype == pl.String:
        return index_labels(raw)
    return np.unique(raw.to_numpy(), return_inverse=True)
