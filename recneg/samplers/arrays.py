"""NumPy or torch in, the same kind on the same device out; torch is never imported here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["numpy_and_back"]


def numpy_and_back(values: Any) -> tuple[NDArray[Any], Callable[[NDArray[Any]], Any]]:
    """Return `values` as a NumPy array, and the function that turns results into its kind.

    A tensor on the CPU shares its memory with the array. A tensor elsewhere is copied here and the
    results are copied back to its device.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(values, torch.Tensor):
        device = values.device
        return values.detach().cpu().numpy(), lambda array: torch.from_numpy(array).to(device)
    return np.asarray(values), lambda array: array
