"""Intervals, tables and paired comparison."""

import numpy as np
import pytest
from scipy import stats

from recneg.errors import InvalidDataError
from recneg.evaluation import Evaluation, compare


def evaluation(values, users=None, **catalogue):
    users = np.arange(len(values)) if users is None else np.array(users)
    named = {"recall@5": np.asarray(values, np.float64)}
    return Evaluation(users, np.array([70, 71]), named, {f"{n}@5": v for n, v in catalogue.items()})


@pytest.fixture
def skewed():
    return evaluation(np.random.default_rng(5).beta(0.4, 2.0, 800), coverage=0.25)


def test_interval_agrees_with_a_bootstrap(skewed):
    rng = np.random.default_rng(6)
    values = skewed.values["recall@5"]
    means = values[rng.integers(0, 800, (20_000, 800))].mean(axis=1)
    for level in (0.8, 0.95):
        low, high = skewed.confidence_interval("recall@5", level)
        tail = (1 - level) / 2
        expected = np.quantile(means, [tail, 1 - tail])
        assert np.abs(np.array([low, high]) - expected).max() < 0.04 * (high - low)
    assert skewed.standard_error("recall@5") == pytest.approx(means.std(), rel=0.02)


def test_interval_of_the_textbook(skewed):
    values = skewed.values["recall@5"]
    expected = stats.norm.interval(0.99, values.mean(), stats.sem(values))
    assert skewed.confidence_interval("recall@5", 0.99) == pytest.approx(expected)


def test_one_user_has_no_interval():
    one = evaluation([0.5])
    assert one.mean("recall@5") == 0.5
    assert np.isnan(one.confidence_interval("recall@5")).all()


def test_tables(skewed):
    table = skewed.to_polars()
    assert table.columns == ["metric", "k", "mean", "low", "high"]
    assert table["metric"].to_list() == ["recall", "coverage"]
    assert table["k"].to_list() == [5, 5]
    assert table.row(0)[3:] == skewed.confidence_interval("recall@5")
    assert table.row(1) == ("coverage", 5, 0.25, None, None)
    users = skewed.per_user()
    assert users.columns == ["user", "recall@5"]
    assert users.height == 800


def test_repr(skewed):
    lines = repr(skewed).splitlines()
    assert lines[0] == "Evaluation(800 users, 2 skipped without held-out items)"
    low, high = skewed.confidence_interval("recall@5")
    assert lines[1] == f"  recall@5    {skewed.mean('recall@5'):.4f} [{low:.4f}, {high:.4f}]"
    assert lines[2] == "  coverage@5  0.2500"


def test_names_and_levels_are_checked(skewed):
    with pytest.raises(ValueError, match=r"one of \['coverage@5', 'recall@5'\]; got 'recall'"):
        skewed.mean("recall")
    with pytest.raises(ValueError, match=r"one of \['recall@5'\]; got 'coverage@5'"):
        skewed.confidence_interval("coverage@5")
    for level in (0, 1, 95):
        with pytest.raises(ValueError, match="level must lie in"):
            skewed.confidence_interval("recall@5", level)


def test_comparison_is_the_paired_t_test():
    rng = np.random.default_rng(8)
    base = rng.random(60)
    a, b = evaluation(base + 0.02 * rng.standard_normal(60) + 0.01), evaluation(base)
    result = compare(a, b, "recall@5", level=0.9)
    expected = stats.ttest_rel(a.values["recall@5"], b.values["recall@5"])
    interval = expected.confidence_interval(0.9)
    assert result.p_value == pytest.approx(expected.pvalue)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
    assert result.difference == pytest.approx(a.mean("recall@5") - b.mean("recall@5"))
    assert (result.num_users, result.level) == (60, 0.9)
    swapped = compare(b, a, "recall@5", level=0.9)
    assert (swapped.low, swapped.high) == pytest.approx((-result.high, -result.low))


def test_constant_differences():
    values = np.array([0.25, 0.5, 0.75])
    same = compare(evaluation(values), evaluation(values), "recall@5")
    assert (same.difference, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    better = compare(evaluation(values + 0.25), evaluation(values), "recall@5")
    assert (better.difference, better.p_value) == (0.25, 0)


def test_comparison_errors():
    a = evaluation([0.1, 0.2])
    with pytest.raises(InvalidDataError, match="must hold the same users"):
        compare(a, evaluation([0.1, 0.2], users=[0, 2]), "recall@5")
    with pytest.raises(InvalidDataError, match="at least 2 users; got 1"):
        compare(evaluation([0.1]), evaluation([0.1]), "recall@5")
    with pytest.raises(ValueError, match="got 'ndcg@5'"):
        compare(a, a, "ndcg@5")
