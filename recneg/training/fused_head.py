"""The fused scoring of a batch as one function of autograd, for models whose scores are products.

Positives and thousands of negatives are scored, compared and differentiated by the compiled
kernels; autograd takes the gradients by the users' vectors and by the item table on from there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from recneg.losses import Loss
from recneg.training.record import Totals
from recneg.training.scoring import Batch, score_batch
from recneg.training.tables import Matrix, Table

__all__ = ["fused_loss"]

_NO_MOMENT = np.empty((0, 0), np.float32)


def fused_loss(
    loss: Loss, batch: Batch, vectors: torch.Tensor, items: torch.Tensor, threads: int = 1
) -> tuple[torch.Tensor, Totals]:
    """Return the sum of the losses of a batch, with its gradients, and the sums of the batch.

    Parameters
    ----------
    loss : Loss
        With a kernel.
    batch : Batch
    vectors : torch.Tensor of float32, shape (num_groups, d), on the CPU
        As they are scored: of length 1 for cosines, before dropout.
    items : torch.Tensor of float32, shape (num_items, d), on the CPU
        Likewise.
    threads : int
    """
    total, sums = _FusedLoss.apply(vectors, items, loss, batch, threads)
    return total, Totals(*sums.tolist())


class _FusedLoss(torch.autograd.Function):  # type: ignore[misc]  # torch is not checked
    @staticmethod
    def forward(
        ctx: Any,
        vectors: torch.Tensor,
        items: torch.Tensor,
        loss: Loss,
        batch: Batch,
        threads: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        users: Matrix = np.ascontiguousarray(vectors.detach().numpy())
        values: Matrix = np.ascontiguousarray(items.detach().numpy())
        table = Table(values, (_NO_MOMENT, _NO_MOMENT), cosine=False, threads=threads)
        by_vector = np.zeros_like(users)
        totals = score_batch(loss, batch, users, table, by_vector)
        by_item = table.gradients[0]
        for lane in table.gradients[1:]:
            by_item += lane
        ctx.save_for_backward(torch.from_numpy(by_vector), torch.from_numpy(by_item))
        sums = torch.tensor(totals, dtype=torch.float64)
        ctx.mark_non_differentiable(sums)
        return vectors.new_tensor(totals.loss), sums

    @staticmethod
    def backward(ctx: Any, by_total: torch.Tensor, _: Any) -> tuple[Any, ...]:
        by_vector, by_item = ctx.saved_tensors
        return by_total * by_vector, by_total * by_item, None, None, None
