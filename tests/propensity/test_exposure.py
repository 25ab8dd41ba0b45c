import pickle

import numpy as np
import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from recneg.errors import InvalidDataError, InvalidIdError
from recneg.interactions import Interactions
from recneg.propensity import Exposure, given, power_law, relmf_weights, ubpr_weights


def with_counts(counts):
    users = np.concatenate([np.arange(n) for n in counts])
    return Interactions.from_arrays(
        users, np.repeat(np.arange(len(counts)), counts), num_items=len(counts)
    )


def test_power_law_reference_values():
    exposure = power_law(with_counts([100, 25, 4, 1]))
    np.testing.assert_allclose(exposure.theta(0, range(4)), [1.0, 0.5, 0.2, 0.1])


def test_an_item_without_interactions_gets_the_clip_and_shifts_nothing():
    exposure = power_law(with_counts([0, 100, 0, 25, 0]), clip=0.07)
    np.testing.assert_allclose(exposure.theta(0, range(5)), [0.07, 1.0, 0.07, 0.5, 0.07])
    flat = power_law(with_counts([0, 3, 1]), 0.0, clip=0.2)
    np.testing.assert_allclose(flat.theta(0, range(3)), [0.2, 1.0, 1.0])


def test_power_law_of_nothing_is_the_clip():
    nothing = Interactions.from_arrays([], [], num_users=2, num_items=3)
    assert power_law(nothing, clip=0.3).theta(0, range(3)).tolist() == [0.3] * 3


@pytest.mark.parametrize("exponent", [-0.5, np.inf, np.nan])
def test_exponents_that_are_no_powers(exponent):
    with pytest.raises(ValueError, match="exponent must be finite and not negative; got"):
        power_law(with_counts([1]), exponent)


@pytest.mark.parametrize("clip", [0, -1, 1.1, np.nan])
def test_clips_out_of_range(clip):
    with pytest.raises(ValueError, match=r"clip must lie in \(0, 1\]; got"):
        given([0.5], clip=clip)


@examples(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2), st.integers(0, 10**6))
def test_forms_agree_with_the_table(num_users, num_items, form, seed):
    rng = np.random.default_rng(seed)
    by_item, by_user = rng.random(num_items), rng.random(num_users)
    table = rng.random((num_users, num_items))
    exposure, raw = [
        (given(by_item, clip=0.2), np.broadcast_to(by_item, table.shape)),
        (given(by_item, users=by_user, clip=0.2), np.outer(by_user, by_item)),
        (given(table, clip=0.2), table),
    ][form]
    users, items = np.arange(num_users)[:, None], np.arange(num_items)
    np.testing.assert_allclose(exposure.theta(users, items), np.maximum(raw, 0.2))
    assert exposure.user_dependent is (form > 0)
    assert exposure.theta(users[:0], items).shape == (0, num_items)
    copy = pickle.loads(pickle.dumps(exposure))  # noqa: S301
    np.testing.assert_array_equal(copy.theta(users, items), exposure.theta(users, items))


def test_what_is_not_a_probability_is_refused():
    for theta in ([1.1], [-0.1], [np.nan], [[0.5, 2.0]]):
        with pytest.raises(InvalidDataError, match=r"theta must lie in \[0, 1\]; got"):
            given(theta)
    with pytest.raises(InvalidDataError, match="must have shape"):
        given(0.5)
    with pytest.raises(InvalidDataError, match="must be vectors"):
        given([[0.5]], users=[1.0])


def test_ids_and_sizes_are_checked():
    with pytest.raises(InvalidIdError, match=r"item ids must lie in \[0, 2\)"):
        given([0.5, 0.5]).theta(0, -1)
    with pytest.raises(InvalidIdError, match=r"user ids must lie in \[0, 1\)"):
        given([0.5, 0.5], users=[1.0]).theta(1, 0)
    with pytest.raises(InvalidDataError, match="exposure must have 3 items; got 2"):
        given([0.5, 0.5]).check(with_counts([1, 1, 1]))


def test_an_exposure_does_not_change():
    theta = np.array([0.5, 1.0])
    exposure = given(theta)
    theta[:] = 0
    assert exposure.theta(0, 0) == 0.5
    with pytest.raises(ValueError, match="read-only"):
        exposure.items[0] = 1
    with pytest.raises(AttributeError):
        exposure.clip = 1.0
    assert isinstance(exposure, Exposure)


def relmf_square(p, labels, theta, clip):
    relevant, irrelevant = relmf_weights(labels, theta, clip)
    return np.mean(relevant * (1 - p) ** 2 + irrelevant * p**2)


def test_relmf_reference_values():
    p, labels, theta = np.array([0.6, 0.3]), [1, 0], [0.25, 0.5]
    assert relmf_square(p, labels, theta, None) == pytest.approx(-0.175)
    assert relmf_square(p, labels, theta, 0.4) == pytest.approx(-0.025)
    relevant, irrelevant = relmf_weights(labels, theta)
    log_loss = np.mean(-relevant * np.log(p) - irrelevant * np.log(1 - p))
    assert log_loss == pytest.approx(-0.17444737830988477)


def test_ubpr_reference_values():
    loss = np.log1p(np.exp(-(0.7 - 0.9)))  # -ln sigmoid of a positive of 0.7 over another of 0.9
    weights = ubpr_weights(0.25, [0, 1], 0.5)
    np.testing.assert_allclose(weights * loss, [3.192555477526367, -3.192555477526367])
    assert np.maximum(weights * loss, -0.002)[1] == -0.002
    assert ubpr_weights(0.25, 1, 0.5, clip=0.5) == -2.0


def test_weights_refuse_theta_zero():
    with pytest.raises(ValueError, match=r"theta must lie in \(0, 1\]; got 0.0"):
        relmf_weights([1], [0.0])
    with pytest.raises(ValueError, match="clip must lie"):
        ubpr_weights(0.5, 0, 0.5, clip=0.0)


def test_exposures_from_a_pickle_are_read_only_too():
    exposure = pickle.loads(pickle.dumps(given([0.5, 1.0], users=[0.2, 0.4])))  # noqa: S301
    for array in (exposure.items, exposure.users):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 9.0


@pytest.mark.parametrize("label", [5, -1, 0.5, np.nan])
def test_labels_are_0_or_1(label):
    with pytest.raises(InvalidDataError, match="labels must be 0 or 1; got"):
        relmf_weights([1, label], 0.5)
    with pytest.raises(InvalidDataError, match="labels must be 0 or 1; got"):
        ubpr_weights(0.5, [1, label], 0.5)
