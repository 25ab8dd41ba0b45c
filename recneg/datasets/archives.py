"""Read one named member of a zip archive into memory; nothing is ever unpacked to disk."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from recneg.errors import IntegrityError

__all__ = ["MAX_BYTES", "MAX_RATIO", "read_member"]

MAX_BYTES = 2_000_000_000
"""Most bytes of one member; the largest that is needed, of MovieLens 32M, has 0.9 GB."""

MAX_RATIO = 100
"""Most bytes for a stored byte in members beyond 1 MB; the data sets stay below 10."""


def read_member(path: Path, member: str, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of a member, read by its exact name.

    Members are never written under the names that an archive gives them, and are read with a
    bound on the bytes that come out, whatever their header says.

    Raises
    ------
    IntegrityError
        For a file that is no zip archive, an absent or encrypted member, one that expands beyond
        `max_bytes` or `MAX_RATIO`, or one whose CRC is wrong.
    """
    what = f"{member} in {path}"
    try:
        with zipfile.ZipFile(path) as archive:
            try:
                info = archive.getinfo(member)
            except KeyError:
                some = ", ".join(archive.namelist()[:8])
                raise IntegrityError(f"{path} must hold {member}; it holds {some}") from None
            limit = max_bytes
            if info.file_size > 1_000_000:
                limit = min(limit, MAX_RATIO * info.compress_size)
            if info.file_size > limit:
                raise IntegrityError(
                    f"{what} must expand to at most {limit} bytes; it states {info.file_size}"
                )
            with archive.open(info) as stream:
                data = stream.read(limit + 1)
            if len(data) > limit:
                raise IntegrityError(f"{what} must expand to at most {limit} bytes; it goes on")
            return data
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise IntegrityError(f"{what} must be readable: {error}") from None
