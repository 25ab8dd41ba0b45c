"""The rank of one wanted item in each row of scores, counted without sorting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.jit import kernel
from recneg.parallel import map_blocks

__all__ = ["Histories", "factor_scores", "target_ranks"]

_BLOCK_ROWS = 8
_LEAST_ROWS = 32  # a product of fewer spends its time on packing the item factors


@dataclass(frozen=True)
class Histories:
    """What is masked in each row: those of `items` from `starts` to before `stops` marked `first`.

    Attributes
    ----------
    items : numpy.ndarray of int32, shape (num_events,)
    first : numpy.ndarray of bool, shape (num_events,)
        Whether an event is the first of its item in its sequence, so that none is masked twice.
    starts, stops : numpy.ndarray of int64, shape (num_rows,)
    """

    items: NDArray[np.int32]
    first: NDArray[np.bool_]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]

    def rows(self, start: int, stop: int) -> Histories:
        """Return the rows from `start` to before `stop`."""
        return Histories(self.items, self.first, self.starts[start:stop], self.stops[start:stop])


@kernel
def _rank_rows(
    scores: Any, targets: Any, items: Any, first: Any, starts: Any, stops: Any, ranks: Any
) -> None:
    for row in range(scores.shape[0]):
        values, target = scores[row], targets[row]
        score = values[target]
        ahead, behind = np.int32(0), np.int32(0)  # narrow counters fill whole vector registers
        for item in range(target):
            ahead += np.int32(values[item] >= score)
            behind += np.int32(values[item] < score)
        for item in range(target, values.size):
            ahead += np.int32(values[item] > score)
            behind += np.int32(values[item] <= score)
        rank = np.int64(ahead) + 1
        for event in range(starts[row], stops[row]):
            if first[event]:
                item = items[event]
                rank -= values[item] > score or (values[item] == score and item < target)
        ranks[row] = rank if np.int64(ahead) + behind == values.size else 0


def target_ranks(
    scores: NDArray[Any], targets: NDArray[np.int32], histories: Histories
) -> NDArray[np.int64]:
    """Return 1 + the number of unmasked items ahead of each row's target.

    Ahead are items with a higher score, and those with the same score and a smaller id.

    Parameters
    ----------
    scores : numpy.ndarray of float32 or float64, shape (num_rows, num_items)
    targets : numpy.ndarray of int32, shape (num_rows,)
        None of them masked in its row.
    histories : Histories

    Returns
    -------
    numpy.ndarray of int64, shape (num_rows,)
        0 for a row with NaN.
    """
    ranks = np.empty(len(targets), np.int64)

    def work(start: int, stop: int) -> None:
        part, masked = slice(start, stop), histories.rows(start, stop)
        _rank_rows(
            scores[part], targets[part], masked.items, masked.first, masked.starts, masked.stops,
            ranks[part],
        )  # fmt: skip

    map_blocks(work, len(targets), _BLOCK_ROWS)
    return ranks


def factor_scores(
    vectors: NDArray[Any], item_factors: NDArray[Any], chunk_bytes: int
) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield rows and their inner products with all items, in one buffer that is used again.

    Parameters
    ----------
    vectors : numpy.ndarray of float32 or float64, shape (num_rows, d)
    item_factors : numpy.ndarray of the same dtype, shape (num_items, d)
    chunk_bytes : int
        Bound on the buffer, at least 32 rows.
    """
    fitting = chunk_bytes // max(len(item_factors) * vectors.itemsize, 1)
    size = max(min(fitting, len(vectors)), min(_LEAST_ROWS, len(vectors)))
    buffer = np.empty((size, len(item_factors)), vectors.dtype)
    for start in range(0, len(vectors), max(size, 1)):
        rows = slice(start, min(start + size, len(vectors)))
        scores = buffer[: rows.stop - start]
        np.matmul(vectors[rows], item_factors.T, out=scores)
        yield rows, scores
