"""A table of factors in training: its rows, their gradients in a batch, and the step they take.

Each thread adds gradients to a lane of its own; a step sums the lanes in their order. So a result
depends on the number of threads by rounding alone, and never on timing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recneg.jit import kernel_fast
from recneg.parallel import map_tasks
from recneg.training.optimizers import ADAM, IDLE, MOVE, STAY, Optimizer, move_rows

__all__ = ["Penalty", "Table", "unit_rows"]

SMALLEST_NORM = 1e-12
"""Norms are at least this, as in torch's `normalize`."""

ROWS_AT_ONCE = 256
"""Rows that a step moves before it looks at them again: with moments some 300 KB at 64 columns."""

Matrix = NDArray[np.float32]

TOUCHED, EVERY = "rows", "tables"
Penalty = tuple[float, str]
"""L2 decay, and where it holds: on the "rows" of a batch, each once, or on whole "tables"."""


class Table:
    """Factors with lanes for gradients.

    Parameters
    ----------
    values : numpy.ndarray of float32, shape (num_rows, columns)
        Changed in place.
    moments : two arrays of float32
        Of the optimiser; changed in place.
    cosine : bool
        Whether scores are made of the rows divided by their norms.
    gradients_by : {"scored", "rows", "both"}
        What gradients are by: what scores are made of; the rows themselves, as `UserVectors` adds
        them; or both, the latter in `by_rows`.
    beside : int
        With cosines: columns of `scored` beside those of the rows, as biases, whose gradients are
        kept for those whose they are.
    frozen : int
        A column that is constant, as the ones of users beside item biases; -1 for none.
    threads : int
        How many move rows side by side.
    lanes : int, optional
        For gradients. Default: one a thread.
    """

    def __init__(
        self,
        values: Matrix,
        moments: tuple[Matrix, ...],
        *,
        cosine: bool,
        gradients_by: str = "scored",
        beside: int = 0,
        frozen: int = -1,
        threads: int = 1,
        lanes: int | None = None,
    ) -> None:
        assert cosine or not beside
        lanes = threads if lanes is None else lanes
        self.values, self.moments, self.frozen, self.threads = values, moments, frozen, threads
        self.cosine, self._by_scored = cosine, cosine and gradients_by != "rows"
        self._idle_decay = 0.0
        self.counts_idle = True
        """Whether rows that a batch has without a gradient count as touched. Their penalty and the
        moments of lazy Adam need it; other steps do the same to all rows without one."""
        rows, columns = values.shape
        self.scored = np.zeros((rows, columns + beside), np.float32) if cosine else values
        """What scores are made of: the rows, or copies of length 1 and what is beside them."""
        self.gradients = np.zeros((lanes, rows, columns + beside), np.float32)
        self.touched = np.zeros((lanes, rows), np.uint8)
        both = rows if gradients_by == "both" else 0
        self.by_rows = np.zeros((both, columns), np.float32)
        self._by_rows_touched = np.zeros(both, np.uint8)
        self._squares = np.empty(rows, np.float32)
        """Squared lengths of the rows: an idle one's penalty needs no look at it."""
        self.renew()

    def renew(self) -> None:
        """Make what is scored anew of the rows, without what rounding the steps have added."""
        self._squares[:] = np.einsum("rf,rf->r", self.values, self.values)
        if self.cosine:
            self.scored[:, : self.values.shape[1]] = unit_rows(self.values)

    def add_rows(self, rows: NDArray[np.int32], gradients: Matrix, lane: int = 0) -> None:
        """Add gradients of rows, which may repeat, to those of a lane."""
        _add_rows(rows, gradients, self.gradients[lane], self.touched[lane])

    def add_by_rows(self, rows: NDArray[np.int32], gradients: Matrix) -> None:
        """Add gradients by rows themselves, which may repeat, beside those by what is scored."""
        _add_rows(rows, gradients, self.by_rows, self._by_rows_touched)

    def finish(self, optimizer: Optimizer, penalty: Penalty, scale: float) -> float:
        """Make one gradient by the rows of what the lanes have; return its squared length.

        Parameters
        ----------
        optimizer : Optimizer
        penalty : Penalty
        scale : float
            Multiplies what was added to the lanes, not the penalty.
        """
        decay, where = penalty
        everywhere = where == EVERY and decay > 0
        unmet = MOVE if everywhere else STAY
        if optimizer.code == ADAM and optimizer.dense | everywhere:
            unmet = MOVE if everywhere and self.frozen >= 0 else IDLE
        self._idle_decay = decay if everywhere else 0.0

        def finish(part: int) -> float:
            return _finish(
                *self._bounds(part), scale, decay, self._idle_decay, unmet, self.frozen,
                self._by_scored, self.values, self.scored, self.gradients, self.touched,
                self.by_rows, self._by_rows_touched, self._squares,
            )  # fmt: skip

        return sum(map_tasks(finish, self.threads, self.threads))

    def step(self, optimizer: Optimizer, rate: float, step: int, shrink: float = 1.0) -> None:
        """Move the rows by `shrink` times the finished gradient, and clear it.

        Parameters
        ----------
        optimizer : Optimizer
        rate : float
            The learning rate of this step.
        step : int
            From 1.
        shrink : float
        """

        def move(part: int) -> None:
            start, stop = self._bounds(part)
            _step(
                start, stop, optimizer.code, optimizer.parameters, rate, step, shrink,
                self._idle_decay, self.cosine, self.values, self.scored, self.gradients[0],
                self.touched[0], self._squares, *self.moments,
            )  # fmt: skip

        map_tasks(move, self.threads, self.threads)

    def _bounds(self, part: int) -> tuple[int, int]:
        size = -(-len(self.values) // self.threads)
        return min(part * size, len(self.values)), min((part + 1) * size, len(self.values))


def unit_rows(values: Matrix) -> Matrix:
    """Return the rows divided by their norms."""
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.maximum(norms, SMALLEST_NORM), np.float32)


@kernel_fast
def _add_rows(
    rows: NDArray[np.int32], values: Matrix, gradients: Matrix, touched: NDArray[np.uint8]
) -> None:
    for index in range(rows.size):
        row = rows[index]
        touched[row] = 1
        for f in range(values.shape[1]):
            gradients[row, f] += values[index, f]


@kernel_fast
def _finish(
    start: int,
    stop: int,
    scale: float,
    decay: float,
    idle_decay: float,
    unmet: int,
    frozen: int,
    cosine: bool,
    values: Matrix,
    scored: Matrix,
    gradients: NDArray[np.float32],
    touched: NDArray[np.uint8],
    by_rows: Matrix,
    by_rows_touched: NDArray[np.uint8],
    squares_of_rows: NDArray[np.float32],
) -> float:
    """Leave the whole gradient of each row in lane 0, and what the step does with the row.

    `unmet`: what it does with the rows that no lane has a gradient of.
    """
    columns = values.shape[1]
    scale32, decay32 = np.float32(scale), np.float32(decay)
    total = 0.0
    for row in range(start, stop):
        met = False
        for lane in range(touched.shape[0]):
            if touched[lane, row] != 0:
                met = True
                if lane > 0:
                    for f in range(gradients.shape[2]):
                        gradients[0, row, f] += gradients[lane, row, f]
                        gradients[lane, row, f] = np.float32(0.0)
                    touched[lane, row] = 0
        directly = by_rows_touched.size > 0 and by_rows_touched[row] != 0
        touched[0, row] = MOVE if met or directly else unmet
        if touched[0, row] != MOVE:
            if touched[0, row] == IDLE:
                total += idle_decay * idle_decay * np.float64(squares_of_rows[row])
            continue
        along, squares, added = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        factor = scale32
        if cosine:
            for f in range(columns):
                along += gradients[0, row, f] * scored[row, f]
                squares += values[row, f] * values[row, f]
            factor = scale32 / max(np.sqrt(squares), np.float32(SMALLEST_NORM))
        for f in range(columns):
            slope = factor * gradients[0, row, f]
            if cosine:
                slope -= factor * along * scored[row, f]
            slope += decay32 * values[row, f]
            gradients[0, row, f] = slope
        if directly:
            for f in range(columns):
                gradients[0, row, f] += scale32 * by_rows[row, f]
                by_rows[row, f] = np.float32(0.0)
            by_rows_touched[row] = 0
        for f in range(columns):
            added += gradients[0, row, f] * gradients[0, row, f]
        if frozen >= 0:
            added -= gradients[0, row, frozen] ** 2
            gradients[0, row, frozen] = np.float32(0.0)
        total += np.float64(added)
    return total


@kernel_fast
def _step(
    start: int,
    stop: int,
    code: int,
    parameters: tuple[float, float, float],
    rate: float,
    step: int,
    shrink: float,
    idle_decay: float,
    cosine: bool,
    values: Matrix,
    scored: Matrix,
    gradients: Matrix,
    touched: NDArray[np.uint8],
    squares_of_rows: NDArray[np.float32],
    first: Matrix,
    second: Matrix,
) -> None:
    """Move the rows, forget their gradients and renew what is scored, while a cache has them."""
    for begin in range(start, stop, ROWS_AT_ONCE):
        end = min(begin + ROWS_AT_ONCE, stop)
        move_rows(
            begin, end, code, parameters, rate, step, shrink, idle_decay, values, gradients,
            touched, first, second,
        )  # fmt: skip
        _clear(begin, end, cosine, values, scored, gradients, touched, squares_of_rows)


@kernel_fast
def _clear(
    start: int,
    stop: int,
    cosine: bool,
    values: Matrix,
    scored: Matrix,
    gradients: Matrix,
    touched: NDArray[np.uint8],
    squares_of_rows: NDArray[np.float32],
) -> None:
    """Forget the gradients of the rows that moved, and renew what is known and scored of them."""
    columns = values.shape[1]
    for row in range(start, stop):
        if touched[row] == STAY:
            continue
        if touched[row] == MOVE:
            for f in range(gradients.shape[1]):
                gradients[row, f] = np.float32(0.0)
        touched[row] = STAY
        squares = np.float32(0.0)
        for f in range(columns):
            squares += values[row, f] * values[row, f]
        squares_of_rows[row] = squares
        if cosine:
            inverse = np.float32(1.0) / max(np.sqrt(squares), np.float32(SMALLEST_NORM))
            for f in range(columns):
                scored[row, f] = inverse * values[row, f]
