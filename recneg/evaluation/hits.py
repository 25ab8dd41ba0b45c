"""Which recommended items are relevant, and how often each item is recommended."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.interactions import Interactions
from recneg.jit import kernel
from recneg.parallel import map_blocks

__all__ = ["mark_hits", "recommendation_counts"]

_BLOCK_ROWS = 1024


@kernel
def _mark(items: Any, users: Any, indptr: Any, indices: Any, hits: Any) -> None:
    for row in range(items.shape[0]):
        begin, end = indptr[users[row]], indptr[users[row] + 1]
        for place in range(items.shape[1]):
            low, high, item = begin, end, items[row, place]
            while low < high:
                middle = (low + high) >> 1
                if indices[middle] < item:
                    low = middle + 1
                else:
                    high = middle
            hits[row, place] = low < end and indices[low] == item


def mark_hits(
    items: NDArray[np.int32], users: NDArray[np.int64], relevant: Interactions
) -> NDArray[np.bool_]:
    """Tell which items are relevant to their row's user.

    Parameters
    ----------
    items : numpy.ndarray of int32, shape (num_rows, k)
        -1, the padding, is never relevant.
    users : numpy.ndarray of int64, shape (num_rows,)
    relevant : Interactions

    Returns
    -------
    numpy.ndarray of bool, shape (num_rows, k)
    """
    hits = np.empty(items.shape, np.bool_)

    def work(start: int, stop: int) -> None:
        part = slice(start, stop)
        _mark(items[part], users[part], relevant.indptr, relevant.indices, hits[part])

    map_blocks(work, len(users), _BLOCK_ROWS)
    return hits


def recommendation_counts(items: NDArray[np.int32], num_items: int) -> NDArray[np.int64]:
    """Count in how many lists each item stands, shape (num_items,); padding is left out."""
    return np.bincount(items[items >= 0], minlength=num_items).astype(np.int64)
