"""Where data sets lie on this machine: the user's own folder and the cache."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder", "data_folder"]


def cache_folder(name: str) -> Path:
    """Return the cache folder of a data set, which need not exist.

    It lies below ``$RECNEG_CACHE``, else ``$XDG_CACHE_HOME/recneg``, else ``~/.cache/recneg``.
    """
    own, standard = os.environ.get("RECNEG_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own).expanduser() / name
    return (Path(standard) if standard else Path.home() / ".cache") / "recneg" / name


def data_folder() -> Path | None:
    """Return the folder that ``$RECNEG_DATA`` names, if it is set."""
    value = os.environ.get("RECNEG_DATA")
    return Path(value).expanduser() if value else None
