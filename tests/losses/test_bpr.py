"""BPR against a plain loop, the reference value, its gradient, and the fused engine's weight."""

import math

import numba
import numpy as np
import pytest
import torch

from recneg.losses import BPRLoss
from recneg.losses.bpr import bpr_weight

bpr = BPRLoss()


def loop(positive: np.ndarray, negative: np.ndarray) -> list[float]:
    rows = []
    for s_pos, s_negs in zip(positive.tolist(), negative.tolist(), strict=True):
        terms = [-math.log(1 / (1 + math.exp(-(s_pos - s_neg)))) for s_neg in s_negs]
        rows.append(sum(terms) / len(terms))
    return rows


def test_against_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(size=20) * 3, rng.normal(size=(20, 7)) * 3
    got = bpr(torch.from_numpy(positive), torch.from_numpy(negative))
    assert got.shape == (20,)
    assert np.allclose(got.numpy(), loop(positive, negative), rtol=1e-12)


def test_reference_value() -> None:
    negative = torch.tensor([[0.9, -0.2, 0.4, 0.1]], dtype=torch.float64)
    got = bpr(torch.tensor([0.7], dtype=torch.float64), negative)
    assert got.item() == pytest.approx(0.532783984767023, abs=1e-14)


def test_gradient() -> None:
    scores = torch.randn(4, dtype=torch.float64, requires_grad=True)
    others = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(bpr, (scores, others))


def test_fused_weight_is_the_torch_gradient() -> None:
    """One formula in two forms: d loss / d (s_pos - s_neg) = -weight, in float64."""
    weight = numba.njit(lambda x: bpr_weight(x))
    for difference in (-40.0, -3.0, -0.1, 0.0, 0.2, 5.0, 40.0):
        s = torch.tensor([difference], dtype=torch.float64, requires_grad=True)
        bpr(s, torch.zeros(1, 1, dtype=torch.float64)).sum().backward()
        assert weight(difference) == pytest.approx(-s.grad.item(), rel=1e-14)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_finite_at_extreme_scores(size: float) -> None:
    s = torch.tensor([size], requires_grad=True)
    loss = bpr(s, torch.zeros(1, 2))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(s.grad).all()
    weight = numba.njit(lambda x: bpr_weight(x))
    assert 0 <= weight(size) <= 1
