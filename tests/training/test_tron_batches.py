"""Batches of sequences: what they hold, their order, their candidates, and worker processes."""

from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recneg.errors import InvalidDataError
from recneg.keys import Key
from recneg.samplers import Popularity, Softmax, Uniform
from recneg.sequences import Sequences
from recneg.training.candidates import CandidateSource
from recneg.training.sequence_batches import SequenceBatch, SequenceBatches

torch.set_num_threads(1)


def ragged(sessions: list[list[int]], num_items: int = 12) -> Sequences:
    owners = np.repeat(np.arange(len(sessions)), [len(each) for each in sessions])
    items = np.array([item for each in sessions for item in each], np.int64)
    return Sequences.from_arrays(owners, items, num_sequences=len(sessions), num_items=num_items)


def made(data: Sequences, **options: Any) -> SequenceBatches:
    how: dict[str, Any] = {
        "num_negatives": 5, "num_in_batch": 3, "redraw": "batch", "log_q_correction": False,
        "batch_size": 4, "max_length": 6, "order": "length", "hits": "target", "key": Key(3),
        "sampler": None,
    } | options  # fmt: skip
    sampler = how["sampler"] or Uniform(data.to_interactions(), unseen=False)
    source = CandidateSource(
        data.latest(how["max_length"] + 1), sampler, how["num_negatives"], how["num_in_batch"],
        how["redraw"], how["log_q_correction"],
    )  # fmt: skip
    names = ("batch_size", "max_length", "order", "hits", "key")
    return SequenceBatches(data, source, **{name: how[name] for name in names})


def flat(batch: SequenceBatch) -> list[Any]:
    return [
        each.tolist()
        for each in (*batch[:3], *batch.candidates, *batch.hidden)
    ]  # fmt: skip


def some_sessions(count: int = 60, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 12, rng.integers(0, 9)).tolist() for _ in range(count)]


ODD = st.lists(st.lists(st.integers(0, 4), max_size=9) | st.just([2] * 4), min_size=1, max_size=12)


@given(ODD, st.sampled_from(["length", "random", "given"]), st.integers(1, 5), st.integers(1, 7))
def test_every_session_is_met_once(
    sessions: list[list[int]], order: str, batch_size: int, max_length: int
) -> None:
    data = ragged(sessions)
    expected = Counter()
    for each in sessions:
        kept = each[-max_length - 1 :]
        if len(kept) > 1:
            expected[tuple(kept[:-1]), tuple(kept[1:])] += 1
    if not expected:
        with pytest.raises(InvalidDataError, match="at least two events"):
            made(data, order=order)
        return
    batches = made(data, order=order, batch_size=batch_size, max_length=max_length)
    found, total = Counter(), 0
    for batch in batches.epoch(0):
        ends = np.cumsum(batch.lengths)
        for begin, end in zip(ends - batch.lengths, ends, strict=True):
            found[tuple(batch.items[begin:end]), tuple(batch.targets[begin:end])] += 1
        total += len(batch.items)
    assert found == expected
    assert total == batches.num_events


@given(ODD, st.sampled_from(["keep", "target", "sequence"]))
def test_hidden_items_are_sorted_lists(sessions: list[list[int]], hits: str) -> None:
    data = ragged(sessions)
    if data.lengths().max() < 2:
        return
    batches = made(data, hits=hits, max_length=3)
    for rows, batch in zip(batches.rows(1), batches.epoch(1), strict=True):
        indptr, items, lists = batch.hidden
        owners = np.repeat(rows, batch.lengths)
        assert lists.size == (0 if hits == "keep" else len(batch.items))
        for event, which in enumerate(lists):
            part = items[indptr[which] : indptr[which + 1]].tolist()
            every = sorted(set(sessions[owners[event]]))
            assert part == ([batch.targets[event]] if hits == "target" else every)


def test_the_order_is_keyed_by_epoch_and_given_if_asked() -> None:
    data = ragged(some_sessions())
    epochs = [[flat(b) for b in made(data).epoch(number)] for number in (0, 1, 0)]
    assert epochs[0] == epochs[2] != epochs[1]
    usable = np.flatnonzero(data.lengths() > 1)
    assert np.concatenate(made(data, order="given").rows(3)).tolist() == usable.tolist()
    shuffled = np.concatenate(made(data, order="random").rows(3))
    assert sorted(shuffled) == usable.tolist() != shuffled.tolist()


def test_sessions_of_like_length_stand_together_with_about_as_many_events() -> None:
    rng = np.random.default_rng(0)
    sessions = [[0] * (2 + int(length)) for length in rng.geometric(0.25, 6000)]
    data = ragged(sessions)
    sorted_ones = made(data, batch_size=50, max_length=40)
    loose = made(data, batch_size=50, max_length=40, order="random")

    def padding(batches: SequenceBatches) -> float:
        every = [batch.lengths for batch in batches.epoch(0)]
        return sum(each.max() * len(each) for each in every) / batches.num_events

    assert padding(sorted_ones) < 1.15 < 3 < padding(loose)
    sizes = np.array([len(batch.items) for batch in sorted_ones.epoch(0)])
    assert sizes.max() < 1.3 * sizes.mean()
    assert len(sizes) == 120


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers: int) -> None:
    batches = made(ragged(some_sessions()), hits="sequence", log_q_correction=True)
    state = torch.random.get_rng_state()
    for epoch in (0, 2):
        expected = [flat(batch) for batch in batches.epoch(epoch)]
        assert [flat(batch) for batch in batches.epoch(epoch, workers)] == expected
    assert torch.equal(torch.random.get_rng_state(), state)


# -- candidates -----------------------------------------------------------------------------------


def test_events_of_others_are_drawn_without_replacement() -> None:
    data = ragged([[0, 1, 2], [3, 3, 4, 0], [5, 6], [7, 8, 8]])
    batches = made(data, num_in_batch=4, batch_size=4, order="given")
    inputs = [[0, 1], [3, 3, 4], [5], [7, 8]]
    counts: list[Counter[tuple[int, ...]]] = [Counter() for _ in inputs]
    epochs = 4000
    for epoch in range(epochs):
        (batch,) = batches.epoch(epoch)
        for row, drawn in enumerate(batch.candidates.listed):
            counts[row][tuple(sorted(drawn.tolist()))] += 1
    for row, found in enumerate(counts):
        others = [item for other, part in enumerate(inputs) if other != row for item in part]
        expected = Counter(tuple(sorted(each)) for each in combinations(others, 4))
        total = sum(expected.values())
        assert set(found) == set(expected)
        gaps = [
            (found[k] - epochs * n / total) ** 2 / (epochs * n / total) for k, n in expected.items()
        ]
        assert sum(gaps) < 3 * len(gaps) + 30  # far beyond the 1 - 1e-6 quantile of chi-square


def test_few_others_are_all_taken() -> None:
    data = ragged([[0, 1, 2], [3, 4]])
    (batch,) = made(data, num_in_batch=5, order="given").epoch(0)
    assert sorted(batch.candidates.listed[0].tolist()) == [-1, -1, -1, -1, 3]
    assert sorted(batch.candidates.listed[1].tolist()) == [-1, -1, -1, 0, 1]


def test_the_pool_is_the_samplers_draw_under_the_batch() -> None:
    data = ragged(some_sessions())
    batches = made(data, num_negatives=9)
    pools = [batch.candidates.pool.tolist() for batch in batches.epoch(0)]
    assert len({tuple(pool) for pool in pools}) == len(pools) > 2
    unseen = made(data, num_negatives=9, sampler=Uniform(data.to_interactions()))
    assert [batch.candidates.pool.tolist() for batch in unseen.epoch(0)] == pools


def test_all_items_are_candidates_once() -> None:
    data = ragged(some_sessions())
    batches = made(data, num_negatives="all", num_in_batch=0)
    pools = _pools(batches, 0)
    assert all(sorted(pool.tolist()) == list(range(12)) for pool in pools)
    firsts = {int(pool[0]) for epoch in range(20) for pool in _pools(batches, epoch)}
    assert firsts == set(range(12))  # shuffled, so that the first few stand for all
    for batch in batches.epoch(0):
        assert batch.candidates.listed.shape == (len(batch.lengths), 0)
        assert batch.hidden[1].tolist() == batch.targets.tolist()


def _pools(batches: SequenceBatches, epoch: int) -> list[Any]:
    return [batch.candidates.pool for batch in batches.epoch(epoch)]


def test_corrections_are_expected_counts_over_both_kinds() -> None:
    data = ragged(some_sessions())
    law = Popularity(data.to_interactions(), exponent=0.5, unseen=False)
    batches = made(data, sampler=law, log_q_correction=True, num_in_batch=3, max_length=8)
    q = np.exp(law.log_prob(0, np.arange(12)).astype(float))
    inputs = np.bincount([item for each in some_sessions() for item in each[:-1]], minlength=12)
    expected = np.log(5 * q + 3 * inputs / inputs.sum())
    for batch in batches.epoch(0):
        found = batch.candidates
        assert np.allclose(found.pool_log, expected[found.pool], atol=1e-5)
        kept = found.listed >= 0
        assert np.allclose(found.listed_log[kept], expected[found.listed[kept]], atol=1e-5)


def test_corrections_know_how_few_the_others_are() -> None:
    """In a small batch there are fewer events of others than are asked for."""
    data = ragged(some_sessions())
    batches = made(
        data, log_q_correction=True, num_in_batch=1000, batch_size=3, max_length=8,
    )  # fmt: skip
    inputs = np.bincount([item for each in some_sessions() for item in each[:-1]], minlength=12)
    for batch in batches.epoch(0):
        found = batch.candidates
        others = len(batch.items) - batch.lengths
        assert ((found.listed >= 0).sum(axis=1) == others).all()
        expected = np.log(5 / 12 + others.mean() * inputs / inputs.sum())
        assert np.allclose(found.pool_log, expected[found.pool], atol=1e-5)


def test_own_negatives_depend_on_their_event_alone() -> None:
    data = ragged(some_sessions())
    sampler = Uniform(data.to_interactions())
    options = {"sampler": sampler, "redraw": "event", "num_in_batch": 0, "log_q_correction": True}
    found: list[dict[tuple[int, ...], list[int]]] = []
    for size in (4, 7):
        every = {}
        for batch in made(data, batch_size=size, **options).epoch(2):
            drawn, ends = batch.candidates, np.cumsum(batch.lengths)
            assert drawn.listed.shape == (len(batch.items), 5)
            for begin, end in zip(ends - batch.lengths, ends, strict=True):
                seen = {*batch.items[begin:end], *batch.targets[begin:end]}
                for event in range(begin, end):
                    assert not seen & set(drawn.listed[event].tolist())
                    every[(*batch.items[begin : event + 1], *batch.targets[begin:end])] = (
                        drawn.listed[event].tolist()
                    )
        found.append(every)
    assert found[0] == found[1]


def test_corrections_of_own_negatives_are_expected_counts() -> None:
    sessions = some_sessions()
    data = ragged(sessions)
    batches = made(
        data, sampler=Uniform(data.to_interactions()), redraw="event", num_in_batch=0,
        log_q_correction=True,
    )  # fmt: skip
    for rows, batch in zip(batches.rows(0), batches.epoch(0), strict=True):
        left = np.array([12 - len(set(sessions[row])) for row in rows])
        expected = np.log(5 / np.repeat(left, batch.lengths))
        assert np.allclose(batch.candidates.listed_log, expected[:, None], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_negatives": 0, "num_in_batch": 0}, "must be positive; got 0 and 0"),
        ({"redraw": "event"}, "num_in_batch must be 0 with redraw='event'; got 3"),
        ({"num_negatives": "all"}, "num_in_batch must be 0, .* got 3, 'batch' and False"),
        ({"num_negatives": "all", "num_in_batch": 0, "redraw": "event"}, "got 0, 'event'"),
        ({"num_negatives": "all", "num_in_batch": 0, "log_q_correction": True}, "and True"),
        ({"sampler": "other"}, "must have the 12 items"),
        ({"sampler": "adaptive"}, "the same for all"),
    ],
)
def test_wrong_candidates_are_named(options: dict[str, Any], message: str) -> None:
    data = ragged(some_sessions())
    if options.get("sampler") == "other":
        options = {"sampler": Uniform(ragged([[0, 1]], num_items=3).to_interactions())}
    if options.get("sampler") == "adaptive":
        users = np.ones((len(data), 2), np.float32)
        options = {"sampler": Softmax(data.to_interactions(), users, np.ones((12, 2), np.float32))}
    with pytest.raises(InvalidDataError, match=message):
        made(data, **options)
