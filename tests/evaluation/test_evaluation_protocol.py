"""The protocol against brute force: who is evaluated, what is masked, what is reported."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from recneg.errors import InvalidDataError
from recneg.evaluation import CATALOGUE_METRICS, USER_METRICS, evaluate, most_popular
from recneg.interactions import Interactions
from recneg.parallel import set_num_threads

NUM_USERS, NUM_ITEMS = 60, 90


def interactions(mask):
    users, items = np.nonzero(mask)
    return Interactions.from_arrays(users, items, num_users=mask.shape[0], num_items=mask.shape[1])


def masks(seed=0):
    """Return disjoint train, validation and test; users 7 and 20 have no test items."""
    rng = np.random.default_rng(seed)
    part = rng.choice(4, size=(NUM_USERS, NUM_ITEMS), p=[0.1, 0.05, 0.05, 0.8])
    part[:, 0] = 2  # everybody has a test item, save for:
    part[[7, 20]] = np.where(part[[7, 20]] == 2, 3, part[[7, 20]])
    part[4] = np.where(part[4] == 2, 2, 0)  # has seen all but the test items
    return part == 0, part == 1, part == 2


@pytest.fixture(scope="module")
def parts():
    return [interactions(mask) for mask in masks()]


@pytest.fixture(scope="module")
def scores():
    return np.round(np.random.default_rng(1).standard_normal((NUM_USERS, NUM_ITEMS)), 1)


@pytest.fixture(scope="module")
def model():
    """Factors whose inner products are exact in float32, whatever the order of summation."""
    rng = np.random.default_rng(2)
    return SimpleNamespace(
        user_factors=(rng.integers(-8, 9, (NUM_USERS, 6)) / 4).astype(np.float32),
        item_factors=(rng.integers(-8, 9, (NUM_ITEMS, 6)) / 4).astype(np.float32),
    )


def brute_force(scores, hidden, relevant, k):
    """Recall and NDCG of each user with relevant items, one item at a time."""
    recalls, ndcgs = [], []
    for user in np.flatnonzero(relevant.any(axis=1)):
        order = sorted(np.flatnonzero(~hidden[user]), key=lambda item: (-scores[user, item], item))
        gains = [float(relevant[user, item]) for item in order[:k]]
        total = int(relevant[user].sum())
        ideal = sum(1 / np.log2(rank + 2) for rank in range(min(k, total)))
        recalls.append(sum(gains) / total)
        ndcgs.append(sum(gain / np.log2(rank + 2) for rank, gain in enumerate(gains)) / ideal)
    return np.array(recalls), np.array(ndcgs)


@pytest.mark.parametrize("k", [1, 10, 90, 200])
def test_equals_brute_force(parts, scores, k):
    train, _, test = parts
    result = evaluate(lambda users: scores[users], train, test, k=k)
    recalls, ndcgs = brute_force(scores, masks()[0], masks()[2], k)
    np.testing.assert_allclose(result.values[f"recall@{k}"], recalls, atol=1e-12)
    np.testing.assert_allclose(result.values[f"ndcg@{k}"], ndcgs, atol=1e-12)
    assert result.skipped_users.tolist() == [7, 20]
    assert result.users.tolist() == sorted(set(range(NUM_USERS)) - {7, 20})


def test_exclude_masks_more(parts, scores):
    train, validation, test = parts
    hidden = masks()[0] | masks()[1]
    result = evaluate(lambda users: scores[users], train, test, k=10, exclude=validation)
    recalls, _ = brute_force(scores, hidden, masks()[2], 10)
    np.testing.assert_allclose(result.values["recall@10"], recalls, atol=1e-12)
    assert result.mean("recall@10") > evaluate(lambda users: scores[users], train, test, k=10).mean(
        "recall@10"
    )


def test_masked_test_items_are_left_out_and_counted(parts, scores):
    train, _, test = parts
    both = np.flatnonzero(masks()[0][3])[:2]
    overlapping = interactions(masks()[2] | np.isin(np.arange(NUM_USERS * NUM_ITEMS).reshape(
        NUM_USERS, NUM_ITEMS), 3 * NUM_ITEMS + both))  # fmt: skip
    expected = evaluate(lambda users: scores[users], train, test)
    result = evaluate(lambda users: scores[users], train, overlapping)
    assert result.num_masked_relevant == 2
    assert expected.num_masked_relevant == 0
    assert np.array_equal(result.values["recall@20"], expected.values["recall@20"])
    assert "2 held-out interactions masked" in repr(result)
    assert "masked" not in repr(expected)


def test_factors_equal_their_scores(parts, model):
    train, _, test = parts
    product = model.user_factors @ model.item_factors.T
    by_factors = evaluate(model, train, test, k=[5, 20])
    by_scores = evaluate(lambda users: product[users], train, test, k=[5, 20])
    assert by_factors.names == by_scores.names
    for name in by_factors.values:
        assert np.array_equal(by_factors.values[name], by_scores.values[name])
    assert by_factors.catalogue == by_scores.catalogue


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("chunk_bytes", [1, 5000, 2**26])
@pytest.mark.parametrize("kind", ["factors", "scores"])
def test_chunks_and_threads_change_nothing(parts, model, scores, threads, chunk_bytes, kind):
    train, _, test = parts
    tested = model if kind == "factors" else lambda users: scores[users]
    expected = evaluate(tested, train, test, k=[3, 20])
    set_num_threads(threads)
    try:
        result = evaluate(tested, train, test, k=[3, 20], chunk_bytes=chunk_bytes)
    finally:
        set_num_threads(None)
    for name, values in expected.values.items():
        assert values.tobytes() == result.values[name].tobytes()
    assert expected.catalogue == result.catalogue


@pytest.mark.parametrize("transform", [np.exp, np.arctan, lambda x: 5 * x - 3])
def test_increasing_transforms_change_nothing(parts, scores, transform):
    train, _, test = parts
    expected = evaluate(lambda users: scores[users], train, test)
    result = evaluate(lambda users: transform(scores[users]), train, test)
    for name, values in expected.values.items():
        assert np.array_equal(values, result.values[name])
    assert expected.catalogue == result.catalogue


def test_several_k_equal_one_by_one(parts, scores):
    train, _, test = parts
    together = evaluate(lambda users: scores[users], train, test, k=(20, 5, 20))
    assert len(together.names) == 2 * (len(USER_METRICS) + len(CATALOGUE_METRICS))
    for k in (5, 20):
        alone = evaluate(lambda users: scores[users], train, test, k=k)
        for name in alone.names:
            assert alone.mean(name) == together.mean(name)


def test_catalogue_metrics(parts, scores):
    train, _, test = parts
    result = evaluate(lambda users: scores[users], train, test, k=3)
    counts, hidden = np.zeros(NUM_ITEMS), masks()[0]
    for user in result.users:
        order = sorted(np.flatnonzero(~hidden[user]), key=lambda item: (-scores[user, item], item))
        counts[order[:3]] += 1
    assert result.mean("coverage@3") == np.mean(counts > 0)
    popularity = hidden.sum(axis=0)
    assert result.mean("mean_popularity@3") == pytest.approx(counts @ popularity / counts.sum())


def test_most_popular(parts):
    train, _, test = parts
    popular = most_popular(train)
    assert repr(popular) == f"MostPopular({NUM_ITEMS} items)"
    counts = np.broadcast_to(masks()[0].sum(axis=0), (NUM_USERS, NUM_ITEMS))
    result = evaluate(popular, train, test, k=10)
    recalls, ndcgs = brute_force(counts, masks()[0], masks()[2], 10)
    np.testing.assert_allclose(result.values["recall@10"], recalls, atol=1e-12)
    np.testing.assert_allclose(result.values["ndcg@10"], ndcgs, atol=1e-12)


def test_chosen_metrics(parts, scores):
    train, _, test = parts
    result = evaluate(lambda users: scores[users], train, test, metrics=["gini", "map"], k=4)
    assert result.names == ("map@4", "gini@4")
    with pytest.raises(ValueError, match=r"among \['recall', .*; got 'auc'"):
        evaluate(lambda users: scores[users], train, test, metrics=["auc"])


@pytest.mark.parametrize("k", [0, [5, 0], [], -3, 2.0])
def test_k_is_checked(parts, scores, k):
    train, _, test = parts
    with pytest.raises((ValueError, TypeError)):
        evaluate(lambda users: scores[users], train, test, k=k)


def test_data_errors(parts, scores):
    train, _, test = parts

    def score(users):
        return scores[users]

    small = interactions(masks()[2][:-1])
    with pytest.raises(InvalidDataError, match=r"test must have the shape of train, \(60, 90\)"):
        evaluate(score, train, small)
    with pytest.raises(InvalidDataError, match="exclude must have the shape of train"):
        evaluate(score, train, test, exclude=small)
    with pytest.raises(InvalidDataError, match="at least one interaction that is not masked"):
        evaluate(score, train, interactions(np.zeros((NUM_USERS, NUM_ITEMS), np.bool_)))
    with pytest.raises(InvalidDataError, match="of them masked"):
        evaluate(score, train, train)
    named = [
        Interactions.from_arrays([0, 1], [0, 1], user_ids=np.array(ids)) for ids in ([1, 2], [1, 3])
    ]
    with pytest.raises(InvalidDataError, match="their user_ids differ"):
        evaluate(score, *named)


def test_model_errors(parts, scores, model):
    train, _, test = parts
    with pytest.raises(TypeError, match="must be callable or have user_factors"):
        evaluate(object(), train, test)
    with pytest.raises(InvalidDataError, match="must return scores of shape"):
        evaluate(lambda users: scores[users][:, 1:], train, test)
    short = SimpleNamespace(user_factors=model.user_factors, item_factors=model.item_factors[1:])
    with pytest.raises(InvalidDataError, match="60 users and 90 items; got 60 and 89"):
        evaluate(short, train, test)
    broken = scores.copy()
    broken[33, 5] = np.nan
    with pytest.raises(InvalidDataError, match="NaN for user 33 in column 5"):
        evaluate(lambda users: broken[users], train, test)


def test_import_is_light():
    code = (
        "import sys, recneg.evaluation; "
        "print([m for m in ('torch', 'polars', 'pandas', 'scipy.stats') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_matrices_are_told_what_is_wanted() -> None:
    data = Interactions.from_arrays([0, 1], [0, 1])
    matrix = csr_matrix(np.eye(2))
    for given in ((matrix, data), (data, matrix)):
        with pytest.raises(InvalidDataError, match="must be Interactions .*got csr_matrix"):
            evaluate(lambda users: np.zeros((len(users), 2)), *given)
    with pytest.raises(InvalidDataError, match="train must be Interactions"):
        most_popular(matrix)


def test_half_precision_is_ranked() -> None:
    train = Interactions.from_arrays([0], [0], num_items=3)
    test = Interactions.from_arrays([0], [2], num_items=3)
    for kind in (torch.bfloat16, torch.float16):
        scores = torch.tensor([[0.0, 1.0, 2.0]], dtype=kind)
        assert evaluate(lambda users: scores, train, test, k=1).mean("recall@1") == 1  # noqa: B023
