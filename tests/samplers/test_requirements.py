"""What laws require of the data and of the numbers that they are made of."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recneg import Interactions, Uniform
from recneg.errors import InvalidDataError
from recneg.noise import fit_flips
from recneg.propensity import dual_learning
from recneg.samplers import (
    Adaptive,
    Exposed,
    FrequencyEstimator,
    InBatch,
    KernelTree,
    MixedNegative,
    Mixture,
    PerBatch,
    Pool,
    Popularity,
    Propensity,
    Softmax,
    Stratified,
    TimeAware,
)
from recneg.testing import check_sampler

DATA = Interactions.from_arrays(np.arange(100) % 10, np.arange(100), num_items=100)
SQUARE, COLUMN = csr_matrix(np.eye(3)), np.ones((3, 1))


@pytest.mark.parametrize(
    "make",
    [
        lambda data: Softmax(data, COLUMN, COLUMN),
        lambda data: KernelTree(data, COLUMN, COLUMN),
        lambda data: Stratified(data, np.zeros(3, int)),
        lambda data: Pool(data, np.zeros((3, 1), int)),
        lambda data: InBatch(data, [0]),
        lambda data: MixedNegative(data, [0]),
        lambda data: TimeAware(data, np.zeros(3, int)),
        lambda data: Propensity(data),
        lambda data: Exposed(data, DATA),
        Uniform,
    ],
)
def test_a_law_is_of_interactions(make) -> None:
    with pytest.raises(InvalidDataError, match="interactions must be Interactions .*csr_matrix"):
        make(SQUARE)


def test_frequencies_of_whole_batches_are_refused_beside_uniform_items() -> None:
    stream, rng = FrequencyEstimator(1000, rate=0.02), np.random.default_rng(0)
    for _ in range(1500):
        stream.update(rng.integers(0, 100, 50))
    positives, every = rng.integers(0, 100, 50), np.arange(100)
    with pytest.raises(InvalidDataError, match="frequency must be of one draw.*sum of"):
        MixedNegative(DATA, positives, 50, stream.probability(every))
    law = MixedNegative(DATA, positives, 50, stream.probability(every, batch_size=50))
    log_q = law.shared([0], key=1).log_q
    assert np.exp(log_q).mean() == pytest.approx(0.01, rel=0.15)
    with pytest.raises(InvalidDataError, match="batch_size must be an integer"):
        stream.probability(every, batch_size=0)


def test_a_mixture_of_other_histories_is_not_of_unseen_items() -> None:
    one = Interactions.from_arrays([0, 0, 1], [0, 1, 2], num_items=6)
    other = Interactions.from_arrays([0], [5], num_users=2, num_items=6)
    same = Interactions.from_arrays([0, 0, 1], [0, 1, 2], num_items=6)
    assert Mixture((Uniform(one), Uniform(same))).unseen
    assert not Mixture((Uniform(one), Uniform(other))).unseen
    assert not Mixture((Uniform(one), Uniform(one, unseen=False))).unseen


@pytest.mark.parametrize("made", [Uniform(DATA), 3])
def test_what_follows_something_is_a_function(made) -> None:
    for kind in (Adaptive, PerBatch):
        with pytest.raises(InvalidDataError, match="make must be a class or a function"):
            kind(made)


@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate": -1.0},
        {"learning_rate": float("nan")},
        {"regularization": -5.0},
        {"flip_regularization": float("nan")},
        {"num_negatives": float("nan")},
        {"factors": 1.5},
    ],
)
def test_flips_are_fitted_with_rates_that_make_sense(options: dict[str, float]) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=f"^{name} must be"):
        fit_flips(DATA, epochs=1, **{"factors": 2, **options})


class Wrong(Uniform):
    """Has no law."""

    def _log_prob(self, users, items):
        return np.full(items.shape, np.nan)


def test_a_law_of_nan_and_one_of_nothing_are_found_out() -> None:
    with pytest.raises(AssertionError, match="log_prob must be a log-probability"):
        check_sampler(Wrong, draws=1000)
    full = Interactions.from_arrays([0, 0], [0, 1])
    with pytest.raises(AssertionError, match="some user must have an item to draw"):
        check_sampler(Uniform, full, draws=1000)


def test_exponents_may_be_extreme() -> None:
    data = Interactions.from_arrays(
        np.repeat(np.arange(2000), 2), np.tile([0, 1], 2000), num_items=3
    )
    for exponent in (100.0, -100.0):
        law = Popularity(data, exponent, unseen=False)
        assert np.exp(law.log_prob([0], [[0, 1, 2]])).tolist() == [[0.5, 0.5, 0.0]]
    counts = np.array([1.0, 2.0, 4.0])
    law = Popularity(data, 1000.0, counts=counts, unseen=False)
    assert np.exp(law.log_prob([0], [[0, 1, 2]]))[0, 2] == pytest.approx(1)


def test_a_place_without_a_click_has_no_propensity() -> None:
    rng = np.random.default_rng(0)
    lists, places = np.repeat(np.arange(600), 3), np.tile(np.arange(3), 600)
    items = np.concatenate([rng.permutation(3) for _ in range(600)])
    clicks = rng.random(1800) < np.array([0.8, 0.4, 0.2])[places]
    plain = dual_learning(lists, items, places, clicks, epochs=20)
    later = dual_learning(lists, items, places + 1, clicks, epochs=20)
    assert np.isnan(later.positions[0])
    assert np.allclose(later.positions[1:], plain.positions)
    assert np.allclose(later.theta([1, 2, 3]), plain.theta([0, 1, 2]))
    with pytest.raises(InvalidDataError, match="must be in some list with a click; 0 is in none"):
        later.theta([1, 0])
    with pytest.raises(ValueError, match="positive and finite"):
        dual_learning(lists, items, places, clicks, learning_rate=np.inf)
