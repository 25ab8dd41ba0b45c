"""All laws over factors: each against its definition, written densely in plain NumPy."""

import pickle
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from recneg.errors import InvalidDataError, NoNegativeError
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.samplers.cluster import Cluster
from recneg.samplers.codebook import codebook
from recneg.samplers.factors import FactorSampler, first_above
from recneg.samplers.kernel_tree import KernelTree
from recneg.samplers.midx import MIDX
from recneg.samplers.rank_adaptive import RankAdaptive
from recneg.samplers.softmax import Softmax
from recneg.testing import contract_interactions

LAWS: list[Any] = [Softmax, RankAdaptive, KernelTree, MIDX, Cluster]


def normalised(log_mass: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    log_mass = np.where(allowed, log_mass, -np.inf)
    if np.isneginf(log_mass).all():
        return log_mass
    return log_mass - logsumexp(log_mass)


def dense_softmax(law: Softmax, u: np.ndarray, v: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    return normalised(v @ u / law.temperature, allowed)


def dense_kernel(law: KernelTree, u: np.ndarray, v: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    return normalised(np.log(law.alpha * (v @ u) ** 2 + 1), allowed)


def dense_ranks(law: RankAdaptive, u: np.ndarray, v: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    weights = np.abs(u) * np.where(np.ptp(v, axis=0) > 0, v.std(axis=0), 0)
    if not weights.any():
        weights = np.ones_like(weights)
    with np.errstate(divide="ignore"):
        log_share = np.log(weights / weights.sum())
    log_rank = -np.arange(allowed.sum()) / law.mean_rank
    log_mass = np.full((len(u), len(v)), -np.inf)
    for f in range(len(u)):
        order = sorted(np.flatnonzero(allowed), key=lambda item: (-v[item, f], item))
        if u[f] <= 0:
            order = order[::-1]
        if order:
            log_mass[f, order] = log_share[f] + log_rank - logsumexp(log_rank)
    return logsumexp(log_mass, axis=0)


def dense_midx(law: MIDX, u: np.ndarray, v: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    half = (len(u) + 1) // 2
    scores = np.zeros(len(v))
    for side, part in enumerate((slice(0, half), slice(half, None))):
        columns = v[:, part].astype(np.float32)
        centres, codes = codebook(columns, law.codewords, Key(law.seed).fold_in(side))
        scores += centres[codes] @ u[part]
    return normalised(scores / law.temperature + log_weights(law), allowed)


def dense_cluster(law: Cluster, u: np.ndarray, v: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    centres, codes = codebook(v.astype(np.float32), law.clusters, Key(law.seed))
    return normalised(centres[codes] @ u / law.temperature + log_weights(law), allowed)


def log_weights(law: MIDX | Cluster) -> np.ndarray:
    with np.errstate(divide="ignore"):
        counts = np.log(law.interactions.item_counts())
    return counts if law.weighting == "popularity" else np.zeros(law.num_items)


DENSE: dict[Any, Callable[..., np.ndarray]] = {
    Softmax: dense_softmax,
    RankAdaptive: dense_ranks,
    KernelTree: dense_kernel,
    MIDX: dense_midx,
    Cluster: dense_cluster,
}
OPTIONS: dict[Any, dict[str, st.SearchStrategy[Any]]] = {
    Softmax: {"temperature": st.sampled_from([1e-3, 0.2, 1.0, 1e9])},
    RankAdaptive: {"mean_rank": st.sampled_from([None, 1e-3, 0.5, 3.0, 1e9])},
    KernelTree: {"alpha": st.sampled_from([0.0, 1e-4, 1.0, 100.0, 1e6])},
    MIDX: {
        "codewords": st.integers(1, 5),
        "temperature": st.sampled_from([1e-3, 1.0, 1e9]),
        "weighting": st.sampled_from(["uniform", "popularity"]),
        "seed": st.integers(0, 3),
    },
    Cluster: {
        "clusters": st.integers(1, 9),
        "temperature": st.sampled_from([1e-3, 1.0, 1e9]),
        "weighting": st.sampled_from(["uniform", "popularity"]),
    },
}


@st.composite
def models(draw: st.DrawFn) -> tuple[Interactions, np.ndarray, np.ndarray]:
    """Small data with empty, full and nearly full users; factors with ties, zeros, any size."""
    num_users, num_items = draw(st.integers(1, 4)), draw(st.integers(1, 40))
    num_factors = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = rng.choice([0.0, 0.1, 0.9, 1.0], (num_users, 1))
    seen = rng.random((num_users, num_items)) < density
    if draw(st.booleans()):
        seen[0] = np.arange(num_items) != draw(st.integers(0, num_items - 1))  # one free item
    users, items = np.nonzero(seen)
    data = Interactions.from_arrays(users, items, num_users=num_users, num_items=num_items)
    scale = draw(st.sampled_from([0.0, 1e-20, 1e-3, 1.0, 100.0]))
    factors = [rng.normal(size=(n, num_factors)) * scale for n in (num_users, num_items)]
    if draw(st.booleans()):
        factors = [np.rint(values) for values in factors]
    return data, factors[0].astype(np.float32), factors[1].astype(np.float32)


@pytest.mark.parametrize(
    ("target", "position"), [(0.0, 2), (np.nextafter(1, 0), 2), (1.0, 4), (np.nextafter(3, 0), 4)]
)
def test_the_point_of_a_running_sum_has_a_mass_of_its_own(target: float, position: int) -> None:
    """Positions 0, 1, 3, 5 and 6 have none, and lie on both edges of those that have."""
    assert first_above(np.array([0.0, 0.0, 1.0, 1.0, 3.0, 3.0, 3.0]), target) == position


def test_a_float_below_one_times_a_total_is_below_the_total() -> None:
    powers = 2.0 ** np.arange(100).repeat(100)
    totals = np.random.default_rng(0).uniform(1, 2, powers.size) * powers
    assert (totals * (1 - 2.0**-53) < totals).all()


@pytest.mark.parametrize("law", LAWS)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_log_prob_is_the_dense_law_and_draws_keep_to_it(law: Any, data: st.DataObject) -> None:
    interactions, users, items = data.draw(models())
    options = {name: data.draw(values, name) for name, values in OPTIONS[law].items()}
    unseen = data.draw(st.booleans())
    sampler: FactorSampler = law(interactions, users, items, unseen=unseen, **options)
    everyone, everything = np.indices((interactions.num_users, interactions.num_items))
    got = sampler._log_prob(everyone, everything)
    allowed = ~(interactions.contains(everyone, everything) & unseen)
    for user in range(interactions.num_users):
        u, v = users[user].astype(np.float64), items.astype(np.float64)
        expected = DENSE[law](sampler, u, v, allowed[user])
        assert np.array_equal(np.isneginf(got[user]), np.isneginf(expected))
        finite = np.isfinite(expected)
        # differences of logits up to the largest, each of them right to its last place
        rounding = 4 * np.finfo(float).eps * np.abs(expected[finite]).max(initial=0)
        assert np.allclose(got[user][finite], expected[finite], rtol=1e-9, atol=1e-9 + rounding)
    drawn = sampler.sample(np.arange(interactions.num_users), 9, key=1, exhausted="mask")
    assert np.array_equal(drawn.mask.all(axis=1), np.isfinite(got).any(axis=1))
    for user in np.flatnonzero(drawn.mask.all(axis=1)):
        of_drawn = got[user, drawn.items[user]].astype(np.float32)
        assert np.array_equal(drawn.log_q[user], of_drawn)
        assert np.isfinite(of_drawn).all()


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("size", [1e4, 1e19, 3e38])
def test_extreme_scores_are_finite_and_normalised(law: Any, size: float) -> None:
    data = contract_interactions()
    rng = np.random.default_rng(0)
    users = rng.choice([-1.0, 0.0, 1.0], (data.num_users, 3))
    items = rng.choice([-1.0, 1.0], (data.num_items, 3)) * size
    sampler = law(data, users, items)
    able = np.flatnonzero(data.user_counts() < data.num_items)
    total = np.exp(sampler._log_prob(*np.indices((data.num_users, data.num_items)))).sum(axis=1)
    assert np.allclose(total[able], 1, rtol=1e-9)
    got = sampler.sample(able, 50, key=0)
    assert np.isfinite(got.log_q).all()
    assert np.array_equal(got.log_q, sampler.log_prob(able, got.items))
    sampler.log_prob(able[:, None], np.arange(data.num_items))  # no overflow, which would warn
    assert not data.contains(able[:, None], got.items).any()


@pytest.mark.parametrize("law", LAWS)
def test_zero_factors_give_a_law_without_preferences(law: Any) -> None:
    data = contract_interactions()
    sampler = law(data, np.zeros((data.num_users, 3)), np.zeros((data.num_items, 3)))
    log_q = sampler.log_prob(0, np.arange(data.num_items))
    if law is RankAdaptive:  # all items tie: from the bottom, the highest ids first
        assert np.allclose(np.diff(log_q), 1 / sampler.mean_rank, atol=1e-4)
    else:
        assert np.allclose(log_q, -np.log(data.num_items))


@pytest.mark.parametrize("law", LAWS)
def test_one_item_and_a_user_without_any(law: Any) -> None:
    data = Interactions.from_arrays([1], [0], num_users=2, num_items=1)
    sampler = law(data, [[2.0], [1.0]], [[-3.0]])
    assert sampler.sample([0], 3, key=0).items.tolist() == [[0, 0, 0]]
    assert sampler.sample([0], 3, key=0).log_q.tolist() == [[0.0, 0.0, 0.0]]
    with pytest.raises(NoNegativeError, match="has none: 1"):
        sampler.sample([0, 1], 1, key=0)
    masked = sampler.sample([0, 1], 2, key=0, exhausted="mask")
    assert masked.items.tolist() == [[0, 0], [-1, -1]]
    assert np.isneginf(sampler.log_prob(1, [0])).all()


@pytest.mark.parametrize("law", LAWS)
def test_the_law_keeps_factors_of_its_own(law: Any) -> None:
    data = contract_interactions()
    rng = np.random.default_rng(1)
    users = rng.normal(size=(data.num_users, 4)).astype(np.float32)
    items = rng.normal(size=(data.num_items, 4)).astype(np.float32)
    sampler = law(data, users, items)
    before = sampler.sample([0, 2, 3], 50, key=0).items
    users[:], items[:] = 0, 0  # the model goes on
    assert np.array_equal(sampler.sample([0, 2, 3], 50, key=0).items, before)
    for copy in (sampler, pickle.loads(pickle.dumps(sampler))):  # noqa: S301
        assert not copy.user_factors.flags.writeable
        assert not copy.item_factors.flags.writeable
        assert copy.user_factors.dtype == copy.item_factors.dtype == np.float32
    assert "factors" not in repr(sampler)  # not the numbers of a whole model


@pytest.mark.parametrize("law", LAWS)
def test_tensors_that_are_being_trained_are_taken_as_they_are(law: Any) -> None:
    data = contract_interactions()
    torch.manual_seed(0)
    users = torch.randn(data.num_users, 2, requires_grad=True)
    items = torch.randn(data.num_items, 2, dtype=torch.float64)
    arrays = law(data, users.detach().numpy(), items.numpy())
    tensors = law(data, users, items)
    assert np.array_equal(
        arrays.sample([0, 3], 20, key=0).items, tensors.sample([0, 3], 20, key=0).items
    )


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    ("users", "items", "message"),
    [
        (np.ones((3, 2)), np.ones((4, 2)), r"user_factors must have shape \(2, d\).*got \(3, 2\)"),
        (np.ones((2, 2)), np.ones((2, 4)), r"item_factors must have shape \(4, d\).*got \(2, 4\)"),
        (np.ones((2, 2)), np.ones(4), r"item_factors must have shape \(4, d\).*got \(4,\)"),
        (np.ones((2, 0)), np.ones((4, 0)), r"d >= 1; got \(2, 0\)"),
        (np.ones((2, 2)), np.ones((4, 3)), "same number of columns; got 2 and 3"),
        (np.ones((2, 2)), np.full((4, 2), 1e39), "item_factors must be finite in float32"),
        (np.array([[1, 1], [1, np.nan]]), np.ones((4, 2)), "those of user 1 are not"),
    ],
)
def test_bad_factors(law: Any, users: np.ndarray, items: np.ndarray, message: str) -> None:
    data = Interactions.from_arrays([0, 1], [0, 3])
    with pytest.raises(InvalidDataError, match=message):
        law(data, users, items)


@pytest.mark.parametrize("law", LAWS)
def test_an_empty_catalogue_is_refused(law: Any) -> None:
    with pytest.raises(InvalidDataError, match="at least one item"):
        law(Interactions.from_arrays([], [], num_users=1), np.ones((1, 1)), np.ones((0, 1)))


@pytest.mark.parametrize(
    ("law", "options", "message"),
    [
        (Softmax, {"temperature": 0.0}, "temperature must be positive and finite; got 0.0"),
        (Softmax, {"temperature": np.inf}, "temperature must be positive"),
        (MIDX, {"temperature": -1.0}, "temperature must be positive and finite; got -1.0"),
        (Cluster, {"temperature": np.nan}, "temperature must be positive"),
        (RankAdaptive, {"mean_rank": 0.0}, "mean_rank must be positive and finite; got 0.0"),
        (KernelTree, {"alpha": -1.0}, r"alpha must lie in \[0, 1e100\]; got -1.0"),
        (KernelTree, {"alpha": np.nan}, "alpha must lie in"),
        (MIDX, {"codewords": 0}, "codebook must be a positive integer; got 0"),
        (Cluster, {"clusters": 2.5}, "codebook must be a positive integer; got 2.5"),
        (MIDX, {"weighting": "log"}, "weighting must be 'uniform' or 'popularity'; got 'log'"),
    ],
)
def test_bad_options(law: Any, options: dict[str, Any], message: str) -> None:
    data = Interactions.from_arrays([0, 1], [0, 3])
    with pytest.raises(InvalidDataError, match=message):
        law(data, np.ones((2, 1)), np.ones((4, 1)), **options)


@pytest.mark.parametrize("law", [RankAdaptive, KernelTree, MIDX, Cluster])
def test_a_draw_does_not_enumerate_the_catalogue(law: Any) -> None:
    """5,000 users one after the other: 10**10 scores if each looked at every item."""
    num_users, num_items = 5_000, 1_000_000
    rng = np.random.default_rng(0)
    data = Interactions.from_arrays(
        np.repeat(np.arange(num_users), 20),
        rng.integers(0, num_items, 20 * num_users),
        num_items=num_items,
    )
    sampler = law(data, rng.normal(size=(num_users, 2)), rng.normal(size=(num_items, 2)))
    sampler.sample([0], 1, key=0)
    started = time.perf_counter()
    items = sampler.sample(np.arange(num_users), 2, key=0).items
    assert time.perf_counter() - started < 4  # it takes a twentieth of a second
    assert not data.contains(np.arange(num_users)[:, None], items).any()
