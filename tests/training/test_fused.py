"""The fused engine against a plain loop over the same triples, which the batch path draws."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from recneg.interactions import Interactions
from recneg.keys import Key, random_bits
from recneg.samplers import Popularity, Sampler, Uniform
from recneg.training import BPR
from recneg.training.fused import BLOCK_USERS, _shuffle, random_factors
from recneg.training.streams import INIT, NEGATIVES, ORDER


def some_interactions(num_users: int = 150, num_items: int = 40, seed: int = 0) -> Interactions:
    rng = np.random.default_rng(seed)
    chance = 0.6 / (1 + np.arange(num_items)) ** 0.5
    users, items = np.nonzero(rng.random((num_users, num_items)) < chance)
    return Interactions.from_arrays(users, items, num_users=num_users + 3, num_items=num_items + 2)


class NotData(Sampler):
    """The popularity law without its data, as a law that a user writes would be."""

    def __init__(self, interactions: Interactions) -> None:
        self.interactions = interactions
        self.inner = Popularity(interactions)

    def _draw(self, users, num_negatives, key, rows):
        return self.inner._draw(users, num_negatives, key, rows)

    def _log_prob(self, users, items):
        return self.inner._log_prob(users, items)


def plain_epochs(
    data: Interactions, sampler: Sampler, model: BPR
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], list[float]]:
    """Train in float64 with one Python loop over triples."""
    o, key = model.options, Key(model.options.seed)
    users, items = (
        random_factors(size, o.factors, o.init_deviation, key.fold_in(INIT).fold_in(side)).astype(
            np.float64
        )
        for side, size in enumerate((data.num_users, data.num_items))
    )
    biases, losses = np.zeros(data.num_items), []
    for epoch in range(o.epochs):
        rate = o.learning_rate * o.learning_rate_decay**epoch
        order_key, draws = (key.fold_in(part).fold_in(epoch) for part in (ORDER, NEGATIVES))
        negatives = sampler.sample(data.users(), o.num_negatives, key=draws).items
        visits = np.argsort(random_bits(order_key, np.arange(data.num_users)))
        visits = visits[data.user_counts()[visits] > 0]
        loss, pairs = 0.0, 0
        for block in range(-(-len(visits) // BLOCK_USERS)):
            part = visits[block * BLOCK_USERS : (block + 1) * BLOCK_USERS]
            rows = np.concatenate([np.arange(data.indptr[u], data.indptr[u + 1]) for u in part])
            order = np.empty(len(rows), np.int32)
            _shuffle(*order_key.fold_in(0).words, block, len(rows), order)
            for row in rows[order]:
                u, i = data.users()[row], data.indices[row]
                for j in negatives[row]:
                    if i == j:
                        continue
                    w, p, n = users[u].copy(), items[i].copy(), items[j].copy()
                    score = w @ (p - n) + (biases[i] - biases[j]) * o.item_bias
                    c = 1 / (1 + math.exp(score))
                    loss, pairs = loss - math.log(1 - c), pairs + 1
                    users[u] += rate * (c * (p - n) - o.user_regularization * w)
                    items[i] += rate * (c * w - o.positive_regularization * p)
                    items[j] += rate * (-c * w - o.negative_regularization * n)
                    if o.item_bias:
                        biases[i] += rate * (c - o.bias_regularization * biases[i])
                        biases[j] += rate * (-c - o.bias_regularization * biases[j])
        losses.append(loss / pairs)
    return users, items, biases, losses


@pytest.mark.parametrize("num_negatives", [1, 3])
@pytest.mark.parametrize("item_bias", [True, False])
@pytest.mark.parametrize(
    "make", [Uniform, Popularity, lambda data: Uniform(data, unseen=False), NotData]
)
def test_equals_a_plain_loop(make, item_bias: bool, num_negatives: int) -> None:
    data = some_interactions()
    model = BPR(
        6, epochs=2, learning_rate=0.1, learning_rate_decay=0.9, user_regularization=0.03,
        positive_regularization=0.02, negative_regularization=0.01, bias_regularization=0.005,
        item_bias=item_bias, num_negatives=num_negatives, sampler=make, seed=5, num_threads=1,
    )  # fmt: skip
    model.fit(data, show_progress=False)
    users, items, biases, losses = plain_epochs(data, make(data), model)
    assert np.allclose(model._user_factors, users, atol=2e-5)
    assert np.allclose(model._item_factors, items, atol=2e-5)
    if item_bias:
        assert np.allclose(model.item_factors[:, -1], biases, atol=2e-5)
    assert np.allclose([epoch.loss for epoch in model.history], losses, rtol=1e-4)


def test_a_law_that_is_not_data_trains_to_the_same_bits() -> None:
    data = some_interactions()
    options = {"factors": 8, "epochs": 3, "num_negatives": 2, "num_threads": 1}
    inside = BPR(**options, sampler=Popularity).fit(data, show_progress=False)
    outside = BPR(**options, sampler=NotData).fit(data, show_progress=False)
    assert np.array_equal(inside.item_factors, outside.item_factors)


def test_one_thread_is_deterministic_and_seeds_matter() -> None:
    data = some_interactions(num_users=700)
    fits = [
        BPR(8, epochs=3, num_threads=1, seed=seed).fit(data, show_progress=False).user_factors
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[0], fits[2])


def test_many_threads_learn_as_well() -> None:
    data = some_interactions(num_users=3000)
    losses = [
        BPR(8, epochs=5, num_threads=threads).fit(data, show_progress=False).history[-1].loss
        for threads in (1, 4)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_initial_factors() -> None:
    factors = random_factors(20_000, 16, 0.1, Key(3))
    assert factors.std() == pytest.approx(0.1, rel=0.01)
    assert abs(factors.mean()) < 0.001
    assert abs(factors).max() <= 0.1 * 3**0.5 * 1.0001
    assert np.array_equal(factors[:7], random_factors(7, 16, 0.1, Key(3)))


def test_shuffle_is_a_permutation_and_unbiased() -> None:
    counts = np.zeros((6, 6))
    order = np.empty(6, np.int32)
    for block in range(12_000):
        _shuffle(*Key(1).words, block, 6, order)
        assert sorted(order.tolist()) == list(range(6))
        counts[np.arange(6), order] += 1
    assert abs(counts / 12_000 - 1 / 6).max() < 0.02  # 6 standard errors
