"""Scores, losses and gradients of a batch, for any loss with a kernel.

A batch is made of groups: a user's vector with one or more positives. Negatives may belong to a
positive, to a group, or, as a pool, to an equal run of groups: scores and gradients are then matrix
products, by BLAS.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.intrinsics import prefetch_row
from recneg.jit import kernel, kernel_fast
from recneg.losses import Loss
from recneg.losses.kernels import row_gradient, row_of_summary, summarise, summarises
from recneg.parallel import map_tasks
from recneg.ragged import flat_positions
from recneg.training.record import Totals
from recneg.training.tables import Matrix, Table

__all__ = ["GROUP", "PAIR", "POOL", "Batch", "score_batch"]


PAIR, GROUP, POOL = range(3)
"""Whose the negatives of a batch are."""


COMPARED = 64
"""Negatives of a positive whose share below it stands for that of all: the training AUC."""

AHEAD = 16
"""Negatives between asking for the vector of an item and using it."""


class Batch(NamedTuple):
    """What a step is made of.

    Attributes
    ----------
    users : numpy.ndarray of int64, shape (num_groups,)
    offsets : numpy.ndarray of int64, shape (num_groups + 1,)
        Group g has the positives ``offsets[g]:offsets[g + 1]``.
    positives : numpy.ndarray of int32, shape (num_positives,)
    whose : int
        `PAIR`, `GROUP` or `POOL`.
    negatives : numpy.ndarray of int32, shape (m, n)
        m is the number of positives, of groups, or of pools; -1 for none, which there is not in
        pools.
    weights : numpy.ndarray of float32, of that shape, or empty for ones
        Of the negatives of pairs; 0 masks.
    log_q : numpy.ndarray of float32, of that shape, or empty for no correction
        Subtracted from scores, times `temperature`.
    temperature : float
    positive_sides : numpy.ndarray of float64, shape (num_positives,), or empty
    negative_sides : numpy.ndarray of float64, shape (num_positives, n), or empty
    seen : tuple of two arrays
        Index pointers and items, sorted for each user, that users may not get of pools; empty for
        no exclusion.
    """

    users: NDArray[np.int64]
    offsets: NDArray[np.int64]
    positives: NDArray[np.int32]
    whose: int
    negatives: NDArray[np.int32]
    weights: Matrix
    log_q: Matrix
    temperature: float
    positive_sides: NDArray[np.float64]
    negative_sides: NDArray[np.float64]
    seen: tuple[NDArray[np.int64], NDArray[np.int32]]

    def items(self) -> NDArray[np.int32]:
        """Return all items of the batch, with repeats."""
        return np.append(self.positives, self.negatives[self.negatives >= 0])

    def runs(self) -> NDArray[np.int64]:
        """Return the first group of each pool and the end of the last, shape (m + 1,)."""
        pools = len(self.negatives)
        return np.arange(pools + 1) * len(self.users) // pools

    def places(self) -> NDArray[np.int64]:
        """Return the row of `negatives` that each positive has, shape (num_positives,)."""
        positives = np.arange(len(self.positives))
        if self.whose == PAIR:
            return positives
        groups = np.repeat(np.arange(len(self.users)), np.diff(self.offsets))
        if self.whose == GROUP:
            return groups
        return np.repeat(np.arange(len(self.negatives)), np.diff(self.runs()))[groups]

    def negatives_of_positives(self) -> NDArray[np.int32]:
        """Return the negatives that each positive has, (num_positives, n); perhaps a view."""
        if self.whose == PAIR:
            return self.negatives
        if len(self.negatives) == 1:
            return np.broadcast_to(self.negatives, (len(self.positives), self.negatives.shape[1]))
        return self.negatives[self.places()]

    def excluded(self) -> NDArray[np.bool_]:
        """Tell which items of its pool each group's user has `seen`, (num_groups, n)."""
        runs = self.runs()
        parts = [
            _seen_of(self.users[first:last], pool, *self.seen)
            for first, last, pool in zip(runs, runs[1:], self.negatives, strict=False)
        ]
        return np.concatenate(parts)


def _seen_of(
    users: NDArray[np.int64],
    pool: NDArray[np.int32],
    indptr: NDArray[np.int64],
    items: NDArray[np.int32],
) -> NDArray[np.bool_]:
    """Tell which items of a pool users have seen, (num_users, n)."""
    sorted_pool, inverse = np.unique(pool, return_inverse=True)
    starts, counts = indptr[users], np.diff(indptr)[users]
    groups = np.repeat(np.arange(len(counts)), counts)
    history = items[flat_positions(starts, counts)]
    found = np.minimum(np.searchsorted(sorted_pool, history), len(sorted_pool) - 1)
    met = sorted_pool[found] == history
    seen = np.zeros((len(counts), len(sorted_pool)), bool)
    seen[groups[met], found[met]] = True
    return seen[:, inverse]


def score_batch(
    loss: Loss, batch: Batch, vectors: Matrix, items: Table, by_vector: Matrix
) -> Totals:
    """Score a batch; add the gradients of the sum of its losses to `items` and `by_vector`.

    Parameters
    ----------
    loss : Loss
        With a kernel.
    batch : Batch
    vectors : numpy.ndarray of float32, shape (num_groups, d)
        Of the users, as they are scored.
    items : Table
    by_vector : numpy.ndarray of float32, shape (num_groups, d)
        Zeros; filled.
    """
    lanes = items.threads
    bounds = _shares(batch.offsets, lanes)
    pooled = batch.whose == POOL
    runs = batch.runs() if pooled else bounds[[0, -1]]
    none, num_masked = np.empty(0, np.int32), len(items.scored) if batch.seen[0].size else 0

    def score(lane: int) -> NDArray[np.float64]:
        sums = np.zeros(4)
        for run in range(len(runs) - 1):
            first, last = np.clip(runs[run : run + 2], bounds[lane], bounds[lane + 1])
            if first == last:
                continue
            pool = batch.negatives[run] if pooled else none
            part, factors = slice(first, last), items.scored[pool]
            table = vectors[part] @ factors.T
            sums += _score_groups(
                loss.kind, loss.parameters, first, last, run, batch.users, batch.offsets,
                batch.positives, batch.whose, batch.negatives, batch.weights, batch.log_q,
                batch.temperature, batch.positive_sides, batch.negative_sides, *batch.seen,
                *_places(pool, num_masked), vectors, items.scored, table, by_vector,
                items.gradients[lane], items.touched[lane], items.counts_idle,
            )  # fmt: skip
            if pooled:
                by_vector[part] += table @ factors
                items.add_rows(pool, table.T @ vectors[part], lane)
        return sums

    sums = np.array(map_tasks(score, lanes, lanes)).sum(axis=0)
    return Totals(*(float(total) for total in sums))


def _shares(offsets: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """Cut the groups into parts of about as many positives each."""
    targets = np.arange(parts + 1) * offsets[-1] // parts
    bounds = np.searchsorted(offsets, targets)
    bounds[0], bounds[-1] = 0, len(offsets) - 1
    return np.maximum.accumulate(bounds)


@kernel
def _places(pool: NDArray[np.int32], num_items: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the first slot of each item in the pool and the next of each slot, -1 for none."""
    first, following = np.full(num_items, -1, np.int32), np.full(pool.size, -1, np.int32)
    if num_items > 0:
        for slot in range(pool.size - 1, -1, -1):
            following[slot] = first[pool[slot]]
            first[pool[slot]] = slot
    return first, following


@kernel
def _mask_seen(
    g: int,
    users: NDArray[np.int64],
    seen_indptr: NDArray[np.int64],
    seen_items: NDArray[np.int32],
    first_slot: NDArray[np.int32],
    next_slot: NDArray[np.int32],
    kept: Matrix,
    value: float,
) -> int:
    """Set `kept` to `value` where the pool, sorted, has items that group g has seen; count them."""
    hits = 0
    if seen_indptr.size == 0:
        return hits
    user = users[g]
    for entry in range(seen_indptr[user], seen_indptr[user + 1]):
        slot = first_slot[seen_items[entry]]
        while slot >= 0:
            kept[slot] = np.float32(value)
            hits += 1
            slot = next_slot[slot]
    return hits


@kernel_fast
def _score_groups(
    kind: int,
    parameters: tuple[float, ...],
    first: int,
    last: int,
    run: int,
    users: NDArray[np.int64],
    offsets: NDArray[np.int64],
    positives: NDArray[np.int32],
    whose: int,
    negatives: NDArray[np.int32],
    all_weights: Matrix,
    log_q: Matrix,
    temperature: float,
    positive_sides: NDArray[np.float64],
    negative_sides: NDArray[np.float64],
    seen_indptr: NDArray[np.int64],
    seen_items: NDArray[np.int32],
    first_slot: NDArray[np.int32],
    next_slot: NDArray[np.int32],
    vectors: Matrix,
    items: Matrix,
    table: Matrix,
    by_vector: Matrix,
    by_item: Matrix,
    touched: NDArray[np.uint8],
    counts_idle: bool,
) -> tuple[float, float, float, float]:
    """Score the groups from `first` to `last`; `table` holds their scores of pool `run`.

    What `table` held is replaced by the sums of the score gradients.
    """
    n = negatives.shape[1]
    stride = max(1, (n + COMPARED - 1) // COMPARED)  # as mining may have sorted them
    looked = (n + stride - 1) // stride
    scores, gradient = np.empty(n, np.float32), np.empty(n, np.float32)
    summed, kept = np.empty(n, np.float32), np.ones(n, np.float32)
    no_weights, no_sides = np.empty(0, np.float32), np.empty(0)
    temperature32 = np.float32(temperature)
    # where positives share negatives and the loss knows these by one number, it is found once
    at_once = whose != PAIR and summarises(kind)
    summary = 0.0
    loss, pairs, correct, skipped = 0.0, 0.0, 0.0, 0.0
    for g in range(first, last):
        masked, shares = False, 0.0
        if at_once and whose == POOL:  # without a look at every negative more than due
            line = table[g - first]
            if log_q.size > 0:
                for slot in range(n):
                    line[slot] -= temperature32 * log_q[run, slot]
            hits = _mask_seen(g, users, seen_indptr, seen_items, first_slot, next_slot, kept, 0.0)
            compared = 0
            for place in range(looked):  # what is masked is above every positive
                slot = place * stride
                compared += kept[slot] != np.float32(0.0)
                scores[place] = line[slot] if kept[slot] != np.float32(0.0) else np.float32(np.inf)
            summary = summarise(kind, parameters, line, kept if hits > 0 else no_weights, gradient)
            for r in range(offsets[g], offsets[g + 1]):
                positive_item = positives[r]
                positive = np.float32(0.0)
                for f in range(items.shape[1]):
                    positive += vectors[g, f] * items[positive_item, f]
                side = positive_sides[r] if positive_sides.size > 0 else 0.0
                value, slope, share = row_of_summary(
                    kind, parameters, np.float64(positive), side, summary
                )
                loss += value
                shares += share
                slope32 = np.float32(slope)
                touched[positive_item] = 1
                for f in range(items.shape[1]):
                    by_vector[g, f] += slope32 * items[positive_item, f]
                    by_item[positive_item, f] += slope32 * vectors[g, f]
                lower = np.float32(0.0)
                for place in range(looked):
                    lower += np.float32(1.0) if scores[place] < positive else np.float32(0.0)
                correct += (n - hits) * (lower / max(compared, 1))
                pairs += n - hits
                skipped += hits
            shares32 = np.float32(shares)
            for slot in range(n):
                line[slot] = shares32 * gradient[slot]
            if hits > 0:
                _mask_seen(g, users, seen_indptr, seen_items, first_slot, next_slot, kept, 1.0)
            continue
        for r in range(offsets[g], offsets[g + 1]):
            place = r if whose == PAIR else g if whose == GROUP else run
            if whose == PAIR or r == offsets[g]:
                summed[:] = np.float32(0.0)
                masked = all_weights.size > 0
                for slot in range(n):
                    masked |= negatives[place, slot] < 0
                if whose == POOL:
                    for slot in range(n):
                        scores[slot], kept[slot] = table[g - first, slot], np.float32(1.0)
                    hits = _mask_seen(
                        g, users, seen_indptr, seen_items, first_slot, next_slot, kept, 0.0
                    )
                    masked = masked or hits > 0
                elif not masked:
                    for slot in range(n):
                        prefetch_row(items, negatives[place, min(slot + AHEAD, n - 1)])
                        item = negatives[place, slot]
                        score = np.float32(0.0)
                        for f in range(items.shape[1]):
                            score += vectors[g, f] * items[item, f]
                        scores[slot] = score
                else:
                    for slot in range(n):
                        item = negatives[place, slot]
                        kept[slot] = np.float32(item >= 0)
                        score = np.float32(0.0)
                        if item >= 0:
                            for f in range(items.shape[1]):
                                score += vectors[g, f] * items[item, f]
                            if all_weights.size > 0:
                                kept[slot] = all_weights[place, slot]
                        scores[slot] = score
                if log_q.size > 0:
                    for slot in range(n):
                        if not masked or kept[slot] != np.float32(0.0):
                            scores[slot] -= temperature32 * log_q[place, slot]
            positive_item = positives[r]
            positive = np.float32(0.0)
            for f in range(items.shape[1]):
                positive += vectors[g, f] * items[positive_item, f]
            side = positive_sides[r] if positive_sides.size > 0 else 0.0
            if at_once:
                if r == offsets[g]:
                    summary = summarise(
                        kind, parameters, scores, kept if masked else no_weights, gradient
                    )
                value, slope, share = row_of_summary(
                    kind, parameters, np.float64(positive), side, summary
                )
                shares += share
            else:
                value, slope = row_gradient(
                    kind,
                    parameters,
                    np.float64(positive),
                    scores,
                    side,
                    negative_sides[r] if negative_sides.size > 0 else no_sides,
                    kept if masked else no_weights,
                    gradient,
                )
            loss += value
            slope32 = np.float32(slope)
            touched[positive_item] = 1
            for f in range(items.shape[1]):
                by_vector[g, f] += slope32 * items[positive_item, f]
                by_item[positive_item, f] += slope32 * vectors[g, f]
            met = n
            if masked:
                met = 0
                for slot in range(n):
                    met += kept[slot] != np.float32(0.0)
            below, compared = 0, 0
            for slot in range(0, n, stride):
                if not masked or kept[slot] != np.float32(0.0):
                    compared += 1
                    below += scores[slot] < positive
            correct += met * (below / max(compared, 1))
            pairs += met
            skipped += n - met
            if not at_once:
                for slot in range(n):
                    summed[slot] += gradient[slot]
            elif r == offsets[g + 1] - 1:
                for slot in range(n):
                    summed[slot] = np.float32(shares) * gradient[slot]
            if whose == POOL or not (whose == PAIR or r == offsets[g + 1] - 1):
                continue
            for slot in range(n):
                item = negatives[place, slot]
                if item < 0:
                    continue
                slope32, coming = summed[slot], min(slot + AHEAD, n - 1)
                if summed[coming] != np.float32(0.0):
                    prefetch_row(by_item, max(negatives[place, coming], 0))
                    prefetch_row(items, max(negatives[place, coming], 0))
                if counts_idle:
                    touched[item] = 1
                if slope32 != np.float32(0.0):
                    touched[item] = 1
                    for f in range(items.shape[1]):
                        by_vector[g, f] += slope32 * items[item, f]
                        by_item[item, f] += slope32 * vectors[g, f]
        if whose == POOL:
            for slot in range(n):
                table[g - first, slot] = summed[slot]
    return loss, correct, pairs, skipped
