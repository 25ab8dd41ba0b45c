"""The simulated worlds: what is observed follows the stated probabilities, exactly and always.

Error budget: each statistical check has a false-alarm rate of at most 1e-6 for a new stream
version (z beyond 5.5 over at most 26 cells, or a p-value below 1e-6); seeds are fixed.
"""

import hashlib
import pickle
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from recneg.errors import InvalidDataError, InvalidIdError
from recneg.keys import Key
from recneg.parallel import set_num_threads
from recneg.simulation import Simulation, Truth, simulate
from recneg.simulation.latent import examination, normals, popularity
from recneg.simulation.showings import observe

USERS, ITEMS = 4, 6
REPEATS = 20_000


@pytest.fixture(scope="module")
def world() -> Simulation:
    return simulate(2000, 300, 20_000, key=11)


@pytest.fixture(scope="module")
def tiny() -> Truth:
    return simulate(
        USERS, ITEMS, 6, key=5, relevance_bias=0.0, false_positive_rate=0.3, false_negative_rate=0.2
    ).truth


def everything(truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(truth.num_users)[:, None], np.arange(truth.num_items)


def repeat(truth: Truth) -> np.ndarray:
    """Observe one truth under many keys, relevance included: shape (repeats, users, items)."""
    seen = np.zeros((REPEATS, USERS, ITEMS), np.bool_)
    for number in range(REPEATS):
        key = Key(number)
        again = replace(truth, relevance_key=key.fold_in(0))
        indptr, items = observe(again, key.fold_in(1), key.fold_in(2))
        seen[number, np.repeat(np.arange(USERS), np.diff(indptr)), items] = True
    return seen


def dense(simulation: Simulation) -> np.ndarray:
    data = simulation.interactions
    seen = np.zeros((data.num_users, data.num_items), np.bool_)
    seen[data.users(), data.indices] = True
    return seen


# -- the law of what is observed -------------------------------------------------------------------


def test_each_pair_is_clicked_with_the_stated_probability(tiny: Truth) -> None:
    expected = tiny.click(*everything(tiny))
    counts = repeat(tiny).sum(axis=0)
    z = (counts - REPEATS * expected) / np.sqrt(REPEATS * expected * (1 - expected))
    assert np.abs(z).max() < 5.5
    assert abs(z.sum()) < 5.5 * np.sqrt(z.size)  # one per cent on all pairs together


def test_exposures_have_the_stated_joint_law(tiny: Truth) -> None:
    # without misses and with every irrelevant item clicked, what is clicked is what was exposed
    exposed = repeat(replace(tiny, false_positive_rate=1.0, false_negative_rate=0.0))
    theta = tiny.exposure(*everything(tiny))
    for user in range(USERS):
        patterns = np.bincount(exposed[:, user] @ (1 << np.arange(ITEMS)), minlength=1 << ITEMS)
        bits = (np.arange(1 << ITEMS)[:, None] >> np.arange(ITEMS)) & 1
        law = np.where(bits, theta[user], 1 - theta[user]).prod(axis=1)
        big = REPEATS * law >= 5
        observed = np.append(patterns[big], patterns[~big].sum())
        expected = np.append(REPEATS * law[big], REPEATS * law[~big].sum())
        if expected[-1] < 5:  # too rare to count: joins the cell before it
            observed = np.append(observed[:-2], observed[-2:].sum())
            expected = np.append(expected[:-2], expected[-2:].sum())
        assert stats.chisquare(observed, expected).pvalue > 1e-6
    # users are independent of each other
    table = np.array([[np.sum(exposed[:, 0, 0] & exposed[:, 1, 0]), exposed[:, 0, 0].sum()],
                      [exposed[:, 1, 0].sum(), REPEATS]])  # fmt: skip
    both, one, other = table[0, 0], table[0, 1] / REPEATS, table[1, 0] / REPEATS
    variance = REPEATS * one * other * (1 - one) * (1 - other)
    assert abs(both - REPEATS * one * other) < 5.5 * np.sqrt(variance)


def test_observed_counts_match_click_probabilities_in_every_stratum(world: Simulation) -> None:
    truth, seen = world.truth, dense(world)
    click = truth.click(*everything(truth))
    np.testing.assert_allclose(
        click,
        truth.exposure(*everything(truth)) * truth.click_if_exposed(*everything(truth)),
    )
    by_probability = np.digitize(click, np.quantile(click, np.linspace(0.05, 0.95, 19)))
    by_user = np.broadcast_to(np.arange(truth.num_users)[:, None] % 20, click.shape)
    by_rank = np.argsort(np.argsort(-truth.item_popularity)) // 15
    for strata in (by_probability, by_user, np.broadcast_to(by_rank, click.shape)):
        expected = np.bincount(strata.ravel(), click.ravel())
        variance = np.bincount(strata.ravel(), (click * (1 - click)).ravel())
        found = np.bincount(strata.ravel(), seen.ravel())
        assert np.abs((found - expected) / np.sqrt(variance)).max() < 5.5


def test_noise_rates_given_exposure_and_relevance(world: Simulation) -> None:
    truth = replace(world.truth, false_positive_rate=0.3, false_negative_rate=0.2)
    keys = (Key(1), Key(2))
    size = truth.num_items
    clicked = flat(observe(truth, *keys), size)
    open_eyed = replace(truth, false_positive_rate=1.0, false_negative_rate=0.0)
    exposed = flat(observe(open_eyed, *keys), size)
    assert np.isin(clicked, exposed).all()
    relevant = truth.is_relevant(exposed // size, exposed % size)
    click = np.isin(exposed, clicked)
    for mask, rate in ((relevant, 0.8), (~relevant, 0.3)):
        trials = int(mask.sum())
        assert trials > 10_000
        assert abs(click[mask].sum() - trials * rate) < 5.5 * np.sqrt(trials * rate * (1 - rate))


def flat(csr: tuple[np.ndarray, np.ndarray], num_items: int) -> np.ndarray:
    indptr, items = csr
    return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)) * num_items + items


def test_without_noise_clicks_are_relevant() -> None:
    clean = simulate(500, 100, 3000, key=2, false_positive_rate=0, false_negative_rate=0)
    data, truth = clean.interactions, clean.truth
    assert truth.is_relevant(data.users(), data.indices).all()
    # and someone who sees everything clicks exactly what is relevant
    indptr, items = observe(replace(truth, scale=1e9), Key(1), Key(2))
    relevant = truth.is_relevant(*everything(truth))
    assert flat((indptr, items), 100).tolist() == np.flatnonzero(relevant).tolist()


def test_relevance_is_what_the_factors_say(world: Simulation) -> None:
    truth = world.truth
    logit = truth.bias + truth.user_factors.astype(float) @ truth.item_factors.T.astype(float)
    gamma = truth.relevance(*everything(truth))
    np.testing.assert_allclose(gamma, 1 / (1 + np.exp(-logit)), rtol=1e-12)
    assert 0.15 < gamma.mean() < 0.3
    assert abs((logit - truth.bias).std() - 2) < 0.2
    realised = truth.is_relevant(*everything(truth)).sum()
    assert abs(realised - gamma.sum()) < 5.5 * np.sqrt((gamma * (1 - gamma)).sum())
    correlation = np.corrcoef(gamma.mean(axis=0), truth.item_popularity)[0, 1]
    assert abs(correlation) < 5.5 / np.sqrt(truth.num_items)


# -- the latent arrays -----------------------------------------------------------------------------


def test_normals_are_normal_and_keyed_by_row() -> None:
    draws = normals(Key(3), 50_000, 3)
    assert stats.kstest(draws.ravel().astype(float), "norm").pvalue > 1e-6
    assert np.abs(np.corrcoef(draws.T) - np.eye(3)).max() < 5.5 / np.sqrt(50_000)
    np.testing.assert_array_equal(normals(Key(3), 70_000, 3)[:50_000], draws)


def test_activity_is_log_normal_with_mean_one() -> None:
    activity = simulate(50_000, 2, 100, activity_sigma=0.5).truth.user_activity
    logs = (np.log(activity) + 0.125) / 0.5
    assert stats.kstest(logs, "norm").pvalue > 1e-6
    assert abs(activity.mean() - 1) < 0.02
    np.testing.assert_array_equal(simulate(9, 9, 5, activity_sigma=0).truth.user_activity, 1)


def test_popularity_is_zipf_over_a_random_order() -> None:
    shares, order = popularity(Key(1), 1000, 0.8)
    assert shares.sum() == pytest.approx(1)
    ranked = shares[order]
    np.testing.assert_allclose(ranked / ranked[0], np.arange(1, 1001.0) ** -0.8)
    assert sorted(order) == list(range(1000))
    assert abs(stats.spearmanr(order, np.arange(1000)).statistic) < 5.5 / np.sqrt(999)
    assert order.tolist() != popularity(Key(2), 1000, 0.8)[1].tolist()
    np.testing.assert_allclose(popularity(Key(1), 10, 0.0)[0], 0.1)


def test_observed_popularity_is_zipf_like() -> None:
    # so few clicks a user that hardly anything is seen twice, which would flatten the head
    sparse = simulate(100_000, 1000, 20_000, key=4, position_bias=0, relevance_spread=0)
    ranked = sparse.interactions.item_counts()[np.argsort(-sparse.truth.item_popularity)]
    head = np.arange(1, 101)
    slope = np.polyfit(np.log(head), np.log(ranked[:100] + 0.5), 1)[0]
    assert abs(slope + 1) < 0.1


def test_examination_equals_the_mean_over_places() -> None:
    shares, order = popularity(Key(1), 50, 1.0)
    found = examination(shares, order, num_positions=7, position_bias=0.9)
    for item in range(50):
        above = shares[shares > shares[item]].sum()
        places = range(1, 2 + int(7 * above))
        assert found[item] == pytest.approx(np.mean([place**-0.9 for place in places]))
    assert (np.diff(found[order]) <= 0).all()
    assert found[order[0]] == 1
    assert found.min() < found.max()
    np.testing.assert_array_equal(examination(shares, order, 7, 0.0), 1)
    np.testing.assert_array_equal(examination(shares, order, 1, 2.0), 1)


def test_exposure_is_the_stated_formula(world: Simulation) -> None:
    truth = world.truth
    users, items = everything(truth)
    rate = truth.scale * truth.user_activity[users] * truth.item_popularity[items]
    expected = 1 - np.exp(-rate * truth.item_examination[items])
    np.testing.assert_allclose(truth.exposure(users, items), expected, rtol=1e-9)
    unbiased = simulate(2000, 300, 20_000, key=11, position_bias=0).truth
    head = np.argmax(truth.item_popularity)
    tail = np.argmin(truth.item_popularity)
    ratios = [t.exposure(0, head) / t.exposure(0, tail) for t in (truth, unbiased)]
    assert ratios[0] > ratios[1]  # position bias widens the gap


# -- calibration -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2000, 300, 20_000), {}),
        ((2000, 300, 100_000), {}),  # near saturation
        ((300, 2000, 500), {"activity_sigma": 2.0}),
        ((1000, 1000, 30_000), {"popularity_exponent": 0.0, "activity_sigma": 0.0}),
        ((1000, 1000, 30_000), {"popularity_exponent": 2.0, "position_bias": 1.0}),
        ((3, 1000, 100), {}),
        ((1000, 3, 300), {"popularity_exponent": 0.0}),
        ((5, 5, 2), {"relevance_spread": 6.0}),
        ((1, 1, 1), {"relevance_bias": 40.0, "false_negative_rate": 0.0}),
    ],
)
def test_expected_number_of_interactions(shape: tuple[int, int, int], options: dict) -> None:
    world = simulate(*shape, key=1, **options)
    expected = world.truth.click(*everything(world.truth)).sum()
    assert expected == pytest.approx(shape[2], rel=0.02)
    assert abs(len(world.interactions) - expected) < 5.5 * np.sqrt(expected)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((10, 10, 101), {}),
        ((100, 100, 9000), {}),
        ((10, 10, 1), {"false_positive_rate": 0, "false_negative_rate": 1}),
        ((100, 10_000, 150_000), {"popularity_exponent": 4}),
    ],
)
def test_impossible_requests_are_errors(shape: tuple[int, int, int], options: dict) -> None:
    with pytest.raises(InvalidDataError, match=rf"num_interactions must .*got {shape[2]}$"):
        simulate(*shape, **options)


# -- reproducibility and size ----------------------------------------------------------------------


def digest(world: Simulation) -> str:
    sha = hashlib.sha256(world.interactions.indptr.tobytes())
    sha.update(world.interactions.indices.tobytes())
    return sha.hexdigest()


def test_same_result_for_any_number_of_threads_and_in_a_fresh_process(world: Simulation) -> None:
    try:
        for threads in (1, 2, 5):
            set_num_threads(threads)
            assert digest(simulate(2000, 300, 20_000, key=11)) == digest(world)
    finally:
        set_num_threads(None)
    script = (
        "import hashlib; from recneg.simulation import simulate\n"
        "data = simulate(2000, 300, 20_000, key=11).interactions\n"
        "sha = hashlib.sha256(data.indptr.tobytes()); sha.update(data.indices.tobytes())\n"
        "print(sha.hexdigest())"
    )
    fresh = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert fresh.stdout.decode().strip() == digest(world)


def test_keys_give_different_worlds(world: Simulation) -> None:
    other = simulate(2000, 300, 20_000, key=12)
    assert digest(other) != digest(world)
    assert digest(simulate(2000, 300, 20_000, key=Key(12))) == digest(other)
    assert not np.array_equal(other.truth.item_popularity, world.truth.item_popularity)


def test_memory_does_not_grow_with_users_times_items() -> None:
    simulate(10, 10, 5)  # compile before measuring
    tracemalloc.start()
    world = simulate(100_000, 100_000, 50_000, factors=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    assert len(world.interactions) == pytest.approx(50_000, rel=0.05)


def test_result_pickles_and_cannot_be_changed(world: Simulation) -> None:
    again = pickle.loads(pickle.dumps(world))  # noqa: S301
    assert digest(again) == digest(world)
    assert again.truth.click(3, 4) == world.truth.click(3, 4)
    with pytest.raises(ValueError, match="read-only"):
        world.truth.edges[0] = 1
    assert repr(world.truth).startswith("Truth(2000 users, 300 items")


# -- the interface ---------------------------------------------------------------------------------


def test_probabilities_broadcast(world: Simulation) -> None:
    truth = world.truth
    users = np.array([[3], [1999]])
    for method in (truth.relevance, truth.exposure, truth.click, truth.click_if_exposed):
        block = method(users, [0, 5, 299])
        assert block.shape == (2, 3)
        assert block.dtype == np.float64
        assert block[1, 2] == method(1999, 299)
        assert ((block >= 0) & (block <= 1)).all()
        assert method([], []).shape == (0,)
        assert method([1999], 299).tolist() == [method(1999, 299)]
    assert truth.is_relevant(users, [0, 5, 299]).dtype == np.bool_


@pytest.mark.parametrize("users", [2000, -1, 1.5, [0, 2000]])
def test_bad_ids_are_errors(world: Simulation, users: object) -> None:
    for method in (world.truth.relevance, world.truth.exposure, world.truth.is_relevant):
        with pytest.raises(InvalidIdError, match="user ids must"):
            method(users, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_users": 0}, r"num_users must lie in \[1, 2147483647\]; got 0"),
        ({"num_items": 2**31}, r"num_items must lie in .* got 2147483648"),
        ({"num_interactions": 0}, "num_interactions must lie in"),
        ({"factors": 0}, "factors must lie in"),
        ({"num_positions": 0}, "num_positions must lie in"),
        ({"popularity_exponent": -0.1}, r"popularity_exponent must lie in \[0, 4\]; got -0.1"),
        ({"activity_sigma": float("nan")}, "activity_sigma must lie in .* got nan"),
        ({"position_bias": float("inf")}, "position_bias must lie in"),
        ({"false_positive_rate": 1.1}, "false_positive_rate must lie in"),
        ({"false_negative_rate": -1}, "false_negative_rate must lie in"),
        ({"relevance_spread": -1}, "relevance_spread must lie in"),
        ({"relevance_bias": 51}, "relevance_bias must lie in"),
        ({"key": -1}, "seed must lie in"),
    ],
)
def test_bad_parameters_are_errors(options: dict, message: str) -> None:
    arguments = {"num_users": 10, "num_items": 10, "num_interactions": 5, **options}
    with pytest.raises(ValueError, match=message):
        simulate(**arguments)


@pytest.mark.parametrize("name", ["num_users", "num_items", "num_interactions", "factors"])
@pytest.mark.parametrize("value", [2.0, True, "3"])
def test_sizes_must_be_integers(name: str, value: object) -> None:
    arguments = {"num_users": 10, "num_items": 10, "num_interactions": 5, name: value}
    with pytest.raises(TypeError, match=f"{name} must be an integer"):
        simulate(**arguments)
