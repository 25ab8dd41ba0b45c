"""Next-item evaluation: ranks equal those of a plain sort, nothing leaks, nothing is dropped."""

import math
import os
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recneg.errors import InvalidDataError
from recneg.evaluation import compare, evaluate_next_item, most_popular_next, transitions
from recneg.sequences import Sequences

NUM_ITEMS = 6
LISTS = st.lists(
    st.lists(st.integers(0, NUM_ITEMS - 1), max_size=7), min_size=1, max_size=6
)  # empty sequences, single events, repeated items


def build(lists, num_items=NUM_ITEMS):
    owners = [row for row, items in enumerate(lists) for _ in items]
    items = [item for items in lists for item in items]
    return Sequences.from_arrays(owners, items, num_sequences=len(lists), num_items=num_items)


def table_model(seed, levels=3):
    """Few score levels, so that ties are everywhere; scores depend on the whole prefix."""
    table = np.random.default_rng(seed).integers(0, levels, (97, NUM_ITEMS)).astype(np.float32)

    def score(prefix):
        return table[sum((place + 1) * (item + 1) for place, item in enumerate(prefix)) % 97]

    def model(sequences):
        rows = []
        for sequence in range(len(sequences)):
            items = sequences.items_of(sequence).tolist()
            rows += [score(items[: end + 1]) for end in range(len(items))]
        return np.array(rows, np.float32).reshape(-1, NUM_ITEMS)

    return model, score


def sorted_ranks(lists, score, targets, exclude_seen):
    """(sequence, rank) of each target by a stable sort of its prefix's scores."""
    found = []
    for row, items in enumerate(lists):
        ends = range(1, len(items)) if targets == "every" else range(1, len(items))[-1:]
        for end in ends:
            prefix, target = items[:end], items[end]
            if exclude_seen and target in prefix:
                continue
            order = np.argsort(-score(prefix), kind="stable").tolist()
            if exclude_seen:
                order = [item for item in order if item not in prefix]
            found.append((row, 1 + order.index(target)))
    return found


@given(
    LISTS, st.integers(0, 99), st.sampled_from(["every", "last"]), st.booleans(),
    st.sampled_from([1, 200, 1 << 20]),
)  # fmt: skip
@example([[1, 1, 1, 2], [], [3], [0, 5]], 0, "every", True, 1)
@example([[2, 2], [4, 4]], 0, "last", False, 1)
def test_ranks_equal_a_plain_sort(lists, seed, targets, exclude_seen, chunk_bytes):
    model, score = table_model(seed)
    expected = sorted_ranks(lists, score, targets, exclude_seen)
    arguments = {"targets": targets, "exclude_seen": exclude_seen, "chunk_bytes": chunk_bytes}
    if not expected:
        with pytest.raises(InvalidDataError, match="must have an event to predict"):
            evaluate_next_item(model, build(lists), **arguments)
        return
    result = evaluate_next_item(model, build(lists), k=[2, 4], **arguments)
    assert list(zip(result.sequences.tolist(), result.ranks.tolist(), strict=True)) == expected
    ranks = [rank for _, rank in expected]
    for k in (2, 4):
        kept = [rank if rank <= k else math.inf for rank in ranks]
        wanted = {
            "recall": [float(rank < math.inf) for rank in kept],
            "mrr": [1 / rank for rank in kept],
            "ndcg": [1 / math.log2(rank + 1) for rank in kept],
        }
        for name, values in wanted.items():
            np.testing.assert_allclose(result.values[f"{name}@{k}"], values)
            assert result.mean(f"{name}@{k}") == pytest.approx(np.mean(values))
    everything = sorted_ranks(lists, score, targets, False)
    assert result.num_masked_targets == len(everything) - len(expected)
    with_target = {row for row, _ in expected}
    assert result.skipped_sequences.tolist() == [
        row for row in range(len(lists)) if row not in with_target
    ]


class Factors:
    """Integer factors: products are exact in float32, so BLAS cannot break a tie."""

    def __init__(self, seed, num_items=NUM_ITEMS, biases=False):
        rng = np.random.default_rng(seed)
        self.item_factors = rng.integers(-1, 2, (num_items, 3)).astype(np.float32)
        self.item_biases = rng.integers(0, 2, num_items) if biases else np.empty(0)
        self.calls = []

    def next_item_vectors(self, sequences):
        self.calls.append(sequences)
        running = np.cumsum(self.item_factors[sequences.items], axis=0)
        before = np.vstack([np.zeros((1, 3), np.float32), running])[sequences.indptr[:-1]]
        return running - np.repeat(before, sequences.lengths(), axis=0)


@given(LISTS.filter(lambda lists: any(len(items) > 1 for items in lists)), st.booleans(),
       st.sampled_from(["every", "last"]), st.sampled_from([1, 1 << 20]))  # fmt: skip
def test_factors_and_scores_agree(lists, biases, targets, chunk_bytes):
    model, data = Factors(len(lists), biases=biases), build(lists)

    def as_scores(sequences):
        scores = model.next_item_vectors(sequences) @ model.item_factors.T
        return scores + model.item_biases if biases else scores

    arguments = {"targets": targets, "k": 3}
    by_factors = evaluate_next_item(model, data, chunk_bytes=chunk_bytes, **arguments)
    by_scores = evaluate_next_item(as_scores, data, **arguments)
    assert by_factors.ranks.tolist() == by_scores.ranks.tolist()
    assert repr(by_factors) == repr(by_scores)


def test_many_rows_are_counted_in_chunks(monkeypatch):
    from recneg.evaluation import next_item

    rng = np.random.default_rng(0)
    lists = [rng.integers(0, 500, size).tolist() for size in rng.integers(0, 40, 300)]
    data, model = build(lists, 500), Factors(1, 500)
    expected = evaluate_next_item(model, data, chunk_bytes=1 << 30)
    assert len(model.calls) == 1
    monkeypatch.setattr(next_item, "_EVENTS_AT_ONCE", 100)
    found = evaluate_next_item(model, data, chunk_bytes=1)
    assert found.ranks.tolist() == expected.ranks.tolist()
    assert len(model.calls) > 30
    assert max(call.num_events for call in model.calls[1:]) <= 100


def test_the_model_never_sees_the_last_event():
    model, data = Factors(0), build([[1, 2, 3], [4], [], [5, 0]])
    evaluate_next_item(model, data, targets="last")
    assert [model.calls[0].items_of(row).tolist() for row in range(4)] == [[1, 2], [], [], [5]]


def test_a_torch_model_is_taken_as_it_is():
    torch = pytest.importorskip("torch")
    model, data = Factors(3), build([[1, 2, 3, 1], [5, 0]])

    class Module:
        item_factors = torch.nn.Parameter(torch.from_numpy(model.item_factors))
        item_biases = torch.nn.Parameter(torch.arange(6.0))

        def next_item_vectors(self, sequences):
            return torch.from_numpy(model.next_item_vectors(sequences))

    model.item_biases = np.arange(6.0)
    expected = evaluate_next_item(model, data)
    assert evaluate_next_item(Module(), data).ranks.tolist() == expected.ranks.tolist()


def test_targets_that_train_lacks_are_counted():
    train, test = build([[0, 1], [1, 2]]), build([[0, 5], [1, 5], [0, 1]])
    result = evaluate_next_item(most_popular_next(train), test, k=1, train=train)
    assert result.num_unseen_targets == 2
    assert len(result.ranks) == 3
    assert "2 targets never seen in train, counted" in repr(result)
    same = evaluate_next_item(most_popular_next(train), test, k=1, train=train.to_interactions())
    assert same.num_unseen_targets == 2
    assert evaluate_next_item(most_popular_next(train), test).num_unseen_targets is None


# -- intervals -------------------------------------------------------------------------------------


def test_intervals_take_sequences_as_the_sample():
    model, _ = table_model(4)
    data = build([[1, 2, 3, 4], [2, 1], [5, 0, 5], [3, 3, 1]])
    result = evaluate_next_item(model, data, k=2)
    values, owners = result.values["mrr@2"], result.sequences
    mean = values.mean()
    sums = [(values[owners == row] - mean).sum() for row in range(4)]
    error = math.sqrt(4 / 3 * sum(x * x for x in sums)) / values.size
    assert result.standard_error("mrr@2") == pytest.approx(error)
    low, high = result.confidence_interval("mrr@2")
    assert (low, high) == pytest.approx((mean - 1.959964 * error, mean + 1.959964 * error))
    frame = result.to_polars()
    assert frame["metric"].to_list() == ["recall", "mrr", "ndcg"]
    assert frame.filter(metric="mrr").select("low", "high").row(0) == pytest.approx((low, high))
    assert result.per_event().columns[:3] == ["event", "sequence", "rank"]
    one = evaluate_next_item(model, build([[1, 2, 3]]))
    assert math.isnan(one.standard_error("recall@20"))
    with pytest.raises(ValueError, match=r"the name must be one of .*got 'mrr@9'"):
        result.mean("mrr@9")


def test_two_models_are_compared_sequence_by_sequence():
    data = build([[1, 2, 3, 4], [2, 1], [5, 0, 5], [3]])
    results = [evaluate_next_item(table_model(seed)[0], data, k=2) for seed in (1, 2)]
    first, second = (result.by_sequence() for result in results)
    assert first.users.tolist() == [0, 1, 2]
    assert first.skipped_users.tolist() == [3]
    assert first.values["recall@2"][0] == results[0].values["recall@2"][:3].mean()
    difference = compare(first, second, "recall@2").difference
    assert difference == pytest.approx(first.mean("recall@2") - second.mean("recall@2"))


# -- baselines -------------------------------------------------------------------------------------


def scores_of(model, lists):
    return model(build(lists))


def test_transitions_count_what_followed():
    train = build([[0, 1, 2], [0, 1], [0, 2], [4], []])
    scores = scores_of(transitions(train), [[3, 0]])
    assert np.floor(scores).tolist() == [[0] * 6, [0, 2, 1, 0, 0, 0]]
    # without a rule the order is that of popularity as a next item: 1 and 2 twice each, then ids
    assert np.argsort(-scores[0], kind="stable").tolist() == [1, 2, 0, 3, 4, 5]


def test_wider_windows_weigh_by_distance():
    train = build([[0, 1, 2, 0]])
    scores = scores_of(transitions(train, window=2), [[0], [1]])
    weights = np.round(scores * 2) / 2
    assert weights.tolist() == [[0, 1, 0.5, 0, 0, 0], [0.5, 0, 1, 0, 0, 0]]
    both = np.round(scores_of(transitions(train, window=2, both_ways=True), [[0]]) * 2) / 2
    assert both.tolist() == [[0, 1.5, 1.5, 0, 0, 0]]


def test_popularity_never_beats_a_rule():
    train = build([[0, 1]] + [[2, 3]] * 500)
    for window in (1, 10):
        scores = scores_of(transitions(train, window=window), [[0]])
        assert np.argsort(-scores[0], kind="stable").tolist()[:2] == [1, 3]
    far = build([[0, 5, 5, 5, 5, 5, 5, 5, 5, 1, 3]] + [[2, 3]] * 500)
    scores = scores_of(transitions(far, window=10), [[0]])
    assert scores[0, 1] > scores[0, 3]  # 1/9 and 1/10


def test_the_scores_of_wide_windows_are_places() -> None:
    scores = scores_of(transitions(build([[0, 1, 2, 1], [3, 4]]), window=11), [[0], [3]])
    assert np.floor(scores).tolist() == [[0, 2, 1, 0, 0, 0], [0, 0, 0, 0, 1, 0]]


def at_distances(*followers):
    """Sessions in which 0 is followed by each item at each of its distances, and by others."""
    fillers = iter(range(3, 10_000))
    sessions = []
    for item, distances in followers:
        for distance in distances:
            sessions.append([0, *(next(fillers) for _ in range(distance - 1)), item])
    return sessions


@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize(
    ("distances", "popular", "first"),
    [
        ([(7, 8, 10), (5, 11, 13)], 2, 1),  # 2.5e-5 more
        ([(6,), (10, 15)], 2, 2),  # both 1 / 6
        ([(6,), (10, 15)], 1, 1),
    ],
)
def test_popularity_decides_among_equals_alone(distances, popular, first, both_ways):
    sessions = at_distances(*zip((1, 2), distances, strict=True))
    train = build(sessions + [[9999, popular]] * 500, 10_000)
    model = transitions(train, window=15, both_ways=both_ways)
    scores = model(Sequences.from_arrays([0], [0], num_items=10_000))[0]
    assert scores[first] > scores[3 - first]


@given(LISTS, st.booleans())
def test_wide_windows_rank_like_exact_fractions(lists, both_ways):
    model = transitions(build(lists), window=12, both_ways=both_ways)
    weights = [[Fraction(0)] * NUM_ITEMS for _ in range(NUM_ITEMS)]
    popular = np.zeros(NUM_ITEMS, int)
    for items in lists:
        np.add.at(popular, np.array(items[1:], int), 1)
        for (i, before), (j, after) in combinations(enumerate(items), 2):
            weights[before][after] += Fraction(1, j - i)
            if both_ways:
                weights[after][before] += Fraction(1, j - i)
    for item in range(NUM_ITEMS):
        order = sorted(range(NUM_ITEMS), key=lambda i: (-weights[item][i], -popular[i], i))
        assert np.argsort(-scores_of(model, [[item]])[0], kind="stable").tolist() == order


def test_the_most_popular_next_item_is_no_first_one():
    model = most_popular_next(build([[0, 1], [0, 1], [0, 2], [0]]))
    assert model.item_factors.ravel().tolist() == [0, 2, 1, 0, 0, 0]
    result = evaluate_next_item(model, build([[3, 1], [3, 2], [3, 0]]))
    assert result.ranks.tolist() == [1, 2, 3]


def test_baselines_are_checked():
    with pytest.raises(ValueError, match="window must be an integer of at least 1; got 0"):
        transitions(build([[0, 1]]), window=0)
    with pytest.raises(InvalidDataError, match="train must be Sequences"):
        most_popular_next([[0, 1]])


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"k": 0}, InvalidDataError, "k must be an integer of at least 1; got 0"),
        ({"k": 2.5}, InvalidDataError, "k must be an integer of at least 1; got 2.5"),
        ({"k": math.nan}, InvalidDataError, "k must be an integer of at least 1; got nan"),
        ({"k": None}, InvalidDataError, "k must be an integer of at least 1; got None"),
        ({"k": [5, None]}, InvalidDataError, "k must be an integer of at least 1; got None"),
        ({"k": []}, InvalidDataError, "k must hold at least one length"),
        ({"metrics": ["map"]}, InvalidDataError, r"metrics must be among .*; got 'map'"),
        ({"metrics": [["mrr"]]}, InvalidDataError, r"metrics must be among .*; got \['mrr'\]"),
        ({"metrics": "recall"}, InvalidDataError, "metrics must be a list of names; got 'recall'"),
        ({"metrics": None}, InvalidDataError, "metrics must be a list of names; got None"),
        ({"targets": "first"}, InvalidDataError, "targets must be 'every' or 'last'; got 'first'"),
        ({"train": build([[0, 1]], 3)}, InvalidDataError, "share the items of the sequences, 6"),
        ({"model": 3}, TypeError, "the model must be callable or have next_item_vectors"),
        ({"model": lambda data: np.zeros((data.num_events, 5))}, InvalidDataError,
         r"scores of shape \(2, 6\); got \(2, 5\)"),
        ({"model": Factors(0, 5)}, InvalidDataError, "factors for 6 items; got 5"),
        ({"sequences": build([[1], []])}, InvalidDataError, "must have an event to predict"),
        ({"sequences": [[0, 1]]}, InvalidDataError, "sequences must be Sequences"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(arguments, error, message):
    whole = {"model": Factors(0), "sequences": build([[0, 1, 2]])} | arguments
    with pytest.raises(error, match=message):
        evaluate_next_item(whole.pop("model"), whole.pop("sequences"), **whole)


@pytest.mark.parametrize("item", [0, 3, 5])
def test_nan_names_the_sequence(item):
    def model(sequences):
        scores = np.zeros((sequences.num_events, NUM_ITEMS))
        scores[-1, item] = np.nan
        return scores

    with pytest.raises(InvalidDataError, match="must not be NaN; got NaN in sequence 2"):
        evaluate_next_item(model, build([[0, 1], [], [0, 3]]))


def test_infinite_scores_are_ranked():
    def model(sequences):
        scores = np.zeros((sequences.num_events, NUM_ITEMS))
        scores[:, 2], scores[:, 4] = np.inf, -np.inf
        return scores

    result = evaluate_next_item(model, build([[0, 2], [0, 4], [0, 5]]))
    assert result.ranks.tolist() == [1, 6, 5]


def test_a_vector_too_few_is_refused():
    model = Factors(0)
    model.next_item_vectors = lambda sequences: np.zeros((1, 3), np.float32)
    with pytest.raises(InvalidDataError, match="a vector for each of 2 events; got 1"):
        evaluate_next_item(model, build([[0, 1, 2]]))


# -- real data -------------------------------------------------------------------------------------


@pytest.mark.skipif(
    "RECNEG_DATA" not in os.environ, reason="RECNEG_DATA must name a folder of real data sets"
)
@pytest.mark.parametrize(
    ("name", "low", "high"), [("diginetica", 0.30, 0.40), ("yoochoose-1-64", 0.60, 0.70)]
)
def test_transitions_on_real_sessions_equal_brute_force(name, low, high):
    from recneg.datasets import card, load_sequences
    from recneg.datasets.sources import where

    if where(card(name)) is None:
        pytest.skip(f"{name} is not below RECNEG_DATA")
    split = load_sequences(name, download=False).split
    model, some = transitions(split.train), split.test.between(0, 2_000)
    result = evaluate_next_item(model, some)
    assert low < result.mean("recall@20") < high
    train = split.train
    later = np.flatnonzero(np.diff(train.owners()) == 0)
    followers = {}
    popular = np.zeros(train.num_items)
    for before, after in zip(
        train.items[later].tolist(), train.items[later + 1].tolist(), strict=True
    ):
        popular[after] += 1
        counts = followers.setdefault(before, {})
        counts[after] = counts.get(after, 0) + 1
    for place in np.random.default_rng(0).choice(len(result.ranks), 100, replace=False):
        event = result.events[place]
        counts = np.zeros(train.num_items)
        for item, count in followers.get(int(some.items[event - 1]), {}).items():
            counts[item] = count
        order = np.lexsort((np.arange(train.num_items), -popular, -counts))
        assert result.ranks[place] == 1 + int(np.flatnonzero(order == some.items[event])[0])


def test_metrics_must_be_named() -> None:
    data = Sequences.from_arrays([0, 0], [0, 1])
    with pytest.raises(ValueError, match="metrics must hold at least one"):
        evaluate_next_item(most_popular_next(data), data, metrics=[])
