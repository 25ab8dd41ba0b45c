"""Every loss against a plain loop, on random scores and shapes, and against reference values."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from loss_cases import CASES

from recneg.losses import (
    BPRLoss,
    BPRMaxLoss,
    BSLLoss,
    CosineContrastiveLoss,
    DebiasedLoss,
    GBCELoss,
    HardContrastiveLoss,
    LogisticLoss,
    Loss,
    NBPOLoss,
    PSLLoss,
    RelMFLoss,
    SampledSoftmaxLoss,
    SelfAdversarialLoss,
    Sides,
    SLAtKLoss,
    SoftmaxLoss,
    UBPRLoss,
    WARPLoss,
    log_q_corrected,
    score_gradients,
)
from recneg.losses.checking import example_sides
from recneg.mining import hardest, self_adversarial, until_violation
from recneg.noise import coefficients
from recneg.propensity import relmf_weights
from recneg.samplers import Negatives

POSITIVE, NEGATIVE = 0.7, [0.9, -0.2, 0.4, 0.1]


def value(loss: Loss, p: float = POSITIVE, n: list[float] = NEGATIVE, **sides: object) -> float:
    """Return the loss of one row by torch, after comparing it with the kernel."""
    given_sides = Sides(*(np.asarray(x) for x in sides.values())) if sides else None
    scores = torch.tensor([p], dtype=torch.float64), torch.tensor([n], dtype=torch.float64)
    got = float(loss(*scores, sides=given_sides))
    assert score_gradients(loss, *map(np.asarray, scores), sides=given_sides).losses[0] == (
        pytest.approx(got, abs=1e-13)
    )
    return got


@pytest.mark.parametrize("name", CASES)
@given(
    seed=st.integers(0, 2**32),
    batch=st.integers(1, 5),
    n=st.integers(1, 9),
    scale=st.sampled_from([0.1, 0.5, 2.0]),
    masked=st.booleans(),
)
def test_against_a_plain_loop(
    name: str, seed: int, batch: int, n: int, scale: float, masked: bool
) -> None:
    loss, by_hand = CASES[name]
    rng = np.random.default_rng(seed)
    positive, negative = scale * rng.normal(size=batch), scale * rng.normal(size=(batch, n))
    sides = example_sides(loss.needs, rng, batch, n)
    mask = rng.random((batch, n)) < 0.6 if masked else np.ones((batch, n), bool)
    mask[:, rng.integers(n)] = True
    got = loss(
        torch.from_numpy(positive),
        torch.from_numpy(negative),
        mask=torch.from_numpy(mask) if masked else None,
        sides=sides,
    )
    compiled = score_gradients(loss, positive, negative, mask=mask if masked else None, sides=sides)
    for row in range(batch):
        one, each = sides
        wanted = by_hand(
            float(positive[row]),
            negative[row][mask[row]].tolist(),
            0.0 if one is None else float(one[row]),
            [] if each is None else each[row][mask[row]].tolist(),
        )
        assert float(got[row]) == pytest.approx(wanted, rel=1e-9, abs=1e-9)
        assert compiled.losses[row] == pytest.approx(wanted, rel=1e-9, abs=1e-9)


VECTORS: dict[str, tuple[Loss, float]] = {
    "bpr": (BPRLoss(), 0.532783984767023),
    "bce": (LogisticLoss(), 1.2773622130322586),
    "ssm": (SampledSoftmaxLoss(0.2), 1.3868712080900765),
    "sl": (SoftmaxLoss(0.2), 1.099381344040397),
    "bpr-max": (BPRMaxLoss(0.1), 0.6278031994321503),
    "ccl, 0.9, 150": (CosineContrastiveLoss(0.9, 150), 0.30000000000000004),
    "ccl, 0.3, 10": (CosineContrastiveLoss(0.3, 10), 2.0500000000000007),
    "gbce": (GBCELoss(101), 0.7219193500550263),
    "dcl": (DebiasedLoss(), 1.2063464629244371),
    "hcl": (HardContrastiveLoss(), 1.657086586192026),
    "bsl, multi": (BSLLoss(), 1.3828478069008687),
    "bsl, reweight": (BSLLoss(variant="reweight"), 2.9077716041327486),
    "psl, tanh": (PSLLoss(0.1, "tanh"), 1.0372762354796146),
    "psl, relu": (PSLLoss(0.1, "relu"), 1.037232273204399),
    "psl, atan": (PSLLoss(0.1, "atan"), 1.0372303882330196),
}


@pytest.mark.parametrize("name", VECTORS)
def test_reference_values(name: str) -> None:
    loss, wanted = VECTORS[name]
    assert value(loss) == pytest.approx(wanted, abs=1e-12)


def test_corrected_softmax_reference() -> None:
    log_q = np.log([0.05, 0.4, 0.3, 0.2, 0.1])
    corrected = log_q_corrected(np.array([POSITIVE, *NEGATIVE]), log_q, temperature=0.2).tolist()
    found = value(SampledSoftmaxLoss(0.2), corrected[0], corrected[1:])
    assert found == pytest.approx(0.3522842806091928, abs=1e-12)


def test_softmax_over_the_two_hardest_reference() -> None:
    items = np.arange(4)[None]
    drawn = Negatives(items, np.zeros(items.shape), items >= 0)
    kept = hardest(drawn, np.array([NEGATIVE]), num_negatives=2).positions[0]
    found = value(SampledSoftmaxLoss(), n=[NEGATIVE[place] for place in kept])
    assert found == pytest.approx(1.0859393176684558, abs=1e-12)


def test_rotate_reference() -> None:
    """The part of the negatives, at margin 0; `mining.self_adversarial` gives the same."""
    loss = SelfAdversarialLoss(margin=0.0)
    positive_part = math.log(1 + math.exp(-POSITIVE))
    assert value(loss) - positive_part == pytest.approx(0.9747887129243803, abs=1e-12)
    items = torch.arange(4)[None]
    scores = torch.tensor([NEGATIVE], dtype=torch.float64)
    mined = self_adversarial(Negatives(items, torch.zeros(1, 4), items >= 0), scores)
    positive = torch.tensor([POSITIVE], dtype=torch.float64)
    weighted = LogisticLoss("sum")(positive, scores, weights=mined.weights)
    assert float(weighted) == pytest.approx(value(loss), abs=1e-12)


@pytest.mark.parametrize(
    ("objective", "wanted"),
    {
        "bpo": [0.3775406687981454, 0, -0.425557483188341, 0],
        "nbpo-o": [
            0.3775406687981454,
            -0.23147521650098238,
            -0.23878210737902744,
            0.12887024301144598,
        ],
        "nbpo-s": [
            0.18060617704119583,
            -0.1107320545495387,
            -0.16866999676615457,
            0.09103087208075833,
        ],
        "nbpo": [
            0.290149360750169,
            -0.14408390845300598,
            -0.24746564385144623,
            0.2936238036528483,
        ],
    }.items(),
)
def test_noisy_label_reference(objective: str, wanted: list[float]) -> None:
    """All four coefficients, of the flip scores too, are what autograd climbs by."""
    r_i, r_j, g_i, g_j = 0.5, -0.3, -1.2, -0.8
    scores = [
        torch.tensor(x, dtype=torch.float64, requires_grad=True)
        for x in ([r_i], [[r_j]], [g_i], [[g_j]])
    ]
    loss = NBPOLoss(objective)
    loss(scores[0], scores[1], sides=Sides(scores[2], scores[3])).sum().backward()
    got = [0.0 if scores[k].grad is None else -scores[k].grad.item() for k in (0, 2, 1, 3)]
    assert got == pytest.approx(wanted, abs=1e-12)
    assert got == pytest.approx([float(x) for x in coefficients(objective, r_i, g_i, r_j, g_j)])


def test_noisy_label_likelihood_reference() -> None:
    found = value(NBPOLoss("nbpo-o"), 0.5, [-0.3], positive=[-1.2], negative=[[-0.8]])
    assert found == pytest.approx(1.0849667789085917, abs=1e-12)


@given(st.lists(st.floats(-1e4, 1e4), min_size=4, max_size=4))
def test_flip_scores_get_the_published_coefficients(values: list[float]) -> None:
    """Also where scores are cut at 10."""
    r_i, g_i, r_j, g_j = values
    for objective in ("nbpo-o", "nbpo-s", "nbpo"):
        flips = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in ([g_i], [[g_j]])]
        scores = (torch.tensor(x, dtype=torch.float64) for x in ([r_i], [[r_j]]))
        NBPOLoss(objective)(*scores, sides=Sides(*flips)).sum().backward()
        wanted = coefficients(objective, r_i, g_i, r_j, g_j)
        assert -flips[0].grad.item() == pytest.approx(float(wanted.positive_flip), abs=1e-10)
        assert -flips[1].grad.item() == pytest.approx(float(wanted.negative_flip), abs=1e-10)


@pytest.mark.parametrize(
    ("loss", "wanted"),
    [
        (RelMFLoss(clip=None), -0.175),
        (RelMFLoss(clip=0.4), -0.02499999999999998),
        (RelMFLoss("log", None), -0.17444737830988477),
    ],
)
def test_relevance_reference(loss: RelMFLoss, wanted: float) -> None:
    logit = [math.log(p / (1 - p)) for p in (0.6, 0.3)]
    weights = relmf_weights([1, 0], [0.25, 0.5]).relevant
    found = value(loss, logit[0], logit[1:], positive=weights[:1], negative=weights[None, 1:])
    assert found == pytest.approx(wanted, abs=1e-12)


def test_unbiased_pairs_reference() -> None:
    weights = relmf_weights([1, 0, 1], [0.25, 0.5, 0.5]).relevant
    for clicked, beta, wanted in (
        (1, None, 3.192555477526367),
        (2, None, -3.192555477526367),
        (2, 0.002, -0.002),
    ):
        sides = {"positive": weights[:1], "negative": weights[None, clicked : clicked + 1]}
        found = value(UBPRLoss(beta), POSITIVE, NEGATIVE[:1], **sides)
        assert found == pytest.approx(wanted, abs=1e-12)


def test_weight_at_k_reference() -> None:
    ratio = value(SLAtKLoss(0.2), positive=[0.5]) / value(SoftmaxLoss(0.2))
    assert ratio == pytest.approx(0.5498339973124778, abs=1e-12)


@pytest.mark.parametrize(
    ("tries", "weight"),
    [(1, 6.906754778648554), (2, 6.212606095751519), (10, 4.59511985013459)],
)
def test_rank_weight_reference(tries: int, weight: float) -> None:
    scores = [-9.0] * (tries - 1) + [0.5]
    assert value(WARPLoss(1000), 0.0, scores) == pytest.approx(1.5 * weight, abs=1e-12)


@given(st.integers(0, 2**32), st.integers(2, 50_000), st.floats(0, 3))
def test_warp_chooses_as_mining_does(seed: int, num_items: int, margin: float) -> None:
    rng = np.random.default_rng(seed)
    positive, scores = rng.normal(size=8) + 1, rng.normal(size=(8, 4))
    items = np.tile(np.arange(4), (8, 1))
    mined = until_violation(
        Negatives(items, np.zeros(items.shape), items >= 0),
        scores,
        positive_scores=positive,
        num_items=num_items,
        margin=margin,
    )
    excess = margin - positive + np.take_along_axis(scores, mined.positions, 1)[:, 0]
    found = score_gradients(WARPLoss(num_items, margin), positive, scores)
    assert np.allclose(found.losses, mined.weights[:, 0] * excess, atol=1e-12)


@pytest.mark.parametrize("name", ["nbpo", "rotate, 0.7"])
def test_published_gradients_of_surrogates_differ_from_the_value(name: str) -> None:
    """What `surrogate` says is true: a finite difference gives another slope."""
    loss = CASES[name].loss
    sides = example_sides(loss.needs, np.random.default_rng(0), 1, 2)
    negative, step = np.array([[0.4, -0.6]]), np.array([[1e-6, 0.0]])
    here, up, down = (
        score_gradients(loss, [0.2], scores, sides=sides)
        for scores in (negative, negative + step, negative - step)
    )
    assert loss.surrogate
    assert abs((up.losses - down.losses)[0] / 2e-6 - here.negative[0, 0]) > 1e-3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_devices_agree() -> None:
    for loss, _ in CASES.values():
        rng = np.random.default_rng(3)
        positive, negative = rng.normal(size=9), rng.normal(size=(9, 4))
        sides = example_sides(loss.needs, rng, 9, 4)
        scores = torch.from_numpy(positive), torch.from_numpy(negative)
        here = loss(*scores, mask=scores[1] > -1, sides=sides)
        there = loss(*(x.cuda() for x in scores), mask=(scores[1] > -1).cuda(), sides=sides)
        assert there.is_cuda, f"{loss} must stay on the device"
        assert torch.allclose(here, there.cpu(), atol=1e-10), f"{loss} differs between devices"
