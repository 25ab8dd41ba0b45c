"""In-batch candidates, queues across batches, mixtures with uniform draws, item frequencies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recneg.errors import InvalidDataError, InvalidIdError
from recneg.interactions import Interactions
from recneg.samplers import CrossBatch, FrequencyEstimator, InBatch, MixedNegative


@st.composite
def batches(draw: st.DrawFn) -> tuple[Interactions, list[int]]:
    num_users, num_items = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    pair = st.tuples(st.integers(0, num_users - 1), st.integers(0, num_items - 1))
    pairs = draw(st.lists(pair, max_size=30))
    users, items = zip(*pairs, strict=True) if pairs else ((), ())
    data = Interactions.from_arrays(
        np.array(users, np.int64), np.array(items, np.int64),
        num_users=num_users, num_items=num_items,
    )  # fmt: skip
    return data, draw(st.lists(st.integers(0, num_items - 1), max_size=12))


@given(batches())
def test_the_law_is_that_of_the_unseen_positives(case: tuple[Interactions, list[int]]) -> None:
    data, positives = case
    law = InBatch(data, np.array(positives, np.int64))
    users = np.arange(data.num_users)
    got = law.sample(users, 30, key=3, exhausted="mask")
    every = np.broadcast_to(np.arange(data.num_items), (users.size, data.num_items))
    log_q = law.log_prob(users, every)
    for user in users:
        free = [item for item in positives if item not in data.items_of(user)]
        assert set(got.items[user][got.mask[user]].tolist()) <= set(free)
        assert got.mask[user].all() == bool(free)
        share = np.bincount(np.array(free, np.int64), minlength=data.num_items) / max(len(free), 1)
        assert np.allclose(np.exp(log_q[user]), share, atol=1e-6)


@given(batches())
def test_shared_candidates_are_masked_by_the_full_history(
    case: tuple[Interactions, list[int]],
) -> None:
    data, positives = case
    users = np.arange(data.num_users)
    got = InBatch(data, np.array(positives, np.int64)).shared(users)
    assert got.items.shape == got.mask.shape == got.log_q.shape == (users.size, len(positives))
    for user in users:
        assert got.items[user].tolist() == positives
        assert got.mask[user].tolist() == [item not in data.items_of(user) for item in positives]


def test_shared_log_q_is_the_items_share_of_the_interactions_or_what_is_given() -> None:
    data = Interactions.from_arrays([0, 1, 2, 2], [0, 0, 0, 1], num_items=3)
    law = InBatch(data, [0, 1, 2])
    assert np.exp(law.shared([0]).log_q[0]).tolist() == pytest.approx([0.75, 0.25, 0.0])
    given_ones = InBatch(data, [0, 1], frequency=np.array([0.5, 0.1, 0.4]))
    assert np.exp(given_ones.shared([0]).log_q[0]).tolist() == pytest.approx([0.5, 0.1])


def test_shared_takes_and_gives_tensors() -> None:
    import torch

    data = Interactions.from_arrays([0, 1, 2], [0, 1, 2])
    got = InBatch(data, torch.tensor([0, 1, 2])).shared(torch.tensor([0, 2]))
    assert got.items.dtype == torch.int64
    assert got.mask.tolist() == [[False, True, True], [True, True, False]]


def test_a_queue_keeps_the_newest_and_never_changes() -> None:
    import torch

    data = Interactions.from_arrays([0, 1, 2], [0, 1, 2], num_items=6)
    empty = CrossBatch(data, capacity=4)
    first = empty.push([0, 1, 2], torch.arange(6.0).reshape(3, 2))
    second = first.push([3, 4, 5], torch.arange(6.0, 12.0).reshape(3, 2))
    assert (empty.positives.size, first.positives.tolist()) == (0, [0, 1, 2])
    assert second.positives.tolist() == [2, 3, 4, 5]
    assert second.vectors.tolist() == [[4.0, 5.0], [6.0, 7.0], [8.0, 9.0], [10.0, 11.0]]
    arrays = empty.push([0], np.ones((1, 2))).push([1], np.zeros((1, 2)))
    assert arrays.vectors.tolist() == [[1.0, 1.0], [0.0, 0.0]]
    with pytest.raises(InvalidDataError, match="must have vectors, or none"):
        second.push([1])
    with pytest.raises(InvalidDataError, match="one for each of 2 positives; got 1"):
        first.push([1, 2], torch.zeros(1, 2))
    assert empty.push([0, 1, 2]).push([]).positives.tolist() == [0, 1, 2]
    assert empty.push(np.array([1], np.uint64)).push(torch.tensor([2])).positives.tolist() == [1, 2]
    with pytest.raises(InvalidDataError, match="must be a vector"):
        empty.push([[1]])
    for capacity in (0, 2.5):
        with pytest.raises(InvalidDataError, match="capacity must be an integer of at least 1"):
            CrossBatch(data, capacity=capacity)


def test_mixed_candidates_carry_the_mixtures_correction() -> None:
    data = Interactions.from_arrays([0, 1, 2, 2], [0, 0, 0, 1], num_items=4)
    law = MixedNegative(data, [0, 1], 6)
    got = law.shared([0, 2], key=5)
    assert got.items[0].tolist() == got.items[1].tolist()
    assert got.items[0, :2].tolist() == [0, 1]
    share = data.item_counts() / len(data)
    expected = (2 * share[got.items] + 6 / 4) / 8
    assert np.allclose(np.exp(got.log_q), expected)
    assert (got.mask == ~data.contains(np.array([0, 2])[:, None], got.items)).all()
    uniform = np.concatenate([law.shared([0], key=seed).items[0, 2:] for seed in range(2000)])
    assert np.abs(np.bincount(uniform, minlength=4) / uniform.size - 0.25).max() < 0.02
    with pytest.raises(InvalidDataError, match="must not be 0 where the batch is empty"):
        MixedNegative(data, np.empty(0, np.int64), 0)


def test_bad_batches() -> None:
    data = Interactions.from_arrays([0, 1], [0, 1])
    with pytest.raises(InvalidIdError, match="item ids must lie in"):
        InBatch(data, [2])
    with pytest.raises(InvalidDataError, match="must be a vector"):
        InBatch(data, [[0]])
    with pytest.raises(InvalidDataError, match="frequency must have shape"):
        InBatch(data, [0], np.ones(3))
    with pytest.raises(InvalidDataError, match="not negative; got -1.0 for item 1"):
        InBatch(data, [0], [1.0, -1.0])
    with pytest.raises(InvalidIdError, match="users must be a vector"):
        InBatch(data, [0]).shared(1)
    with pytest.raises(InvalidDataError, match="num_uniform must be an integer"):
        MixedNegative(data, [0], 2.7)
    frequency = np.array([0.5, 0.5])
    law = InBatch(data, [0], frequency)
    frequency[:] = 0.9
    assert np.exp(law.shared([0]).log_q[0, 0]) == pytest.approx(0.5)  # a copy


def test_the_stream_learns_the_frequency_of_every_item() -> None:
    """Item i turns up in a batch with probability 1 / (i + 1); two hashes of 997 buckets."""
    rng = np.random.default_rng(0)
    stream = FrequencyEstimator(997, rate=0.01, key=1)
    chance = 1 / np.arange(1, 41)
    for _ in range(20_000):
        stream.update(np.flatnonzero(rng.random(40) < chance))
    found = stream.probability(np.arange(40))
    assert np.abs(np.log(found / chance)).max() < 0.5  # the gap's spread at this rate, 5 of them
    assert np.abs(np.log(found / chance)).mean() < 0.1


def test_a_collision_makes_an_item_look_frequent_only_if_all_hashes_collide() -> None:
    rng = np.random.default_rng(0)
    found = []
    for num_hashes in (1, 4):
        stream = FrequencyEstimator(64, num_hashes=num_hashes, rate=0.05)
        for _ in range(3000):
            stream.update(np.flatnonzero(rng.random(40) < 0.02))
        found.append(stream.probability(np.arange(40)))
    single, several = (np.abs(np.log(each / 0.02)) for each in found)
    assert several.mean() < single.mean()


def test_items_seen_less_than_twice_have_the_initial_gap() -> None:
    stream = FrequencyEstimator(50, initial_gap=100.0)
    stream.update([3, 3, 3])  # once a batch
    assert stream.probability([3, 4]).tolist() == [0.01, 0.01]
    for wrong in ({"num_buckets": 0}, {"rate": 0.0}, {"initial_gap": 0.5}, {"num_hashes": 0}):
        with pytest.raises(InvalidDataError, match="got"):
            FrequencyEstimator(**{"num_buckets": 5, **wrong})
