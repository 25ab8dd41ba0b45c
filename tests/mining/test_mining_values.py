"""Reference values of the methods, and the laws of what is drawn at random."""

import math

import numpy as np
import pytest
import torch

from recneg import Interactions, Key, Uniform, mining
from recneg.mining.bayesian import bayesian_risk
from recneg.mining.counting import count_at_most
from recneg.samplers import Negatives
from recneg.testing import ALPHA, chi_square_p_value

SCORES = np.array([[0.9, -0.2, 0.4, 0.1]])
POSITIVE = np.array([0.7])
ROWS = 400_000


def drawn(items: object, log_q: object = 0.0) -> Negatives:
    array = np.asarray(items)
    return Negatives(array, np.broadcast_to(log_q, array.shape), array >= 0)


FOUR = drawn([[7, 1, 4, 3]])


def repeated(values: np.ndarray, rows: int = ROWS) -> np.ndarray:
    return np.broadcast_to(values, (rows, values.shape[-1]))


def assert_follows(observed: np.ndarray, expected: np.ndarray) -> None:
    total = observed.sum()
    assert chi_square_p_value(observed.ravel(), (expected * total).ravel()) > ALPHA


def test_simans_draws_the_reference_probabilities() -> None:
    expected = np.array([0.28507048764004916, 0.19397639467782354, 0.2780320722220903,
                         0.24292104546003704])  # fmt: skip
    got = mining.ambiguous(
        drawn(repeated(FOUR.items)), repeated(SCORES), positive_scores=np.full(ROWS, 0.7), key=1,
        num_negatives=2,
    )  # fmt: skip
    first, second = got.positions.T
    assert_follows(np.bincount(first, minlength=4), expected)
    joint = expected[:, None] * expected / (1 - expected[:, None])
    np.fill_diagonal(joint, 0.0)  # without replacement
    assert_follows(np.bincount(first * 4 + second, minlength=16), joint.ravel())


def test_simans_counts_an_item_as_often_as_it_was_drawn() -> None:
    items = np.array([[5, 2, 5]])
    got = mining.ambiguous(
        drawn(repeated(items)), np.zeros((ROWS, 3)), positive_scores=np.zeros(ROWS), key=2
    )
    assert_follows(np.bincount(got.positions[:, 0], minlength=3), np.full(3, 1 / 3))


def test_dns_draws_uniformly_among_the_highest() -> None:
    items = np.arange(6)[None]
    scores = np.array([[0.0, 5.0, 4.0, 4.0, 9.0, 4.0]])  # the 4 highest: 4, 1, and 2 and 3 by id
    got = mining.hardest(drawn(repeated(items)), repeated(scores), num_negatives=2, among=4, key=3)
    pairs = np.bincount(got.items[:, 0] * 6 + got.items[:, 1], minlength=36).reshape(6, 6)
    expected = np.zeros((6, 6))
    expected[np.ix_([1, 2, 3, 4], [1, 2, 3, 4])] = 1 / 12
    np.fill_diagonal(expected, 0.0)
    assert_follows(pairs, expected)


def test_resampling_follows_the_weights_in_independent_draws() -> None:
    log_q = np.log([0.1, 0.4, 0.2, 0.05])
    weights = np.exp(SCORES[0] / 0.8 - log_q)
    weights /= weights.sum()
    got = mining.importance_resampled(
        drawn(repeated(FOUR.items), log_q), repeated(SCORES), num_negatives=2, temperature=0.8,
        key=4,
    )  # fmt: skip
    joint = np.bincount(got.positions[:, 0] * 4 + got.positions[:, 1], minlength=16)
    assert_follows(joint, np.outer(weights, weights))


def test_resampling_skips_what_has_no_weight() -> None:
    scores = np.array([[-1e4, 0.0, -1e4, 0.0, -1e4]])
    got = mining.importance_resampled(drawn(np.arange(5)[None]), scores, num_negatives=5_000, key=0)
    assert set(got.items[0].tolist()) == {1, 3}


def test_choices_do_not_depend_on_the_draws_of_the_same_key() -> None:
    """One key for the sampler and for mining is safe: all items stay equally likely."""
    data = Interactions.from_arrays([0], [0], num_items=13)
    users = np.zeros(ROWS, np.int64)
    negatives = Uniform(data).sample(users, 4, key=5)
    for among, place in ((4, 0), (2, 0)):
        got = mining.hardest(negatives, np.zeros((ROWS, 4)), among=among, key=5)
        if among == 4:
            counts = np.bincount(got.items[:, place], minlength=13)
            assert_follows(counts, np.r_[0, np.full(12, 1 / 12)])
            joint = np.bincount(negatives.items[:, 0] * 13 + got.items[:, 0], minlength=169)
            same = np.eye(12) / 12 * 1 / 4 + np.full((12, 12), 1 / 144) * 3 / 4
            expected = np.zeros((13, 13))
            expected[1:, 1:] = same
            assert_follows(joint, expected)
        else:  # ties by item id: the two smallest ids, either with probability 1/2
            two = np.sort(negatives.items, axis=1)[:, :2]
            distinct = two[:, 0] < two[:, 1]
            higher = (got.items[:, 0] == two[:, 1])[distinct]
            assert_follows(np.bincount(higher), np.full(2, 0.5))


def test_nv_retriever_keeps_the_reference_candidates() -> None:
    for bound in ({"margin": 0.05}, {"percentage": 0.95}, {}):
        got = mining.positive_aware(FOUR, SCORES, positive_scores=POSITIVE, **bound)
        kept = np.isin(np.arange(4), got.positions[got.mask])
        assert kept.tolist() == [False, True, True, True]


def test_a_score_on_the_bound() -> None:
    """Equal to the bound violates no margin, is not clearly below it, and does not exceed it."""
    scores = np.array([[0.5, 0.5 - 2**-50, 0.5 + 2**-50, 9.0]])
    known = {"positive_scores": np.array([1.5])}
    assert mining.until_violation(FOUR, scores, **known, num_items=9).positions.tolist() == [[2]]
    below = mining.positive_aware(FOUR, scores, **known, margin=1.0)
    assert below.positions[below.mask].tolist() == [1]
    guide = {"guide_scores": scores, "guide_positive_scores": np.array([0.5])}
    assert mining.guided(FOUR, scores, **guide).items.tolist() == [[7, 1, -1, -1]]


def test_rotate_reference_weights_and_loss() -> None:
    weights = mining.self_adversarial(FOUR, SCORES).weights[0]
    reference = [0.4186323710950602, 0.1393506110375093, 0.2539133682173508, 0.1881036496500797]
    assert weights.tolist() == pytest.approx(reference, abs=1e-14)
    part = sum(w * math.log1p(math.exp(s)) for w, s in zip(weights, SCORES[0], strict=True))
    assert part == pytest.approx(0.9747887129243803, abs=1e-13)


def test_adaptive_softmax_reference_weights() -> None:
    got = mining.adaptive_softmax(FOUR, SCORES, positive_scores=POSITIVE, rho=0.5)
    reference = [0.699376007130355, 0.048160242145279815, 0.16780982924657248, 0.08465392147779248]
    assert got.weights[0].tolist() == pytest.approx(reference, abs=1e-13)


def test_bayesian_reference_risk() -> None:
    risk = bayesian_risk(np, np.array(0.7 - 0.4), np.array(0.6), np.array(0.01), 5.0)
    assert float(risk) == pytest.approx(-2.0896777905815545, abs=1e-14)


def test_bayesian_against_reference_scores_of_the_unseen() -> None:
    """-inf stands for a seen item; the candidate at share 1 is the likeliest false negative."""
    reference = np.array([[0.9, 0.4, -np.inf, 0.1, 0.3]])
    known = {"positive_scores": POSITIVE, "item_popularity": np.array([0, 1, 0, 2, 5, 0, 0, 92])}
    got = mining.bayesian(FOUR, SCORES, **known, reference_scores=reference, num_negatives=4)
    gap = (POSITIVE[:, None] - SCORES)[0]
    share = np.array([1.0, 0.0, 0.75, 0.25])
    risk = bayesian_risk(np, gap, share, np.array([0.92, 0.01, 0.05, 0.02]), 5.0)
    assert got.positions[0].tolist() == np.argsort(risk).tolist()


@pytest.mark.parametrize(
    ("tries", "weight"), [(1, 6.906754778648554), (2, 6.212606095751519), (10, 4.59511985013459)]
)
def test_warp_reference_weights(tries: int, weight: float) -> None:
    scores = np.where(np.arange(12) == tries - 1, 1.0, -1.0)[None]
    got = mining.until_violation(
        drawn(np.arange(12)[None]), scores, positive_scores=np.zeros(1), margin=0.5, num_items=1000
    )
    assert got.items[0, 0] == tries - 1
    assert got.weights[0, 0] == pytest.approx(weight, abs=1e-14)


def test_tron_reference_loss() -> None:
    got = mining.top_k(FOUR, SCORES, num_negatives=2)
    chosen = np.take_along_axis(SCORES, got.positions, -1)[0]
    loss = math.log(sum(math.exp(s) for s in (0.7, *chosen))) - 0.7
    assert loss == pytest.approx(1.0859393176684558, abs=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_top_k_of_a_shared_pool_over_times(dtype: type, kind: object) -> None:
    rng = np.random.default_rng(1)
    pools = {"shared": rng.integers(0, 40, 60), "of the session": rng.integers(0, 40, (3, 60))}
    tables = np.round(rng.normal(size=(3, 5, 40)), 1).astype(dtype)  # many ties
    positives = rng.integers(0, 40, (3, 5))
    for pool in pools.values():
        full = np.broadcast_to(pool if pool.ndim == 1 else pool[:, None], (3, 5, 60))
        scores = np.take_along_axis(tables, full, -1)
        negatives = Negatives(kind(pool), kind(np.zeros(pool.shape)), kind(pool != 7))
        for hits in (False, True):
            got = mining.top_k(
                negatives, kind(scores), num_negatives=9, mask_accidental_hits=hits,
                positives=kind(positives),
            )  # fmt: skip
            assert tuple(got.items.shape) == (3, 5, 9)
            for b, t in np.ndindex(3, 5):
                left = [
                    j for j in range(60)
                    if full[b, t, j] != 7 and not (hits and full[b, t, j] == positives[b, t])
                ]  # fmt: skip
                left.sort(key=lambda j: (-float(scores[b, t, j]), full[b, t, j]))
                assert got.items[b, t].tolist() == full[b, t][left[:9]].tolist()


def test_top_k_leaves_out_what_is_seen() -> None:
    seen = np.array([[True, False, False, False]])
    got = mining.top_k(FOUR, SCORES, num_negatives=4, seen=seen)
    assert got.items.tolist() == [[4, 3, 1, -1]]


def test_bfloat16_scores() -> None:
    scores = torch.tensor([[1.5, -2.0, 3.0]], dtype=torch.bfloat16)
    items = torch.tensor([[4, 5, 6]])
    got = mining.hardest(Negatives(items, torch.zeros(1, 3), items > 0), scores, num_negatives=2)
    assert got.items.tolist() == [[6, 4]]


def test_variance_prefers_what_varies_once_warm() -> None:
    """0.5 + 5 * 0.2 against 0.6 + 0: the deviation counts five times, after the warm-up."""
    logit = math.log(0.7 / 0.3)
    past = np.array([[[logit, -logit], [1.0, 1.0]]])
    known = {"positive_scores": np.zeros(1), "past_positive_scores": np.zeros((1, 2))}
    scores = np.array([[0.0, math.log(0.6 / 0.4)]])
    for epoch, wanted in ((0, 1), (4, 1), (6, 0), (50, 0), (500, 0)):
        got = mining.variance(
            drawn([[0, 1]]), scores, **known, past_scores=past, epoch=epoch, alpha=5.0
        )  # the turn is where 5 * epoch / 50 * 0.2 = 0.1
        assert got.items[0, 0] == wanted


def test_variance_without_a_past_is_the_highest_score() -> None:
    none = {"past_scores": np.zeros((1, 4, 0)), "past_positive_scores": np.zeros((1, 0))}
    got = mining.variance(FOUR, SCORES, positive_scores=POSITIVE, **none, epoch=0)
    assert got.items.tolist() == [[7]]


def test_count_at_most() -> None:
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 6, (4, 7)).astype(float)
    values = rng.integers(-1, 7, (4, 5)).astype(float)
    wanted = (reference[:, :, None] <= values[:, None, :]).sum(axis=1)
    assert count_at_most(np, reference, values).tolist() == wanted.tolist()


def test_keys_and_rows_matter() -> None:
    negatives, scores = drawn(repeated(np.arange(9)[None], 50)), np.zeros((50, 9))

    def items(key: int | Key, rows: object = None) -> np.ndarray:
        return mining.hardest(negatives, scores, among=9, key=key, rows=rows).items

    assert np.array_equal(items(1), items(Key(1), np.arange(50)))
    assert not np.array_equal(items(1), items(2))
    assert not np.array_equal(items(1), items(1, np.arange(50) + 2**32))
