"""Laws that draw a cell first: MIDX, clusters and strata, their cells and codebooks."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recneg.errors import InvalidDataError, NoNegativeError
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.samplers import Sampler
from recneg.samplers.cluster import Cluster
from recneg.samplers.codebook import codebook
from recneg.samplers.midx import MIDX
from recneg.samplers.softmax import Softmax
from recneg.samplers.stratified import Stratified, popularity_cohorts
from recneg.testing import contract_interactions


def contract_model(law: Any, **options: Any) -> Sampler:
    data = contract_interactions()
    rng = np.random.default_rng(3)
    users, items = rng.normal(size=(data.num_users, 5)), rng.normal(size=(data.num_items, 5))
    return law(data, users, items, **options)


# -- codebooks -----------------------------------------------------------------------------------


def test_a_code_is_the_nearest_centre_and_a_centre_the_mean_of_its_vectors() -> None:
    rng = np.random.default_rng(0)
    corners = rng.normal(size=(6, 3)) * 50
    vectors = (corners[rng.integers(0, 6, 900)] + rng.normal(size=(900, 3))).astype(np.float32)
    centres, codes = codebook(vectors, 6, Key(0))
    distance = ((vectors[:, None].astype(np.float64) - centres) ** 2).sum(axis=2)
    assert np.array_equal(codes, distance.argmin(axis=1))
    for code in np.unique(codes):
        mean = vectors[codes == code].astype(np.float64).mean(axis=0)
        assert np.allclose(centres[code], mean, atol=1e-9)


def test_few_distinct_vectors_are_their_own_centres() -> None:
    vectors = np.repeat(np.array([[1, 2], [3, 4], [5, 6]], np.float32), 10, axis=0)
    centres, codes = codebook(vectors, 8, Key(0))
    assert centres.shape == (3, 2)
    assert np.allclose(centres[codes], vectors)


def test_no_columns_give_one_centre() -> None:
    centres, codes = codebook(np.empty((4, 0), np.float32), 8, Key(0))
    assert centres.shape == (1, 0)
    assert codes.tolist() == [0, 0, 0, 0]


def test_many_vectors_are_fitted_to_a_sample_and_all_coded() -> None:
    vectors = np.random.default_rng(0).normal(size=(100_000, 1)).astype(np.float32)
    centres, codes = codebook(vectors, 3, Key(0))
    assert np.array_equal(codes, np.abs(vectors.astype(np.float64) - centres.T).argmin(axis=1))
    again, _ = codebook(vectors, 3, Key(0))
    assert np.array_equal(centres, again)
    other, _ = codebook(vectors, 3, Key(1))
    assert not np.array_equal(np.sort(centres, axis=0), np.sort(other, axis=0))


def test_codebooks_leave_the_global_random_state_alone() -> None:
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].tobytes()  # type: ignore[index] # noqa: NPY002
    contract_model(MIDX)
    assert np.random.get_state()[1].tobytes() == before  # type: ignore[index] # noqa: NPY002


# -- MIDX and clusters ---------------------------------------------------------------------------


def test_as_many_codewords_as_items_give_the_softmax() -> None:
    data = contract_interactions()
    midx = contract_model(MIDX, codewords=61, temperature=0.7)
    cluster = contract_model(Cluster, clusters=61, temperature=0.7)
    softmax = contract_model(Softmax, temperature=0.7)
    pairs = np.indices((data.num_users, data.num_items))
    for law in (midx, cluster):
        got, expected = law._log_prob(*pairs), softmax._log_prob(*pairs)
        finite = np.isfinite(expected)
        assert np.array_equal(finite, np.isfinite(got))
        assert np.allclose(got[finite], expected[finite], rtol=1e-9)


def test_one_codeword_gives_the_uniform_law() -> None:
    log_q = contract_model(MIDX, codewords=1).log_prob(0, np.arange(61))
    assert np.allclose(log_q, -np.log(61))


@pytest.mark.parametrize("law", [MIDX, Cluster])
def test_popularity_leaves_out_items_without_a_count(law: Any) -> None:
    """A user who has seen all that anyone has is exhausted, though items are free."""
    data = Interactions.from_arrays([0, 1, 1], [0, 0, 2], num_items=4)
    sampler = law(data, np.ones((2, 2)), np.ones((4, 2)), weighting="popularity")
    assert sampler.sample([0], 5, key=0).items.tolist() == [[2] * 5]
    with pytest.raises(NoNegativeError, match="has none: 1"):
        sampler.sample([1], 1, key=0)


def test_scores_far_apart_do_not_hide_the_cells_that_are_left() -> None:
    """The best cell is seen; the others are 1e6 below it and differ by ln 3."""
    items = np.array([[1e6, 0], [0, 0], [np.log(3), 0]])
    data = Interactions.from_arrays([0], [0], num_items=3)
    law = MIDX(data, [[1.0, 1.0]], items, codewords=3)
    assert np.allclose(np.exp(law.log_prob(0, [0, 1, 2])), [0, 0.25, 0.75])


# -- strata --------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_strata_are_the_dense_law(data: st.DataObject) -> None:
    num_users, num_items = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 30))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    seen = rng.random((num_users, num_items)) < rng.choice([0, 0.3, 0.95, 1], (num_users, 1))
    interactions = Interactions.from_arrays(
        *np.nonzero(seen), num_users=num_users, num_items=num_items
    )
    groups = rng.choice([0, 1, 2, 5], num_items)
    shares = rng.choice([0.0, 0.5, 3.0], 7)
    unseen = data.draw(st.booleans())
    if not shares[groups].any():
        with pytest.raises(InvalidDataError, match="must have a positive share"):
            Stratified(interactions, groups, shares, unseen=unseen)
        return
    law = Stratified(interactions, groups, shares, unseen=unseen)
    got = np.exp(law._log_prob(*np.indices((num_users, num_items))))
    for user in range(num_users):
        free = ~seen[user] | (not unseen)
        expected = np.zeros(num_items)
        for group in np.unique(groups):
            inside = free & (groups == group)
            expected[inside] = shares[group] / max(inside.sum(), 1)
        expected /= expected.sum() or 1
        assert np.allclose(got[user], expected, rtol=1e-12)
    drawn = law.sample(np.arange(num_users), 9, key=0, exhausted="mask")
    assert np.array_equal(drawn.mask.all(axis=1), got.any(axis=1))


def test_shares_default_to_equal_ones_of_the_groups_that_have_items() -> None:
    data = Interactions.from_arrays([], [], num_users=1, num_items=4)
    law = Stratified(data, [1990, 7, 7, 7])
    assert np.allclose(np.exp(law.log_prob(0, np.arange(4))), [1 / 2, 1 / 6, 1 / 6, 1 / 6])


@pytest.mark.parametrize(
    ("groups", "shares", "message"),
    [
        ([0, 1], None, r"groups must be integers of shape \(3,\); got int64 of shape \(2,\)"),
        ([0.0, 1.0, 1.0], None, "groups must be integers"),
        ([0, -1, 1], None, "groups must not be negative; got -1"),
        ([0, 1, 2], [1, 1], r"vector of at least 3, one a group; got shape \(2,\)"),
        ([0, 1, 2], [1, -1, 1], "not negative; got -1.0 for group 1"),
        ([0, 1, 2], [1, 1, np.nan], "finite and not negative; got nan for group 2"),
        ([0, 0, 0], [0, 1], "a group that has items must have a positive share"),
    ],
)
def test_bad_strata(groups: list[Any], shares: list[float] | None, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        Stratified(Interactions.from_arrays([0], [2]), groups, shares)


def test_strata_of_an_empty_catalogue_are_refused() -> None:
    with pytest.raises(InvalidDataError, match="at least one item"):
        Stratified(Interactions.from_arrays([], [], num_users=1), np.empty(0, np.int64))


def test_cohorts_have_equal_counts_and_fall_in_popularity() -> None:
    rng = np.random.default_rng(0)
    items = np.minimum(rng.geometric(0.01, 20_000) - 1, 499)
    data = Interactions.from_arrays(rng.integers(0, 3000, 20_000), items, num_items=520)
    cohorts, counts = popularity_cohorts(data, 4), data.item_counts()
    totals = np.bincount(cohorts, weights=counts)
    assert len(totals) == 4
    assert np.abs(totals - counts.sum() / 4).max() <= counts.max()
    for cohort in range(3):
        assert counts[cohorts == cohort].min() >= counts[cohorts == cohort + 1].max()
    assert (cohorts[counts == 0] == 3).all()


def test_cohorts_without_interactions_and_bad_numbers() -> None:
    data = Interactions.from_arrays([], [], num_users=1, num_items=3)
    assert popularity_cohorts(data, 5).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="at least 1; got 0"):
        popularity_cohorts(data, 0)
    with pytest.raises(TypeError, match="must be an integer; got 2.0"):
        popularity_cohorts(data, 2.0)
