"""Adaptive oversampling by ranks in one factor: its contract, ties, signs and weights."""

import numpy as np

from recneg.interactions import Interactions
from recneg.samplers.rank_adaptive import RankAdaptive
from recneg.testing import contract_interactions


def law_of(users: list[float], items: list[list[float]], seen: list[int]) -> np.ndarray:
    """The law of one user where each rank has half the share of the one before."""
    data = Interactions.from_arrays(
        np.zeros(len(seen), np.int64), seen, num_users=1, num_items=len(items)
    )
    law = RankAdaptive(data, [users], items, mean_rank=1 / np.log(2))
    return np.exp(law._log_prob(np.zeros(len(items), np.int64), np.arange(len(items))))


COLUMN = [[3.0], [5.0], [4.0], [1.0]]


def test_the_sign_of_the_users_factor_chooses_the_end() -> None:
    assert np.allclose(law_of([0.5], COLUMN, []), np.array([2, 8, 4, 1]) / 15)
    assert np.allclose(law_of([-0.5], COLUMN, []), np.array([4, 1, 2, 8]) / 15)


def test_ranks_skip_what_was_seen_and_are_cut_off_at_the_rest() -> None:
    assert np.allclose(law_of([0.5], COLUMN, [1]), np.array([2, 0, 4, 1]) / 7)
    assert np.allclose(law_of([-0.5], COLUMN, [0, 3]), np.array([0, 1, 2, 0]) / 3)
    assert np.allclose(law_of([0.5], COLUMN, [0, 1, 2]), [0, 0, 0, 1])


def test_ties_go_by_item_id() -> None:
    assert np.allclose(law_of([1.0], [[2.0], [2.0], [2.0]], []), np.array([4, 2, 1]) / 7)
    assert np.allclose(law_of([-1.0], [[2.0], [2.0], [2.0]], []), np.array([1, 2, 4]) / 7)


def test_a_factor_weighs_its_spread_times_the_users_size() -> None:
    """Standard deviations 1 and 3, sizes 2 and -1: shares 0.4 and 0.6, from opposite ends."""
    items = [[1.0, 3.0], [-1.0, -3.0]]
    top, bottom = 2 / 3, 1 / 3
    expected = [0.4 * top + 0.6 * bottom, 0.4 * bottom + 0.6 * top]
    assert np.allclose(law_of([2.0, -1.0], items, []), expected)


def test_a_constant_factor_is_never_chosen() -> None:
    """However large it is for the user: the sums of a constant are exact in float64."""
    rng = np.random.default_rng(0)
    items = np.column_stack((np.full(1000, np.float32(0.1)), rng.normal(size=1000) * 1e-15))
    data = Interactions.from_arrays([], [], num_users=1, num_items=1000)
    law = RankAdaptive(data, [[1e9, 1e-9]], items, mean_rank=1.0)
    order = np.argsort(-items[:, 1].astype(np.float32), kind="stable")
    log_q = law.log_prob(0, order[:30])
    assert np.allclose(log_q, -np.arange(30) + np.log(1 - np.exp(-1)), atol=1e-5)


def test_the_default_mean_rank_is_a_twentieth_of_the_catalogue() -> None:
    for num_items, mean_rank in ((5, 1.0), (400, 20.0)):
        data = Interactions.from_arrays([], [], num_users=1, num_items=num_items)
        assert RankAdaptive(data, [[1.0]], np.ones((num_items, 1))).mean_rank == mean_rank


def test_a_huge_mean_rank_is_the_uniform_law() -> None:
    data = contract_interactions()
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(data.num_users, 2)), rng.normal(size=(data.num_items, 2))
    law = RankAdaptive(data, users, items, mean_rank=1e300)
    log_q = law.log_prob(4, np.arange(20, data.num_items))
    assert np.allclose(log_q, -np.log(data.num_items - 20))


def test_one_free_item_of_many_is_found_in_every_order() -> None:
    size = 50_000
    seen = np.delete(np.arange(size), 23_456)
    data = Interactions.from_arrays(np.zeros(size - 1, np.int64), seen, num_items=size)
    items = np.random.default_rng(0).normal(size=(size, 3))
    got = RankAdaptive(data, [[1.0, -1.0, 0.5]], items).sample(np.zeros(50, np.int64), 2, key=0)
    assert (got.items == 23_456).all()
    assert np.allclose(got.log_q, 0)
