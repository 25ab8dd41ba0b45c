"""Scores and losses of a batch of sequences in torch: any loss, any device, with autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from recneg.losses import Loss
from recneg.training.record import Totals
from recneg.training.sequence_batches import SequenceBatch
from recneg.training.torch_scoring import double_sums

__all__ = ["event_losses"]


def event_losses(
    loss: Loss,
    batch: SequenceBatch,
    vectors: torch.Tensor,
    factors: torch.Tensor,
    top_k: int,
) -> tuple[torch.Tensor, Totals, torch.Tensor]:
    """Return the losses of the input events, the batch's sums, and the candidates that counted.

    Candidates of one list are gathered anew for each of its events, and so are those that top-k
    chooses: (num_events, top_k, columns) numbers are held.

    Parameters
    ----------
    loss : Loss
        Without side values.
    batch : SequenceBatch
    vectors : torch.Tensor of float, shape (num_events, columns)
    factors : torch.Tensor of float, shape (num_items, columns)
        On the device of the vectors.
    top_k : int
        0 for all.

    Returns
    -------
    losses : torch.Tensor, shape (num_events,)
    totals : Totals
    counted : torch.Tensor of int64
        Items that an optimiser of the rows of a batch moves, apart from the targets.
    """
    device, found = vectors.device, batch.candidates

    def put(array: Any) -> torch.Tensor:
        return torch.as_tensor(array).to(device)

    lists = put(found.lists)
    pool, listed = put(found.pool).long(), put(found.listed).long()[lists]
    items = torch.cat((pool.expand(len(vectors), -1), listed), 1)
    mask = (items >= 0) & ~_hidden(batch, items, len(factors))
    shift = torch.zeros((), dtype=vectors.dtype, device=device)
    if found.pool_log.size or found.listed_log.size:
        logs = put(found.pool_log).expand(len(vectors), -1)
        if found.listed_log.size:
            logs = torch.cat((logs, put(found.listed_log)[lists]), 1)
        shift = float(getattr(loss, "temperature", 1.0)) * torch.where(mask, logs, 0.0)
    targets = factors[put(batch.targets).long()]
    positive = (vectors * targets).sum(1)
    with torch.set_grad_enabled(torch.is_grad_enabled() and top_k == 0):
        each = factors[listed.clamp(min=0)]
        of_lists = torch.einsum("td,tmd->tm", vectors, each)
        scores = torch.cat((vectors @ factors[pool].T, of_lists), 1) - shift
    used = torch.cat((pool, listed[listed >= 0]))
    below = (scores < positive[:, None]) & mask
    counted = mask.sum()
    if top_k:
        every = torch.where(mask, scores, -torch.inf)
        count = min(top_k, every.shape[1])
        if loss.ordered:  # candidates stay in order, and of equal ones the first are chosen
            chosen = every.argsort(dim=1, descending=True, stable=True)[:, :count].sort(1).values
        else:
            chosen = every.topk(count, sorted=False).indices
        mask = mask.gather(1, chosen)
        picked = items.gather(1, chosen).clamp(min=0)
        used = picked[mask]
        scores = torch.einsum("td,tkd->tk", vectors, factors[picked])
        scores = scores - (shift.gather(1, chosen) if shift.ndim else shift)
    losses = loss(positive, scores, mask=mask)
    with torch.no_grad():
        total, correct, pairs = double_sums(losses, below, counted)
    return losses, Totals(total, correct, pairs, items.numel() - pairs), used


def _hidden(batch: SequenceBatch, items: torch.Tensor, num_items: int) -> torch.Tensor:
    """Tell which candidates an event may not have, of the shape of `items`."""
    indptr, hidden, lists = batch.hidden
    if not lists.size:
        return torch.zeros_like(items, dtype=torch.bool)
    owners = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    keys = torch.as_tensor(owners * num_items + hidden).to(items.device)
    asked = torch.as_tensor(lists).to(items.device)[:, None] * num_items + items
    places = torch.searchsorted(keys, asked).clamp(max=len(keys) - 1)
    return (keys[places] == asked) & (items >= 0)
