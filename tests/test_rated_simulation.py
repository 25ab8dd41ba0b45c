"""Semi-synthetic clicks: they follow the stated probabilities, which follow the ratings.

Error budget: each statistical check has a false-alarm rate of at most 1e-6 for a new stream
version (z beyond 5.5 over at most 20 cells); keys are fixed.
"""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from recneg.errors import InvalidDataError, InvalidIdError
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.parallel import set_num_threads
from recneg.simulation import rated
from recneg.simulation.rated import RatedTruth, SemiSynthetic, semi_synthetic

NUM_USERS, NUM_ITEMS = 300, 200


@pytest.fixture(scope="module")
def ratings() -> Interactions:
    """Return ratings 1 to 5: half of the items are good, popularity falls with the item id."""
    rng = np.random.default_rng(0)
    popular = 0.6 / (1 + np.arange(NUM_ITEMS) / 20)
    users, items = np.nonzero(rng.random((NUM_USERS, NUM_ITEMS)) < popular)
    good = np.where(items % 2 == 0, 4, 2)
    return Interactions.from_arrays(
        users, items, weights=np.clip(good + rng.integers(-1, 2, items.size), 1, 5),
        num_users=NUM_USERS, num_items=NUM_ITEMS, item_ids=np.arange(1000, 1000 + NUM_ITEMS),
    )  # fmt: skip


@pytest.fixture(scope="module")
def world(ratings: Interactions) -> SemiSynthetic:
    return semi_synthetic(ratings, exponent=0.5, epsilon=3.0, key=4)


def everything(truth: RatedTruth) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(truth.num_users)[:, None], np.arange(truth.num_items)


def dense(data: Interactions) -> np.ndarray:
    seen = np.zeros((data.num_users, data.num_items), np.bool_)
    seen[data.users(), data.indices] = True
    return seen


def test_clicks_are_what_is_exposed_and_relevant(world: SemiSynthetic) -> None:
    truth, pairs = world.truth, everything(world.truth)
    expected = truth.is_exposed(*pairs) & truth.is_relevant(*pairs)
    assert np.array_equal(dense(world.interactions), expected)


@pytest.mark.parametrize("event", ["click", "exposure", "relevance"])
def test_each_event_has_the_stated_probability_in_every_stratum(
    world: SemiSynthetic, event: str
) -> None:
    truth, pairs = world.truth, everything(world.truth)
    found = {
        "click": dense(world.interactions),
        "exposure": truth.is_exposed(*pairs),
        "relevance": truth.is_relevant(*pairs),
    }[event]
    chance = getattr(truth, event)(*pairs)
    by_chance = np.digitize(chance, np.quantile(chance, np.linspace(0.05, 0.95, 19)))
    by_user = np.broadcast_to(np.arange(NUM_USERS)[:, None] % 20, chance.shape)
    by_item = np.broadcast_to(np.arange(NUM_ITEMS) % 20, chance.shape)
    for strata in (by_chance, by_user, by_item):
        expected = np.bincount(strata.ravel(), chance.ravel())
        variance = np.bincount(strata.ravel(), (chance * (1 - chance)).ravel())
        z = (np.bincount(strata.ravel(), found.ravel()) - expected) / np.sqrt(variance)
        assert np.abs(z).max() < 5.5


def test_exposure_and_relevance_are_independent_given_their_probabilities(
    world: SemiSynthetic,
) -> None:
    truth, pairs = world.truth, everything(world.truth)
    gamma, theta = truth.relevance(*pairs), truth.exposure(*pairs)
    residuals = (truth.is_relevant(*pairs) - gamma) * (truth.is_exposed(*pairs) - theta)
    spread = np.sqrt((gamma * (1 - gamma) * theta * (1 - theta)).sum())
    assert abs(residuals.sum()) < 5.5 * spread


def test_probabilities_are_the_stated_formulas(world: SemiSynthetic) -> None:
    truth, pairs = world.truth, everything(world.truth)
    expected = np.clip(truth.rating_users @ truth.rating_items.T, 1, 5) - 3.0
    np.testing.assert_allclose(truth.relevance(*pairs), 1 / (1 + np.exp(-expected)), rtol=1e-12)
    seen = 1 / (1 + np.exp(-truth.seen_users @ truth.seen_items.T))
    np.testing.assert_allclose(truth.exposure(*pairs), np.sqrt(seen), rtol=1e-12)
    np.testing.assert_allclose(
        truth.click(*pairs), truth.relevance(*pairs) * truth.exposure(*pairs), rtol=1e-12
    )


def test_the_truth_is_that_of_the_ratings(ratings: Interactions) -> None:
    truth = semi_synthetic(ratings, key=1, steps=1000).truth
    pairs = everything(truth)
    gamma, theta = truth.relevance(*pairs).mean(axis=0), truth.exposure(*pairs).mean(axis=0)
    assert gamma[::2].min() > gamma[1::2].max()  # the good items
    assert stats.spearmanr(theta, ratings.item_counts()).statistic > 0.8
    density = len(ratings) / (NUM_USERS * NUM_ITEMS)
    assert theta.mean() == pytest.approx(density, rel=0.15)
    given = (truth.rating_users @ truth.rating_items.T)[ratings.users(), ratings.indices]
    error = np.mean((given - ratings.weights) ** 2)
    assert error < 0.6 * ratings.weights.var()


def test_exponents_nest_exposure_and_keep_relevance(ratings: Interactions) -> None:
    worlds = {exponent: semi_synthetic(ratings, exponent=exponent) for exponent in (0, 0.5, 1, 4)}
    pairs = everything(worlds[0].truth)
    relevant = worlds[0].truth.is_relevant(*pairs)
    assert np.array_equal(dense(worlds[0].interactions), relevant)  # everything is seen
    seen = [dense(world.interactions) for world in worlds.values()]
    for more, fewer in pairwise(seen):
        assert np.all(more | ~fewer)
        assert more.sum() > fewer.sum()
    for world in worlds.values():
        assert np.array_equal(world.truth.is_relevant(*pairs), relevant)


def test_keys_and_threads(ratings: Interactions, world: SemiSynthetic) -> None:
    try:
        for threads in (1, 3):
            set_num_threads(threads)
            again = semi_synthetic(ratings, exponent=0.5, epsilon=3.0, key=Key(4))
            assert again.interactions.indices.tobytes() == world.interactions.indices.tobytes()
            assert again.truth.rating_items.tobytes() == world.truth.rating_items.tobytes()
    finally:
        set_num_threads(None)
    other = semi_synthetic(ratings, exponent=0.5, epsilon=3.0, key=5)
    assert not np.array_equal(other.truth.rating_items, world.truth.rating_items)
    assert not np.array_equal(other.truth.seen_items, world.truth.seen_items)


def test_blocks_of_users_change_nothing(
    ratings: Interactions, world: SemiSynthetic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recneg.simulation.rated.BLOCK_PAIRS", 7 * NUM_ITEMS)
    again = semi_synthetic(ratings, exponent=0.5, epsilon=3.0, key=4)
    assert np.array_equal(dense(again.interactions), dense(world.interactions))


def test_interface(world: SemiSynthetic) -> None:
    truth = world.truth
    assert repr(truth) == "RatedTruth(300 users, 200 items, epsilon=3, exponent=0.5)"
    assert world.interactions.item_ids is not None
    assert world.interactions.item_ids[0] == 1000
    for method in (truth.relevance, truth.exposure, truth.click):
        block = method(np.array([[3], [299]]), [0, 5, 199])
        assert block.shape == (2, 3)
        assert block[1, 2] == method(299, 199)
        assert method([], []).shape == (0,)
        with pytest.raises(InvalidIdError, match="user ids must"):
            method(300, 0)
    again = pickle.loads(pickle.dumps(truth))  # noqa: S301
    assert again.click(3, 4) == truth.click(3, 4)
    for copy in (truth, again):
        with pytest.raises(ValueError, match="read-only"):
            copy.seen_users[0] = 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exponent": -0.5}, "exponent must be finite and not negative; got -0.5"),
        ({"exponent": np.nan}, "exponent must be .* got nan"),
        ({"epsilon": np.inf}, "epsilon must be finite; got inf"),
        ({"learning_rate": 0.0}, "learning_rate must be positive and finite; got 0.0"),
        ({"factors": 0}, "factors must be an integer of at least 1; got 0"),
        ({"steps": 0}, "steps must be an integer of at least 1; got 0"),
        ({"batch_size": -3}, "batch_size must be an integer of at least 1; got -3"),
        ({"key": -1}, "seed must lie in"),
    ],
)
def test_bad_parameters_are_errors(ratings: Interactions, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        semi_synthetic(ratings, **options)


def test_data_without_ratings_are_errors() -> None:
    with pytest.raises(InvalidDataError, match="ratings must hold .* without weights"):
        semi_synthetic(Interactions.from_arrays([0], [0]))
    with pytest.raises(InvalidDataError, match="at least one pair with a rating"):
        semi_synthetic(Interactions.from_arrays([], [], weights=[], num_users=2, num_items=2))


@pytest.mark.parametrize("kind", ["squared", "logistic"])
def test_the_fit_takes_the_steps_of_torch(ratings: Interactions, kind: str) -> None:
    import torch

    rng = np.random.default_rng(5)
    users, items = rng.integers(0, NUM_USERS, (7, 40)), rng.integers(0, NUM_ITEMS, (7, 40))
    targets = rng.random((7, 40)).round()
    slopes = {"squared": rated._squared_slopes, "logistic": rated._logistic_slopes}[kind]
    found = rated._factorize(
        ratings, lambda step: rated._Batch(users[step], items[step], targets[step]), slopes,
        Key(3), 5, 0.05, 7,
    )  # fmt: skip
    tables = [
        torch.tensor(rated._glorot(Key(3).fold_in(side), size, 5), requires_grad=True)
        for side, size in enumerate((NUM_USERS, NUM_ITEMS))
    ]
    adam = torch.optim.Adam(tables, lr=0.05)
    for step in range(7):
        scores = (tables[0][users[step]] * tables[1][items[step]]).sum(1)
        wanted = torch.from_numpy(targets[step])
        loss = (
            ((scores - wanted) ** 2).mean()
            if kind == "squared"
            else torch.nn.functional.binary_cross_entropy_with_logits(scores, wanted)
        )
        adam.zero_grad()
        loss.backward()
        adam.step()
    for ours, theirs in zip(found, tables, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-9, atol=1e-12)


def test_factors_that_overflow_are_an_error(ratings: Interactions) -> None:
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="smaller learning"):
        semi_synthetic(ratings, learning_rate=1e300)
