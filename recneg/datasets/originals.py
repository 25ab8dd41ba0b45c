"""The publisher's own files: found, downloaded, parsed; or advice on how to get them by hand."""

from __future__ import annotations

import hashlib
from pathlib import Path

from recneg.datasets import archives, checking, download, formats
from recneg.datasets.cards import Card, File, Local, Table
from recneg.datasets.parsed import PART_CODES, Parsed
from recneg.datasets.places import cache_folder, data_folder
from recneg.datasets.session_logs import parse_sessions
from recneg.errors import DataUnavailableError

__all__ = ["advice", "download_originals", "originals", "parse_originals"]


def originals(card: Card) -> dict[str, Path] | None:
    """Return all files of the card at one place: below the user's folder, or in the cache."""
    base = data_folder()
    owners = [card.name, *([] if card.files_of is None else [card.files_of])]
    folders = [] if base is None else [base / name for name in owners]
    for folder in [*folders, *map(cache_folder, owners)]:
        if all((folder / file.name).is_file() for file in card.files):
            return {file.name: folder / file.name for file in card.files}
    return None


def download_originals(card: Card, *, progress: bool) -> dict[str, Path]:
    """Fetch to the cache what is not there yet."""
    folder = cache_folder(card.name)
    places = {file.name: folder / file.name for file in card.files}
    for file in card.files:
        target = places[file.name]
        if target.is_file():
            checking.check_file(target, file)
            continue
        if file.by_hand is not None:
            reason = f"its publisher hands {file.name} out to people only"
            raise DataUnavailableError(advice(card, reason))
        try:
            download.fetch(file, target, progress=progress)
        except DataUnavailableError as error:
            raise DataUnavailableError(advice(card, str(error))) from None
    return places


def parse_originals(card: Card, fold: str | None, places: dict[str, Path]) -> Parsed:
    """Read, verify and join the tables of a card, or those of a fold."""
    import polars as pl

    if card.sessions is not None:
        rows = parse_sessions(card.sessions, card.counts, places)
        return Parsed(rows, None, places[card.sessions.train].parent)
    tables = card.tables if fold is None or card.folds is None else card.folds.tables
    frames = []
    for table in tables:
        path = places[table.file]
        member = None if table.member is None else table.member.format(fold=fold)
        data = _bytes_of(path, member)
        what = f"{path}" if member is None else f"{member} in {path}"
        _check_member(data, table, what)
        frame = formats.parse_interactions(data, table.format, what)
        if table.part is not None:
            code = pl.lit(PART_CODES[table.part], pl.UInt8)
            frame = frame.with_columns(code.alias("part"))
        frames.append(frame)
    rows = pl.concat(frames)
    if card.ordered:
        rank = pl.int_range(pl.len(), dtype=pl.Int64).over("user")
        rows = rows.with_columns(rank.alias("timestamp"))
    at = next(iter(places.values()))
    checking.check_counts(rows, card.counts, f"{card.name} in {at.parent}",
                          parts=card.counts.is_split)  # fmt: skip
    titles = None
    if card.titles is not None:
        path = places[card.titles.file]
        data = _bytes_of(path, card.titles.member)
        titles = formats.parse_titles(data, card.titles.format, card.titles.encoding, str(path))
    return Parsed(rows, titles, at.parent)


def _bytes_of(path: Path, member: str | None) -> bytes:
    return path.read_bytes() if member is None else archives.read_member(path, member)


def _check_member(data: bytes, table: Table, what: str) -> None:
    if table.md5 is not None:
        found = hashlib.md5(data, usedforsecurity=False).hexdigest()
        checking.check_digests({"md5": found}, {"md5": table.md5}, what)


def advice(card: Card, reason: str) -> str:
    """Say what to put where, for a machine that cannot download."""
    folder = cache_folder(card.name)
    lines = [f"{card.name} must be at hand or downloadable; {reason}", "Put"]
    lines += [
        f"  {_origin(file)}\n  at {folder / file.name} ({_stated(file)})" for file in card.files
    ]
    others = [f"{card.name}/{file.name}" for file in card.files]
    named = data_folder()
    lines += ["or set RECNEG_DATA to a folder that holds " + " and ".join(others)]
    if named is not None:
        lines[-1] += f" ({named}, which it names, {'does not' if named.exists() else 'is missing'})"
    lines += [f"or {local.folder}/{local.file} (Parquet: {_columns(card, local)})"
              for local in card.local]  # fmt: skip
    return "\n".join(lines)


def _origin(file: File) -> str:
    return file.urls[0] if file.by_hand is None else f"{file.by_hand} ({file.urls[0]})"


def _stated(file: File) -> str:
    if file.md5 or file.sha256:
        return f"md5 {file.md5}" if file.md5 else f"sha256 {file.sha256}"
    return f"md5 in {file.md5_url}" if file.md5_url else "no checksum is published"


def _columns(card: Card, local: Local) -> str:
    rated = any(table.format in ("tab", "colons", "csv", "matrix") for table in card.tables)
    timed = any(table.format in ("tab", "colons", "csv") for table in card.tables)
    names = ["user", "item"] + ["rating"] * (rated and local.note is None)
    timed = timed or card.ordered or card.sessions is not None
    names += (["timestamp"] if local.note is None else ["seq"]) * timed
    return ", ".join(names + ["split"] * card.counts.is_split)
