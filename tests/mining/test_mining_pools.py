"""Rebuilt lists and resampled pools: what they hold, and the exact law that they give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mining_oracles import resampled

from recneg import Interactions, Key, Popularity, Uniform
from recneg.mining import refreshed, resampled_pool
from recneg.samplers import Mixture
from recneg.testing import ALPHA, check_sampler, chi_square_p_value


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Interactions, np.ndarray, np.ndarray]:
    """Users without history, with everything, and in between; scores with ties."""
    num_users, num_items = draw(st.integers(1, 4)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    seen = rng.random((num_users, num_items)) < rng.random((num_users, 1)) * 1.4
    users, items = np.nonzero(seen)
    data = Interactions.from_arrays(users, items, num_users=num_users, num_items=num_items)
    factors = rng.integers(-2, 3, (num_users + num_items, 2)).astype(float)
    return data, factors[:num_users], factors[num_users:]


@given(worlds(), st.integers(1, 9), st.integers(0, 3))
def test_refreshed_lists_the_best_unseen(
    world: tuple[Interactions, np.ndarray, np.ndarray], top: int, skip: int
) -> None:
    data, users, items = world
    law = refreshed(data, users, items, top=top, skip=skip)
    for user in range(data.num_users):
        free = set(range(data.num_items)) - set(data.items_of(user).tolist())
        best = sorted(free, key=lambda i: (-(users[user] @ items[i]), i))[skip : skip + top]
        q = np.exp(law.log_prob(user, np.arange(data.num_items)))
        wanted = np.isin(np.arange(data.num_items), best) / max(len(best), 1)
        assert q == pytest.approx(wanted, abs=1e-6)


def _factors(data: Interactions) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    return rng.normal(size=(data.num_users, 4)), rng.normal(size=(data.num_items, 4))


def test_refreshed_and_its_mixture_keep_the_contract() -> None:
    check_sampler(lambda data: refreshed(data, *_factors(data), top=9), draws=20_000)
    check_sampler(
        lambda data: Mixture(
            (refreshed(data, *_factors(data), top=9, skip=1), Uniform(data)), (0.3, 0.7)
        ),
        draws=20_000,
    )


def test_resampled_pool_keeps_the_contract() -> None:
    check_sampler(
        lambda data: resampled_pool(Uniform(data), *_factors(data), key=0, size=20), draws=20_000
    )


@given(worlds(), st.integers(0, 2**40), st.integers(1, 6))
@settings(max_examples=30)
def test_resampled_pool_against_a_plain_loop(
    world: tuple[Interactions, np.ndarray, np.ndarray], seed: int, size: int
) -> None:
    data, users, items = world
    base = Uniform(data)
    got = resampled_pool(base, users, items, key=seed, num_candidates=10, size=size)
    every = np.arange(data.num_users)
    drawn = base.sample(every, 10, key=Key(seed).fold_in(0), exhausted="mask")
    for user in every:
        row = {
            "items": drawn.items[user].tolist(),
            "mask": drawn.mask[user].tolist(),
            "log_q": drawn.log_q[user].tolist(),
            "scores": [float(users[user] @ items[i]) for i in drawn.items[user]],
            "key": Key(seed).fold_in(1).seed,
            "row": int(user),
        }
        wanted = [row["items"][place] for place in resampled(row, size, 1.0)]
        assert got.entries[user].tolist() == (wanted or [-1] * size)


def test_resampled_pool_corrects_for_the_law_of_its_candidates() -> None:
    """Uniform and popularity candidates give the same softmax pool, up to chance."""
    users = np.repeat(np.arange(6), [6, 5, 4, 3, 2, 1])
    data = Interactions.from_arrays(
        users, np.concatenate([np.arange(n) for n in (6, 5, 4, 3, 2, 1)]), num_users=10_000
    )
    scores = np.array([0.5, -0.4, 1.0, 0.0, 0.3, -1.0])
    softmax = np.exp(scores) / np.exp(scores).sum()
    for base in (Uniform(data), Popularity(data, 0.5)):
        pool = resampled_pool(
            base, np.ones((10_000, 1)), scores[:, None], key=2, num_candidates=400, size=1
        )
        counts = np.bincount(pool.entries[6:, 0], minlength=6)
        assert chi_square_p_value(counts, softmax * counts.sum()) > ALPHA


def test_a_previous_pool_gives_half_of_the_new_one() -> None:
    data = Interactions.from_arrays([0], [3], num_users=4_000, num_items=4)
    ones = np.ones((4_000, 1))
    low, high = (np.array([[0.0], [0.0], [0.0], [0.0]]) for _ in range(2))
    low[1], high[2] = 90.0, 90.0
    before = resampled_pool(Uniform(data), ones, low, key=0, num_candidates=50, size=10)
    after = resampled_pool(
        Uniform(data), ones, high, key=1, num_candidates=50, size=20, previous=before
    )
    assert set(before.entries.ravel().tolist()) == {1}
    counts = np.bincount(after.entries.ravel(), minlength=4)
    expected = np.array([0, 10, 20, 0]) / 30 * counts.sum()
    assert chi_square_p_value(counts, expected) > ALPHA


def test_a_previous_pool_of_users_with_nothing_left() -> None:
    data = Interactions.from_arrays([0, 0, 1], [0, 1, 1], num_users=2, num_items=2)
    arguments = (Uniform(data), np.ones((2, 1)), np.ones((2, 1)))
    before = resampled_pool(*arguments, key=0, size=3)
    after = resampled_pool(*arguments, key=1, size=3, previous=before)
    assert after.entries.tolist() == [[-1, -1, -1], [0, 0, 0]]
