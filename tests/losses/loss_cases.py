"""Every loss in the table, one line each, with a plain loop written from its formula."""

import math
from collections.abc import Callable
from typing import NamedTuple

import loss_oracles as by_hand

from recneg.losses import (
    BPRLoss,
    BPRMaxLoss,
    BSLLoss,
    CMLLoss,
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
    SLAtKLoss,
    SoftmaxLoss,
    SquaredLoss,
    UBPRLoss,
    WARPLoss,
)

Oracle = Callable[[float, list[float], float, list[float]], float]


class Case(NamedTuple):
    loss: Loss
    by_hand: Oracle


CASES: dict[str, Case] = {
    "bpr": Case(BPRLoss(), lambda p, n, a, b: by_hand.bpr(p, n) / len(n)),
    "bpr, sum": Case(BPRLoss("sum"), lambda p, n, a, b: by_hand.bpr(p, n)),
    "logistic": Case(LogisticLoss(), lambda p, n, a, b: by_hand.logistic(p, n, 1 / len(n))),
    "logistic, sum": Case(LogisticLoss("sum"), lambda p, n, a, b: by_hand.logistic(p, n, 1)),
    "squared": Case(SquaredLoss(), lambda p, n, a, b: by_hand.squared(p, n, 1 / len(n))),
    "squared, sum": Case(SquaredLoss(0.3, "sum"), lambda p, n, a, b: by_hand.squared(p, n, 0.3)),
    "gbce": Case(GBCELoss(101), lambda p, n, a, b: by_hand.gbce(p, n, 101, 0.75)),
    "gbce, few items": Case(GBCELoss(4, 0.3), lambda p, n, a, b: by_hand.gbce(p, n, 4, 0.3)),
    "rotate": Case(SelfAdversarialLoss(), lambda p, n, a, b: by_hand.rotate(p, n, 12.0, 1.0)),
    "rotate, 0.7": Case(
        SelfAdversarialLoss(0.5, 0.7), lambda p, n, a, b: by_hand.rotate(p, n, 0.5, 0.7)
    ),
    "bpo": Case(NBPOLoss("bpo"), lambda p, n, a, b: by_hand.bpo(p, n)),
    "bpo, mean": Case(NBPOLoss("bpo", "mean"), lambda p, n, a, b: by_hand.bpo(p, n) / len(n)),
    "nbpo-o": Case(NBPOLoss("nbpo-o"), by_hand.nbpo_likelihood),
    "nbpo-s": Case(NBPOLoss("nbpo-s"), by_hand.nbpo_surrogate),
    "nbpo": Case(NBPOLoss(), by_hand.nbpo),
    "nbpo, mean": Case(
        NBPOLoss(reduction="mean"), lambda p, n, a, b: by_hand.nbpo(p, n, a, b) / len(n)
    ),
    "rel-mf": Case(
        RelMFLoss(), lambda p, n, a, b: by_hand.rel_mf(p, n, a, b, 0.00914, by_hand.brier)
    ),
    "rel-mf, clipped": Case(
        RelMFLoss(clip=0.4), lambda p, n, a, b: by_hand.rel_mf(p, n, a, b, 0.4, by_hand.brier)
    ),
    "rel-mf, log": Case(
        RelMFLoss("log", None), lambda p, n, a, b: by_hand.rel_mf(p, n, a, b, 0, by_hand.entropy)
    ),
    "rel-mf, log, clipped": Case(
        RelMFLoss("log", 0.3), lambda p, n, a, b: by_hand.rel_mf(p, n, a, b, 0.3, by_hand.entropy)
    ),
    "ubpr": Case(UBPRLoss(), lambda p, n, a, b: by_hand.ubpr(p, n, a, b, 0.0023, 0) / len(n)),
    "ubpr, no floor": Case(
        UBPRLoss(None), lambda p, n, a, b: by_hand.ubpr(p, n, a, b, math.inf, 0) / len(n)
    ),
    "ubpr, clipped, sum": Case(
        UBPRLoss(0.5, 0.3, "sum"), lambda p, n, a, b: by_hand.ubpr(p, n, a, b, 0.5, 0.3)
    ),
    "ccl": Case(CosineContrastiveLoss(), lambda p, n, a, b: by_hand.ccl(p, n, 0.9, 150)),
    "ccl, 0.3": Case(CosineContrastiveLoss(0.3, 10), lambda p, n, a, b: by_hand.ccl(p, n, 0.3, 10)),
    "bpr-max": Case(BPRMaxLoss(), lambda p, n, a, b: by_hand.bpr_max(p, n, 1.0)),
    "bpr-max, 0.1": Case(BPRMaxLoss(0.1), lambda p, n, a, b: by_hand.bpr_max(p, n, 0.1)),
    "ssm": Case(SampledSoftmaxLoss(), lambda p, n, a, b: by_hand.ssm(p, n, 1.0)),
    "ssm, 0.1": Case(SampledSoftmaxLoss(0.1), lambda p, n, a, b: by_hand.ssm(p, n, 0.1)),
    "sl": Case(SoftmaxLoss(), lambda p, n, a, b: by_hand.sl(p, n, 0.1)),
    "sl, 1": Case(SoftmaxLoss(1.0), lambda p, n, a, b: by_hand.sl(p, n, 1.0)),
    "bsl": Case(BSLLoss(), lambda p, n, a, b: by_hand.bsl(p, n, 0.1, 1.1, 1 / len(n))),
    "bsl, reweight": Case(
        BSLLoss(0.2, 0.9, "reweight"), lambda p, n, a, b: by_hand.bsl(p, n, 0.2, 0.9, 1)
    ),
    "sl@k": Case(SLAtKLoss(), lambda p, n, a, b: by_hand.sl_at_k(p, n, a, 0.1, 1.0)),
    "sl@k, 0.2": Case(SLAtKLoss(0.5, 0.2), lambda p, n, a, b: by_hand.sl_at_k(p, n, a, 0.5, 0.2)),
    "psl, tanh": Case(PSLLoss(), lambda p, n, a, b: by_hand.psl(p, n, 0.05, math.tanh)),
    "psl, relu": Case(
        PSLLoss(0.1, "relu"), lambda p, n, a, b: by_hand.psl(p, n, 0.1, lambda d: max(d, -1))
    ),
    "psl, atan": Case(PSLLoss(0.1, "atan"), lambda p, n, a, b: by_hand.psl(p, n, 0.1, math.atan)),
    "dcl": Case(DebiasedLoss(), lambda p, n, a, b: by_hand.hcl(p, n, 0.5, 0.1, 0)),
    "dcl, no prior": Case(DebiasedLoss(0.2, 0), lambda p, n, a, b: by_hand.hcl(p, n, 0.2, 0, 0)),
    "hcl": Case(HardContrastiveLoss(), lambda p, n, a, b: by_hand.hcl(p, n, 0.5, 0.1, 1)),
    "hcl, 0.5": Case(
        HardContrastiveLoss(0.3, 0.01, 0.5), lambda p, n, a, b: by_hand.hcl(p, n, 0.3, 0.01, 0.5)
    ),
    "hcl, no prior": Case(
        HardContrastiveLoss(0.3, 0.0, 2), lambda p, n, a, b: by_hand.hcl(p, n, 0.3, 0, 2)
    ),
    "warp": Case(WARPLoss(1000), lambda p, n, a, b: by_hand.warp(p, n, 1000, 1.0, 10.0)),
    "warp, bounded": Case(WARPLoss(50, 0.3, 2), lambda p, n, a, b: by_hand.warp(p, n, 50, 0.3, 2)),
    "warp, three items": Case(
        WARPLoss(3, 0.1, None), lambda p, n, a, b: by_hand.warp(p, n, 3, 0.1, math.inf)
    ),
    "cml": Case(CMLLoss(1000), lambda p, n, a, b: by_hand.cml(p, n, 1000, 1.5)),
    "cml, 0.2": Case(CMLLoss(20, 0.2), lambda p, n, a, b: by_hand.cml(p, n, 20, 0.2)),
}
