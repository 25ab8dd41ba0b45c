"""Blocks of groups: how much is drawn at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recneg.jit import inlined

__all__ = ["block_of_groups"]

DRAWS_AT_ONCE = 1024
"""Draws whose scratch memory, and most of what they ask for, stays in the first cache."""


@inlined
def block_of_groups(
    first: int, counts: NDArray[np.int64], num_slots: int
) -> tuple[np.int64, np.int64]:
    """Return where a block that begins with group `first` ends, and how many draws it has.

    Groups are not split: one with more draws than `DRAWS_AT_ONCE` is a block of its own.
    """
    last, size = np.int64(first), np.int64(0)
    while last < counts.size:
        more = counts[last] * num_slots
        if size > 0 and size + more > DRAWS_AT_ONCE:
            break
        size += more
        last += 1
    return last, size
