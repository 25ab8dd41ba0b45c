"""Evaluation on uniformly drawn pairs, against a plain loop over users and ranks."""

from math import log2
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recneg.errors import InvalidDataError
from recneg.evaluation import compare
from recneg.evaluation.graded import UNIFORM_METRICS
from recneg.evaluation.uniform import evaluate_uniform, rare_items
from recneg.interactions import Interactions
from recneg.parallel import set_num_threads

NUM_USERS, NUM_ITEMS = 40, 30


@pytest.fixture(scope="module")
def rated():
    """Return rated pairs; user 3 has none, user 5 liked nothing, users differ in length."""
    rng = np.random.default_rng(0)
    drawn = rng.random((NUM_USERS, NUM_ITEMS)) < 0.3
    drawn[3] = False
    drawn[6] = True
    users, items = np.nonzero(drawn)
    ratings = np.where(users == 5, 1, rng.integers(1, 6, users.size))
    return Interactions.from_arrays(
        users, items, weights=ratings, num_users=NUM_USERS, num_items=NUM_ITEMS
    )


@pytest.fixture(scope="module")
def scores():
    return np.round(np.random.default_rng(1).standard_normal((NUM_USERS, NUM_ITEMS)), 1)  # ties


def plain(scores, test, relevance, k, items=None):
    """Return each user's metrics, one rank at a time, from the formulas of the docstring."""
    found = {}
    for user in range(test.num_users):
        rows = range(test.indptr[user], test.indptr[user + 1])
        pairs = [(test.indices[row], float(relevance[row])) for row in rows]
        pairs = [(item, gain) for item, gain in pairs if items is None or items[item]]
        order = sorted(pairs, key=lambda pair: (-scores[user][pair[0]], pair[0]))
        gains, best = [gain for _, gain in order], sorted((g for _, g in pairs), reverse=True)
        if not sum(gains) > 0:
            continue
        dcg, top = (
            sum(gain / log2(rank + 1) for rank, gain in enumerate(some[:k], 1))
            for some in (gains, best)
        )
        precise = sum(g * sum(gains[: rank + 1]) / (rank + 1) for rank, g in enumerate(gains[:k]))
        found[user] = {
            "dcg": dcg,
            "ndcg": dcg / top,
            "recall": sum(gains[:k]) / sum(gains),
            "map": precise / min(k, sum(gains)),
            "rel_mf_dcg": sum(
                gain / (1 if rank == 1 else log2(rank)) for rank, gain in enumerate(gains[:k], 1)
            ),
        }
    return found


def check(result, expected, names, k):
    assert result.users.tolist() == sorted(expected)
    assert result.names == tuple(f"{name}@{k}" for name in names)
    for name in names:
        values = [expected[user][name] for user in sorted(expected)]
        np.testing.assert_allclose(result.values[f"{name}@{k}"], values, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("k", [1, 2, 5, 30, 100])
def test_equals_a_plain_loop(rated, scores, k):
    liked = rated.weights >= 4
    result = evaluate_uniform(
        lambda users: scores[users], rated, liked, k=k, metrics=UNIFORM_METRICS
    )
    check(result, plain(scores, rated, liked, k), UNIFORM_METRICS, k)
    assert {3, 5} <= set(result.skipped_users.tolist())
    assert sorted([*result.users, *result.skipped_users]) == list(range(NUM_USERS))


@pytest.mark.parametrize("k", [1, 5, 100])
def test_graded_relevance_equals_a_plain_loop(rated, scores, k):
    gamma = (2.0 ** (rated.weights - 1) - 1) / 15
    result = evaluate_uniform(lambda users: scores[users], rated, gamma, k=k)
    check(result, plain(scores, rated, gamma, k), ["ndcg", "dcg", "recall"], k)


def test_only_some_items_equals_a_plain_loop(rated, scores):
    liked, items = rated.weights >= 4, np.arange(NUM_ITEMS) % 3 == 0
    result = evaluate_uniform(lambda users: scores[users], rated, liked, k=3, items=items)
    expected = plain(scores, rated, liked, 3, items)
    check(result, expected, ["ndcg", "dcg", "recall", "map"], 3)
    assert len(expected) < len(plain(scores, rated, liked, 3))  # fewer users are left
    everything = evaluate_uniform(
        lambda users: scores[users], rated, liked, k=3, items=np.ones(NUM_ITEMS, bool)
    )
    check(everything, plain(scores, rated, liked, 3), ["ndcg", "dcg", "recall", "map"], 3)


@given(st.data())
def test_odd_inputs_equal_a_plain_loop(data):
    num_users = data.draw(st.integers(1, 4))
    num_items = data.draw(st.integers(1, 6))
    pairs = data.draw(
        st.lists(st.tuples(st.integers(0, num_users - 1), st.integers(0, num_items - 1)))
    )
    test = Interactions.from_arrays(
        [u for u, _ in pairs], [i for _, i in pairs], num_users=num_users, num_items=num_items
    )
    grades = st.sampled_from([0.0, 0.0, 0.25, 1.0, 3.0])
    relevance = data.draw(st.lists(grades, min_size=len(test), max_size=len(test)))
    values = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, np.inf])
    rows = st.lists(values, min_size=num_items, max_size=num_items)
    scores = np.array(data.draw(st.lists(rows, min_size=num_users, max_size=num_users)))
    k = data.draw(st.integers(1, 8))
    names = ["ndcg", "dcg", "recall", "rel_mf_dcg"]
    if not sum(relevance):
        with pytest.raises(InvalidDataError, match="at least one relevant pair"):
            evaluate_uniform(lambda users: scores[users], test, relevance, k=k)
        return
    result = evaluate_uniform(lambda users: scores[users], test, relevance, k=k, metrics=names)
    check(result, plain(scores, test, relevance, k), names, k)


def test_perfect_and_worst_orders(rated):
    liked = rated.weights >= 4
    table = np.zeros((NUM_USERS, NUM_ITEMS))
    table[rated.users(), rated.indices] = rated.weights
    best = evaluate_uniform(lambda users: table[users], rated, liked, k=[3, 30])
    worst = evaluate_uniform(lambda users: -table[users], rated, liked, k=[3, 30])
    for name in ("ndcg@3", "map@3", "ndcg@30", "recall@30"):
        assert np.all(best.values[name] == 1)
    assert worst.mean("ndcg@3") < 0.3
    assert compare(best, worst, "ndcg@3").p_value < 1e-6
    assert worst.mean("recall@30") == 1


def test_factors_equal_their_scores_on_any_number_of_threads(rated):
    rng = np.random.default_rng(2)
    model = SimpleNamespace(
        user_factors=(rng.integers(-8, 9, (NUM_USERS, 6)) / 4).astype(np.float32),
        item_factors=(rng.integers(-8, 9, (NUM_ITEMS, 6)) / 4).astype(np.float32),
    )
    product, liked = model.user_factors @ model.item_factors.T, rated.weights >= 4
    expected = evaluate_uniform(lambda users: product[users], rated, liked)
    try:
        for threads in (1, 3):
            set_num_threads(threads)
            result = evaluate_uniform(model, rated, liked)
            for name, values in expected.values.items():
                assert np.array_equal(values, result.values[name])
    finally:
        set_num_threads(None)


@pytest.mark.parametrize("transform", [np.exp, np.arctan, lambda x: 5 * x - 3])
def test_increasing_transforms_change_nothing(rated, scores, transform):
    liked = rated.weights >= 4
    expected = evaluate_uniform(lambda users: scores[users], rated, liked)
    result = evaluate_uniform(lambda users: transform(scores[users]), rated, liked)
    for name, values in expected.values.items():
        assert np.array_equal(values, result.values[name])


def test_scale_of_relevance_cancels_in_ratios(rated, scores):
    def run(relevance):
        return evaluate_uniform(lambda users: scores[users], rated, relevance)

    grades = rated.weights.astype(np.float64) / 5
    one, seven = run(grades), run(7 * grades)
    for name in ("ndcg@5", "recall@5"):
        np.testing.assert_allclose(one.values[name], seven.values[name], rtol=1e-12)
    np.testing.assert_allclose(7 * one.values["dcg@5"], seven.values["dcg@5"], rtol=1e-12)


def test_rare_items():
    train = Interactions.from_arrays(
        [0, 1, 2, 3, 0, 1, 0], [0, 0, 0, 0, 1, 1, 3], num_items=4
    )  # counts 4, 2, 0, 1
    assert rare_items(train, at_most=0).tolist() == [False, False, True, False]
    assert rare_items(train, at_most=2).tolist() == [False, True, True, True]
    assert rare_items(train, share=0.5).tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give at_most or share, one of them; got None and None"),
        ({"at_most": 3, "share": 0.5}, "one of them; got 3 and 0.5"),
        ({"at_most": -1}, "at_most must not be negative; got -1"),
        ({"share": 0.0}, r"share must lie in \(0, 1\); got 0.0"),
        ({"share": float("nan")}, r"share must lie in \(0, 1\); got nan"),
    ],
)
def test_rare_items_errors(rated, options, message):
    with pytest.raises(ValueError, match=message):
        rare_items(rated, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r[1:], r"one number for each test pair, shape \(\d+,\); got shape"),
        (lambda r: r.astype(str), "got shape .* dtype <U"),
        (lambda r: np.where(np.arange(r.size) == 7, -1.0, r), "not negative; got -1.0 at 7"),
        (lambda r: np.where(np.arange(r.size) == 2, np.nan, r), "finite .* got nan at 2"),
        (lambda r: np.where(np.arange(r.size) == 2, np.inf, r), "finite .* got inf at 2"),
        (lambda r: np.zeros_like(r), "at least one relevant pair; got .* none of them relevant"),
    ],
)
def test_relevance_errors(rated, scores, change, message):
    relevance = change(rated.weights)
    with pytest.raises(InvalidDataError, match=message):
        evaluate_uniform(lambda users: scores[users], rated, relevance)


@pytest.mark.parametrize("k", [0, [5, 0], [], -3, 2.0, True])
def test_k_is_checked(rated, scores, k):
    with pytest.raises(ValueError, match="k must"):
        evaluate_uniform(lambda users: scores[users], rated, rated.weights, k=k)


def test_metrics_are_checked(rated, scores):
    with pytest.raises(ValueError, match=r"metrics must be among \['ndcg', .*; got 'auc'"):
        evaluate_uniform(lambda u: scores[u], rated, rated.weights, metrics=["auc"])
    with pytest.raises(ValueError, match=r"map needs a relevance of 0 or 1; got \d"):
        evaluate_uniform(lambda u: scores[u], rated, rated.weights, metrics=["map"])


def test_items_are_checked(rated, scores):
    for items in (np.arange(3), np.ones(NUM_ITEMS + 1, bool)):
        with pytest.raises(InvalidDataError, match=r"items must be bool of shape \(30,\); got"):
            evaluate_uniform(lambda u: scores[u], rated, rated.weights, items=items)


def test_model_errors(rated, scores):
    ratings = rated.weights
    with pytest.raises(TypeError, match="must be callable or have user_factors .* got object"):
        evaluate_uniform(object(), rated, ratings)
    with pytest.raises(InvalidDataError, match=r"scores of shape \(39, 30\); got \(39, 29\)"):
        evaluate_uniform(lambda users: scores[users][:, 1:], rated, ratings)
    short = SimpleNamespace(user_factors=np.ones((40, 2)), item_factors=np.ones((29, 2)))
    with pytest.raises(InvalidDataError, match="40 users and 30 items; got 40 and 29"):
        evaluate_uniform(short, rated, ratings)
    broken, item = scores.copy(), int(rated.items_of(33)[2])
    broken[33, item] = np.nan
    with pytest.raises(InvalidDataError, match=f"NaN for user 33 and item {item}"):
        evaluate_uniform(lambda users: broken[users], rated, ratings)
