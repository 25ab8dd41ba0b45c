"""Trains SimpleX: the tower by autograd, scores by the fused kernels where they can."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from recneg.interactions import Interactions
from recneg.jit import kernel_fast
from recneg.models.simplex import SimpleXTower
from recneg.parallel import map_tasks
from recneg.training.batched import BatchPlan, Visit
from recneg.training.fused_head import fused_loss
from recneg.training.histories import histories
from recneg.training.moments import table_moments
from recneg.training.optimizers import Optimizer, move_rows
from recneg.training.record import Totals, overflow, record
from recneg.training.scoring import Batch
from recneg.training.state import Epoch, Factors, TrainingState
from recneg.training.streams import FOLLOW
from recneg.training.tables import Matrix
from recneg.training.torch_optimizers import move_table
from recneg.training.torch_scoring import DeviceBatch, batch_losses
from recneg.training.torch_threads import torch_threads
from recneg.training.unit_rows import unit_rows_of

__all__ = ["TowerEngine", "tower_vectors"]

Weights = dict[str, Matrix]

USERS_AT_ONCE = 1024


class TowerEngine:
    """Runs epochs of a SimpleX tower.

    Parameters
    ----------
    plan : BatchPlan
        Whose visits are of pairs.
    history : Interactions
        What the tower sees of each user.
    unpack : callable
        From a run's factors to weights by name, which share their memory.
    gamma, aggregation
        As for `SimpleXTower`.
    fused : bool
        Whether scores are the fused kernels'; else torch's.
    device : str
    threads : int
    """

    def __init__(
        self,
        plan: BatchPlan,
        history: Interactions,
        unpack: Callable[[Factors], Weights],
        gamma: float,
        aggregation: str,
        *,
        fused: bool,
        device: str,
        threads: int,
    ) -> None:
        self.plan, self.history, self.fused, self.threads = plan, history, fused, threads
        self._unpack, self._gamma, self._aggregation = unpack, gamma, aggregation
        self.device = torch.device(device)
        self._views: Factors | None = None
        self._parts: list[_Part] = []

    def epoch(self, state: TrainingState, tell: Callable[[float], None]) -> Epoch:
        """Visit every positive once.

        Raises
        ------
        FloatingPointError
            If the weights overflow, naming the epoch and the learning rate.
        NoNegativeError
            If there is no negative for any positive.
        """
        with torch_threads(self.threads):
            return self._epoch(state, tell)

    def _epoch(self, state: TrainingState, tell: Callable[[float], None]) -> Epoch:
        plan, started, number = self.plan, time.perf_counter(), len(state.history)
        self._prepare(state)
        plan.source.follow(state, plan.key.fold_in(FOLLOW))

        def step(visit: Visit, batch: Batch, rates: tuple[float, float]) -> Totals:
            found = self._step(visit, batch, number, rates[1], state.steps)
            if plan.source.miner is not None:  # it looks at the weights of the state
                self._give_back()
            return found

        total = plan.steps(state, step, tell)
        self._give_back()
        if not all(np.isfinite(part.array.sum()) for part in self._parts):
            raise overflow(state, plan.options.optimizer.learning_rate)
        return record(state, total, len(plan.train), time.perf_counter() - started)

    def _step(self, visit: Visit, batch: Batch, epoch: int, rate: float, step: int) -> Totals:
        options, loss = self.plan.options, self.plan.loss
        items, owners = histories(self.history, visit.groups, batch.positives)
        put = self._put
        hidden = self.tower(put(visit.groups), put(items), put(owners))
        vectors, factors = self._scored(visit, hidden, epoch)
        if self.fused:
            total, found = fused_loss(loss, batch, vectors, factors, self.threads)
        else:
            moved = DeviceBatch.of(batch, self.device)
            losses, found = batch_losses(loss, moved, vectors, factors)
            total = losses.sum()
        if not np.isfinite(found.loss):
            return found
        (total / len(visit.rows) if options.reduction == "mean" else total).backward()
        with torch.no_grad():
            squares = sum(part.finish() for part in self._parts)
            shrink = 1.0
            if options.max_norm is not None:
                shrink = min(1.0, options.max_norm / (squares**0.5 + 1e-6))
            for part in self._parts:
                part.step(rate, step, shrink, self.threads)
        return found

    def _scored(
        self, visit: Visit, hidden: torch.Tensor, epoch: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return vectors and factors whose products are scores: cosines, with biases as columns."""
        weights = self.tower.weights
        vectors, factors = unit_rows_of(hidden), unit_rows_of(weights["items"])
        biased = "item_bias" in weights
        if biased:
            vectors = torch.cat((vectors, torch.ones_like(vectors[:, :1])), 1)
            factors = torch.cat((factors, weights["item_bias"]), 1)
        masks = self.plan.masks(visit, vectors.shape[1], epoch)
        if masks.size:  # after the division by norms, as published
            vectors = vectors * self._put(masks)
        if biased:
            of_users = weights["user_bias"][self._put(visit.groups)] + weights["global_bias"]
            vectors = torch.cat((vectors, of_users), 1)
            factors = torch.cat((factors, torch.ones_like(factors[:, :1])), 1)
        return vectors, factors

    def _prepare(self, state: TrainingState) -> None:
        """Make the tower of the state's weights, unless it is there."""
        if self._parts and state.factors is self._views:
            return
        self._views, optimizer = state.factors, self.plan.options.optimizer
        arrays = self._unpack(state.factors)
        decays = {"users": self.plan.options.user_regularization}
        decays |= dict.fromkeys(("items", "history"), self.plan.options.item_regularization)
        self.tower = SimpleXTower(
            {name: self._put(array) for name, array in arrays.items()},
            self._gamma, self._aggregation,
        )  # fmt: skip
        self._parts = [
            _Part(
                array, self.tower.weights[name], table_moments(optimizer, state, name, array),
                optimizer, decays.get(name, 0.0),
            )
            for name, array in arrays.items()
        ]  # fmt: skip

    def _put(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)

    def _give_back(self) -> None:
        for part in self._parts:
            part.give_back()


class _Part:
    """One weight with its moments; on the CPU they are arrays of the state itself."""

    def __init__(
        self,
        array: Matrix,
        weight: torch.Tensor,
        moments: tuple[Matrix, ...],
        optimizer: Optimizer,
        decay: float,
    ) -> None:
        self.array, self.weight, self._arrays = array, weight, moments
        self._moments = tuple(torch.from_numpy(moment).to(weight.device) for moment in moments)
        self._optimizer, self._decay = optimizer, decay
        self._every = np.ones(len(array), np.uint8)

    def finish(self) -> float:
        """Add the penalty to the gradient; return the square of its length."""
        if self.weight.grad is None:
            self.weight.grad = torch.zeros_like(self.weight)
        if self.weight.device.type == "cpu":
            return _penalise(self.weight.grad.numpy(), self.weight.detach().numpy(), self._decay)
        if self._decay:
            self.weight.grad.add_(self.weight, alpha=self._decay)
        return float(self.weight.grad.square().sum(dtype=torch.float64))

    def step(self, rate: float, step: int, shrink: float, threads: int) -> None:
        """Move the whole weight by `shrink` times its gradient, and forget it."""
        gradient, weight = self.weight.grad, self.weight
        assert gradient is not None
        if weight.device.type == "cpu":
            values, slopes = weight.detach().numpy(), gradient.numpy()
            size = -(-len(values) // threads)

            def move(part: int) -> None:
                move_rows(
                    min(part * size, len(values)), min((part + 1) * size, len(values)),
                    self._optimizer.code, self._optimizer.parameters, rate, step, shrink,
                    0.0, values, slopes, self._every, *self._arrays,
                )  # fmt: skip

            map_tasks(move, threads, threads)
        else:
            moved = shrink * gradient
            move_table(self._optimizer, weight.data, self._moments, None, moved, rate, step)
        weight.grad = None

    def give_back(self) -> None:
        """Write weight and moments into the arrays of the state."""
        if self.weight.device.type != "cpu":
            self.array[...] = self.weight.detach().cpu().numpy()
            for array, tensor in zip(self._arrays, self._moments, strict=True):
                array[...] = tensor.cpu().numpy()


@kernel_fast
def _penalise(gradient: Matrix, values: Matrix, decay: float) -> float:
    """Add `decay` times the values to the gradient; return the square of its length."""
    total, decay32 = 0.0, np.float32(decay)
    for row in range(values.shape[0]):
        squares = np.float32(0.0)
        for f in range(values.shape[1]):
            gradient[row, f] += decay32 * values[row, f]
            squares += gradient[row, f] * gradient[row, f]
        total += np.float64(squares)
    return total


def tower_vectors(
    weights: Weights, history: Interactions, gamma: float, aggregation: str
) -> Matrix:
    """Return the vectors of all users from their whole histories, (num_users, d)."""
    tower = SimpleXTower(
        {name: torch.from_numpy(array) for name, array in weights.items()}, gamma, aggregation
    )
    out = np.empty_like(weights["users"])
    with torch.no_grad():
        for start in range(0, len(out), USERS_AT_ONCE):
            users = np.arange(start, min(start + USERS_AT_ONCE, len(out)))
            parts = (users, *histories(history, users))
            out[users] = tower(*(torch.from_numpy(part) for part in parts)).numpy()
    return out
