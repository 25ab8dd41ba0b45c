"""Optimisers of tables of factors: what a step does with a row's gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_number
from recneg.errors import InvalidDataError
from recneg.jit import kernel_fast

__all__ = ["IDLE", "MOVE", "SGD", "STAY", "Adagrad", "Adam", "Optimizer", "move_rows"]

PLAIN, ADAGRAD, ROWWISE, ADAM = range(4)

STAY, MOVE, IDLE = range(3)
"""What a step does with a row: nothing; move it by its gradient; or, with Adam, move it without one
but for the penalty, which spares writing and reading a gradient."""


@dataclass(frozen=True)
class Optimizer:
    """Base of the optimisers; frozen, without state: moments belong to a run."""

    learning_rate: float

    kind: ClassVar[int]

    def __post_init__(self) -> None:
        check_number(self.learning_rate, "learning_rate", "positive")

    @property
    def dense(self) -> bool:
        """Whether a step changes rows that have no gradient."""
        return False

    @property
    def num_moments(self) -> int:
        """How many moments are kept."""
        return 0

    @property
    def code(self) -> int:
        """What `move_rows` knows the optimiser by."""
        return self.kind

    @property
    def parameters(self) -> tuple[float, float, float]:
        """Two rates of decay and epsilon, as `move_rows` takes them."""
        return 0.0, 0.0, 0.0

    def moments(self, num_rows: int, factors: int) -> tuple[NDArray[np.float32], ...]:
        """Return the moments at the start: two tables of zeros, without columns where not kept."""
        width = 1 if self.code == ROWWISE else factors
        return tuple(
            np.zeros((num_rows, width if number < self.num_moments else 0), np.float32)
            for number in range(2)
        )


@dataclass(frozen=True)
class SGD(Optimizer):
    """``w -= rate * gradient``."""

    learning_rate: float = 0.05

    kind: ClassVar[int] = PLAIN


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """``a += g^2; w -= rate * g / (sqrt(a) + epsilon)`` (Duchi et al., JMLR 2011).

    Parameters
    ----------
    learning_rate : float, default 0.1
    rowwise : bool, default False
        One sum a row, of the mean of ``g^2`` over its columns: a sixty-fourth of the memory at 64
        factors, and every direction of a row keeps its share.
    epsilon : float, default 1e-10
    """

    learning_rate: float = 0.1
    rowwise: bool = False
    epsilon: float = 1e-10

    kind: ClassVar[int] = ADAGRAD

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self.epsilon, "epsilon", "positive")

    @property
    def code(self) -> int:
        """What `move_rows` knows the optimiser by."""
        return ROWWISE if self.rowwise else ADAGRAD

    @property
    def num_moments(self) -> int:
        """One: the sum of squares."""
        return 1

    @property
    def parameters(self) -> tuple[float, float, float]:
        """Zeros and epsilon."""
        return 0.0, 0.0, self.epsilon


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam with bias correction (Kingma and Ba, ICLR 2015).

    Parameters
    ----------
    learning_rate : float, default 0.001
    betas : tuple of two floats, default (0.9, 0.999)
    epsilon : float, default 1e-8
        Added to the root of the corrected second moment.
    lazy : bool, default False
        Move only the rows of a batch, and their moments; else, as published, every row at every
        step, also without a gradient. The corrections count all steps either way. A penalty of
        whole tables gives every row a gradient, and moves it.
    """

    learning_rate: float = 0.001
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    lazy: bool = False

    kind: ClassVar[int] = ADAM

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self.epsilon, "epsilon", "positive")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise InvalidDataError(f"betas must be two numbers in [0, 1); got {self.betas}")

    @property
    def dense(self) -> bool:
        """Whether rows without a gradient move too."""
        return not self.lazy

    @property
    def num_moments(self) -> int:
        """Two: of the gradient and of its square."""
        return 2

    @property
    def parameters(self) -> tuple[float, float, float]:
        """Betas and epsilon."""
        return (*self.betas, self.epsilon)


@kernel_fast
def move_rows(
    start: int,
    stop: int,
    code: int,
    parameters: tuple[float, float, float],
    rate: float,
    step: int,
    shrink: float,
    decay: float,
    values: NDArray[np.float32],
    gradients: NDArray[np.float32],
    touched: NDArray[np.uint8],
    first: NDArray[np.float32],
    second: NDArray[np.float32],
) -> None:
    """Move the touched rows by `shrink` times their gradients, and their moments.

    `step` counts from 1. The gradient of an idle row is `decay` times its values.
    """
    columns = values.shape[1]
    rate32, epsilon, shrink32 = np.float32(rate), np.float32(parameters[2]), np.float32(shrink)
    decay32 = np.float32(decay)
    keep1, keep2 = np.float32(parameters[0]), np.float32(parameters[1])
    new1, new2 = np.float32(1.0 - parameters[0]), np.float32(1.0 - parameters[1])
    size = np.float32(rate / (1.0 - parameters[0] ** step))
    root = np.float32(1.0 / np.sqrt(1.0 - parameters[1] ** step))
    for row in range(start, stop):
        if touched[row] == STAY:
            continue
        if code == PLAIN:
            for f in range(columns):
                values[row, f] -= rate32 * shrink32 * gradients[row, f]
        elif code == ADAGRAD:
            for f in range(columns):
                slope = shrink32 * gradients[row, f]
                first[row, f] += slope * slope
                values[row, f] -= rate32 * slope / (np.sqrt(first[row, f]) + epsilon)
        elif code == ROWWISE:
            squares = np.float32(0.0)
            for f in range(columns):
                squares += gradients[row, f] * gradients[row, f]
            first[row, 0] += shrink32 * shrink32 * squares / np.float32(columns)
            scale = rate32 * shrink32 / (np.sqrt(first[row, 0]) + epsilon)
            for f in range(columns):
                values[row, f] -= scale * gradients[row, f]
        else:
            idle = touched[row] == IDLE
            for f in range(columns):
                slope = shrink32 * (decay32 * values[row, f] if idle else gradients[row, f])
                m = keep1 * first[row, f] + new1 * slope
                v = keep2 * second[row, f] + new2 * slope * slope
                first[row, f], second[row, f] = m, v
                values[row, f] -= size * m / (np.sqrt(v) * root + epsilon)
