"""Refuse what is not as published: sizes and checksums of files, counts of parsed data."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from recneg.errors import IntegrityError

if TYPE_CHECKING:
    import polars as pl

    from recneg.datasets.cards import Counts, File

__all__ = ["check_counts", "check_digests", "check_file", "check_found", "sha256_of"]

PARTS = ("train", "validation", "test")


def check_digests(digests: dict[str, str], expected: dict[str, str | None], what: str) -> None:
    """Compare hexadecimal digests by algorithm; where none is expected, any will do."""
    for algorithm, want in expected.items():
        if want is not None and digests[algorithm] != want:
            raise IntegrityError(f"{what} must have {algorithm} {want}; got {digests[algorithm]}")


def check_file(path: Path, file: File) -> None:
    """Verify a file at hand against its card.

    Raises
    ------
    IntegrityError
        Naming the file, what its card states, and what was found.
    """
    size = path.stat().st_size
    if size > file.limit or (file.size is not None and size != file.size):
        bound = f"{file.size}" if file.size is not None else f"at most {file.limit}"
        raise IntegrityError(f"{path} must have {bound} bytes; got {size}")
    expected = {"md5": file.md5, "sha256": file.sha256}
    wanted = [algorithm for algorithm, digest in expected.items() if digest is not None]
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in wanted}
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            for each in hashes.values():
                each.update(block)
    found = {name: each.hexdigest() for name, each in hashes.items()}
    check_digests(found, {name: expected[name] for name in wanted}, str(path))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_counts(frame: pl.DataFrame, counts: Counts, where: str, *, parts: bool) -> None:
    """Compare users, items, rows and, with `parts`, the rows of each part with the published ones.

    Raises
    ------
    IntegrityError
        Naming all counts that differ.
    """
    found = {
        "users": frame["user"].n_unique(),
        "items": frame["item"].n_unique(),
        "interactions": frame.height,
    }
    if parts:
        found |= {name: int((frame["part"] == code).sum()) for code, name in enumerate(PARTS)}
    check_found(found, counts, where)


def check_found(found: dict[str, int], counts: Counts, where: str) -> None:
    """Compare counts by name with the published ones.

    Raises
    ------
    IntegrityError
        Naming all counts that differ.
    """
    published = {name: getattr(counts, name) or 0 for name in found}
    wrong = [f"{name} {published[name]}, got {found[name]}" for name in found
             if published[name] != found[name]]  # fmt: skip
    if wrong:
        raise IntegrityError(f"{where} must have the published counts: {'; '.join(wrong)}")
