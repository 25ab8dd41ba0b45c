"""The scores of TRON's candidates: both engines against float64 loops over candidates."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from recneg.losses import (
    BPRLoss,
    BPRMaxLoss,
    BSLLoss,
    CosineContrastiveLoss,
    GBCELoss,
    LogisticLoss,
    Loss,
    SampledSoftmaxLoss,
    SoftmaxLoss,
    WARPLoss,
)
from recneg.training.candidates import Candidates
from recneg.training.pool_scoring import score_events
from recneg.training.sequence_batches import SequenceBatch
from recneg.training.tables import Table
from recneg.training.top_slots import top_slots
from recneg.training.torch_events import event_losses

torch.set_num_threads(1)

ITEMS, COLUMNS = 23, 5
LENGTHS = np.array([3, 1, 4, 2])
EVENTS = int(LENGTHS.sum())
OWNERS = np.repeat(np.arange(4), LENGTHS)

LOSSES: list[Loss] = [
    SampledSoftmaxLoss(),
    SampledSoftmaxLoss(0.4),
    SoftmaxLoss(0.5),
    BSLLoss(0.5, 1.2),
    BPRMaxLoss(0.3),
    BPRLoss(),
    LogisticLoss(),
    LogisticLoss("sum"),
    GBCELoss(ITEMS, 0.75),
    CosineContrastiveLoss(0.1, 3.0),
    WARPLoss(ITEMS),
]


def some_batch(kind: str, hits: str, *, corrected: bool = False, seed: int = 0) -> SequenceBatch:
    """A batch with a pool of 40, lists of 7 for a session, or both; or of 9 for an event."""
    rng = np.random.default_rng(seed)
    items, targets = rng.integers(0, ITEMS, (2, EVENTS)).astype(np.int32)
    pool = rng.integers(0, ITEMS, 0 if kind in ("listed", "events") else 40).astype(np.int32)
    shape = {"pool": (4, 0), "listed": (4, 7), "both": (4, 7), "events": (EVENTS, 9)}[kind]
    listed = rng.integers(0, ITEMS, shape).astype(np.int32)
    if listed.size:
        listed[0, 4:] = -1
        listed[1] = -1
    logs = [rng.normal(size=each.shape).astype(np.float32) for each in (pool, listed)]
    if not corrected:
        logs = [np.empty(0, np.float32), np.empty((0, 0), np.float32)]
    lists = np.arange(EVENTS) if kind == "events" else OWNERS
    hidden: Any = (np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.int64))
    if hits == "target":
        hidden = np.arange(EVENTS + 1), targets, np.arange(EVENTS)
    elif hits == "sequence":
        own = [np.unique(targets[row == OWNERS]).astype(np.int32) for row in range(4)]
        indptr = np.cumsum([0, *(len(part) for part in own)])
        hidden = indptr, np.concatenate(own), OWNERS
    found = Candidates(pool, logs[0], listed, logs[1], lists)
    return SequenceBatch(LENGTHS, items, targets, found, hidden)


def candidates_by_hand(batch: SequenceBatch, event: int) -> list[tuple[int, float]]:
    """The items of an event's candidates that count, with what is subtracted of their scores."""
    found, (indptr, hidden, lists) = batch.candidates, batch.hidden
    forbidden = hidden[indptr[lists[event]] : indptr[lists[event] + 1]] if lists.size else []
    out = []
    for slot, item in enumerate(found.pool):
        out.append((item, found.pool_log[slot] if found.pool_log.size else 0.0))
    if found.listed.size:
        own = found.lists[event]
        for slot, item in enumerate(found.listed[own]):
            if item >= 0:
                out.append((item, found.listed_log[own, slot] if found.listed_log.size else 0.0))
    return [(int(item), float(log)) for item, log in out if item not in forbidden]


def losses_by_hand(
    loss: Loss, batch: SequenceBatch, vectors: torch.Tensor, factors: torch.Tensor, top_k: int
) -> torch.Tensor:
    """One event at a time, in float64, with the loss of its plain scores."""
    total = torch.zeros((), dtype=torch.float64)
    for event in range(EVENTS):
        vector = vectors[event]
        scores = []
        for item, log in candidates_by_hand(batch, event):
            scores.append(vector @ factors[item] - getattr(loss, "temperature", 1.0) * log)
        if top_k:
            best = sorted(range(len(scores)), key=lambda slot: -scores[slot].item())[:top_k]
            scores = [scores[slot] for slot in sorted(best)]
        negative = torch.stack(scores) if scores else vectors.new_zeros(0)
        positive = vector @ factors[int(batch.targets[event])]
        total = total + loss(positive[None], negative[None])[0]
    return total


def some_vectors() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(8)
    return tuple(rng.normal(size=(n, COLUMNS)).astype(np.float32) for n in (EVENTS, ITEMS))


def by_hand(loss: Loss, batch: SequenceBatch, top_k: int) -> tuple[float, NDArray, NDArray]:
    leaves = [torch.from_numpy(each).double().requires_grad_() for each in some_vectors()]
    total = losses_by_hand(loss, batch, *leaves, top_k)
    total.backward()
    return (total.item(), *(leaf.grad.numpy() for leaf in leaves))


def fused(
    loss: Loss, batch: SequenceBatch, top_k: int, *, threads: int = 1, rough: bool = False
) -> tuple[float, NDArray, NDArray, Table]:
    vectors, factors = some_vectors()
    moments = (np.empty((0, 0), np.float32),) * 2
    table, by_vector = (
        Table(factors, moments, cosine=False, threads=threads),
        np.zeros_like(vectors),
    )
    sums = score_events(loss, batch, vectors, table, top_k, by_vector, low_precision=rough)
    return sums.loss, by_vector, table.gradients.sum(axis=0), table


KINDS = ["pool", "listed", "both", "events"]


@pytest.mark.parametrize("top_k", [0, 6])
@pytest.mark.parametrize("hits", ["keep", "target", "sequence"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_scores_are_loops_over_candidates(loss: Loss, kind: str, hits: str, top_k: int) -> None:
    batch = some_batch(kind, hits, corrected=hits == "target")
    expected = by_hand(loss, batch, top_k)
    found = fused(loss, batch, top_k)
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    for a, b in zip(found[1:3], expected[1:], strict=True):
        assert np.abs(b).max() > 0.01
        assert np.allclose(a, b, atol=2e-5)
    untouched = found[3].touched.max(axis=0) == 0
    assert (found[2][untouched] == 0).all()

    leaves = [torch.from_numpy(each).requires_grad_() for each in some_vectors()]
    losses, *_ = event_losses(loss, batch, *leaves, top_k)
    losses.sum().backward()
    assert losses.sum().item() == pytest.approx(expected[0], rel=1e-5)
    for leaf, b in zip(leaves, expected[1:], strict=True):
        assert np.allclose(leaf.grad.numpy(), b, atol=2e-5)


def test_a_pool_of_all_items_gives_the_cross_entropy_of_the_catalogue() -> None:
    batch = some_batch("pool", "target")
    every = np.random.default_rng(1).permutation(ITEMS).astype(np.int32)
    batch = batch._replace(candidates=batch.candidates._replace(pool=every))
    leaves = [torch.from_numpy(each).double().requires_grad_() for each in some_vectors()]
    targets = torch.from_numpy(batch.targets).long()
    expected = cross_entropy(leaves[0] @ leaves[1].T, targets, reduction="sum")
    expected.backward()
    found = fused(SampledSoftmaxLoss(), batch, 0)
    assert found[0] == pytest.approx(expected.item(), rel=1e-6)
    for a, leaf in zip(found[1:3], leaves, strict=True):
        assert np.allclose(a, leaf.grad.numpy(), atol=1e-5)


@pytest.mark.parametrize("top_k", [0, 6])
def test_threads_change_rounding_alone(top_k: int) -> None:
    batch = some_batch("both", "target")
    one, two = (fused(SampledSoftmaxLoss(), batch, top_k, threads=n) for n in (1, 2))
    assert one[0] == pytest.approx(two[0], rel=1e-6)
    for a, b in zip(one[1:3], two[1:3], strict=True):
        assert np.allclose(a, b, atol=1e-5)


def test_both_engines_count_the_same_pairs() -> None:
    for kind in KINDS:
        batch = some_batch(kind, "target")
        vectors, factors = some_vectors()
        table = Table(factors, (np.empty((0, 0), np.float32),) * 2, cosine=False)
        one = score_events(LogisticLoss(), batch, vectors, table, 3, np.zeros_like(vectors))
        tensors = torch.from_numpy(vectors), torch.from_numpy(factors)
        other = event_losses(LogisticLoss(), batch, *tensors, 3)[1]
        count = sum(len(candidates_by_hand(batch, event)) for event in range(EVENTS))
        assert one.pairs == other.pairs == count
        assert one.skipped == other.skipped
        assert one.correct == other.correct  # fewer than are compared


@pytest.mark.parametrize("corrected", [False, True])
def test_rough_scores_choose_and_exact_ones_count(corrected: bool) -> None:
    batch = some_batch("both", "keep", corrected=corrected)
    exact, rough = (fused(SampledSoftmaxLoss(), batch, 47, rough=each) for each in (False, True))
    assert rough[0] == pytest.approx(exact[0], rel=1e-6)  # all of 47 are chosen
    few = [fused(SampledSoftmaxLoss(), batch, 6, rough=each) for each in (False, True)]
    assert few[1][0] == pytest.approx(few[0][0], rel=1e-2)


@given(
    st.lists(st.integers(-3, 3) | st.just(-100), max_size=90),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_top_slots_are_a_stable_sort(values: list[int], repeats: int, k: int) -> None:
    scores = np.array(values * repeats, np.float32)
    scores[scores == -100] = -np.inf
    out = np.empty(k, np.int64)
    scratch = np.empty(scores.size, np.float32), np.empty(scores.size, np.int64)
    count = top_slots(scores, k, *scratch, out)
    expected = np.argsort(-scores, kind="stable")[:k]
    assert out[:count].tolist() == np.sort(expected[scores[expected] > -np.inf]).tolist()


def test_the_batches_have_hits_to_leave_out() -> None:
    kept, masked = (some_batch("both", hits) for hits in ("keep", "target"))
    counts = [
        sum(len(candidates_by_hand(batch, event)) for event in range(EVENTS))
        for batch in (kept, masked)
    ]
    assert counts[0] > counts[1] > 0
