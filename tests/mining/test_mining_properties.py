"""What holds for every mining function: its loop, its mask, and that nothing else matters."""

import warnings

import mining_oracles as oracles
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mining_cases import ALL, CHOOSING, WEIGHING, Case
from mining_oracles import Batch

from recneg import Interactions, Uniform, mining

every = pytest.mark.parametrize("case", ALL.values(), ids=ALL)
few = settings(max_examples=25)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    return Batch(
        draw(st.integers(0, 2**32)),
        draw(st.integers(0, 5)),
        draw(st.integers(1, 8)),
        ties=draw(st.booleans()),
        scale=draw(st.sampled_from([1.0, 1.0, 1e4])),
        dtype=draw(st.sampled_from([np.float64, np.float32])),
        num_items=draw(st.sampled_from([1, 3, 9])),
    )


counts = st.integers(1, 4)


@pytest.mark.parametrize("case", CHOOSING.values(), ids=CHOOSING)
@given(batch=batches(), count=counts)
@few
def test_choices_against_a_plain_loop(case: Case, batch: Batch, count: int) -> None:
    got = case(batch, count)
    for r in range(len(batch.scores)):
        row = batch.row(r)
        wanted = [row["items"][place] for place in case.places(row, count)]
        assert got.items[r].tolist() == wanted + [-1] * (count - len(wanted))


@pytest.mark.parametrize("case", CHOOSING.values(), ids=CHOOSING)
def test_choices_of_a_large_batch_against_a_plain_loop(case: Case) -> None:
    batch = Batch(11, 300, 20, num_items=30)
    got = case(batch, 4)
    for r in range(300):
        row = batch.row(r)
        wanted = [row["items"][place] for place in case.places(row, 4)]
        assert got.items[r].tolist() == wanted + [-1] * (4 - len(wanted))


@pytest.mark.parametrize("case", WEIGHING.values(), ids=WEIGHING)
@given(batch=batches())
@few
def test_weights_against_a_plain_loop(case: Case, batch: Batch) -> None:
    got = case(batch, 1)
    for r in range(len(batch.scores)):
        wanted = case.weights(batch.row(r))
        tolerance = 1e-10 if got.weights.dtype == np.float64 else 1e-6
        assert got.weights[r].tolist() == pytest.approx(wanted, rel=1e-6, abs=tolerance)
    assert np.array_equal(got.log_q, batch.negatives.log_q)


@given(batch=batches(), margin=st.sampled_from([0.0, 1.0, 2.5]))
def test_violation_against_a_plain_loop(batch: Batch, margin: float) -> None:
    negatives, scores, known = batch.arguments()
    positive_scores = known["positive_scores"]
    got = mining.until_violation(
        negatives, scores, positive_scores=positive_scores, margin=margin, num_items=40_000
    )
    for r in range(len(scores)):
        places, weight = oracles.violation(batch.row(r), margin, 40_000)
        assert got.mask[r].tolist() == [bool(places)]
        assert got.positions[r].tolist() == (places or [0])
        assert got.weights[r, 0] == pytest.approx(weight, rel=1e-6)


@given(batch=batches(), count=counts)
def test_bayesian_against_a_plain_loop(batch: Batch, count: int) -> None:
    negatives, scores, known = batch.arguments()
    popularity = known["item_popularity"]
    got = mining.bayesian(
        negatives, scores, positive_scores=known["positive_scores"], num_negatives=count,
        item_popularity=popularity,
    )  # fmt: skip
    for r in range(len(scores)):
        row = batch.row(r)
        shares = [float(p) for p in popularity] if popularity.sum() else [1e-300] * len(popularity)
        wanted = [row["items"][j] for j in oracles.bayesian(row, count, shares, 5.0)]
        if popularity.sum():
            assert got.items[r].tolist() == wanted + [-1] * (count - len(wanted))


@every
@given(batch=batches(), count=counts)
@few
def test_only_admissible_candidates_in_the_promised_form(
    case: Case, batch: Batch, count: int
) -> None:
    got = case(batch, count)
    rows, n = batch.scores.shape
    width = n if case in WEIGHING.values() else 1 if case is ALL["until_violation"] else count
    for array, dtype in zip(got[:4], (np.int64, None, np.bool_, np.int64), strict=True):
        assert array.shape == (rows, width)
        assert dtype is None or array.dtype == dtype
    at = got.positions
    assert (at >= 0).all() and (at < n).all()  # noqa: PT018
    taken = [np.take_along_axis(a, at, 1)[got.mask] for a in (*batch.negatives, batch.scores)]
    assert np.array_equal(taken[0], got.items[got.mask])
    assert taken[2].all()
    assert np.isfinite(taken[3]).all()
    assert (got.items[~got.mask] == -1).all()
    assert (at[~got.mask] == 0).all()
    if case not in WEIGHING.values():
        assert np.isnan(got.log_q).all()
        assert got.log_q.dtype == np.float32
        if case is not CHOOSING["importance_resampled"]:  # the others never choose a place twice
            for places, mask in zip(at, got.mask, strict=True):
                assert len(set(places[mask])) == mask.sum()
    if got.weights is not None:
        assert got.weights.dtype == batch.scores.dtype
        assert np.isfinite(got.weights).all()
        assert (got.weights[~got.mask] == 0).all()


@every
@given(batch=batches(), count=counts, shuffle=st.randoms(use_true_random=False))
@few
def test_permuting_candidates_changes_nothing(
    case: Case, batch: Batch, count: int, shuffle: object
) -> None:
    if case is ALL["until_violation"]:
        return  # the order of drawing is part of the method
    n = batch.scores.shape[1]
    order = np.array(shuffle.sample(range(n), n))  # type: ignore[attr-defined]
    if not case.ordered:
        count = n
    plain, permuted = case(batch, count), case(batch, count, order=order)
    if case in WEIGHING.values():
        assert np.array_equal(plain.weights[:, order], permuted.weights)
    elif case.ordered:
        assert np.array_equal(plain.items, permuted.items)
    else:
        assert np.array_equal(np.sort(plain.items), np.sort(permuted.items))


@every
@given(batch=batches(), count=counts)
@few
def test_tensors_and_arrays_give_the_same(case: Case, batch: Batch, count: int) -> None:
    arrays, tensors = case(batch, count), case(batch, count, kind=torch.from_numpy)
    assert all(isinstance(t, torch.Tensor) for t in tensors if t is not None)
    assert np.array_equal(arrays.items, tensors.items.numpy())
    assert np.array_equal(arrays.mask, tensors.mask.numpy())
    assert tensors.positions.dtype == torch.int64
    if arrays.weights is not None:
        assert np.allclose(arrays.weights, tensors.weights.numpy(), rtol=1e-6, atol=1e-12)


@every
@given(batch=batches(), count=counts, cut=st.integers(0, 5))
@few
def test_any_split_of_the_batch_gives_the_same(
    case: Case, batch: Batch, count: int, cut: int
) -> None:
    whole = case(batch, count)
    parts = [case(batch, count, part=part) for part in (slice(cut), slice(cut, None))]
    for field in ("items", "mask", "positions", "weights"):
        if getattr(whole, field) is not None:
            joined = np.concatenate([getattr(part, field) for part in parts])
            assert np.array_equal(getattr(whole, field), joined)


@every
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gradient_flows_through_gathered_scores_alone(case: Case, dtype: torch.dtype) -> None:
    batch = Batch(3, 6, 8)
    negatives, scores, known = batch.arguments(kind=torch.from_numpy)
    scores = scores.to(dtype).requires_grad_()
    known["positive_scores"] = known["positive_scores"].requires_grad_()
    got = case.call(negatives, scores, known, 3, batch)
    assert not any(t.requires_grad for t in got if t is not None)
    gathered = scores.gather(-1, got.positions)[got.mask]
    gathered.sum().backward()
    wanted = torch.zeros_like(scores)
    wanted.scatter_add_(-1, got.positions, got.mask.to(dtype))
    assert torch.equal(scores.grad, wanted)
    assert known["positive_scores"].grad is None


@every
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_extreme_scores_are_quiet_and_finite(case: Case, size: float) -> None:
    batch = Batch(8, 20, 6, scale=1.0)
    batch.scores = np.where(np.isfinite(batch.scores), size * np.sign(batch.scores), -np.inf)
    batch.known["positive_scores"] = np.full(20, -size)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = case(batch, 2)
    if got.weights is not None:
        assert np.isfinite(got.weights).all()


def test_a_seen_item_is_never_chosen() -> None:
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 30, 500), rng.integers(0, 25, 500)
    data = Interactions.from_arrays(users, items, num_users=30, num_items=25)
    who = np.tile(np.flatnonzero(data.user_counts() < 25), 40)
    negatives = Uniform(data).sample(who, 6, key=1)
    batch = Batch(0, len(who), 6, num_items=25)
    batch.negatives = negatives
    batch.scores = rng.normal(size=negatives.items.shape)
    for name, case in ALL.items():
        got = case(batch, 3)
        assert got.mask.any(), name
        seen = data.contains(
            np.broadcast_to(who[:, None], got.items.shape), np.maximum(got.items, 0)
        )
        assert not (seen & got.mask).any(), name
