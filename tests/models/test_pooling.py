"""Means over ragged histories: the kernels against torch alone, and gradients of both."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recneg.models import pooling
from recneg.models.pooling import attended, averaged

torch.set_num_threads(1)

Case = tuple[list[torch.Tensor], torch.Tensor, torch.Tensor, int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Queries, keys and rows; slots; offsets, with empty histories and repeats; padding."""
    lengths = draw(st.lists(st.integers(0, 4), min_size=1, max_size=5))
    num_rows, d = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    slots = torch.from_numpy(rng.integers(0, num_rows, sum(lengths)))
    shapes = ((len(lengths), d), (num_rows, d), (num_rows, d))
    tables = [torch.from_numpy(3 * rng.normal(size=shape)) for shape in shapes]
    return tables, slots, torch.from_numpy(np.cumsum([0, *lengths])), draw(st.integers(0, 4))


def by_torch(
    tables: list[torch.Tensor], slots: torch.Tensor, offsets: torch.Tensor, padded: int
) -> Any:
    """One history at a time."""
    queries, keys, rows = tables
    means, attentions = [], []
    for query, first, last in zip(queries, offsets[:-1], offsets[1:], strict=True):
        part = slots[first:last]
        logits = torch.cat((keys[part] @ query, query.new_zeros(max(padded - len(part), 0))))
        shares = logits.softmax(0)[: len(part)]
        means.append(rows[part].mean(0, keepdim=True) if len(part) else 0 * rows[:1])
        attentions.append(shares[None] @ rows[part] if len(part) else 0 * rows[:1])
    return torch.cat(means), torch.cat(attentions)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(case=cases())
def test_means_and_their_gradients_are_those_of_torch(dtype: torch.dtype, case: Case) -> None:
    tables, slots, offsets, padded = case
    found, expected = [], []
    for results, function in ((found, None), (expected, by_torch)):
        leaves = [table.to(dtype).requires_grad_() for table in map(torch.clone, tables)]
        if function is None:
            pair = averaged(leaves[2], slots, offsets), attended(*leaves, slots, offsets, padded)
        else:
            pair = function(leaves, slots, offsets, padded)
        for out in pair:
            results.append(out.detach().numpy())
            (out * torch.arange(1, 1 + out.shape[1])).square().sum().backward()
            for leaf in leaves:
                results.append(np.zeros(1) if leaf.grad is None else leaf.grad.numpy().copy())
    scale = max(np.abs(b).max(initial=1) for b in expected)  # gradients may cancel
    for a, b in zip(found, expected, strict=True):
        assert np.allclose(a, b, atol=scale * (1e-5 if dtype == torch.float32 else 1e-12))


@given(case=cases())
def test_what_other_devices_run_is_the_same(case: Case) -> None:
    tables, slots, offsets, padded = case
    queries, keys, rows = tables
    averages, attention = averaged(rows, slots, offsets), attended(*tables, slots, offsets, padded)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pooling, "_compiled_for", lambda _: False)
        assert torch.allclose(averages, averaged(rows, slots, offsets), atol=1e-12)
        again = attended(queries, keys, rows, slots, offsets, padded)
        assert torch.allclose(attention, again, atol=1e-12)


@pytest.mark.parametrize("compiled", [True, False])
def test_large_logits_do_not_overflow_beside_padding(
    monkeypatch: pytest.MonkeyPatch, compiled: bool
) -> None:
    monkeypatch.setattr(pooling, "_compiled_for", lambda _: compiled)
    table = torch.tensor([[300.0], [-300.0]])
    places = torch.tensor([0, 1, 1]), torch.tensor([0, 2, 3])
    queries = torch.tensor([[10.0], [10.0]], requires_grad=True)
    for padded, expected in ((3, [300.0, 0.0]), (1, [300.0, -300.0])):
        found = attended(queries, table, table, *places, padded)
        assert found.flatten().tolist() == expected
        found.sum().backward()
        assert torch.isfinite(queries.grad).all()


def test_large_logits_do_not_overflow() -> None:
    table = torch.tensor([[300.0], [-300.0], [299.0]])
    places = torch.tensor([0, 1, 2, 2]), torch.tensor([0, 2, 4])
    found = attended(torch.tensor([[10.0], [-10.0]]), table, table, *places)
    assert found.flatten().tolist() == [300.0, 299.0]


def test_half_floats_are_torchs() -> None:
    rows, slots, offsets = torch.randn(4, 3), torch.tensor([0, 3, 1]), torch.tensor([0, 2, 3])
    half = averaged(rows.bfloat16(), slots, offsets)
    assert half.dtype == torch.bfloat16
    assert torch.allclose(half.float(), averaged(rows, slots, offsets), atol=0.05)


def test_a_second_derivative_is_refused_not_zero() -> None:
    rows = torch.randn(4, 3, requires_grad=True)
    out = attended(rows[:1], rows, rows, torch.tensor([0, 3]), torch.tensor([0, 2]))
    (slope,) = torch.autograd.grad(out.square().sum(), rows, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
