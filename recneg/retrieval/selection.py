"""Kernels that pick the k best of a row in about one pass, whatever the ties.

The row is folded into as many columns as there are blocks, and each block keeps its maximum. The
k-th largest maximum bounds the k-th largest score from below, since k distinct items reach it, and
all but about k items fall under it at once. What is left goes through a heap of size k.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.jit import inlined, kernel
from recneg.quickselect import kth_largest

__all__ = ["select_rows"]


@inlined
def _worse(score: float, item: int, other_score: float, other_item: int) -> bool:
    return score < other_score or (score == other_score and item > other_item)


@kernel
def _sift_down(items: Any, scores: Any, size: int) -> None:
    """Restore a heap whose root, the worst entry, was replaced."""
    item, score, place = items[0], scores[0], 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        right = child + 1
        if right < size and _worse(scores[right], items[right], scores[child], items[child]):
            child = right
        if not _worse(scores[child], items[child], score, item):
            break
        items[place], scores[place] = items[child], scores[child]
        place = child
    items[place], scores[place] = item, score


@kernel
def _push(items: Any, scores: Any, size: int, item: int, score: float) -> int:
    """Add an entry to the heap, or let it replace the worst; return the new size."""
    if size == items.size:
        if _worse(scores[0], items[0], score, item):
            items[0], scores[0] = item, score
            _sift_down(items, scores, size)
        return size
    place = size
    while place > 0:
        parent = (place - 1) >> 1
        if not _worse(score, item, scores[parent], items[parent]):
            break
        items[place], scores[place] = items[parent], scores[parent]
        place = parent
    items[place], scores[place] = item, score
    return size + 1


@inlined
def _finish(items: Any, scores: Any, size: int) -> None:
    """Turn the heap into a list, best first, and pad it."""
    for last in range(size - 1, 0, -1):
        items[0], items[last] = items[last], items[0]
        scores[0], scores[last] = scores[last], scores[0]
        _sift_down(items, scores, last)
    items[size:] = -1
    scores[size:] = -np.inf


@inlined
def _fold(row: Any, seen: Any, values: Any, maxima: Any) -> Any:
    """Copy the row with -inf at `seen`, fill the block maxima; return a NaN's place or -1."""
    for item in range(row.size):  # copied: the caller's scores stay as they are
        values[item] = row[item]
    for item in seen:
        if np.isnan(values[item]):
            return item
        values[item] = -np.inf
    blocks = maxima.size
    for block in range(blocks):  # an assignment of slices takes Numba a second to compile
        maxima[block] = values[block]
    for start in range(blocks, values.size, blocks):
        part = values[start : min(start + blocks, values.size)]
        for block in range(part.size):  # NaN enters a maximum and stays there
            new, old = part[block], maxima[block]
            maxima[block] = new if new > old or new != new else old
    for block in range(blocks):
        if np.isnan(maxima[block]):
            for item in range(block, values.size, blocks):
                if np.isnan(values[item]):
                    return item
    return -1


@inlined
def _gather(values: Any, seen: Any, maxima: Any, bound: float, items: Any, scores: Any) -> Any:
    """Push every unseen item that reaches the bound; return the size of the heap."""
    blocks, reached = maxima.size, 0
    size: Any = np.int64(0)  # for a literal 0 `_push` would be compiled once more
    for block in range(blocks):
        reached += maxima[block] >= bound
    if bound > -np.inf and reached <= 2 * items.size:
        for block in range(blocks):
            if maxima[block] >= bound:
                for item in range(block, values.size, blocks):
                    if values[item] >= bound:
                        size = _push(items, scores, size, item, values[item])
        return size
    start = 0  # many ties at the bound, or few candidates: in order of item, so a tie never enters
    for place in range(seen.size + 1):
        stop = seen[place] if place < seen.size else values.size
        for item in range(start, stop):
            if values[item] >= bound and (size < items.size or values[item] > scores[0]):
                size = _push(items, scores, size, item, values[item])
        start = stop + 1
    return size


@kernel
def select_rows(
    scores: NDArray[Any],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    users: NDArray[np.int64],
    items: NDArray[np.int32],
    top_scores: NDArray[Any],
    bad: NDArray[np.int64],
) -> None:
    """Rank each row of `scores` into `items` and `top_scores`, without the user's seen items.

    ``bad[row]`` becomes the place of a NaN, or -1.
    """
    num_items, k = scores.shape[1], items.shape[1]
    wanted = min(k, num_items)
    blocks = min(num_items, max(2 * wanted, int(math.sqrt(wanted * num_items)) // 2))
    values = np.empty(num_items, scores.dtype)
    maxima = np.empty(blocks, scores.dtype)
    order = np.empty(blocks, scores.dtype)
    for row in range(scores.shape[0]):
        seen = indices[indptr[users[row]] : indptr[users[row] + 1]]
        bad[row] = _fold(scores[row], seen, values, maxima) if num_items else -1
        size = 0
        if bad[row] < 0 and num_items:
            for block in range(blocks):
                order[block] = maxima[block]
            bound = kth_largest(order, order.size, wanted)
            size = _gather(values, seen, maxima, bound, items[row], top_scores[row])
        _finish(items[row], top_scores[row], size)
