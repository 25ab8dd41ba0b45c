"""Rows divided by their norms as one function of autograd: one pass over a table each way.

Torch needs a dozen passes, which for tables of tens of thousands of rows take longer than scoring.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable
from torch.nn.functional import normalize

from recneg.jit import kernel_fast
from recneg.training.tables import SMALLEST_NORM, Matrix

__all__ = ["unit_rows_of"]


def unit_rows_of(values: torch.Tensor) -> torch.Tensor:
    """Return float32 rows divided by their norms, which count as at least `SMALLEST_NORM`."""
    if values.device.type != "cpu":
        return normalize(values, eps=SMALLEST_NORM)
    unit: torch.Tensor = _UnitRows.apply(values)
    return unit


class _UnitRows(torch.autograd.Function):  # type: ignore[misc]  # torch is not checked
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        rows: Matrix = np.ascontiguousarray(values.detach().numpy())
        unit, norms = np.empty_like(rows), np.empty(len(rows), np.float32)
        _divide(rows, unit, norms)
        ctx.save_for_backward(torch.from_numpy(unit), torch.from_numpy(norms))
        return torch.from_numpy(unit)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]  # torch is not checked
    def backward(ctx: Any, by_unit: torch.Tensor) -> torch.Tensor:
        unit, norms = (saved.numpy() for saved in ctx.saved_tensors)
        slopes: Matrix = np.ascontiguousarray(by_unit.numpy())
        out = np.empty_like(slopes)
        _by_rows(slopes, unit, norms, out)
        return torch.from_numpy(out)


@kernel_fast
def _divide(rows: Matrix, unit: Matrix, norms: NDArray[np.float32]) -> None:
    for row in range(rows.shape[0]):
        squares = np.float32(0.0)
        for f in range(rows.shape[1]):
            squares += rows[row, f] * rows[row, f]
        norms[row] = max(np.sqrt(squares), np.float32(SMALLEST_NORM))
        inverse = np.float32(1.0) / norms[row]
        for f in range(rows.shape[1]):
            unit[row, f] = inverse * rows[row, f]


@kernel_fast
def _by_rows(slopes: Matrix, unit: Matrix, norms: NDArray[np.float32], out: Matrix) -> None:
    for row in range(slopes.shape[0]):
        along = np.float32(0.0)
        for f in range(slopes.shape[1]):
            along += slopes[row, f] * unit[row, f]
        inverse = np.float32(1.0) / norms[row]
        for f in range(slopes.shape[1]):
            out[row, f] = inverse * (slopes[row, f] - along * unit[row, f])
