"""One epoch of the fused engine: every positive once, in shuffled blocks, on all threads."""

from __future__ import annotations

import time

import numpy as np

from recneg.errors import NoNegativeError
from recneg.interactions import Interactions
from recneg.keys import Key, random_bits
from recneg.parallel import map_tasks
from recneg.training.fused import BLOCK_USERS, bpr_users
from recneg.training.negatives import BATCH_USERS, NegativeSource
from recneg.training.options import BPROptions
from recneg.training.state import Epoch, TrainingState

__all__ = ["CARVE", "FOLLOW", "INIT", "MINE", "NEGATIVES", "ORDER", "train_epoch"]

INIT, NEGATIVES, ORDER, CARVE, FOLLOW, MINE = range(6)
"""What a run's key is folded with first, so that no two uses share bits."""


def train_epoch(
    state: TrainingState,
    train: Interactions,
    source: NegativeSource,
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
    choices = key.fold_in(MINE).fold_in(number)
    shuffles = key.fold_in(ORDER).fold_in(number).fold_in(0)
    regularization = (
        options.user_regularization,
        options.positive_regularization,
        options.negative_regularization,
        options.bias_regularization,
    )
    rate = options.learning_rate * options.learning_rate_decay**number

    started = time.perf_counter()
    source.follow(state, key.fold_in(FOLLOW))

    def task(index: int) -> tuple[float, int, int, int]:
        start, stop = index * BATCH_USERS, min((index + 1) * BATCH_USERS, len(order))
        block = source.draw(state, order, start, stop, draws, choices)
        loss, correct, updates = bpr_users(
            order[start:stop], block.items, block.weights, start // BLOCK_USERS,
            block.num_slots, train.indptr, train.indices, *draws.words, *shuffles.words,
            block.law, *state.factors, rate, regularization,
        )  # fmt: skip
        return loss, correct, updates, block.num_slots * block.num_rows - updates

    try:
        sums = np.array(map_tasks(task, -(-len(order) // BATCH_USERS), threads))
        if not all(np.isfinite(part.sum()) for part in state.factors):
            raise FloatingPointError
    except FloatingPointError:
        raise FloatingPointError(
            f"training must stay finite; it overflowed in epoch {number + 1} at learning rate "
            f"{rate:g}: choose a smaller one"
        ) from None
    seconds = time.perf_counter() - started
    loss, correct, triples, skipped = (float(total) for total in sums.sum(axis=0))
    if triples == 0:
        raise NoNegativeError(
            f"training must have a negative for some positive; in epoch {number + 1} there was "
            f"none for any of {len(train)}"
        )
    before = state.history[-1].seconds if state.history else 0.0
    pairs = max(triples, 1)
    return Epoch(
        number + 1, before + seconds, correct / pairs, loss / pairs, int(triples), None,
        int(skipped),
    )  # fmt: skip
