"""Models on disk: safetensors with a JSON manifest, written whole or not at all; never pickle."""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.errors import IntegrityError
from recneg.files import atomic_path

__all__ = ["FORMAT", "load_tensors", "save_tensors"]

FORMAT = 2
"""Version of the file layout; a reader refuses any other."""


def _digest(tensors: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {tensor.dtype.str} {tensor.shape};".encode())
        digest.update(tensor.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def save_tensors(
    path: str | PathLike[str], tensors: dict[str, NDArray[Any]], manifest: dict[str, Any]
) -> None:
    """Save arrays and a JSON-serialisable manifest, with a checksum over the arrays."""
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    record = {"format": FORMAT, **manifest, "sha256": _digest(arrays)}
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, {"recneg": json.dumps(record, sort_keys=True)})


def load_tensors(path: str | PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Load what `save_tensors` wrote.

    Raises
    ------
    FileNotFoundError
    IntegrityError
        If the file is truncated, altered, from another format version, or not one of recneg's.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"the model file must exist; got {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise IntegrityError(f"{path} must be a whole safetensors file: {error}") from None
    try:
        manifest = json.loads(metadata["recneg"])
    except (KeyError, ValueError):
        raise IntegrityError(f"{path} must have been saved by recneg; it has no manifest") from None
    if manifest.get("format") != FORMAT:
        raise IntegrityError(f"{path} must have format {FORMAT}; got {manifest.get('format')!r}")
    if manifest.get("sha256") != _digest(tensors):
        raise IntegrityError(f"{path} must match its checksum; its contents were altered")
    return tensors, manifest
