"""The k-th largest of some values, without sorting them."""

from __future__ import annotations

from typing import Any

from recneg.jit import kernel

__all__ = ["kth_largest"]


@kernel
def kth_largest(values: Any, size: int, k: int) -> Any:
    """Return the k-th largest, from 1, of the first `size` values, which are reordered.

    Hoare's algorithm 65, "Find", with the median of three as pivot. There must be no NaN.
    """
    low, high, target = 0, size - 1, k - 1
    while low < high:
        a, b, c = values[low], values[(low + high) >> 1], values[high]
        pivot = max(min(a, b), min(max(a, b), c))
        left, right = low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if target <= right:
            high = right
        elif target >= left:
            low = left
        else:
            break
    return values[target]
