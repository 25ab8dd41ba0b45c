"""The visible loop in torch: draw, score, loss, step; any loss, on any device.

It meets the same batches, negatives and dropout as the fused engine, and keeps the same moments
under the same names: a checkpoint of either goes on in the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn.functional import normalize

from recneg.training.batched import BatchPlan, Visit
from recneg.training.moments import table_moments
from recneg.training.optimizers import Optimizer
from recneg.training.record import Totals, overflow, record
from recneg.training.scoring import Batch
from recneg.training.state import Epoch, Factors, TrainingState, with_bias_columns
from recneg.training.streams import FOLLOW, SIDES
from recneg.training.tables import EVERY, SMALLEST_NORM, Matrix, Penalty, unit_rows
from recneg.training.torch_optimizers import move_table
from recneg.training.torch_scoring import DeviceBatch, batch_losses
from recneg.training.torch_threads import torch_threads

__all__ = ["TorchEngine"]


class TorchEngine:
    """Trains tables of factors batch by batch, with autograd.

    Parameters
    ----------
    plan : BatchPlan
    device : str or torch.device
    threads : int
        Of torch on the CPU.
    """

    def __init__(self, plan: BatchPlan, device: str | torch.device, threads: int) -> None:
        self.plan, self.device, self.threads = plan, torch.device(device), threads
        self._views: Factors | None = None
        self._pair: tuple[_Table, _Table] | None = None

    def epoch(self, state: TrainingState, tell: Callable[[float], None]) -> Epoch:
        """Visit every positive once.

        Raises
        ------
        FloatingPointError
            If the factors overflow, naming the epoch and the learning rate.
        NoNegativeError
            If there is no negative for any positive.
        """
        with torch_threads(self.threads):
            return self._epoch(state, tell)

    def _epoch(self, state: TrainingState, tell: Callable[[float], None]) -> Epoch:
        plan, started, number = self.plan, time.perf_counter(), len(state.history)
        users, items = self._tables(state)
        plan.source.follow(state, plan.key.fold_in(FOLLOW))
        if plan.sides.needs != "nothing":
            scored = (users.scored_array(), items.scored_array())
            plan.sides.follow(state, *scored, plan.key.fold_in(SIDES))

        def step(visit: Visit, batch: Batch, rates: tuple[float, float]) -> Totals:
            masks = plan.masks(visit, users.values.shape[1], number)
            moved = DeviceBatch.of(batch, self.device)
            found = self._step(moved, masks, (users, items), rates, state.steps)
            if plan.source.miner is not None:  # it looks at the factors of the state
                users.give_back()
                items.give_back()
            return found

        total = plan.steps(state, step, tell)
        for table in (users, items):
            table.give_back()
            if not bool(torch.isfinite(table.values.sum())):
                raise overflow(state, plan.options.optimizer.learning_rate)
        return record(state, total, len(plan.train), time.perf_counter() - started)

    def _step(
        self,
        batch: DeviceBatch,
        masks: Matrix,
        tables: tuple[_Table, _Table],
        rates: tuple[float, float],
        step: int,
    ) -> Totals:
        options = self.plan.options
        users, items = tables
        user_rows, group_places = torch.unique(batch.users, return_inverse=True)
        item_rows = torch.unique(batch.items())
        own_users = users.values[user_rows].requires_grad_()
        own_items = items.values[item_rows].requires_grad_()
        vectors = own_users[group_places]
        factors = own_items
        kept = torch.from_numpy(masks).to(self.device) if masks.size else None
        if kept is not None and options.dropout_before_norm:
            vectors = vectors * kept
            if options.score == "cosine":  # see `vectors._scatter`
                turns = ((kept != 0).sum(1) > 1)[:, None]
                vectors = torch.where(turns, vectors, vectors.detach())
        if options.score == "cosine":
            vectors = normalize(vectors, eps=SMALLEST_NORM)
            factors = normalize(factors, eps=SMALLEST_NORM)
        if kept is not None and not options.dropout_before_norm:
            vectors = vectors * kept
        places = torch.zeros(len(items.values), dtype=torch.int64, device=self.device)
        places[item_rows] = torch.arange(len(item_rows), device=self.device)
        losses, totals = batch_losses(self.plan.loss, batch, vectors, factors, places)
        if not np.isfinite(totals.loss):
            return totals
        (losses.mean() if options.reduction == "mean" else losses.sum()).backward()
        with torch.no_grad():
            moves = [
                users.move(user_rows, own_users.grad),
                items.move(item_rows, own_items.grad),
            ]
            if options.max_norm is not None:
                norm = torch.stack([gradient.norm() for _, gradient in moves]).norm()
                for _, gradient in moves:
                    gradient *= torch.clamp(options.max_norm / (norm + 1e-6), max=1.0)
            for table, (rows, gradient), rate in zip(tables, moves, rates, strict=True):
                move_table(table.optimizer, table.values, table.moments, rows, gradient, rate, step)
        return totals

    def _tables(self, state: TrainingState) -> tuple[_Table, _Table]:
        """Return tables of the state's factors, whose arrays become views of them."""
        if self._pair is not None and state.factors is self._views:
            return self._pair
        o = self.plan.options
        users, items, biases = state.factors
        frozen = -1
        if biases.size:
            frozen = users.shape[1]
            users, items = with_bias_columns(state.factors)
            state.factors = users[:, :-1], items[:, :-1], items[:, -1]
        self._views = state.factors
        cosine = o.score == "cosine"
        self._pair = (
            _Table(
                users, table_moments(o.user_optimizer, state, "user", users), o.user_optimizer,
                (o.user_regularization, o.regularized), self.device, cosine, frozen,
            ),
            _Table(
                items, table_moments(o.optimizer, state, "item", items), o.optimizer,
                (o.item_regularization, o.regularized), self.device, cosine,
            ),
        )  # fmt: skip
        return self._pair


class _Table:
    """Factors and moments on a device, of arrays that get them back."""

    def __init__(
        self,
        values: Matrix,
        moments: tuple[Matrix, ...],
        optimizer: Optimizer,
        penalty: Penalty,
        device: torch.device,
        cosine: bool,
        frozen: int = -1,
    ) -> None:
        self._arrays = (values, *moments)
        self._tensors = [torch.from_numpy(array).to(device) for array in self._arrays]
        self.values, self.moments = self._tensors[0], tuple(self._tensors[1:])
        self.optimizer, self._cosine, self._frozen = optimizer, cosine, frozen
        self._decay, where = penalty
        self._everywhere = where == EVERY and self._decay > 0

    def move(
        self, rows: torch.Tensor, gradient: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Return the rows that a step moves, None for all, and their gradient with the penalty."""
        assert gradient is not None
        which: torch.Tensor | None = rows
        if not self._everywhere:
            gradient = gradient + self._decay * self.values[rows]
        if self._everywhere or self.optimizer.dense:
            which, part = None, gradient
            gradient = torch.zeros_like(self.values)
            gradient[rows] = part
        if self._everywhere:
            gradient += self._decay * self.values
        if self._frozen >= 0:
            gradient[:, self._frozen] = 0.0
        return which, gradient

    def scored_array(self) -> Matrix:
        """Return what scores are made of, as an array."""
        return unit_rows(self._arrays[0]) if self._cosine else self._arrays[0]

    def give_back(self) -> None:
        """Write the factors and moments into the arrays, which on a CPU they are already."""
        if self.values.device.type != "cpu":
            for array, tensor in zip(self._arrays, self._tensors, strict=True):
                array[...] = tensor.cpu().numpy()
