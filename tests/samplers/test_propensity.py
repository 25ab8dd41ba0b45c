"""The propensity law, and the weights that make its draws estimate Rel-MF's and UBPR's losses."""

import numpy as np
import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from recneg import BPR
from recneg.errors import InvalidDataError, NoNegativeError
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.mining import hardest
from recneg.propensity import given, power_law
from recneg.samplers.base import Negatives
from recneg.samplers.propensity import Propensity
from recneg.simulation import simulate
from recneg.testing import contract_interactions

TABLE = np.random.default_rng(3).random((12, 61))


def stated_law(data, theta, gamma, unseen):
    weights = (1 - gamma) / (1 - theta * gamma)
    if unseen:
        weights = weights * ~data.contains(
            np.arange(data.num_users)[:, None], np.arange(data.num_items)
        )
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(weights / weights.sum(axis=1, keepdims=True))


def full_law(sampler):
    users = np.arange(sampler.num_users)[:, None]
    return np.exp(sampler.log_prob(users, np.arange(sampler.num_items)[None]).astype(float))


@pytest.mark.parametrize("unseen", [True, False])
@pytest.mark.parametrize("form", ["items", "product", "table"])
@pytest.mark.parametrize("by_item", [False, True])
def test_the_law_is_the_posterior_of_a_true_negative(unseen, form, by_item):
    data, rng = contract_interactions(), np.random.default_rng(5)
    by_user = rng.random((12, 1))
    exposure = {
        "items": given(TABLE[0]), "product": given(TABLE[0], users=by_user[:, 0]),
        "table": given(TABLE),
    }[form]  # fmt: skip
    raw = {"items": TABLE[:1], "product": by_user * TABLE[:1], "table": TABLE}[form]
    theta = np.maximum(np.broadcast_to(raw, (12, 61)), 0.01)
    gamma = rng.random(61) if by_item else 0.7
    law = Propensity(data, exposure, relevance=gamma, unseen=unseen)
    expected = stated_law(data, theta, gamma, unseen)
    np.testing.assert_allclose(full_law(law), expected, rtol=1e-5)
    assert (law.law is None) is (form != "items")


def test_that_posterior_holds_in_a_simulated_observation():
    theta, gamma = np.array([0.9, 0.5, 0.1]), 0.6
    rng = np.random.default_rng(1)
    exposed, relevant = rng.random((400_000, 3)) < theta, rng.random((400_000, 3)) < gamma
    missing = ~(exposed & relevant)
    share = (missing & ~relevant).sum(axis=0) / missing.sum(axis=0)
    law = Propensity(Interactions.from_arrays([0], [0], num_items=3), given(theta),
                     relevance=gamma, unseen=False)  # fmt: skip
    np.testing.assert_allclose(full_law(law)[0], share / share.sum(), atol=0.004)


def test_default_relevance_is_the_mean_of_inverse_propensities():
    data = contract_interactions()
    theta = power_law(data).theta(0, data.indices)
    expected = (1 / theta).sum() / (12 * 61)
    assert expected < 0.99
    assert Propensity(data).relevance == pytest.approx(expected)
    assert Propensity(data, given(np.full(61, 0.01))).relevance == 0.99
    nothing = Interactions.from_arrays([], [], num_users=2, num_items=3)
    np.testing.assert_allclose(full_law(Propensity(nothing)), 1 / 3, rtol=1e-6)


def test_trainers_take_it():
    data = simulate(40, 30, 200, key=1).interactions
    model = BPR(factors=4, epochs=2, sampler=Propensity).fit(data, show_progress=False)
    assert len(model.history) == 2


@st.composite
def cases(draw):
    num_users, num_items = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    size = draw(st.integers(0, 2 * num_users * num_items))
    data = Interactions.from_arrays(
        rng.integers(0, num_users, size), rng.integers(0, num_items, size),
        num_users=num_users, num_items=num_items,
    )  # fmt: skip
    return data, rng.random((num_users, num_items)), rng.random(), seed


@settings(max_examples=40, deadline=None)
@examples(cases(), st.booleans(), st.booleans())
def test_odd_data(case, unseen, by_user):
    data, theta, gamma, seed = case
    law = Propensity(data, given(theta if by_user else theta[0]), relevance=gamma, unseen=unseen)
    able = np.flatnonzero((data.user_counts() < data.num_items) | (not unseen))
    np.testing.assert_allclose(full_law(law)[able].sum(axis=1), 1, rtol=1e-5)
    drawn = law.sample(able, 5, key=seed)
    assert np.isfinite(drawn.log_q).all()
    assert not (unseen and data.contains(able[:, None], drawn.items).any())
    full = np.setdiff1d(np.arange(data.num_users), able)
    if full.size:
        with pytest.raises(NoNegativeError):
            law.sample(full, 1, key=0)


def test_wrong_arguments():
    data = Interactions.from_arrays([0, 1], [0, 1])
    for relevance in (1.0, -0.1, np.nan, [0.5, 1.0]):
        with pytest.raises(InvalidDataError, match=r"relevance must lie in \[0, 1\); got"):
            Propensity(data, relevance=relevance)
    with pytest.raises(InvalidDataError, match=r"must be a number or have shape \(2,\)"):
        Propensity(data, relevance=[0.5])
    with pytest.raises(InvalidDataError, match="exposure must have 2 items; got 3"):
        Propensity(data, given([0.5, 0.5, 0.5]))
    law = Propensity(data)
    drawn = law.sample([0, 1], 2, key=0)
    with pytest.raises(InvalidDataError, match="must have shape"):
        law.weights([0, 1], [0], drawn)


def test_weights_of_a_batch():
    data = Interactions.from_arrays([0, 0, 1], [0, 1, 2], num_items=4)
    law = Propensity(data, given([0.5, 0.25, 1.0, 0.5]), relevance=0.5)
    users, positives = np.array([0, 0, 1]), np.array([0, 1, 2])
    drawn = law.sample(users, 3, key=0)
    relevant, irrelevant, unlabelled = law.weights(users, positives, drawn)
    assert relevant.tolist() == [2.0, 4.0, 1.0]
    assert irrelevant.tolist() == [-1.0, -3.0, 0.0]
    rows = np.array([2, 2, 1])[:, None]
    np.testing.assert_allclose(unlabelled, np.exp(-drawn.log_q) / (rows * 3), rtol=1e-6)
    assert {array.dtype.name for array in (relevant, irrelevant, unlabelled)} == {"float32"}
    masked = Negatives(np.full((1, 2), -1), np.full((1, 2), -np.inf), np.zeros((1, 2), bool))
    assert law.weights([0], [0], masked).unlabelled.tolist() == [[0.0, 0.0]]
    with pytest.raises(ValueError, match="unseen=False; got True"):
        law.pair_weights(users, positives, drawn)


def test_mined_negatives_have_no_weights():
    data = contract_interactions()
    law, users = Propensity(data, unseen=False), np.array([3, 4])
    drawn = law.sample(users, 4, key=0)
    mined = hardest(drawn, np.zeros((2, 4)), num_negatives=2)
    for weigh in (law.weights, law.pair_weights):
        with pytest.raises(InvalidDataError, match="log_q must be known"):
            weigh(users, np.array([0, 1]), Negatives(*mined[:3]))


def test_weights_of_tensors_are_tensors():
    import torch

    data = Interactions.from_arrays([0, 0, 1], [0, 1, 2], num_items=4)
    law = Propensity(data, unseen=False)
    users, positives = torch.tensor([0, 1]), torch.tensor([1, 2])
    drawn = law.sample(users, 3, key=0)
    arrays = law.weights(
        *(x.numpy() for x in (users, positives)), Negatives(*(x.numpy() for x in drawn))
    )
    for tensor, array in zip(law.weights(users, positives, drawn), arrays, strict=True):
        assert isinstance(tensor, torch.Tensor)
        np.testing.assert_array_equal(tensor.numpy(), array)
    assert isinstance(law.pair_weights(users, positives, drawn), torch.Tensor)


NUM_USERS, NUM_ITEMS, REPEATS, NUM_NEGATIVES = 50, 40, 300, 4


@pytest.fixture(scope="module")
def truth():
    """Relevance and exposure of a world without noise, so that Y = O R; and fixed scores."""
    made = simulate(
        NUM_USERS, NUM_ITEMS, 650, key=7, popularity_exponent=0.5, activity_sigma=0.2,
        relevance_bias=-0.5, false_positive_rate=0.0, false_negative_rate=0.0,
    ).truth  # fmt: skip
    users, items = np.arange(NUM_USERS)[:, None], np.arange(NUM_ITEMS)
    gamma = made.relevance(users, items)
    noise = np.random.default_rng(0).normal(size=gamma.shape)
    scores = np.log(gamma / (1 - gamma)) + noise  # as of a model that has learned something
    return gamma, made.exposure(users, items), scores


def softplus(x):
    return np.logaddexp(0, x)


def observations(gamma, theta):
    """Yield realised clicks Y = O R, again and again."""
    rng = np.random.default_rng(11)
    for repeat in range(REPEATS):
        clicks = (rng.random(theta.shape) < theta) & (rng.random(theta.shape) < gamma)
        assert clicks.any(axis=1).all()  # a user without a click would have no row
        yield (
            repeat,
            Interactions.from_arrays(*np.nonzero(clicks), num_users=NUM_USERS, num_items=NUM_ITEMS),
        )


def relmf_estimate(law, scores, key):
    """Rel-MF's loss from one epoch: a row for every interaction, draws for the rest."""
    users, positives = law.interactions.users().astype(np.int64), law.interactions.indices
    drawn = law.sample(users, NUM_NEGATIVES, key=key)
    relevant, irrelevant, unlabelled = law.weights(users, positives, drawn)
    s, s_drawn = scores[users, positives], scores[users[:, None], drawn.items]
    rows = relevant * softplus(-s) + irrelevant * softplus(s)
    return rows.sum() + (unlabelled * softplus(s_drawn)).sum()


def ubpr_estimate(law, scores, key):
    """UBPR's loss over pairs (i, j), j not i, from one epoch."""
    users, positives = law.interactions.users().astype(np.int64), law.interactions.indices
    drawn = law.sample(users, NUM_NEGATIVES, key=key)
    gap = scores[users, positives][:, None] - scores[users[:, None], drawn.items]
    return (law.pair_weights(users, positives, drawn) * softplus(-gap)).sum()


def assert_unbiased(estimates, ideal, naive):
    mean, error = np.mean(estimates), np.std(estimates, ddof=1) / np.sqrt(len(estimates))
    assert error < 0.01 * ideal  # else the next line would say little
    assert abs(mean - ideal) < 4 * error
    off = np.std(naive, ddof=1) / np.sqrt(len(naive))
    assert abs(np.mean(naive) - ideal) > 20 * off


@pytest.mark.parametrize("unseen", [True, False])
@pytest.mark.parametrize("by_user", [True, False])
def test_an_epoch_is_an_unbiased_estimate_of_the_ideal_loss(truth, by_user, unseen):
    gamma, theta, scores = truth
    if not by_user:
        theta = np.broadcast_to(theta.mean(axis=0), theta.shape)
    ideal = (gamma * softplus(-scores) + (1 - gamma) * softplus(scores)).sum()
    exposure = given(theta if by_user else theta[0], clip=theta.min())
    blind = given(np.ones(NUM_ITEMS))
    estimates, naive = [], []
    for repeat, data in observations(gamma, theta):
        law = Propensity(data, exposure, relevance=0.4, unseen=unseen)
        estimates.append(relmf_estimate(law, scores, Key(1).fold_in(repeat)))
        law = Propensity(data, blind, unseen=unseen)
        naive.append(relmf_estimate(law, scores, Key(2).fold_in(repeat)))
    assert_unbiased(estimates, ideal, naive)


def test_an_epoch_is_an_unbiased_estimate_of_ubpr(truth):
    gamma, theta, scores = truth
    gaps = softplus(scores[:, None, :] - scores[:, :, None])  # of i in rows over j in columns
    pairs = gamma[:, :, None] * (1 - gamma[:, None, :])
    ideal = (pairs * gaps * ~np.eye(NUM_ITEMS, dtype=bool)).sum()
    estimates, naive = [], []
    for repeat, data in observations(gamma, theta):
        law = Propensity(data, given(theta, clip=theta.min()), relevance=0.4, unseen=False)
        estimates.append(ubpr_estimate(law, scores, Key(3).fold_in(repeat)))
        law = Propensity(data, given(np.ones(NUM_ITEMS)), unseen=False)
        naive.append(ubpr_estimate(law, scores, Key(4).fold_in(repeat)))
    assert_unbiased(estimates, ideal, naive)
