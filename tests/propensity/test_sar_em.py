import numpy as np
import pytest

from recneg.errors import InvalidDataError, InvalidIdError
from recneg.interactions import Interactions
from recneg.propensity import power_law, sar_em
from recneg.propensity.sar_em import _expect
from recneg.simulation import simulate

USERS, ITEMS = np.arange(2000)[:, None], np.arange(100)


def make_world(key):
    """Exposure from popularity and position, relevance from three factors, Y = O R."""
    made = simulate(
        2000, 100, 20_000, key=key, factors=3, relevance_spread=3.0, activity_sigma=0.3,
        false_positive_rate=0.0, false_negative_rate=0.0,
    )  # fmt: skip
    return made, made.truth.exposure(USERS, ITEMS).mean(axis=0)


def error(theta, truth):
    return np.sqrt(np.mean((theta - truth) ** 2))


def correlation(values, truth):
    return np.corrcoef(values.ravel(), truth.ravel())[0, 1]


@pytest.mark.parametrize("key", [1, 2])
def test_finds_exposure_better_than_popularity_and_relevance_better_than_clicks(key):
    made, truth = make_world(key)
    learned = sar_em(made.interactions, factors=3)
    theta = learned.exposure.theta(0, ITEMS)
    start = power_law(made.interactions).theta(0, ITEMS)
    best_constant = truth.std()
    assert correlation(theta, truth) > 0.96
    assert correlation(theta, truth) > correlation(start, truth) + 0.03
    assert error(theta, truth) < 0.06
    assert error(theta, truth) < 0.4 * min(error(start, truth), best_constant)
    relevance, clicks = (f(USERS, ITEMS) for f in (made.truth.relevance, made.truth.click))
    found = correlation(learned.relevance(USERS, ITEMS), relevance)
    assert found > 0.8
    assert found > correlation(clicks, relevance) + 0.1  # a perfect model of clicks


def test_attributes_that_drive_exposure_find_it_better_still():
    made, truth = make_world(1)
    places = np.argsort(np.argsort(-made.truth.item_popularity)) // 5
    theta = sar_em(made.interactions, groups=places, factors=3).exposure.theta(0, ITEMS)
    for group in range(20):
        assert np.ptp(theta[places == group]) == 0
    assert correlation(theta, truth) > 0.985
    assert error(theta, truth) < 0.05
    # the logit of 1 - exp(-c x) is nearly linear in log x
    features = np.log(np.diff(made.truth.edges))[:, None]
    learned = sar_em(made.interactions, features=features, factors=3)
    assert np.diff(learned.history).min() >= 0
    theta = learned.exposure.theta(0, ITEMS)
    assert correlation(theta, truth) > 0.985
    assert error(theta, truth) < 0.06


@pytest.mark.parametrize("kind", ["items", "groups", "features"])
def test_the_likelihood_never_falls(kind):
    data = simulate(80, 50, 500, key=4).interactions
    rng = np.random.default_rng(0)
    attributes = {
        "items": {}, "groups": {"groups": np.arange(50) % 7},
        "features": {"features": rng.normal(size=(50, 3))},
    }[kind]  # fmt: skip
    learned = sar_em(data, **attributes, max_iterations=60, tolerance=-np.inf, key=9)
    assert len(learned.history) == 60
    assert np.diff(learned.history).min() >= -1e-12


def test_the_expectation_is_that_of_the_paper():
    data = Interactions.from_arrays([0, 1, 1], [1, 0, 2], num_items=3)
    rng = np.random.default_rng(1)
    users, items, e = rng.normal(size=(2, 2)), rng.normal(size=(3, 2)), np.array([0.9, 0.3, 0.5])
    f, y, likelihood = _expect(data, users, items, e, 0, 2)
    for u in range(2):
        for i in range(3):
            f_ui = 1 / (1 + np.exp(-users[u] @ items[i]))
            s = float(data.contains(u, i))
            y_ui = s + (1 - s) * f_ui * (1 - e[i]) / (1 - f_ui * e[i])
            assert f[u, i] == pytest.approx(f_ui)
            assert y[u, i] == pytest.approx(y_ui)
            assert likelihood[u, i] == pytest.approx(f_ui * e[i] if s else 1 - f_ui * e[i])


def test_without_factors_and_users_alike_the_product_is_the_click_rate():
    rng = np.random.default_rng(2)
    clicks = rng.random((3000, 4)) < [0.4, 0.2, 0.1, 0.05]
    data = Interactions.from_arrays(*np.nonzero(clicks), num_users=3000, num_items=4)
    learned = sar_em(data, factors=0, regularization=1e4)  # all users held at the prior, 0.5
    np.testing.assert_allclose(
        learned.exposure.theta(0, range(4)), clicks.mean(axis=0) / 0.5, rtol=0.02
    )


def test_same_key_same_result_and_ends_that_bite():
    data = Interactions.from_arrays([0, 0, 2, 2], [0, 2, 0, 1], num_users=4, num_items=5)
    one, two = (sar_em(data, key=5, clip=0.05) for _ in range(2))
    np.testing.assert_array_equal(one.exposure.items, two.exposure.items)
    assert one.exposure.theta(0, [3, 4]).tolist() == [0.05, 0.05]  # never clicked
    single = sar_em(Interactions.from_arrays([0], [0]))
    assert np.isfinite(single.exposure.theta(0, 0))


def test_wrong_arguments():
    data = Interactions.from_arrays([0, 1], [0, 1])
    for options, message in (
        ({"factors": -1}, "factors must be an integer of at least 0; got -1"),
        ({"regularization": 0.0}, "regularization must be positive and finite; got 0.0"),
        ({"prior": 1.0}, r"prior must lie in \(0, 1\); got 1.0"),
        ({"max_iterations": 0}, "max_iterations must be an integer of at least 1; got 0"),
        ({"groups": [0, 0], "features": [[0.0], [1.0]]}, "got both"),
        ({"groups": [0]}, r"groups must have shape \(2,\)"),
        ({"features": [[0.0], [np.nan]]}, "features must be finite"),
    ):
        with pytest.raises(ValueError, match=message):
            sar_em(data, **options)
    with pytest.raises(InvalidDataError, match="got no interactions"):
        sar_em(Interactions.from_arrays([], [], num_users=1, num_items=1))
    with pytest.raises(InvalidIdError, match="group ids must lie in"):
        sar_em(data, groups=[-1, 0])


def test_units_of_features_do_not_matter():
    data = simulate(80, 50, 500, key=4).interactions
    features = np.random.default_rng(0).normal(size=(50, 2))
    found = [
        sar_em(data, features=x, factors=0, max_iterations=20, tolerance=-np.inf).exposure.items
        for x in (features, features * 1e-6, features * 1e3 + 7)
    ]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-9)
