"""The full softmax: its contract, its limits, and sharing of tables inside a batch."""

import numpy as np
import pytest

from recneg.interactions import Interactions
from recneg.keys import random_floats
from recneg.samplers.softmax import Softmax
from recneg.testing import contract_interactions


def contract_model(temperature: float = 1.0, unseen: bool = True) -> Softmax:
    data = contract_interactions()
    rng = np.random.default_rng(3)
    users, items = rng.normal(size=(data.num_users, 4)), rng.normal(size=(data.num_items, 4))
    return Softmax(data, users, items, temperature=temperature, unseen=unseen)


def test_a_draw_inverts_the_running_sum_at_the_float_of_its_key() -> None:
    sampler = contract_model()
    log_q = sampler._log_prob(np.full(61, 3), np.arange(61))
    running = np.cumsum(np.exp(log_q))
    unit = random_floats(9, np.arange(200)[:, None], np.arange(5))
    expected = np.searchsorted(running, unit * running[-1], side="right")
    assert np.array_equal(sampler.sample(np.full(200, 3), 5, key=9).items, expected)


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        (1e300, [0, 0.25, 0.25, 0.25, 0.25]),
        (1e-300, [0, 0, 0, 0.5, 0.5]),
        (1.0, [0, *np.array([1, 2, 4, 4]) / 11]),
    ],
)
def test_limits_of_the_temperature(temperature: float, expected: list[float]) -> None:
    data = Interactions.from_arrays([0], [0], num_items=5)
    items = np.log([[9.0], [1.0], [2.0], [4.0], [4.0]])
    law = Softmax(data, [[1.0]], items, temperature=temperature)
    assert np.allclose(np.exp(law.log_prob(0, np.arange(5))), expected, rtol=1e-6)


def test_an_item_of_no_mass_is_never_drawn() -> None:
    """All but two items have a mass that underflows to 0, on both sides of those two."""
    data = Interactions.from_arrays([], [], num_users=1, num_items=1000)
    scores = np.full((1000, 1), -1e4)
    scores[[400, 600]] = 0
    items = Softmax(data, [[1.0]], scores).sample(np.zeros(100_000, np.int64), 1, key=0).items
    assert set(np.unique(items)) == {400, 600}


def test_an_item_bias_is_a_last_factor() -> None:
    data = contract_interactions()
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(data.num_users, 2)), rng.normal(size=(data.num_items, 2))
    bias = rng.normal(size=data.num_items)
    law = Softmax(
        data, np.column_stack((users, np.ones(len(users)))), np.column_stack((items, bias))
    )
    expected = items @ users[0] + bias
    expected -= np.log(np.exp(expected).sum())
    assert np.allclose(law.log_prob(0, np.arange(data.num_items)), expected, atol=1e-5)
