"""Scores, losses and gradients of a batch of sequences, for any loss with a kernel.

Scores of the shared pool are matrix products, by BLAS, for a few events at a time. With top-k they
are only looked at: the k chosen ones alone are compared with the target and have a gradient.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recneg.jit import kernel, kernel_fast
from recneg.losses import Loss
from recneg.losses.kernels import row_gradient
from recneg.parallel import map_tasks
from recneg.training.record import Totals
from recneg.training.sequence_batches import SequenceBatch
from recneg.training.tables import Matrix, Table
from recneg.training.top_slots import top_slots

__all__ = ["score_events"]

SCORES_AT_ONCE = 1 << 23
"""Scores of the pool that a thread holds, about."""

COMPARED = 64
"""Candidates of an event whose share below the target stands for that of all."""


def score_events(
    loss: Loss,
    batch: SequenceBatch,
    vectors: Matrix,
    items: Table,
    top_k: int,
    by_vector: Matrix,
    *,
    low_precision: bool = False,
) -> Totals:
    """Score a batch; add the gradients of the sum of its losses to `items` and `by_vector`.

    Parameters
    ----------
    loss : Loss
        With a kernel, and without side values.
    batch : SequenceBatch
    vectors : numpy.ndarray of float32, shape (num_events, columns)
        After each input event.
    items : Table
        What the next item is scored by.
    top_k : int
        The highest so many candidates of each event count; 0 for all.
    by_vector : numpy.ndarray of float32, shape (num_events, columns)
        Zeros; filled.
    low_precision : bool, default False
        Whether the pool is scored in bfloat16 where that is only to choose the highest: processors
        with matrix tiles need a quarter of the time. Losses and gradients are of float32 scores.
    """
    lanes, found = items.threads, batch.candidates
    factors = items.scored[found.pool]
    order = np.argsort(found.pool, kind="stable")
    places = (found.pool[order], order)
    products = _Products(vectors, factors, low_precision and top_k > 0)
    events = len(vectors)
    bounds = np.arange(lanes + 1) * events // lanes
    rows = min(max(SCORES_AT_ONCE // max(len(factors), 1), 16), 512)
    temperature = float(getattr(loss, "temperature", 1.0))

    def score(lane: int) -> tuple[float, float, float, float]:
        first, last = int(bounds[lane]), int(bounds[lane + 1])
        by_pool = np.zeros((0 if top_k else len(factors), factors.shape[1]), np.float32)
        held = np.empty((min(rows, last - first), len(factors)), np.float32)
        sums = np.zeros(4)
        for start in range(first, last, rows):
            stop = min(start + rows, last)
            part, scores = slice(start, stop), held[: stop - start]
            products.fill(part, scores)
            sums += _score_rows(
                loss.kind, loss.parameters, start, stop, batch.targets, *found, *batch.hidden,
                *places, temperature, top_k, products.rough, vectors, items.scored, factors, scores,
                by_vector, items.gradients[lane], items.touched[lane],
            )  # fmt: skip
            if by_pool.size:
                by_vector[part] += scores @ factors
                by_pool += scores.T @ vectors[part]
        if by_pool.size:
            items.add_rows(found.pool, by_pool, lane)
        return float(sums[0]), float(sums[1]), float(sums[2]), float(sums[3])

    sums = np.array(map_tasks(score, lanes, lanes)).sum(axis=0)
    return Totals(*(float(total) for total in sums))


class _Products:
    """Scores of the pool, exact or rough."""

    def __init__(self, vectors: Matrix, factors: Matrix, rough: bool) -> None:
        self._vectors, self._factors, self.rough = vectors, factors, rough
        if rough:
            import torch

            self._halves = [torch.from_numpy(each).bfloat16() for each in (vectors, factors)]

    def fill(self, part: slice, out: Matrix) -> None:
        """Write the scores of some events."""
        if not self.rough:
            np.matmul(self._vectors[part], self._factors.T, out=out)
            return
        import torch

        vectors, factors = self._halves
        torch.from_numpy(out).copy_(vectors[part] @ factors.T)


@kernel
def _hide(
    hidden_indptr: NDArray[np.int64],
    hidden_items: NDArray[np.int32],
    which: int,
    pool: NDArray[np.int32],
    pool_order: NDArray[np.int64],
    listed: NDArray[np.int32],
    kept: Matrix,
) -> int:
    """Clear `kept` for candidates among the hidden items of one list; return how many there are."""
    hits = 0
    begin, end = hidden_indptr[which], hidden_indptr[which + 1]
    for entry in range(begin, end):
        item = hidden_items[entry]
        at = np.searchsorted(pool, item)
        while at < pool.size and pool[at] == item:
            kept[pool_order[at]] = np.float32(0.0)
            hits += 1
            at += 1
    for slot in range(listed.size):
        item = listed[slot]
        at = begin + np.searchsorted(hidden_items[begin:end], item)
        if at < end and hidden_items[at] == item:
            kept[pool.size + slot] = np.float32(0.0)
            hits += 1
    return hits


@kernel_fast
def _product(left: NDArray[np.float32], right: NDArray[np.float32]) -> np.float32:
    total = np.float32(0.0)
    for f in range(left.size):
        total += left[f] * right[f]
    return total


@kernel_fast
def _score_rows(
    kind: int,
    parameters: tuple[float, ...],
    first: int,
    last: int,
    targets: NDArray[np.int32],
    pool: NDArray[np.int32],
    pool_log: NDArray[np.float32],
    listed: NDArray[np.int32],
    listed_log: Matrix,
    lists: NDArray[np.int64],
    hidden_indptr: NDArray[np.int64],
    hidden_items: NDArray[np.int32],
    hidden_lists: NDArray[np.int64],
    sorted_pool: NDArray[np.int32],
    pool_order: NDArray[np.int64],
    temperature: float,
    top_k: int,
    rough: bool,
    vectors: Matrix,
    items: Matrix,
    factors: Matrix,
    table: Matrix,
    by_vector: Matrix,
    by_item: Matrix,
    touched: NDArray[np.uint8],
) -> tuple[float, float, float, float]:
    """Score the events from `first` to `last`; `table` holds their scores of the pool.

    Without top-k, what `table` held is replaced by the gradients of the losses by it.
    """
    shared, columns = pool.size, items.shape[1]
    n = shared + listed.shape[1]
    line, gradient = np.empty(n, np.float32), np.empty(n, np.float32)
    kept, no_weights, no_sides = np.ones(n, np.float32), np.empty(0, np.float32), np.empty(0)
    values, slots = np.empty(n, np.float32), np.empty(n, np.int64)
    chosen = np.empty(min(top_k, n), np.int64)
    few, few_gradients = np.empty(chosen.size, np.float32), np.empty(chosen.size, np.float32)
    temperature32 = np.float32(temperature)
    hides = hidden_lists.size > 0
    previous, hits = -1, 0
    loss, pairs, correct, skipped = 0.0, 0.0, 0.0, 0.0
    for r in range(first, last):
        own, target, vector = lists[r], targets[r], vectors[r]
        for slot in range(shared):
            line[slot] = table[r - first, slot]
        if pool_log.size > 0:
            for slot in range(shared):
                line[slot] -= temperature32 * pool_log[slot]
        for slot in range(shared, n):
            item = listed[own, slot - shared]
            line[slot] = _product(vector, items[item]) if item >= 0 else np.float32(0.0)
            if listed_log.size > 0 and item >= 0:
                line[slot] -= temperature32 * listed_log[own, slot - shared]
        which = own * (hidden_lists.size + 1) + (hidden_lists[r] if hides else 0)
        if which != previous:  # events of one sequence follow each other and have the same
            previous, hits = which, 0
            kept[:] = np.float32(1.0)
            for slot in range(shared, n):
                if listed[own, slot - shared] < 0:
                    kept[slot] = np.float32(0.0)
                    hits += 1
            if hides:
                hits += _hide(
                    hidden_indptr, hidden_items, hidden_lists[r], sorted_pool, pool_order,
                    listed[own], kept,
                )  # fmt: skip
        positive = _product(vector, items[target])
        below, compared = 0, 0
        for slot in range(min(n, COMPARED)):
            if kept[slot] != np.float32(0.0):
                compared += 1
                below += line[slot] < positive
        met = n - hits
        if top_k == 0:
            value, slope = row_gradient(
                kind, parameters, np.float64(positive), line, 0.0, no_sides,
                kept if hits > 0 else no_weights, gradient,
            )  # fmt: skip
            for slot in range(shared):
                table[r - first, slot] = gradient[slot]
            for slot in range(shared, n):
                item, slope32 = listed[own, slot - shared], gradient[slot]
                if item >= 0:
                    touched[item] = 1
                if slope32 != np.float32(0.0):
                    for f in range(columns):
                        by_vector[r, f] += slope32 * items[item, f]
                        by_item[item, f] += slope32 * vector[f]
        else:
            if hits > 0:
                for slot in range(n):
                    if kept[slot] == np.float32(0.0):
                        line[slot] = np.float32(-np.inf)
            count = top_slots(line, top_k, values, slots, chosen)
            for index in range(count):
                slot = chosen[index]
                few[index] = line[slot]
                if rough and slot < shared:
                    few[index] = _product(vector, factors[slot])
                    if pool_log.size > 0:
                        few[index] -= temperature32 * pool_log[slot]
            value, slope = row_gradient(
                kind, parameters, np.float64(positive), few[:count], 0.0, no_sides, no_weights,
                few_gradients[:count],
            )  # fmt: skip
            for index in range(count):
                slot, slope32 = chosen[index], few_gradients[index]
                item = pool[slot] if slot < shared else listed[own, slot - shared]
                touched[item] = 1
                for f in range(columns):
                    by_vector[r, f] += slope32 * items[item, f]
                    by_item[item, f] += slope32 * vector[f]
        loss += value
        correct += met * (below / max(compared, 1))
        pairs += met
        skipped += hits
        slope32 = np.float32(slope)
        touched[target] = 1
        for f in range(columns):
            by_vector[r, f] += slope32 * items[target, f]
            by_item[target, f] += slope32 * vector[f]
    return loss, correct, pairs, skipped
