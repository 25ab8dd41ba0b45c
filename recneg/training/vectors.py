"""Users' vectors as a batch scores them, with dropout, and their gradients on the way back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recneg.jit import kernel, kernel_fast
from recneg.keys import Key, philox
from recneg.training.tables import SMALLEST_NORM, Matrix, Table

__all__ = ["UserVectors", "dropout_masks"]

NO_MASKS = np.empty((0, 0), np.float32)


def dropout_masks(marks: NDArray[np.int64], columns: int, rate: float, key: Key) -> Matrix:
    """Return factors 0 and ``1 / (1 - rate)``, shape (len(marks), columns).

    Column f of mark m depends on (key, m, f) alone. A column is dropped with the given chance, to
    within ``2**-32``.
    """
    out = np.empty((len(marks), columns), np.float32)
    _fill_masks(*key.words, marks, rate, out)
    return out


class UserVectors:
    """Rows of the user table for the groups of a batch, with dropout, divided by norms for cosines.

    Parameters
    ----------
    users : Table
    groups : numpy.ndarray of int64, shape (num_groups,)
        The user of each group.
    masks : numpy.ndarray of float32, shape (num_groups, columns), or empty
        Of dropout.
    before_norm : bool
        Whether masks multiply the rows before cosines divide by norms, or what comes of that.

    Attributes
    ----------
    vectors : numpy.ndarray of float32, shape (num_groups, columns)
    """

    def __init__(
        self,
        users: Table,
        groups: NDArray[np.int64],
        masks: Matrix = NO_MASKS,
        before_norm: bool = False,
    ) -> None:
        self._users, self._groups = users, groups
        self._first: Matrix = masks if before_norm else NO_MASKS
        self._last: Matrix = NO_MASKS if before_norm else masks
        self.vectors = np.empty((len(groups), users.values.shape[1]), np.float32)
        self._norms = np.empty(len(groups), np.float32)
        _gather(
            groups, users.values, self._first, self._last, users.cosine, self.vectors, self._norms
        )

    def add_gradients(self, by_vector: Matrix) -> None:
        """Add gradients by the vectors to those of the user table's rows."""
        users = self._users
        _scatter(
            self._groups, by_vector, self._first, self._last, users.cosine, users.values,
            self._norms, users.gradients[0], users.touched[0],
        )  # fmt: skip


@kernel
def _fill_masks(
    k0: np.uint32, k1: np.uint32, marks: NDArray[np.int64], rate: float, out: Matrix
) -> None:
    threshold = np.float64(rate) * 2.0**32
    kept = np.float32(1.0 / (1.0 - rate))
    for index in range(marks.size):
        row = np.uint64(marks[index])
        for first in range(0, out.shape[1], 4):
            words = philox(
                np.uint32(row), np.uint32(row >> np.uint64(32)), np.uint32(first >> 2),
                np.uint32(0), k0, k1,
            )  # fmt: skip
            for offset in range(min(4, out.shape[1] - first)):
                dropped = np.float64(words[offset]) < threshold
                out[index, first + offset] = np.float32(0.0) if dropped else kept


@kernel_fast
def _gather(
    groups: NDArray[np.int64],
    values: Matrix,
    first: Matrix,
    last: Matrix,
    cosine: bool,
    vectors: Matrix,
    norms: NDArray[np.float32],
) -> None:
    for g in range(groups.size):
        row, user = vectors[g], groups[g]
        for f in range(row.size):
            row[f] = values[user, f]
        if first.size > 0:
            for f in range(row.size):
                row[f] *= first[g, f]
        norms[g] = np.float32(1.0)
        if cosine:
            squares = np.float32(0.0)
            for f in range(row.size):
                squares += row[f] * row[f]
            norms[g] = max(np.sqrt(squares), np.float32(SMALLEST_NORM))
        inverse = np.float32(1.0) / norms[g]
        for f in range(row.size):
            row[f] = inverse * row[f]
        if last.size > 0:
            for f in range(row.size):
                row[f] *= last[g, f]


@kernel_fast
def _scatter(
    groups: NDArray[np.int64],
    by_vector: Matrix,
    first: Matrix,
    last: Matrix,
    cosine: bool,
    values: Matrix,
    norms: NDArray[np.float32],
    gradients: Matrix,
    touched: NDArray[np.uint8],
) -> None:
    row, divided = np.empty((2, by_vector.shape[1]), np.float32)
    for g in range(groups.size):
        user = groups[g]
        touched[user] = 1
        if cosine and first.size > 0:
            left = 0
            for f in range(row.size):
                left += first[g, f] != 0
            if left < 2:  # no turn is possible: what is not 0 would be rounding, steps for Adam
                continue
        for f in range(row.size):
            row[f], divided[f] = by_vector[g, f], values[user, f]
        if last.size > 0:
            for f in range(row.size):
                row[f] *= last[g, f]
        if first.size > 0:
            for f in range(row.size):
                divided[f] *= first[g, f]
        if cosine:
            along, inverse = np.float32(0.0), np.float32(1.0) / norms[g]
            for f in range(row.size):
                along += row[f] * divided[f]
            along *= inverse * inverse
            for f in range(row.size):
                row[f] = inverse * (row[f] - along * divided[f])
        if first.size > 0:
            for f in range(row.size):
                row[f] *= first[g, f]
        for f in range(row.size):
            gradients[user, f] += row[f]
