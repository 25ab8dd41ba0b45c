"""Parsed copies in the cache: Parquet files and a manifest of their SHA-256, written atomically."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from recneg.datasets.checking import sha256_of
from recneg.errors import IntegrityError
from recneg.files import atomic_path

if TYPE_CHECKING:
    import polars as pl

    from recneg.datasets.cards import Card

__all__ = ["has_copy", "read_copy", "write_copy"]

VERSION = 1  # of the parsers: a copy of another version is made anew


def write_copy(folder: Path, key: str, card: Card, frames: dict[str, pl.DataFrame]) -> None:
    """Keep frames under a key, the manifest last: what it does not name does not count."""
    folder.mkdir(parents=True, exist_ok=True)
    digests = {}
    for role, frame in frames.items():
        path = folder / f"{key}.{role}.parquet"
        with atomic_path(path) as part:
            frame.write_parquet(part, compression="zstd")
        digests[role] = sha256_of(path)
    manifest = json.dumps({"source": _source(card), "sha256": digests}, indent=1)
    with atomic_path(folder / f"{key}.json") as part:
        part.write_text(manifest, "utf-8")


def has_copy(folder: Path, key: str, card: Card) -> bool:
    """Tell whether a copy of this card's data is kept, without verifying it."""
    try:
        manifest = json.loads((folder / f"{key}.json").read_text("utf-8"))
        return bool(manifest["source"] == _source(card))
    except (OSError, ValueError, LookupError, TypeError):
        return False


def read_copy(folder: Path, key: str, card: Card) -> dict[str, pl.DataFrame] | None:
    """Return the frames under a key; None if there is no copy, or one of another card or version.

    Raises
    ------
    IntegrityError
        If a file is missing or does not have the SHA-256 that the manifest states.
    """
    import polars as pl

    if not has_copy(folder, key, card):
        return None
    manifest = json.loads((folder / f"{key}.json").read_text("utf-8"))
    frames = {}
    for role, digest in manifest["sha256"].items():
        path = folder / f"{key}.{role}.parquet"
        found = sha256_of(path) if path.is_file() else "no file"
        if found != digest:
            raise IntegrityError(f"{path} must have sha256 {digest}; got {found}")
        frames[role] = pl.read_parquet(path)
    return frames


def _source(card: Card) -> str:
    """Fingerprint what a parsed copy depends on: the version, the files and how they are read."""
    parts = card.model_dump_json(
        include={"files", "tables", "titles", "folds", "counts", "sessions"}
    )
    return hashlib.sha256(f"{VERSION}\n{parts}".encode()).hexdigest()
