"""The optimisers against torch's, and a table's gradient against finite differences."""

import numpy as np
import pytest
import torch

from recneg.errors import InvalidDataError
from recneg.training import SGD, Adagrad, Adam
from recneg.training.tables import Table, unit_rows

NUM_ROWS, COLUMNS = 7, 5


def some_gradients(seed: int, steps: int = 4) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(NUM_ROWS, COLUMNS)).astype(np.float32)
    return values, [rng.normal(size=values.shape).astype(np.float32) for _ in range(steps)]


def run(optimizer, values, gradients, *, penalty=(0.0, "rows"), touched=None, cosine=False):
    values = values.copy()
    table = Table(values, optimizer.moments(*values.shape), cosine=cosine, threads=2)
    for step, gradient in enumerate(gradients, 1):
        rows = slice(None) if touched is None else touched[step - 1]
        table.gradients[0, rows] = 0.25 * gradient[rows]  # half in each lane, then doubled
        table.gradients[1, rows] = 0.25 * gradient[rows]
        table.touched[:, rows] = 1
        table.finish(optimizer, penalty, 2.0)
        table.step(optimizer, optimizer.learning_rate, step)
    assert not table.gradients.any()
    assert not table.touched.any()
    return values


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
        (Adagrad(0.1), lambda p: torch.optim.Adagrad(p, 0.1)),
        (Adam(0.1), lambda p: torch.optim.Adam(p, 0.1)),
        (Adam(0.1, (0.5, 0.9), 1e-3), lambda p: torch.optim.Adam(p, 0.1, (0.5, 0.9), 1e-3)),
    ],
)
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_steps_are_those_of_torch(ours, theirs, decay: float) -> None:
    values, gradients = some_gradients(0)
    parameter = torch.nn.Parameter(torch.from_numpy(values.copy()))
    optimizer = theirs([parameter])
    for gradient in gradients:
        parameter.grad = torch.from_numpy(gradient) + decay * parameter.detach()
        optimizer.step()
    found = run(ours, values, gradients, penalty=(decay, "tables"))
    assert np.allclose(found, parameter.detach().numpy(), atol=2e-6)


def test_rowwise_adagrad_keeps_one_sum_a_row() -> None:
    values, gradients = some_gradients(1)
    expected, sums = values.astype(np.float64), np.zeros((NUM_ROWS, 1))
    for gradient in gradients:
        sums += (gradient.astype(np.float64) ** 2).mean(axis=1, keepdims=True)
        expected -= 0.1 * gradient / (np.sqrt(sums) + 1e-10)
    assert np.allclose(run(Adagrad(0.1, rowwise=True), values, gradients), expected, atol=1e-6)


def test_lazy_adam_moves_the_rows_of_a_batch_alone_dense_adam_all() -> None:
    values, gradients = some_gradients(2, steps=2)
    touched = [[0, 3], [3]]
    lazy = run(Adam(0.1, lazy=True), values, gradients, touched=touched)
    dense = run(Adam(0.1), values, gradients, touched=touched)
    still = [1, 2, 4, 5, 6]
    assert np.array_equal(lazy[still], values[still])
    assert np.array_equal(dense[still], values[still])  # no gradient yet, no moments
    assert not np.allclose(lazy[0], dense[0])  # only the dense one moves row 0 again
    assert np.allclose(lazy[3], dense[3])


@pytest.mark.parametrize("where", ["rows", "tables"])
def test_the_penalty_is_of_the_rows_of_a_batch_or_of_all(where: str) -> None:
    values, _ = some_gradients(3)
    nothing = [np.zeros_like(values)]
    found = run(SGD(0.1), values, nothing, penalty=(0.5, where), touched=[[1, 2]])
    expected = values.copy()
    rows = [1, 2] if where == "rows" else slice(None)
    expected[rows] *= 1 - 0.1 * 0.5
    assert np.allclose(found, expected, atol=1e-7)


def test_gradients_of_cosines_go_through_the_norm() -> None:
    values, gradients = some_gradients(4, steps=1)
    target = torch.from_numpy(gradients[0])
    parameter = torch.nn.Parameter(torch.from_numpy(values.copy()))
    (torch.nn.functional.normalize(parameter) * target).sum().backward()
    found = run(SGD(1.0), values, gradients, cosine=True)
    assert np.allclose(values - found, parameter.grad.numpy(), atol=1e-6)


def test_scored_rows_follow_the_values_and_a_frozen_column_stays() -> None:
    values, gradients = some_gradients(5, steps=1)
    optimizer = SGD(0.5)
    table = Table(values, optimizer.moments(*values.shape), cosine=True, frozen=2)
    before = values[:, 2].copy()
    table.gradients[0] = gradients[0]
    table.touched[:] = 1
    squares = table.finish(optimizer, (0.1, "rows"), 1.0)
    assert np.isclose(squares, (table.gradients[0].astype(np.float64) ** 2).sum(), rtol=1e-5)
    table.step(optimizer, 0.5, 1)
    assert np.array_equal(table.values[:, 2], before)
    assert np.allclose(table.scored, unit_rows(table.values), atol=1e-6)


def test_a_shrunk_step_is_a_shorter_gradient() -> None:
    values, gradients = some_gradients(6, steps=1)
    moved = []
    for shrink, factor in ((0.25, 1.0), (1.0, 0.25)):
        table = Table(values.copy(), Adagrad(0.1).moments(*values.shape), cosine=False)
        table.gradients[0] = gradients[0]
        table.touched[:] = 1
        table.finish(Adagrad(0.1), (0.0, "rows"), factor)
        table.step(Adagrad(0.1), 0.1, 1, shrink)
        moved.append(table.values)
    assert np.allclose(*moved, atol=1e-7)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(0.0),
        lambda: Adam(float("nan")),
        lambda: Adam(0.1, (0.9, 1.0)),
        lambda: Adagrad(0.1, epsilon=0.0),
    ],
)
def test_bad_values_are_refused(make) -> None:
    with pytest.raises(InvalidDataError, match=r"must be .*; got"):
        make()
