"""The visible loop in torch: draw, score, loss, step; any loss, on any device.

It meets the same batches, negatives and dropout as the fused engine, and keeps the same moments
under the same names: a checkpoint of either goes on in the other.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch.nn.functional import normalize

from recneg.training.batched import BatchPlan, table_moments
from recneg.training.record import Totals, overflow, record
from recneg.training.state import Epoch, Factors, TrainingState
from recneg.training.streams import FOLLOW, SIDES
from recneg.training.tables import EVERY, SMALLEST_NORM, Matrix, unit_rows
from recneg.training.torch_optimizers import move_table
from recneg.training.torch_scoring import DeviceBatch, batch_losses

__all__ = ["TorchEngine"]


class _Table:
    """Factors on a device, of which a batch has gradients of some rows."""

    def __init__(
        self, values: Matrix, moments: tuple[Matrix, ...], decay: float, device: torch.device
    ) -> None:
        self.arrays = (values, *moments)
        self.values, *rest = (torch.from_numpy(array).to(device) for array in self.arrays)
        self.moments = tuple(rest)
        self.decay = decay

    def gradient(
        self, rows: torch.Tensor, part: torch.Tensor, everywhere: bool, spread: bool
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Add the penalty; return the rows to move, None for all, and their gradient."""
        where: torch.Tensor | None = rows
        if everywhere or spread:
            whole = torch.zeros_like(self.values)
            whole[rows] = part
            where, part = None, whole
        if everywhere:
            part = part + self.decay * self.values
        elif self.decay:
            part.index_add_(0, rows, self.decay * self.values[rows]) if spread else part.add_(
                self.decay * self.values[rows]
            )
        return where, part
