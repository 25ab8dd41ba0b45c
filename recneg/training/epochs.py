"""One epoch of the fused engine: every positive once, in shuffled blocks, on all threads."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from recneg.interactions import Interactions
from recneg.keys import Key, random_bits
from recneg.parallel import map_tasks
from recneg.samplers import Sampler
from recneg.samplers.law import NO_LAW
from recneg.training.fused import BLOCK_USERS, bpr_users
from recneg.training.options import BPROptions
from recneg.training.state import Epoch, TrainingState

__all__ = ["CARVE", "INIT", "NEGATIVES", "ORDER", "train_epoch"]

TASK_USERS = 4 * BLOCK_USERS
"""Users that one task trains on: a millisecond or more."""

INIT, NEGATIVES, ORDER, CARVE = range(4)
"""What a run's key is folded with first, so that no two uses share bits."""


def train_epoch(
    state: TrainingState,
    train: Interactions,
    sampler: Sampler,
    options: BPROptions,
    key: Key,
    threads: int,
) -> Epoch:
    """Visit every positive once, on `threads` threads that share the factors without locks."""
    number = len(state.history)
    priority = random_bits(key.fold_in(ORDER).fold_in(number), np.arange(train.num_users))
    order = np.argsort(priority).astype(np.int32)
    order = order[train.user_counts()[order] > 0]
    draws = key.fold_in(NEGATIVES).fold_in(number)
    shuffles = key.fold_in(ORDER).fold_in(number).fold_in(0)
    regularization = (
        options.user_regularization,
        options.positive_regularization,
        options.negative_regularization,
        options.bias_regularization,
    )
    rate = options.learning_rate * options.learning_rate_decay**number

    def task(index: int) -> tuple[float, int, int]:
        users = order[index * TASK_USERS : (index + 1) * TASK_USERS]
        negatives = _NONE
        if sampler.law is None:
            negatives = _drawn(sampler, train, users, options.num_negatives, draws)
        return bpr_users(
            users, negatives, index * TASK_USERS // BLOCK_USERS, options.num_negatives,
            train.indptr, train.indices, *draws.words, *shuffles.words, sampler.law or NO_LAW,
            *state.factors, rate, regularization,
        )  # fmt: skip

    started = time.perf_counter()
    sums = np.array(map_tasks(task, -(-len(order) // TASK_USERS), threads))
    seconds = time.perf_counter() - started
    loss, correct, triples = (float(total) for total in sums.sum(axis=0))
    if not all(np.isfinite(part.sum()) for part in state.factors):
        raise FloatingPointError(
            f"training must stay finite; it overflowed in epoch {number + 1} at learning rate "
            f"{rate:g}: choose a smaller one"
        )
    before = state.history[-1].seconds if state.history else 0.0
    pairs = max(triples, 1)
    return Epoch(number + 1, before + seconds, correct / pairs, loss / pairs, int(triples), None)


_NONE = np.empty(0, np.int32)


def _drawn(
    sampler: Sampler, train: Interactions, users: NDArray[np.int32], num_negatives: int, key: Key
) -> NDArray[np.int32]:
    """Draw the negatives of all positives of `users` by the batch path, under the same rows."""
    counts = train.user_counts()[users]
    owners = np.repeat(users, counts).astype(np.int64)
    items, _ = sampler._draw(owners, num_negatives, key, train.rows_of(users))
    return items.astype(np.int32).reshape(-1)
