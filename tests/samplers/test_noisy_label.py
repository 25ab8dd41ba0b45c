"""The noisy-label law, and thinning itself where proposals are hardly ever accepted."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from recneg.errors import InvalidDataError, NoNegativeError
from recneg.interactions import Interactions
from recneg.noise import FlipModel
from recneg.samplers import Popularity, Uniform
from recneg.samplers.base import Negatives
from recneg.samplers.noisy_label import NoisyLabel
from recneg.samplers.thinned import ThinnedSampler
from recneg.testing import SAMPLER_CHECKS, contract_interactions


def flips(num_users=12, num_items=61, scale=1.0):
    rng = np.random.default_rng(3)
    return FlipModel(*[scale * rng.normal(size=(n, 4)) for n in (num_users, num_items) * 2])


def full_law(sampler):
    users = np.arange(sampler.num_users)[:, None]
    return np.exp(sampler.log_prob(users, np.arange(sampler.num_items)[None]).astype(float))


@pytest.mark.parametrize("base", [Uniform, Popularity])
def test_the_law_is_the_base_times_the_chance_of_a_true_negative(base):
    data = contract_interactions()
    law = NoisyLabel(base(data), flips())
    expected = full_law(base(data)) * flips().true_negative(np.arange(12)[:, None], np.arange(61))
    able = expected.sum(axis=1) > 0
    expected[able] /= expected[able].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(full_law(law), expected, rtol=2e-5)


@dataclass(frozen=True, eq=False)
class Rare(ThinnedSampler):
    """Accepts one proposal in some 500, of user 5 none, of user 6 only item 9."""

    def _acceptance(self, users, items):
        chance = (1 + items % 5) * 7e-4
        return np.where(users == 6, 0.001 * (items == 9), chance) * (users != 5)


def test_rejections_end_in_the_exact_law():
    data = contract_interactions()
    law = Rare(Uniform(data))
    users = np.setdiff1d(np.arange(12), [1, 5])
    for name in ("shapes", "support", "normalised", "log_q", "law", "pickle", "exhausted"):
        SAMPLER_CHECKS[name](law, 20_000)
    with pytest.raises(NoNegativeError, match=": 5 "):
        law.sample([0, 5], 1, key=0)
    assert (law.sample(np.full(50, 6), 3, key=0).items == 9).all()
    whole = law.sample(users, 6, key=4)
    for row, user in enumerate(users):  # neither the batch nor the number of slots matters
        alone = law.sample([user], 4, key=4, rows=[row])
        assert alone.items[0].tolist() == whole.items[row, :4].tolist()
        assert alone.log_q[0].tolist() == whole.log_q[row, :4].tolist()


def test_thinning_can_be_nested():
    data = contract_interactions()
    law = NoisyLabel(NoisyLabel(Uniform(data), flips()), flips(scale=0.5))
    for name in ("support", "normalised", "log_q", "law"):
        SAMPLER_CHECKS[name](law, 20_000)


@dataclass(frozen=True, eq=False)
class TooMuch(ThinnedSampler):
    def _acceptance(self, users, items):
        return 1.0 + 0.5 * (items == 2)


def test_an_acceptance_is_a_probability():
    with pytest.raises(InvalidDataError, match=r"must lie in \[0, 1\]; got 1.5 for user 0 and"):
        TooMuch(Uniform(contract_interactions()))


def test_an_estimated_normaliser_changes_no_draw_and_has_the_stated_error():
    data = contract_interactions()
    exact = NoisyLabel(Uniform(data), flips())
    able = np.isfinite(exact.log_mass)
    users = np.flatnonzero(able)
    for num_estimate in (64, 4096):
        law = NoisyLabel(Uniform(data), flips(), normalise="estimate", num_estimate=num_estimate)
        ours, theirs = (x.sample(users, 20, key=3) for x in (law, exact))
        np.testing.assert_array_equal(ours.items, theirs.items)
        assert np.array_equal(np.isfinite(law.log_mass), able)
        mass = np.exp(exact.log_mass[users])
        relative = np.exp(law.log_mass[users]) / mass - 1
        bound = np.sqrt((1 / mass - 1) / num_estimate)
        assert np.all(np.abs(relative) < 4 * bound)
        assert np.std(relative) > 0.05 * bound.mean()  # it is an estimate
        shift = ours.log_q - theirs.log_q  # one constant a user
        np.testing.assert_allclose(
            shift, np.broadcast_to(-np.log1p(relative)[:, None], shift.shape), atol=2e-5
        )
    assert np.array_equal(
        np.isfinite(Rare(Uniform(data), normalise="estimate", num_estimate=1).log_mass),
        np.isfinite(Rare(Uniform(data)).log_mass),
    )


def test_weights_are_the_published_ones():
    data = Interactions.from_arrays([0, 0, 1], [0, 1, 2], num_items=4)
    model = flips(2, 4)
    law = NoisyLabel(Uniform(data), model)
    users, positives = np.array([0, 1]), np.array([1, 2])
    drawn = law.base.sample(users, 3, key=0)
    positive, negative, as_positive = law.weights(users, positives, drawn)
    np.testing.assert_allclose(positive, 1 - model.flip(users, positives), rtol=1e-6)
    assert negative.tolist() == [[1.0] * 3] * 2
    np.testing.assert_allclose(as_positive, model.flip(users[:, None], drawn.items), rtol=1e-6)
    masked = Negatives(np.array([[-1]]), np.array([[-np.inf]]), np.array([[False]]))
    assert [x.tolist() for x in law.weights([0], [0], masked)[1:]] == [[[0.0]], [[0.0]]]
    with pytest.raises(InvalidDataError, match="must have shape"):
        law.weights([0, 1], [0], drawn)


def test_weights_give_the_gradient_of_nbpo():
    """BCE terms with these weights, against the coefficients of the objective."""
    import torch

    from recneg.noise import coefficients

    data = Interactions.from_arrays([0], [0], num_users=1, num_items=2)
    law = NoisyLabel(Uniform(data), flips(1, 2))
    users, positives = torch.tensor([0]), torch.tensor([0])
    weights = law.weights(users, positives, law.base.sample(users, 1, key=0))
    scores = torch.tensor([[0.3], [-0.7]], dtype=torch.float64, requires_grad=True)
    log = torch.nn.functional.logsigmoid
    (
        weights.positive * log(scores[0])
        + weights.negative * log(-scores[1])
        + weights.negative_as_positive * log(scores[1])
    ).sum().backward()
    r, g = scores.detach().numpy()[:, 0], np.log(1 / (1 / law.flips.flip(0, [0, 1]) - 1))
    found = coefficients("nbpo", r[0], g[0], r[1], g[1])
    np.testing.assert_allclose(
        scores.grad[:, 0].numpy(), [found.positive, found.negative], rtol=1e-6
    )


@settings(max_examples=40, deadline=None)
@examples(st.integers(1, 4), st.integers(1, 6), st.integers(0, 10**6), st.floats(0, 4))
def test_odd_data(num_users, num_items, seed, scale):
    rng = np.random.default_rng(seed)
    size = rng.integers(0, 2 * num_users * num_items)
    data = Interactions.from_arrays(
        rng.integers(0, num_users, size), rng.integers(0, num_items, size),
        num_users=num_users, num_items=num_items,
    )  # fmt: skip
    law = NoisyLabel(Uniform(data), flips(num_users, num_items, scale))
    able = np.flatnonzero(data.user_counts() < num_items)
    np.testing.assert_allclose(full_law(law)[able].sum(axis=1), 1, rtol=1e-5)
    drawn = law.sample(np.repeat(able, 2), 7, key=seed)
    assert drawn.mask.all()
    assert not data.contains(np.repeat(able, 2)[:, None], drawn.items).any()


def test_wrong_arguments():
    data = contract_interactions()
    with pytest.raises(InvalidDataError, match="flips must have 12 users and 61 items; got 2 and"):
        NoisyLabel(Uniform(data), flips(2, 61))
    with pytest.raises(ValueError, match="normalise must be 'exact' or 'estimate'; got 'no'"):
        NoisyLabel(Uniform(data), flips(), normalise="no")
    with pytest.raises(ValueError, match="num_estimate must lie in"):
        NoisyLabel(Uniform(data), flips(), normalise="estimate", num_estimate=0)
