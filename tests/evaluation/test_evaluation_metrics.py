"""Metrics against trec_eval, and against cases that can be worked out by hand."""

import math

import numpy as np
import pytest

from recneg.evaluation.metrics import (
    CATALOGUE_METRICS,
    USER_METRICS,
    average_precision,
    coverage,
    f1,
    gini,
    hit_rate,
    mean_popularity,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)

NUM_USERS, NUM_ITEMS = 40, 200


@pytest.fixture(scope="module")
def lists():
    rng = np.random.default_rng(11)
    relevant = rng.random((NUM_USERS, NUM_ITEMS)) < rng.uniform(0.005, 0.3, (NUM_USERS, 1))
    relevant[np.arange(NUM_USERS), rng.integers(0, NUM_ITEMS, NUM_USERS)] = True
    order = np.argsort(rng.random((NUM_USERS, NUM_ITEMS)), axis=1)
    return relevant, order


def trec_eval(relevant, order, name, k):
    """Return trec_eval's value for each user, from scores of the first k items."""
    import ir_measures
    from ir_measures import AP, RR, P, R, Success, nDCG

    measure = {
        "recall": R @ k,
        "ndcg": nDCG @ k,
        "precision": P @ k,
        "map": AP @ k,
        "mrr": RR,
        "hit_rate": Success @ k,
    }[name]
    qrels = {
        f"u{user}": {f"i{item}": 1 for item in np.flatnonzero(row)}
        for user, row in enumerate(relevant)
    }
    run = {
        f"u{user}": {f"i{item}": float(k - rank) for rank, item in enumerate(row[:k])}
        for user, row in enumerate(order)
    }
    values = np.full(len(order), np.nan)
    for result in ir_measures.pytrec_eval.iter_calc([measure], qrels, run):
        values[int(result.query_id[1:])] = result.value
    return values


@pytest.mark.parametrize("k", [1, 5, 20, 100])
@pytest.mark.parametrize("name", sorted(USER_METRICS))
def test_equals_trec_eval(lists, name, k):
    relevant, order = lists
    hits = np.take_along_axis(relevant, order[:, :k], axis=1)
    num_relevant = relevant.sum(axis=1)
    if name == "f1":  # trec_eval has it of whole lists alone
        parts = [trec_eval(relevant, order, part, k) for part in ("precision", "recall")]
        expected = 2 * np.prod(parts, axis=0) / np.maximum(np.sum(parts, axis=0), 1e-9)
    else:
        expected = trec_eval(relevant, order, name, k)
    if name == "map":  # trec_eval divides by the number of relevant items
        expected = expected * num_relevant / np.minimum(num_relevant, k)
    values = USER_METRICS[name](hits, num_relevant)
    assert values.dtype == np.float64
    assert values.shape == (NUM_USERS,)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6)


def test_by_hand():
    hits = np.array([[False, True, False, True], [False] * 4, [True] * 4])
    num_relevant = np.array([3, 2, 9])
    half = 1 / math.log2(3)
    ideal = 1 + half + 1 / 2
    assert recall(hits, num_relevant).tolist() == [2 / 3, 0, 4 / 9]
    assert precision(hits, num_relevant).tolist() == [0.5, 0, 1]
    assert f1(hits, num_relevant) == pytest.approx([2 * 2 / 7, 0, 2 * 4 / 13])
    assert hit_rate(hits, num_relevant).tolist() == [1, 0, 1]
    assert reciprocal_rank(hits, num_relevant).tolist() == [0.5, 0, 1]
    assert average_precision(hits, num_relevant) == pytest.approx([(1 / 2 + 2 / 4) / 3, 0, 1])
    assert ndcg(hits, num_relevant) == pytest.approx([(half + 1 / math.log2(5)) / ideal, 0, 1])


@pytest.mark.parametrize("name", sorted(USER_METRICS))
@pytest.mark.parametrize("num_relevant", [1, 3, 5, 50])
def test_a_perfect_list_and_an_empty_one(name, num_relevant):
    hits = np.zeros((2, 5), np.bool_)
    hits[0, : min(num_relevant, 5)] = True
    best, worst = USER_METRICS[name](hits, np.array([num_relevant] * 2))
    assert worst == 0
    expected = {"recall": min(1, 5 / num_relevant), "precision": min(1, num_relevant / 5)}
    expected["f1"] = 2 * min(5, num_relevant) / (5 + num_relevant)
    assert best == pytest.approx(expected.get(name, 1))


def test_gini():
    assert gini(np.array([4, 4, 4, 4])) == 0
    assert gini(np.array([0, 9, 0, 0])) == pytest.approx(1 - 1 / 4)
    assert gini(np.array([0, 1])) == pytest.approx(0.5)
    assert gini(np.array([3, 1, 2])) == pytest.approx(2 / 9)
    assert math.isnan(gini(np.array([0, 0])))
    counts = np.random.default_rng(2).integers(0, 50, 300)
    pairs = np.abs(counts[:, None] - counts).mean() / (2 * counts.mean())
    assert gini(counts) == pytest.approx(pairs)


def test_coverage_and_popularity():
    assert coverage(np.array([0, 3, 1, 0])) == 0.5
    assert mean_popularity(np.array([0, 3, 1, 0]), np.array([9, 10, 2, 7])) == 8.0
    assert math.isnan(mean_popularity(np.array([0]), np.array([9])))
    counts, popularity = np.array([0, 3, 1, 0]), np.array([9, 10, 2, 7])
    values = {name: metric(counts, popularity) for name, metric in CATALOGUE_METRICS.items()}
    assert values == {"coverage": 0.5, "gini": gini(counts), "mean_popularity": 8.0}
