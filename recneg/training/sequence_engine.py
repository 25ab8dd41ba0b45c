"""Trains a sequence encoder: the encoder by autograd, scores by the fused kernels where they can.

Item vectors go into the encoder as leaves, and come out of it to the kernels as arrays, so that no
gradient of a whole table is ever made: tables get rows of gradients, from both of their ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from recneg.keys import Key
from recneg.losses import Loss
from recneg.models.tron import Packing, TRONEncoder
from recneg.training.moments import table_moments
from recneg.training.optimizers import Optimizer
from recneg.training.pool_scoring import score_events
from recneg.training.rates import Schedule, rate_factor, shrink_factor
from recneg.training.record import Totals, overflow, record
from recneg.training.sequence_batches import SequenceBatch, SequenceBatches
from recneg.training.state import Epoch, Factors, TrainingState
from recneg.training.streams import DROP
from recneg.training.tables import Matrix
from recneg.training.torch_events import event_losses
from recneg.training.torch_threads import torch_threads
from recneg.training.tron_options import Precision
from recneg.training.unit_rows import unit_rows_of
from recneg.training.weights import DeviceWeights, HostWeights

__all__ = ["SequenceEngine", "Stepping", "bind"]


@dataclass(frozen=True)
class Stepping:
    """How a step is made of a batch.

    Attributes
    ----------
    loss : Loss
    top_k : int
        0 for none.
    optimizer : Optimizer
    epochs : int
    learning_rate_decay : float
    schedule : {"constant", "cosine", "steps"}
    max_norm : float or None
    precision : {"float32", "choice", "bfloat16"}
    cosine : bool
        Whether scores are cosines; where the tables are one, the encoder sees rows of length 1.
    """

    loss: Loss
    top_k: int
    optimizer: Optimizer
    epochs: int
    learning_rate_decay: float
    schedule: Schedule
    max_norm: float | None
    precision: Precision
    cosine: bool = False

    def rate(self, epoch: int, done: float) -> float:
        """Return the learning rate where a share `done` of an epoch, from 0, is over."""
        return self.optimizer.learning_rate * rate_factor(
            self.schedule, self.learning_rate_decay, epoch, done, self.epochs
        )


class SequenceEngine:
    """Runs epochs of an encoder with its item tables.

    A state's factors are the table that the next item is scored by, without rows if it is that of
    the inputs, the table of the inputs, and the weights of the encoder one after another.

    Parameters
    ----------
    encoder : TRONEncoder
        Its weights are replaced by those of the state.
    batches : SequenceBatches
    stepping : Stepping
    key : Key
        Of the run.
    fused : bool
        Whether scores are the fused kernels'; else torch's.
    device : str
    threads : int
    workers : int
        Processes that make batches; 0 for none.
    """

    def __init__(
        self,
        encoder: TRONEncoder,
        batches: SequenceBatches,
        stepping: Stepping,
        key: Key,
        *,
        fused: bool,
        device: str,
        threads: int,
        workers: int = 0,
    ) -> None:
        self.batches, self.stepping, self.key = batches, stepping, key
        self.fused, self.threads, self.workers = fused, threads, workers
        self.device = torch.device(device)
        self.encoder = encoder.to(self.device).train()
        self._views: Factors | None = None

    def epoch(self, state: TrainingState, tell: Callable[[float], None]) -> Epoch:
        """Visit every sequence once.

        Raises
        ------
        FloatingPointError
            If the weights overflow, naming the epoch and the learning rate.
        NoNegativeError
            If there is no negative for any event.
        """
        with torch_threads(self.threads):
            return self._epoch(state, tell)

    def _epoch(self, state: TrainingState, tell: Callable[[float], None]) -> Epoch:
        started, number = time.perf_counter(), len(state.history)
        self._prepare(state)
        for part in self._parts:  # so that a resumed run has the same bits
            part.renew()
        drops = self.key.fold_in(DROP).fold_in(number)
        total, done, events = Totals(), 0, self.batches.num_events
        for index, batch in enumerate(self.batches.epoch(number, self.workers)):
            self.encoder.seed(drops.fold_in(index).seed >> 1)
            rate = self.stepping.rate(number, done / events)
            found = self._step(batch, rate, state)
            if not np.isfinite(found.loss):
                raise overflow(state, rate)
            total, done = total.plus(found), done + len(batch.items)
            tell(done / events)
        for part in self._parts:
            part.give_back()
        if not all(np.isfinite(part.sum()) for part in state.factors):
            raise overflow(state, self.stepping.optimizer.learning_rate)
        return record(state, total, events, time.perf_counter() - started)

    def _step(self, batch: SequenceBatch, rate: float, state: TrainingState) -> Totals:
        how, inputs = self.stepping, self._inputs
        items = torch.from_numpy(batch.items).to(self.device)
        events = inputs.scored[items.long(), : self.encoder.factors].requires_grad_()
        packing = Packing.of(torch.from_numpy(batch.lengths).to(self.device))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=how.precision == "bfloat16"):
            hidden = self.encoder(events, packing)
        if how.cosine:
            hidden = unit_rows_of(hidden.float())
        vectors = hidden.detach().float()
        columns = self._output.scored.shape[1]
        if columns > vectors.shape[1]:
            vectors = torch.cat((vectors, torch.ones_like(vectors[:, :1])), 1)
        found, by_vector = self._scored(batch, vectors)
        if not np.isfinite(found.loss):
            return found
        hidden.backward(by_vector[:, : hidden.shape[1]].to(hidden.dtype))
        assert events.grad is not None
        by_event = events.grad
        if inputs.scored.shape[1] > by_event.shape[1]:
            by_event = torch.nn.functional.pad(by_event, (0, 1))
        inputs.add_rows(batch.items, by_event)
        self._rest.add(None)
        state.steps += 1
        squares = sum(part.finish(how.optimizer, 1 / len(batch.items)) for part in self._parts)
        shrink = shrink_factor(squares, how.max_norm)
        for part in self._parts:
            part.step(how.optimizer, rate, state.steps, shrink)
        return found

    def _scored(self, batch: SequenceBatch, vectors: torch.Tensor) -> tuple[Totals, torch.Tensor]:
        """Add the gradients by the output table; return sums and the gradient by the vectors."""
        how, output = self.stepping, self._output
        if self.fused and isinstance(output, HostWeights):
            by_vector: Matrix = np.zeros(tuple(vectors.shape), np.float32)
            found = score_events(
                how.loss, batch, vectors.numpy(), output.table, how.top_k, by_vector,
                low_precision=how.precision != "float32",
            )  # fmt: skip
            return found, torch.from_numpy(by_vector)
        leaves = vectors.requires_grad_(), output.scored.detach().requires_grad_()
        losses, found, used = event_losses(how.loss, batch, *leaves, how.top_k)
        losses.sum().backward()
        by_vectors, by_items = (leaf.grad for leaf in leaves)
        assert by_vectors is not None
        output.add(np.concatenate((batch.targets, used.cpu().numpy())), by_items)
        return found, by_vectors

    def _prepare(self, state: TrainingState) -> None:
        """Make weights of the state's factors, unless they are there."""
        if state.factors is self._views:
            return
        self._views = state.factors
        output, items, rest = state.factors
        cosine, threads = self.stepping.cosine, self.threads
        tied = not len(output)
        lanes = None if tied else 1  # threads score the output alone
        self._inputs = self._weights(state, "item", items, cosine and tied, threads, lanes)
        self._output = self._inputs
        if not tied:
            self._output = self._weights(state, "output", output, cosine, threads)
        self._rest = self._weights(state, "encoder", rest.reshape(1, -1), False, 1)
        bind(self.encoder, self._rest.scored.view(-1), self._rest.gradient.view(-1))
        self._parts = [self._inputs, self._rest]
        if not tied:
            self._parts.append(self._output)

    def _weights(
        self,
        state: TrainingState,
        name: str,
        values: Matrix,
        cosine: bool,
        threads: int,
        lanes: int | None = None,
    ) -> HostWeights | DeviceWeights:
        moments = table_moments(self.stepping.optimizer, state, name, values)
        if self.device.type == "cpu":
            return HostWeights(values, moments, cosine=cosine, threads=threads, lanes=lanes)
        return DeviceWeights(values, moments, self.device, cosine=cosine)


def bind(encoder: TRONEncoder, flat: torch.Tensor, gradient: torch.Tensor | None = None) -> None:
    """Make the parameters of an encoder, and their gradients, views of flat tensors."""
    start = 0
    for parameter in encoder.parameters():
        stop = start + parameter.numel()
        parameter.data = flat[start:stop].view(parameter.shape)
        if gradient is not None:
            parameter.grad = gradient[start:stop].view(parameter.shape)
        start = stop
