"""Epochs of the fused pairwise engine: every positive once, in shuffled blocks, on all threads."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from recneg.interactions import Interactions
from recneg.keys import Key, random_bits
from recneg.parallel import map_tasks
from recneg.training.fused import BLOCK_USERS, bpr_users
from recneg.training.negatives import BATCH_USERS, NegativeSource
from recneg.training.options import BPROptions
from recneg.training.record import Totals, overflow, record
from recneg.training.state import Epoch, TrainingState
from recneg.training.streams import FOLLOW, MINE, NEGATIVES, ORDER

__all__ = ["PairwiseEngine"]


class PairwiseEngine:
    """Takes a step for every pair of a positive and a negative, by `bpr_users`.

    Parameters
    ----------
    train : Interactions
    source : NegativeSource
    options : BPROptions
    key : Key
        Of the run.
    threads : int
        They share the factors without locks.
    """

    def __init__(
        self,
        train: Interactions,
        source: NegativeSource,
        options: BPROptions,
        key: Key,
        threads: int,
    ) -> None:
        self.train, self.source, self.options = train, source, options
        self.key, self.threads = key, threads

    def epoch(self, state: TrainingState, tell: Callable[[float], None]) -> Epoch:
        """Visit every positive once."""
        train, options, key = self.train, self.options, self.key
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
        self.source.follow(state, key.fold_in(FOLLOW))

        def task(index: int) -> tuple[float, int, int, int]:
            start, stop = index * BATCH_USERS, min((index + 1) * BATCH_USERS, len(order))
            block = self.source.draw(state, order, start, stop, draws, choices)
            loss, correct, updates = bpr_users(
                order[start:stop], block.items, block.weights, start // BLOCK_USERS,
                block.num_slots, train.indptr, train.indices, *shuffles.words, *state.factors,
                rate, regularization,
            )  # fmt: skip
            tell(stop / len(order))
            return loss, correct, updates, block.num_slots * block.num_rows - updates

        try:
            blocks = map_tasks(task, -(-len(order) // BATCH_USERS), self.threads)
        except FloatingPointError:
            raise overflow(state, rate) from None
        if not all(np.isfinite(part.sum()) for part in state.factors):
            raise overflow(state, rate)
        sums = Totals(*(float(total) for total in np.array(blocks).sum(axis=0)))
        return record(state, sums, sums.pairs or len(train), time.perf_counter() - started)
