"""Weights of arrays and of devices: their gradients against torch, their steps side by side."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from recneg.training import SGD, Adagrad, Adam, Optimizer
from recneg.training.weights import DeviceWeights, HostWeights

torch.set_num_threads(1)

KINDS = (HostWeights, partial(HostWeights, threads=2), partial(DeviceWeights, device="cpu"))
BOTH = {"cosine": True, "gradients_by": "both", "beside": 2}


def add_some(weights: Any, seed: int, columns: int, *, both: bool) -> tuple[torch.Tensor, ...]:
    """Add gradients of rows 0 to 4 and 6; return what they are by what is scored and by rows."""
    noise = np.random.default_rng(seed)
    scored, direct = torch.zeros(9, columns), torch.zeros(9, 4)
    rows = noise.integers(0, 5, 7).astype(np.int32)
    slopes = torch.from_numpy(noise.normal(size=(7, columns)).astype(np.float32))
    weights.add_rows(rows, slopes)
    scored.index_add_(0, torch.from_numpy(rows).long(), slopes)
    dense = torch.zeros(9, columns)
    dense[6] = 1.0
    weights.add(np.array([6], np.int32), dense)
    if both:
        rows = noise.integers(0, 5, 3).astype(np.int32)
        slopes = torch.from_numpy(noise.normal(size=(3, 4)).astype(np.float32))
        weights.add_by_rows(rows, slopes)
        direct.index_add_(0, torch.from_numpy(rows).long(), slopes)
    return scored + dense, direct


@pytest.mark.parametrize("how", [{}, {"cosine": True}, BOTH], ids=str)
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(
    "optimizer", [Adam(0.1), Adam(0.1, lazy=True), SGD(0.5), Adagrad(0.1)], ids=repr
)
def test_all_kinds_move_alike(optimizer: Optimizer, how: dict[str, Any], decay: float) -> None:
    start = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    ends = []
    for kind in KINDS:
        values = start.copy()
        weights = kind(values, optimizer.moments(9, 4), **how)
        squares = []
        for step in (1, 2):
            add_some(weights, step, 4 + how.get("beside", 0), both="beside" in how)
            squares.append(weights.finish(optimizer, 0.5, decay))
            weights.step(optimizer, 0.1, step, 0.9)
        weights.give_back()
        assert not weights.gradient.any()
        ends.append((values, squares))
        norms = np.linalg.norm(values, axis=1, keepdims=True) if how else 1.0
        assert np.allclose(weights.scored[:, :4].numpy(), values / norms, atol=1e-5)
    for values, squares in ends[1:]:
        assert np.allclose(ends[0][0], values, atol=1e-5)
        assert ends[0][1] == pytest.approx(squares, rel=1e-5)
    idle = (ends[0][0] == start).all(axis=1)
    assert idle[[5, 7, 8]].all() == (decay == 0)
    assert not idle[6]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_gradients_by_scored_rows_and_by_rows_are_one_with_those_beside(
    kind: Any, decay: float
) -> None:
    start = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    weights = kind(start.copy(), SGD(1.0).moments(9, 4), **BOTH)
    scored, direct = add_some(weights, 3, 6, both=True)
    squares = weights.finish(SGD(1.0), 0.5, decay)
    leaf = torch.from_numpy(start.copy()).requires_grad_()
    total = (normalize(leaf) * scored[:, :4]).sum() + (leaf * direct).sum()
    (0.5 * total + decay / 2 * leaf.square().sum()).backward()
    assert leaf.grad is not None
    assert squares == pytest.approx(float(leaf.grad.square().sum()), rel=1e-5)
    assert torch.allclose(weights.gradient[:, 4:], scored[:, 4:])
    weights.step(SGD(1.0), 1.0, 1, 1.0)
    weights.give_back()
    assert torch.allclose(weights.values.cpu(), leaf.detach() - leaf.grad, atol=1e-5)
