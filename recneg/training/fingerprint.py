"""What a run is made of, as a short digest: a checkpoint is resumed with the same alone."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np

from recneg.errors import InvalidDataError

__all__ = ["fingerprint"]


def fingerprint(value: Any) -> str:
    """Return 16 hexadecimal digits that tell `value` apart, the same in every process.

    Arrays and tensors count by their contents, functions by their qualified name and bound
    arguments, dataclasses by the fields that they are made from, other objects by their
    attributes.

    Raises
    ------
    InvalidDataError
        For a lambda or a function inside a function: no name tells two of them apart.
    """
    digest = hashlib.sha256()
    _add(digest.update, value)
    return digest.hexdigest()[:16]


def _add(update: Callable[[bytes], None], value: Any) -> None:
    update(f"<{type(value).__module__}.{type(value).__qualname__}>".encode())
    if value is None or isinstance(value, (bool, int, float, str, bytes, np.generic)):
        update(repr(value).encode())
    elif isinstance(value, type):
        update(f"{value.__module__}.{value.__qualname__}".encode())
    elif isinstance(value, np.ndarray) and value.dtype == object:
        _add(update, value.tolist())
    elif isinstance(value, np.ndarray):
        update(f"{value.dtype}{value.shape}".encode())
        update(np.ascontiguousarray(value).tobytes())
    elif hasattr(value, "detach"):
        _add(update, value.detach().cpu().numpy())
    elif isinstance(value, Mapping):
        _add(update, sorted(value.items()))
    elif isinstance(value, (tuple, list)):
        for each in value:
            _add(update, each)
    elif isinstance(value, partial):
        _add(update, (value.func, value.args, value.keywords))
    elif isinstance(value, (types.FunctionType, types.BuiltinFunctionType)):
        if "<" in value.__qualname__:
            raise InvalidDataError(
                "a checkpoint needs functions of a module, by whose names a run can be told from "
                f"another; got {value.__qualname__}"
            )
        update(f"{value.__module__}.{value.__qualname__}".encode())
    elif is_dataclass(value):
        for field in fields(value):
            if field.init:
                update(field.name.encode())
                _add(update, getattr(value, field.name))
    else:
        _add(update, {**getattr(value, "__dict__", {})} or repr(value))
    update(b";")
