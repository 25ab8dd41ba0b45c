"""Files that commands write: checked before any work is done for them."""

from __future__ import annotations

from pathlib import Path

from recneg.errors import InvalidDataError
from recneg.files import check_folder
from recneg.reading import PARQUET

__all__ = ["check_model_file", "check_table_file"]


def check_model_file(path: Path, what: str) -> None:
    """Check that the folder is there, and that the name says what the file will be."""
    _check_name(path, what, "safetensors", (".safetensors",))
    check_folder(path)


def check_table_file(path: Path) -> None:
    """Check the same of a table."""
    _check_name(path, "table", "Parquet", PARQUET)
    check_folder(path)


def _check_name(path: Path, what: str, kind: str, suffixes: tuple[str, ...]) -> None:
    if path.suffix not in suffixes:
        raise InvalidDataError(
            f"the {what} is a {kind} file and its name must end in {' or '.join(suffixes)}; "
            f"got {path}"
        )
