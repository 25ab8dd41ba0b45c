"""Mixtures, exclusions, pools, impressions and laws of time against plain enumeration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recneg.errors import InvalidDataError, InvalidIdError, NoNegativeError
from recneg.interactions import Interactions
from recneg.noise import FlipModel
from recneg.samplers import (
    Conditional,
    Exposed,
    Mixture,
    NoisyLabel,
    Pool,
    Popularity,
    Sampler,
    TimeAware,
    Uniform,
)
from recneg.testing import chi_square_p_value, contract_interactions


def law_of(sampler: Sampler, **context) -> np.ndarray:
    users = np.arange(sampler.num_users)
    items = np.broadcast_to(np.arange(sampler.num_items), (users.size, sampler.num_items))
    return np.exp(sampler.log_prob(users, items, **context).astype(np.float64))


def dense(data: Interactions) -> np.ndarray:
    seen = np.zeros((data.num_users, data.num_items), np.bool_)
    seen[data.users(), data.indices] = True
    return seen


def normalised(weights: np.ndarray) -> np.ndarray:
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Interactions, Interactions]:
    """Two sets of pairs on the same few users and items."""
    num_users, num_items = draw(st.integers(1, 4)), draw(st.integers(1, 7))
    pair = st.tuples(st.integers(0, num_users - 1), st.integers(0, num_items - 1))
    made = []
    for pairs in (draw(st.lists(pair, max_size=20)), draw(st.lists(pair, max_size=20))):
        users, items = zip(*pairs, strict=True) if pairs else ((), ())
        made.append(
            Interactions.from_arrays(
                np.array(users, np.int64),
                np.array(items, np.int64),
                num_users=num_users,
                num_items=num_items,
            )
        )
    return made[0], made[1]


@given(worlds())
def test_a_mixture_is_the_weighted_sum_over_the_laws_that_can(
    world: tuple[Interactions, Interactions],
) -> None:
    data, shown = world
    parts = (Uniform(data), Exposed(data, shown))
    laws = np.stack([law_of(part) for part in parts])
    able = laws.sum(axis=2) > 0
    weights = np.array([0.3, 0.7])[:, None] * able
    shares = normalised(weights.T).T
    expected = (shares[:, :, None] * laws).sum(axis=0)
    mixed = Mixture(parts, (3, 7))
    assert np.allclose(law_of(mixed), expected, atol=1e-6)
    got = mixed.sample(np.arange(data.num_users), 20, key=0, exhausted="mask")
    assert (got.mask.all(axis=1) == able.any(axis=0)).all()
    users = np.arange(data.num_users)[:, None]
    assert (expected[users, got.items][got.mask] > 0).all()


def test_a_mixture_of_mixtures_and_of_one() -> None:
    data = contract_interactions()
    inner = Mixture((Uniform(data), Popularity(data)), (1, 3))
    outer = Mixture((inner, Popularity(data, 1.0)), (4, 1))
    expected = (
        0.2 * law_of(Uniform(data)) + 0.6 * law_of(Popularity(data))
        + 0.2 * law_of(Popularity(data, 1.0))
    )  # fmt: skip
    # user 2 has no item with weight; there the parts that can are left
    able = law_of(Popularity(data)).sum(axis=1) > 0
    assert np.allclose(law_of(outer)[able], expected[able], atol=1e-6)
    assert np.allclose(law_of(Mixture([Uniform(data)])), law_of(Uniform(data)), atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "message"),
    [((1,), "2 finite numbers"), ((0, 0), "not all zero"), ((-1, 2), "not negative"),
     ((np.nan, 1), "finite")],
)  # fmt: skip
def test_bad_mixtures(weights: tuple, message: str) -> None:
    data, other = (Interactions.from_arrays([0], [0], num_items=n) for n in (3, 4))
    with pytest.raises(InvalidDataError, match=message):
        Mixture((Uniform(data), Uniform(data)), weights)
    with pytest.raises(InvalidDataError, match="the same users and items"):
        Mixture((Uniform(data), Uniform(other)))
    with pytest.raises(InvalidDataError, match="at least one law"):
        Mixture(())


@given(worlds(), st.sampled_from(["uniform", "popularity", "everything", "pool"]))
def test_conditioning_renormalises_what_is_left(
    world: tuple[Interactions, Interactions], base: str
) -> None:
    data, exclude = world
    law = {
        "uniform": lambda: Uniform(data),
        "popularity": lambda: Popularity(data, 1.0, floor=0.5),
        "everything": lambda: Uniform(data, unseen=False),
        "pool": lambda: Pool(data, np.tile(np.arange(data.num_items), (data.num_users, 1))),
    }[base]()
    conditional = Conditional(law, exclude)
    expected = normalised(law_of(law) * ~dense(exclude))
    assert np.allclose(law_of(conditional), expected, atol=1e-6)
    assert (conditional.law is None) == (base == "pool")
    got = conditional.sample(np.arange(data.num_users), 25, key=1, exhausted="mask")
    users = np.arange(data.num_users)[:, None]
    assert (expected[users, got.items][got.mask] > 0).all()
    assert (got.mask.all(axis=1) == (expected.sum(axis=1) > 0)).all()


def test_held_out_items_are_drawn_unless_they_are_excluded_by_name() -> None:
    train = Interactions.from_arrays([0, 1], [0, 1], num_items=4)
    test = Interactions.from_arrays([0, 1], [2, 3], num_users=2, num_items=4)
    users = np.repeat([0, 1], 500)
    drawn = Uniform(train).sample(users, 1, key=0).items
    assert test.contains(users[:, None], drawn).any()
    drawn = Conditional(Uniform(train), test).sample(users, 1, key=0).items
    assert not test.contains(users[:, None], drawn).any()
    with pytest.raises(InvalidDataError, match="exclude must have the users and items"):
        Conditional(Uniform(train), Interactions.from_arrays([0], [0]))


@given(worlds())
def test_what_was_shown_and_left(world: tuple[Interactions, Interactions]) -> None:
    data, shown = world
    expected = normalised((dense(shown) & ~dense(data)).astype(float))
    assert np.allclose(law_of(Exposed(data, shown)), expected, atol=1e-6)


def test_pools_count_entries_and_drop_what_was_seen() -> None:
    data = Interactions.from_arrays([0, 1], [0, 1], num_items=4)
    pool = Pool(data, np.array([[0, 0, 2, 2, 3], [1, -1, -1, 1, 1]]))
    assert np.allclose(law_of(pool), [[0, 0, 2 / 3, 1 / 3], [0, 0, 0, 0]], atol=1e-6)
    with pytest.raises(NoNegativeError, match="has none: 1"):
        pool.sample([0, 1], 1, key=0)
    with pytest.raises(InvalidDataError, match=r"shape \(2, size\); got \(1, 5\)"):
        Pool(data, np.zeros((1, 5), np.int64))
    with pytest.raises(InvalidIdError, match="item ids must lie in"):
        Pool(data, np.array([[4], [0]]))


def test_nothing_is_drawn_before_it_existed() -> None:
    rng = np.random.default_rng(1)
    users, items = np.nonzero(rng.random((6, 30)) < 0.3)
    data = Interactions.from_arrays(
        users, items, timestamps=rng.integers(0, 1000, users.size), num_items=32
    )
    births = np.full(32, np.iinfo(np.int64).max)
    np.minimum.at(births, data.indices, data.timestamps)
    times = rng.integers(births.min(), 1000, 6)
    expected = normalised((~dense(data) & (births <= times[:, None])).astype(float))
    law = TimeAware(data)
    assert np.allclose(law_of(law, times=times), expected, atol=1e-6)
    able = np.flatnonzero(expected.sum(axis=1))
    batch = np.repeat(able, 40_000 // able.size)
    got = law.sample(batch, 5, key=2, times=times[batch])
    for user in able:
        observed = np.bincount(got.items[batch == user].ravel(), minlength=32)
        assert chi_square_p_value(observed, expected[user] * observed.sum()) > 1e-6
    assert np.allclose(got.log_q, np.log(expected[batch[:, None], got.items]), atol=1e-5)
    late = law_of(law, times=np.full(6, 10**6))
    assert np.allclose(law_of(law), late)
    assert (late[:, 30:] == 0).all()  # never seen, so they never existed
    with pytest.raises(NoNegativeError):
        law.sample([0], 1, key=0, times=[-1])


def test_laws_without_time_ignore_it_and_mixtures_hand_it_on() -> None:
    data = Interactions.from_arrays([0, 0], [0, 2], num_items=6)
    born = np.array([0, 0, 10, 20, 30, 40])
    users, times = np.zeros(2000, np.int64), np.full(2000, 25)
    plain = Uniform(data).sample(users, 2, key=1)
    assert np.array_equal(plain.items, Uniform(data).sample(users, 2, key=1, times=times).items)
    mixed = Mixture((TimeAware(data, born), Uniform(data)), (1, 1))
    got = mixed.sample(users, 2, key=3, times=times)
    share = np.bincount(got.items.ravel(), minlength=6) / got.items.size
    expected = 0.5 * np.array([0, 0.5, 0, 0.5, 0, 0]) + 0.5 * np.array([0, 1, 0, 1, 1, 1]) / 4
    assert np.abs(share - expected).max() < 0.04
    assert np.allclose(np.exp(got.log_q), expected[got.items], atol=1e-6)
    assert np.allclose(got.log_q, mixed.log_prob(users, got.items, times=times), atol=1e-6)


@pytest.mark.parametrize("normalise", ["exact", "estimate"])
def test_thinned_laws_hand_the_time_on(normalise: str) -> None:
    """Conditional and NoisyLabel over a law of time: the base's law of the moment, renormalised."""
    rng = np.random.default_rng(3)
    users, items = np.nonzero(rng.random((5, 20)) < 0.2)
    data = Interactions.from_arrays(users, items, num_items=20)
    excluded = Interactions.from_arrays(*np.nonzero(rng.random((5, 20)) < 0.3), num_items=20)
    born, times = rng.integers(0, 100, 20), np.array([10, 40, 60, 90, 90])
    base = TimeAware(data, born)
    moment = law_of(base, times=times)
    flips = FlipModel(*(rng.normal(size=(n, 3)) for n in (5, 20, 5, 20)))
    accepted = flips.true_negative(np.arange(5)[:, None], np.arange(20)[None])
    cases = {
        "conditional": (Conditional(base, excluded), ~dense(excluded), 1e-6),
        "noisy label": (
            NoisyLabel(base, flips, normalise=normalise),
            accepted,
            1e-6 if normalise == "exact" else 0.05,
        ),
    }
    for law, factor, tolerance in cases.values():
        expected = normalised(moment * factor)
        assert np.allclose(law_of(law, times=times), expected, atol=tolerance)
        able = np.flatnonzero(expected.sum(axis=1))
        batch = np.repeat(able, 20_000)
        got = law.sample(batch, 1, key=4, times=times[batch])
        assert np.allclose(
            got.log_q[:, 0], law.log_prob(batch, got.items, times=times[batch])[:, 0], atol=1e-5
        )
        for user in able:
            observed = np.bincount(got.items[batch == user].ravel(), minlength=20)
            assert chi_square_p_value(observed, expected[user] * observed.sum()) > 1e-6
        part = law.sample(batch[7:9], 1, key=4, rows=[7, 8], times=times[batch[7:9]])
        assert np.array_equal(part.items, got.items[7:9])


@pytest.mark.parametrize("times", [[0.5, 1.0], [1], [[1], [2]]])
def test_bad_times(times: list) -> None:
    sampler = Uniform(Interactions.from_arrays([0, 1], [0, 1], num_items=3))
    with pytest.raises(
        InvalidIdError, match=r"times must be integers below 2\*\*63 of the shape of users"
    ):
        sampler.sample([0, 1], 1, key=0, times=times)


def test_time_needs_times() -> None:
    data = Interactions.from_arrays([0], [0], num_items=2)
    with pytest.raises(InvalidDataError, match="or interactions with timestamps; got neither"):
        TimeAware(data)
    with pytest.raises(InvalidDataError, match=r"integers below 2\*\*63 of shape \(2,\)"):
        TimeAware(data, np.array([1, 2, 3]))
    for at in ("2020", 20.5, np.nan, 2**70):
        with pytest.raises(InvalidDataError, match="at must be an integer below"):
            TimeAware(data, np.array([1, 2]), at=at)


def test_laws_say_whether_they_leave_out_the_seen() -> None:
    data, shown = contract_interactions(), contract_interactions()
    everything = Uniform(data, unseen=False)
    assert Exposed(data, shown).unseen
    assert Mixture((Uniform(data), Popularity(data))).unseen
    assert not Mixture((Uniform(data), everything)).unseen
    assert Conditional(TimeAware(data, np.zeros(61, np.int64)), shown).unseen
    assert not Conditional(everything, shown).unseen


def test_other_things_than_interactions_and_laws_are_refused() -> None:
    data = contract_interactions()
    for make in (
        lambda: Conditional(Uniform(data), np.zeros((12, 61))),
        lambda: Exposed(data, [1, 2]),
    ):
        with pytest.raises(InvalidDataError, match="must be Interactions"):
            make()
    with pytest.raises(InvalidDataError, match="laws of a mixture must be samplers"):
        Mixture((Uniform(data), Uniform))


def test_popularity_with_a_floor_and_with_counts_of_ones_own() -> None:
    data = Interactions.from_arrays([0, 1, 2], [0, 0, 0], num_users=4, num_items=3)
    assert law_of(Popularity(data, 1.0, floor=1.5))[3].tolist() == pytest.approx([0.5, 0.25, 0.25])
    assert law_of(Popularity(data, 2.0, counts=[1, 2, 0]))[3].tolist() == pytest.approx(
        [0.2, 0.8, 0.0]
    )
    for wrong, message in (([1, 2], "shape"), ([1, -1, 0], "item 1"), ([1, 2, np.nan], "item 2")):
        with pytest.raises(InvalidDataError, match=message):
            Popularity(data, counts=wrong)
    with pytest.raises(InvalidDataError, match="floor must be finite"):
        Popularity(data, floor=-1)
