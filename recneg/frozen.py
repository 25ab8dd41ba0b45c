"""Base of frozen dataclasses whose arrays nobody may write to, after pickling either."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Frozen"]


class Frozen:
    """A dataclass of arrays and numbers that makes its arrays read-only."""

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def __reduce__(self) -> tuple[Any, ...]:
        # through the constructor: NumPy does not pickle that an array is read-only
        return type(self), tuple(vars(self).values())
