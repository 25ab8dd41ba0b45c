"""Steps of tables larger than a block of rows against a plain step in float64."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from recneg.training import SGD, Adagrad, Adam, Optimizer
from recneg.training.tables import ROWS_AT_ONCE, Table

NUM_ROWS, COLUMNS = 2 * ROWS_AT_ONCE + 9, 3

OPTIMISERS = [
    SGD(0.1), Adagrad(0.1), Adagrad(0.1, rowwise=True), Adam(0.1), Adam(0.1, lazy=True)
]  # fmt: skip


def plain_step(
    optimizer: Optimizer,
    values: NDArray[np.float64],
    slopes: NDArray[np.float64],
    moments: list[NDArray[np.float64]],
    moved: NDArray[np.bool_],
    step: int,
) -> None:
    """Move the rows that are marked, by the formulas of the papers."""
    rate, slopes = optimizer.learning_rate, slopes[moved]
    if isinstance(optimizer, Adam):
        shares = []
        for moment, beta, power in zip(moments, optimizer.betas, (1, 2), strict=True):
            moment[moved] = beta * moment[moved] + (1 - beta) * slopes**power
            shares.append(moment[moved] / (1 - beta**step))
        values[moved] -= rate * shares[0] / (np.sqrt(shares[1]) + optimizer.epsilon)
    elif isinstance(optimizer, Adagrad):
        squares = slopes**2
        moments[0][moved] += squares.mean(1, keepdims=True) if optimizer.rowwise else squares
        values[moved] -= rate * slopes / (np.sqrt(moments[0][moved]) + optimizer.epsilon)
    else:
        values[moved] -= rate * slopes


@pytest.mark.parametrize("optimizer", OPTIMISERS)
@pytest.mark.parametrize(
    ("decay", "where", "frozen", "threads"),
    list(product([0.0, 0.3], ["rows", "tables"], [-1, 2], [1, 3])),
)
def test_every_row_takes_its_step(
    optimizer: Optimizer, decay: float, where: str, frozen: int, threads: int
) -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=(NUM_ROWS, COLUMNS)).astype(np.float32)
    moments = optimizer.moments(NUM_ROWS, COLUMNS)
    table = Table(start.copy(), moments, cosine=False, frozen=frozen, threads=threads)
    values = start.astype(np.float64)
    plain = [np.zeros((NUM_ROWS, COLUMNS)) for _ in range(2)]
    for step in range(1, 4):
        slopes, met = np.zeros_like(values), np.zeros(NUM_ROWS, bool)
        for lane in range(threads):
            rows = rng.integers(0, NUM_ROWS, 60).astype(np.int32)
            given = rng.normal(size=(60, COLUMNS)).astype(np.float32)
            table.add_rows(rows, given, lane)
            np.add.at(slopes, rows, 0.5 * given)
            met[rows] = True
        penalised = slice(None) if where == "tables" else met
        slopes[penalised] += decay * values[penalised]
        if frozen >= 0:
            slopes[:, frozen] = 0
        squares = table.finish(optimizer, (decay, where), 0.5)
        assert squares == pytest.approx((slopes**2).sum(), rel=1e-5)
        table.step(optimizer, optimizer.learning_rate, step, 0.25)
        everybody = optimizer.dense or (where == "tables" and decay > 0)
        plain_step(optimizer, values, 0.25 * slopes, plain, met | everybody, step)
    assert np.allclose(table.values, values, atol=3e-6)
    assert not table.gradients.any()
    assert not table.touched.any()
