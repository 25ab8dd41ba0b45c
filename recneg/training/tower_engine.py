"""Trains SimpleX: the tower by autograd, scores by the fused kernels where they can.

A step gathers the rows that it needs and scatters their gradients: the tables, which are a thousand
times as large as a batch, are passed over by the optimiser alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recneg.interactions import Interactions
from recneg.models.simplex import SimpleXTower
from recneg.training.batched import BatchPlan, Visit
from recneg.training.histories import histories
from recneg.training.moments import table_moments
from recneg.training.rates import shrink_factor
from recneg.training.record import Totals, overflow, record
from recneg.training.scoring import Batch, score_batch
from recneg.training.state import Epoch, Factors, TrainingState
from recneg.training.streams import FOLLOW
from recneg.training.tables import Matrix
from recneg.training.torch_scoring import DeviceBatch, batch_losses
from recneg.training.torch_threads import torch_threads
from recneg.training.unit_rows import unit_rows_of
from recneg.training.weights import DeviceWeights, HostWeights

__all__ = ["TowerEngine", "tower_vectors"]

Weights = dict[str, Matrix]

TABLES = ("users", "items", "history", "item_bias", "user_bias")
"""Weights with rows of users or items; the others are whole in every step."""

USERS_AT_ONCE = 1024

TowerMaker = Callable[[dict[str, torch.Tensor]], SimpleXTower]


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
    tower : callable
        From weights to a `SimpleXTower`.
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
        tower: TowerMaker,
        *,
        fused: bool,
        device: str,
        threads: int,
    ) -> None:
        self.plan, self.history, self.fused, self.threads = plan, history, fused, threads
        self._unpack, self._make_tower = unpack, tower
        self.device = torch.device(device)
        self._views: Factors | None = None
        self._parts: dict[str, HostWeights | DeviceWeights] = {}

    def epoch(self, state: TrainingState, tell: Callable[[float], None]) -> Epoch:
        """Visit every positive once.

        Raises
        ------
        FloatingPointError
            If the weights overflow, naming the epoch and the learning rate.
        NoNegativeError
            If there is no negative for any positive.
        """
        # beside lanes that score, threads of torch cost five times the work of a user's vectors
        with torch_threads(1 if self.fused else self.threads):
            return self._epoch(state, tell)

    def _epoch(self, state: TrainingState, tell: Callable[[float], None]) -> Epoch:
        plan, started, number = self.plan, time.perf_counter(), len(state.history)
        self._prepare(state)
        for part in self._parts.values():  # so that a resumed run has the same bits
            part.renew()
        plan.source.follow(state, plan.key.fold_in(FOLLOW))

        def step(visit: Visit, batch: Batch, rates: tuple[float, float]) -> Totals:
            found = self._step(visit, batch, number)
            if np.isfinite(found.loss):
                self._move(batch, rates[1], state.steps)
            if plan.source.miner is not None:  # it looks at the weights of the state
                self._give_back()
            return found

        total = plan.steps(state, step, tell)
        self._give_back()
        for array in self._unpack(state.factors).values():
            if not np.isfinite(array.sum()):
                raise overflow(state, plan.options.optimizer.learning_rate)
        return record(state, total, len(plan.train), time.perf_counter() - started)

    def _step(self, visit: Visit, batch: Batch, epoch: int) -> Totals:
        """Add the gradients of a batch to those of the weights."""
        leaves: list[tuple[str, NDArray[np.int64], torch.Tensor]] = []

        def gather(name: str, rows: NDArray[np.int64]) -> torch.Tensor:
            leaf = self._parts[name].values[self._put(rows)].requires_grad_()
            leaves.append((name, rows, leaf))
            return leaf

        vectors = self._vectors(visit, batch, epoch, gather)
        found, by_vector = self._scored(batch, vectors.detach())
        if not np.isfinite(found.loss):
            return found
        vectors.backward(by_vector)
        for name, rows, leaf in leaves:
            part = self._parts[name]
            add = part.add_by_rows if name == "items" else part.add_rows
            add(rows.astype(np.int32), _gradient(leaf))
        for name, weight in self.tower.weights.items():
            if name not in TABLES and weight.grad is not None:
                self._parts[name].add(None, weight.grad)
                weight.grad = None
        return found

    def _vectors(
        self,
        visit: Visit,
        batch: Batch,
        epoch: int,
        gather: Callable[[str, NDArray[np.int64]], torch.Tensor],
    ) -> torch.Tensor:
        """Return the users' vectors as they are scored: cosines, with biases as columns."""
        hidden = gather("users", visit.groups)
        if self.tower.gamma < 1:
            met, *places = histories(self.history, visit.groups, batch.positives)
            rows = gather("history" if "history" in self._parts else "items", met)
            hidden = self.tower.mixed(hidden, rows, *map(self._put, places))
        vectors, biased = unit_rows_of(hidden), "item_bias" in self._parts
        if biased:
            vectors = torch.cat((vectors, torch.ones_like(vectors[:, :1])), 1)
        masks = self.plan.masks(visit, vectors.shape[1], epoch)
        if masks.size:  # after the division by norms, as published
            vectors = vectors * self._put(masks)
        if biased:
            of_users = gather("user_bias", visit.groups) + self.tower.weights["global_bias"]
            vectors = torch.cat((vectors, of_users), 1)
        return vectors

    def _scored(self, batch: Batch, vectors: torch.Tensor) -> tuple[Totals, torch.Tensor]:
        """Add the gradients by the items as they are scored; return sums and those by vectors."""
        items, loss = self._parts["items"], self.plan.loss
        if self.fused and isinstance(items, HostWeights):
            values: Matrix = np.ascontiguousarray(vectors.numpy())
            by_vector = np.zeros_like(values)
            found = score_batch(loss, batch, values, items.table, by_vector)
            return found, torch.from_numpy(by_vector)
        moved = DeviceBatch.of(batch, self.device)
        leaves = vectors.requires_grad_(), items.scored.detach().requires_grad_()
        losses, found = batch_losses(loss, moved, *leaves)
        losses.sum().backward()
        items.add(batch.items(), _gradient(leaves[1]))
        return found, _gradient(leaves[0])

    def _move(self, batch: Batch, rate: float, step: int) -> None:
        """Take a step along the gradients, and forget them."""
        parts, options = self._parts, self.plan.options
        scale = 1.0 / len(batch.positives) if options.reduction == "mean" else 1.0
        decays = {"users": options.user_regularization}
        decays |= dict.fromkeys(("items", "history"), options.item_regularization)
        squares = parts["items"].finish(options.optimizer, scale, decays["items"])
        if "item_bias" in parts:
            met = None if options.optimizer.dense else batch.items()
            parts["item_bias"].add(met, parts["items"].gradient[:, -2:-1])
        squares += sum(
            part.finish(options.optimizer, scale, decays.get(name, 0.0))
            for name, part in parts.items() if name != "items"
        )  # fmt: skip
        shrink = shrink_factor(squares, options.max_norm)
        for part in parts.values():
            part.step(options.optimizer, rate, step, shrink)
        self._score_biases()

    def _score_biases(self) -> None:
        """Write what stands beside the items' vectors: their biases, and ones for the users'."""
        if "item_bias" in self._parts:
            scored = self._parts["items"].scored
            scored[:, -2:-1], scored[:, -1] = self._parts["item_bias"].values, 1

    def _prepare(self, state: TrainingState) -> None:
        """Make weights and tower of those of the state, unless they are there."""
        if self._parts and state.factors is self._views:
            return
        self._views, optimizer = state.factors, self.plan.options.optimizer
        arrays = self._unpack(state.factors)
        for name, array in arrays.items():
            moments = table_moments(optimizer, state, name, array)
            how: dict[str, Any] = {}
            if name == "items":
                both = "transform" in arrays and "history" not in arrays
                how = {
                    "cosine": True,
                    "gradients_by": "both" if both else "scored",
                    "beside": 2 if "item_bias" in arrays else 0,
                }
            if self.device.type == "cpu":
                lanes = None if name == "items" else 1  # threads score items alone
                part = HostWeights(array, moments, threads=self.threads, lanes=lanes, **how)
                part.table.counts_idle = not optimizer.dense  # their penalty is of all rows
                self._parts[name] = part
            else:
                self._parts[name] = DeviceWeights(array, moments, self.device, **how)
        self._score_biases()
        self.tower = self._make_tower({name: part.values for name, part in self._parts.items()})

    def _put(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)

    def _give_back(self) -> None:
        for part in self._parts.values():
            part.give_back()


def _gradient(leaf: torch.Tensor) -> torch.Tensor:
    """Return the gradient of a leaf."""
    assert leaf.grad is not None
    return leaf.grad


def tower_vectors(weights: Weights, history: Interactions, make_tower: TowerMaker) -> Matrix:
    """Return the vectors of all users from their whole histories, (num_users, d)."""
    tower = make_tower({name: torch.from_numpy(array) for name, array in weights.items()})
    out = np.empty_like(weights["users"])
    with torch.no_grad():
        for start in range(0, len(out), USERS_AT_ONCE):
            users = np.arange(start, min(start + USERS_AT_ONCE, len(out)))
            parts = (users, *histories(history, users))
            out[users] = tower(*(torch.from_numpy(part) for part in parts)).numpy()
    return out
