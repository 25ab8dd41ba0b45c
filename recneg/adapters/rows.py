"""Interactions as a map-style data set whose rows carry their own identity; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions, check_ids

__all__ = ["InteractionRows"]


@dataclass(frozen=True, eq=False)
class InteractionRows:
    """The observed pairs, one sample ``(row, user, positive)`` each.

    `row` is the position in ``interactions.indices``. It stays with the sample through shuffles,
    subsets and shards, and negatives are keyed by it. Where the interactions have timestamps a
    sample has a fourth entry, the time.

    An integer index gives a tuple of Python integers; a slice, list, array or tensor of n indices
    gives a tuple of int64 arrays, shape (n,). The latter is the fast way, see
    ``docs/pytorch.md``.

    Memory: 4 bytes an interaction, beyond the interactions themselves.

    Parameters
    ----------
    interactions : Interactions

    Examples
    --------
    >>> rows = InteractionRows(Interactions.from_arrays([0, 0, 2], [3, 1, 1]))
    >>> len(rows), rows[1]
    (3, (1, 0, 3))
    >>> [column.tolist() for column in rows[[2, 0]]]
    [[2, 0], [2, 0], [1, 1]]
    """

    interactions: Interactions
    _users: NDArray[np.int32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.interactions, Interactions):
            raise InvalidDataError(f"interactions must be Interactions; got {self.interactions!r}")
        object.__setattr__(self, "_users", self.interactions.users())

    def __len__(self) -> int:
        return len(self.interactions)

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        if isinstance(index, (int, np.integer)):
            if not 0 <= index < len(self):
                raise IndexError(f"rows must lie in [0, {len(self)}); got {index}")
            return (int(index), *(int(column[index]) for column in self._columns()))
        if isinstance(index, slice):
            index = np.arange(*index.indices(len(self)))
        rows = np.asarray(index)
        if rows.ndim == 0:
            if rows.dtype.kind not in "iu":
                raise TypeError(f"rows must be integers; got {index!r}")
            return self[rows.item()]
        rows = check_ids(rows, "row", len(self))
        return (rows, *(column[rows].astype(np.int64) for column in self._columns()))

    def __getitems__(self, indices: Any) -> list[tuple[int, ...]]:
        """Return a list of samples, as ``DataLoader`` asks for the rows of a batch at once."""
        return list(zip(*(column.tolist() for column in self[indices]), strict=True))

    def _columns(self) -> tuple[NDArray[Any], ...]:
        data = self.interactions
        if data.timestamps is None:
            return self._users, data.indices
        return self._users, data.indices, data.timestamps
