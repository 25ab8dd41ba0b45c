"""An epoch of NBPO in torch: the batches, draws and steps of `recneg.noise.vote_epoch`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn.functional import logsigmoid, softplus

from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.losses import NBPOLoss, Sides
from recneg.noise import Sums, Tables
from recneg.samplers import Uniform
from recneg.training.torch_threads import torch_threads

__all__ = ["torch_vote_epoch"]


def torch_vote_epoch(
    interactions: Interactions,
    tables: Tables,
    objective: str,
    draws: Key,
    batch_size: int,
    num_negatives: int,
    rate: float,
    regularization: float,
    flip_regularization: float,
    tell: Callable[[float], None],
    *,
    device: str,
    threads: int,
) -> Sums:
    """Visit every vote once; the tables are changed in place, by way of the device."""
    loss, law = NBPOLoss(objective), Uniform(interactions)  # whose draws are the fused epoch's
    users, items = interactions.users().astype(np.int64), interactions.indices.astype(np.int64)
    total = torch.zeros(4, dtype=torch.float64)
    with torch_threads(threads):
        moved = [torch.from_numpy(table).to(device, copy=True) for table in tables]
        for start in range(0, len(interactions), batch_size):
            stop = min(start + batch_size, len(interactions))
            owners, rows = users[start:stop], np.arange(start, stop)
            drawn = law.sample(owners, num_negatives, key=draws, rows=rows, exhausted="mask")
            whose, voted, missing = (
                torch.from_numpy(part).to(device)
                for part in (owners, items[start:stop], drawn.items)
            )
            total += _step(
                loss, moved, whose, voted, missing, rate, regularization, flip_regularization
            )
            tell(stop / len(interactions))
        for table, found in zip(tables, moved, strict=True):
            table[:] = found.detach().cpu().numpy()
    return Sums(*total.tolist())


def _step(
    loss: NBPOLoss,
    tables: list[torch.Tensor],
    users: torch.Tensor,
    voted: torch.Tensor,
    missing: torch.Tensor,
    rate: float,
    regularization: float,
    flip_regularization: float,
) -> torch.Tensor:
    """Take one step of a batch; return the sums of loss, correct, pairs and skipped."""
    mask, there = missing >= 0, missing.clamp(min=0)
    for table in tables:
        table.requires_grad_().grad = None
    u, v, p, q = tables
    r_i, r_j = _scores(u, v, users, voted), _scores(u, v, users, there)
    g_i, g_j = _scores(p, q, users, voted), _scores(p, q, users, there)
    sides = Sides(g_i, g_j) if loss.needs == "flips" else None
    loss(r_i, r_j, mask=mask, sides=sides).sum().backward()
    with torch.no_grad():
        decays = (regularization, regularization, flip_regularization, flip_regularization)
        for table, decay in zip(tables, decays, strict=True):
            uphill = 0.0 if table.grad is None else -table.grad
            table += rate * (uphill - decay * table)
        r_i, r_j, g_i, g_j = (part.double() for part in (r_i[:, None], r_j, g_i[:, None], g_j))
        surprise = softplus(-r_i) + softplus(r_j)
        if loss.needs == "flips":
            vote = softplus(-r_i) + softplus(g_i)
            surprise = vote - torch.logaddexp(logsigmoid(-r_j), logsigmoid(r_j) + logsigmoid(g_j))
        found = (surprise * mask, (r_j < r_i) & mask, mask, ~mask)
        return torch.stack([part.sum().double() for part in found]).cpu()


def _scores(
    of_users: torch.Tensor, of_items: torch.Tensor, users: torch.Tensor, items: torch.Tensor
) -> torch.Tensor:
    """Return the products of rows, of the shape of `items`."""
    mine = of_users[users]
    if items.ndim == 1:
        return (mine * of_items[items]).sum(1)
    return torch.einsum("bd,bnd->bn", mine, of_items[items])
