"""Writing files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from recneg.errors import InvalidDataError

__all__ = ["atomic_path", "check_folder"]


def check_folder(path: str | PathLike[str]) -> None:
    """Check that a file can be written in its folder, before any work is done for it."""
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        raise InvalidDataError(f"the folder of {path} must exist; got {folder}")
    if Path(path).is_dir():
        raise InvalidDataError(f"{path} must be a file; got a folder")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InvalidDataError(
            f"the folder of {path} must be writable; got {folder}: {error.strerror}"
        ) from None


@contextmanager
def atomic_path(path: str | PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success flush that file to disk and rename it.

    Whoever reads `path`, at whatever moment and after whatever crash, finds the old file or the
    new one, never a part. On an error the temporary file is removed.

    Raises
    ------
    OSError
        If the file cannot be written, a disk that is full for instance, whichever library wrote.
    """
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # temporary files are made private
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if type(error).__module__.startswith(("safetensors", "polars")):
            raise OSError(f"{path} could not be written: {error}") from error
        raise
