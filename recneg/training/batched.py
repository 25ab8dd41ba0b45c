"""The fused engine of batches: any loss with a kernel, any optimiser, the same on all threads.

All scores of a batch are those of the factors at its start; then the tables take one step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.keys import Key, shuffled
from recneg.losses import Loss
from recneg.training.moments import table_moments
from recneg.training.negatives import Drawn, NegativeSource
from recneg.training.options import FactorizationOptions
from recneg.training.rates import rate_factor, shrink_factor
from recneg.training.record import Totals, overflow, record
from recneg.training.scoring import GROUP, PAIR, POOL, Batch, score_batch
from recneg.training.sides import NO_SIDE, NO_SIDES, SideValues
from recneg.training.state import Epoch, Factors, TrainingState, with_bias_columns
from recneg.training.streams import DROP, FOLLOW, MINE, NEGATIVES, ORDER, SIDES
from recneg.training.tables import Matrix, Table, unit_rows
from recneg.training.vectors import NO_MASKS, UserVectors, dropout_masks

__all__ = ["BatchPlan", "BatchedEngine", "Visit", "scored_factors"]

_NO_SEEN = (np.empty(0, np.int64), np.empty(0, np.int32))


class Visit(NamedTuple):
    """One batch before it is scored.

    Attributes
    ----------
    rows : numpy.ndarray of int64, shape (num_positives,)
        Interactions, group after group.
    groups : numpy.ndarray of int64, shape (num_groups,)
        Their users.
    offsets : numpy.ndarray of int64, shape (num_groups + 1,)
    marks : numpy.ndarray of int64, shape (num_groups,)
        The row under which a group's dropout is drawn.
    recent : numpy.ndarray of int64
        The interactions of this batch and those before it that the law looks at.
    """

    rows: NDArray[np.int64]
    groups: NDArray[np.int64]
    offsets: NDArray[np.int64]
    marks: NDArray[np.int64]
    recent: NDArray[np.int64]


Step = Callable[[Visit, Batch, tuple[float, float]], Totals]


class BatchPlan:
    """Cuts epochs into batches and draws their negatives; common to all engines.

    Parameters
    ----------
    train : Interactions
    source : NegativeSource
    sides : SideValues
    loss : Loss
    options : FactorizationOptions
    key : Key
        Of the run.
    """

    def __init__(
        self,
        train: Interactions,
        source: NegativeSource,
        sides: SideValues,
        loss: Loss,
        options: FactorizationOptions,
        key: Key,
    ) -> None:
        self.train, self.source, self.sides = train, source, sides
        self.loss, self.options, self.key = loss, options, key
        self._owners = train.users()
        self._temperature = float(getattr(loss, "temperature", 1.0))

    def visits(self, epoch: int) -> Iterator[Visit]:
        """Yield the batches of an epoch, in a fresh random order."""
        order_key = self.key.fold_in(ORDER).fold_in(epoch)
        size, back = self.options.batch_size, self.source.batches - 1
        if self.options.visit == "users":
            users = shuffled(order_key, np.flatnonzero(self.train.user_counts()))
            for start in range(0, len(users), size):
                groups = users[start : start + size]
                counts = self.train.user_counts()[groups]
                offsets = np.concatenate(([0], np.cumsum(counts)))
                rows = self.train.rows_of(groups)
                recent = rows
                if back:
                    recent = self.train.rows_of(users[max(0, start - back * size) : start + size])
                yield Visit(rows, groups, offsets, groups, recent)
            return
        order = shuffled(order_key, np.arange(len(self.train)))
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            recent = order[max(0, start - back * size) : start + size]
            groups = self._owners[rows].astype(np.int64)
            yield Visit(rows, groups, np.arange(len(rows) + 1), rows, recent)

    def batch(self, visit: Visit, state: TrainingState, epoch: int, number: int) -> Batch:
        """Draw the negatives of batch `number` of an epoch, and what the loss needs beside."""
        batch = self._drawn(visit, state, epoch, number)
        if self.sides.needs == "nothing":
            return batch
        owners = self._owners[visit.rows].astype(np.int64)
        own, others = self.sides.of(owners, batch.positives, batch.negatives_of_positives())
        return batch._replace(positive_sides=own, negative_sides=others)

    def negatives(self, state: TrainingState) -> NDArray[np.int64]:
        """Return what the positives of the coming epoch have, (num_interactions, n); -1 for none.

        The factors stay as they are meanwhile.
        """
        number, parts, rows = len(state.history), [], []
        for index, visit in enumerate(self.visits(number)):
            batch = self._drawn(visit, state, number, index)
            found = batch.negatives_of_positives().astype(np.int64)
            if batch.seen[0].size:
                masked = np.repeat(batch.excluded(), np.diff(batch.offsets), axis=0)
                found = np.where(masked, -1, found)
            parts.append(found)
            rows.append(visit.rows)
        drawn = np.concatenate(parts)
        return drawn[np.argsort(np.concatenate(rows))]

    def _drawn(self, visit: Visit, state: TrainingState, epoch: int, number: int) -> Batch:
        draws, choices = (self.key.fold_in(part).fold_in(epoch) for part in (NEGATIVES, MINE))
        redraw, corrected = self.options.redraw, self.options.log_q_correction
        source, seen = self.source, _NO_SEEN
        if redraw == "pair":
            whose = PAIR
            drawn = source.of_pairs(state, visit.rows, visit.recent, draws, choices, corrected)
        elif redraw == "user":
            whose = GROUP
            of_batch = draws.fold_in(number)  # a user may be in several batches
            drawn = source.of_users(visit.groups, visit.recent, of_batch, corrected)
        else:
            whose, first = POOL, 0 if redraw == "epoch" else number * self.options.num_pools
            pools = min(self.options.num_pools, len(visit.groups))  # each has a group to serve
            drawn, taken = source.pools(np.arange(first, first + pools), draws, corrected)
            if taken is not None:
                seen = (taken.indptr, taken.indices)
        self._check_mined(drawn)
        positives = self.train.indices[visit.rows]
        log_q = drawn.log_q
        if corrected:
            log_q = log_q + np.float32(np.log(drawn.items.shape[1]))
        return Batch(
            visit.groups, visit.offsets, positives, whose, drawn.items, drawn.weights, log_q,
            self._temperature, NO_SIDE, NO_SIDES, seen,
        )  # fmt: skip

    def _check_mined(self, drawn: Drawn) -> None:
        """Refuse what mining gives or lacks where the loss or its correction needs otherwise."""
        if drawn.weights.size and not self.loss.weighted:
            raise InvalidDataError(
                f"mining that weighs negatives, {self.source.miner!r}, must have a loss that is a "
                f"sum of one term a negative; got {self.loss}"
            )
        mined = self.options.log_q_correction and self.source.miner is not None
        if mined and not np.isfinite(drawn.log_q[drawn.items >= 0]).all():
            raise InvalidDataError(
                "log_q_correction must have a log q of every negative, which mining leaves "
                f"unknown; got {self.source.miner!r}"
            )

    def steps(self, state: TrainingState, step: Step, tell: Callable[[float], None]) -> Totals:
        """Take the steps of an epoch, each with the learning rates of users and items.

        After each, `tell` what share of the epoch is over.

        Raises
        ------
        FloatingPointError
            If a batch's loss is not finite; `step` should have moved nothing then.
        """
        number, total, done = len(state.history), Totals(), 0
        for index, visit in enumerate(self.visits(number)):
            batch = self.batch(visit, state, number, index)
            rates = self.rates(state, done / len(self.train))
            state.steps += 1
            found = step(visit, batch, rates)
            if not np.isfinite(found.loss):
                raise overflow(state, rates[1])
            total, done = total.plus(found), done + len(visit.rows)
            tell(done / len(self.train))
        return total

    def masks(self, visit: Visit, columns: int, epoch: int) -> Matrix:
        """Return the dropout of the batch's user vectors; empty for none."""
        if self.options.dropout == 0:
            return NO_MASKS
        key = self.key.fold_in(DROP).fold_in(epoch)
        return dropout_masks(visit.marks, columns, self.options.dropout, key)

    def rates(self, state: TrainingState, done: float) -> tuple[float, float]:
        """Return the learning rates of users and items where a share `done` of an epoch is over."""
        options, epoch = self.options, len(state.history)
        factor = state.rate_scale * rate_factor(
            options.schedule, options.learning_rate_decay, epoch, done, options.epochs
        )
        of_users = options.user_optimizer.learning_rate
        return of_users * factor, options.optimizer.learning_rate * factor


class BatchedEngine:
    """Trains tables of factors batch by batch.

    Parameters
    ----------
    plan : BatchPlan
    threads : int
        Lanes; more of them change results by rounding.
    """

    def __init__(self, plan: BatchPlan, threads: int) -> None:
        self.plan, self.threads = plan, threads
        self._views: Factors | None = None
        self._pair: tuple[Table, Table] | None = None

    def _tables(self, state: TrainingState) -> tuple[Table, Table]:
        """Return tables of the state's factors, whose arrays become views of them."""
        if self._pair is not None and state.factors is self._views:
            return self._pair
        options = self.plan.options
        users, items, biases = state.factors
        cosine, frozen = options.score == "cosine", -1
        if biases.size:
            frozen = users.shape[1]
            users, items = with_bias_columns(state.factors)
            state.factors = users[:, :-1], items[:, :-1], items[:, -1]
        of_users, of_items = (
            table_moments(optimizer, state, name, values)
            for optimizer, name, values in (
                (options.user_optimizer, "user", users),
                (options.optimizer, "item", items),
            )
        )
        self._views = state.factors
        self._pair = (
            Table(
                users,
                of_users,
                cosine=cosine,
                gradients_by="rows",
                frozen=frozen,
                threads=self.threads,
                lanes=1,
            ),
            Table(items, of_items, cosine=cosine, threads=self.threads),
        )
        decays = options.item_regularization > 0 and options.regularized == "rows"
        lazy = options.optimizer.num_moments > 1 and not options.optimizer.dense
        self._pair[1].counts_idle = decays or lazy
        return self._pair

    def epoch(self, state: TrainingState, tell: Callable[[float], None]) -> Epoch:
        """Visit every positive once.

        Raises
        ------
        FloatingPointError
            If the factors overflow, naming the epoch and the learning rate.
        NoNegativeError
            If there is no negative for any positive.
        """
        plan, options = self.plan, self.plan.options
        started = time.perf_counter()
        number = len(state.history)
        users, items = self._tables(state)
        for table in (users, items):  # so that a resumed run has the same bits
            table.renew()
        plan.source.follow(state, plan.key.fold_in(FOLLOW))
        plan.sides.follow(state, users.scored, items.scored, plan.key.fold_in(SIDES))

        def step(visit: Visit, batch: Batch, rates: tuple[float, float]) -> Totals:
            masks = plan.masks(visit, users.values.shape[1], number)
            mine = UserVectors(users, visit.groups, masks, options.dropout_before_norm)
            by_vector = np.zeros_like(mine.vectors)
            found = score_batch(plan.loss, batch, mine.vectors, items, by_vector)
            if np.isfinite(found.loss):
                mine.add_gradients(by_vector)
                _step(users, items, options, rates, state.steps, len(visit.rows))
            return found

        # lanes multiply matrices side by side: more threads inside BLAS would only wait for cores
        with threadpool_limits(1, "blas"):
            total = plan.steps(state, step, tell)
        if not (np.isfinite(users.values.sum()) and np.isfinite(items.values.sum())):
            raise overflow(state, options.optimizer.learning_rate)
        return record(state, total, len(plan.train), time.perf_counter() - started)


def _step(
    users: Table,
    items: Table,
    options: FactorizationOptions,
    rates: tuple[float, float],
    step: int,
    size: int,
) -> None:
    scale = 1.0 / size if options.reduction == "mean" else 1.0
    sides = (
        (users, options.user_optimizer, options.user_regularization, rates[0]),
        (items, options.optimizer, options.item_regularization, rates[1]),
    )
    squares = sum(
        table.finish(optimizer, (decay, options.regularized), scale)
        for table, optimizer, decay, _ in sides
    )
    shrink = shrink_factor(squares, options.max_norm)
    for table, optimizer, _, rate in sides:
        table.step(optimizer, rate, step, shrink)


def scored_factors(options: FactorizationOptions) -> Callable[[Factors], Factors]:
    """Return the function from factors to those whose inner products are the scores."""

    def cosine(factors: Factors) -> Factors:
        users, items, biases = factors
        return unit_rows(users), unit_rows(items), biases

    def dot(factors: Factors) -> Factors:
        users, items, biases = (np.ascontiguousarray(part) for part in factors)
        return users, items, biases

    return cosine if options.score == "cosine" else dot
