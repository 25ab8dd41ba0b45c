"""BPR-max, the loss of GRU4Rec+: BPR in expectation over the softmax of the negatives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recneg.jit import kernel, kernel_fast
from recneg.losses import kinds
from recneg.losses.base import Loss
from recneg.losses.checks import check_between
from recneg.losses.elementary import exp_below
from recneg.losses.rows import Rows, log_sigmoid
from recneg.losses.scalars import exponentials, highest_of, multiply

if TYPE_CHECKING:
    import torch

__all__ = ["BPRMaxLoss", "bpr_max_row"]


@dataclass(frozen=True)
class BPRMaxLoss(Loss):
    """``-ln sum_j w_j sigmoid(s_pos - s_j) + lambda sum_j w_j s_j^2``, ``w = softmax(s_j)``.

    Hidasi and Karatzoglou, "Recurrent neural networks with top-k gains for session-based
    recommendations", CIKM 2018. The softmax is over the negatives of the row and has a gradient.

    Parameters
    ----------
    regularization : float, default 1
        lambda, at least 0: the default of the authors' code; the study of TRON (Wilm et al., RecSys
        2023) has 0.03 to 0.125.
    """

    regularization: float = 1.0

    kind: ClassVar[int] = kinds.BPR_MAX

    def __post_init__(self) -> None:
        check_between(self.regularization, "regularization", 0)

    def _parameters(self) -> tuple[float, ...]:
        return (self.regularization,)

    def _losses(self, rows: Rows) -> torch.Tensor:
        log_weights = rows.negative - rows.log_sum_exp(rows.negative)[..., None]
        gain = rows.log_sum_exp(log_weights + log_sigmoid(-rows.gaps))
        # not the exponentials of the logarithms, which large scores leave few right digits
        weights = rows.filled(rows.negative, -float("inf")).softmax(-1)
        penalty = rows.total(weights * rows.negative**2)
        return rows.compared(self.regularization * penalty - gain)


@kernel
def bpr_max_row(
    parameters: tuple[float, ...],
    positive: float,
    negatives: Any,
    weights: Any,
    gradients: Any,
) -> tuple[float, float]:
    """Fill d loss / d s_j; return the loss and d loss / d s_pos."""
    highest = np.float64(highest_of(negatives, weights))
    if highest == -np.inf:
        gradients[:] = 0.0
        return 0.0, 0.0
    total = exponentials(negatives, highest, 1.0, weights, gradients)
    multiply(gradients, 1.0 / total)
    top = min(highest, positive)  # what s_j + ln sigmoid(s_pos - s_j) is next to, at most
    mass, up, square = _gain(positive, top, negatives, weights, gradients)
    _fill_slopes(positive, top, mass, parameters[0], square, negatives, weights, gradients)
    gap = highest - top + math.log(total) - math.log(mass)
    return gap + parameters[0] * square, -up / mass


@kernel_fast
def _gain(
    positive: float, top: float, negatives: Any, weights: Any, shares: Any
) -> tuple[float, float, float]:
    """Return sums over the negatives: of ``g_j = exp(s_j - top) sigmoid(s_pos - s_j)``, of
    ``g_j sigmoid(s_j - s_pos)``, and of ``w_j s_j^2``, with w the softmax in `shares`.
    """
    own, peak = negatives.dtype.type(positive), negatives.dtype.type(top)
    zero, one = negatives.dtype.type(0.0), negatives.dtype.type(1.0)
    mass, up, square = 0.0, 0.0, 0.0
    for j in range(negatives.size):
        score = negatives[j]
        small = exp_below(-abs(score - own))
        gain = exp_below(min(min(score, own) - peak, zero)) / (one + small)
        above = (one if score >= own else small) / (one + small)
        squared = shares[j] * score * score
        if weights.size > 0 and weights[j] == 0.0:
            gain, above, squared = zero, zero, zero
        mass += np.float64(gain)
        up += np.float64(gain * above)
        square += np.float64(squared)
    return mass, up, square


@kernel_fast
def _fill_slopes(
    positive: float,
    top: float,
    mass: float,
    penalty: float,
    square: float,
    negatives: Any,
    weights: Any,
    shares: Any,
) -> None:
    """Replace the softmax in `shares` by the derivatives of the loss."""
    own, peak = negatives.dtype.type(positive), negatives.dtype.type(top)
    zero, one = negatives.dtype.type(0.0), negatives.dtype.type(1.0)
    inverse, middle = negatives.dtype.type(1.0 / mass), negatives.dtype.type(square)
    strength, two = negatives.dtype.type(penalty), negatives.dtype.type(2.0)
    for j in range(negatives.size):
        score = negatives[j]
        small = exp_below(-abs(score - own))
        gain = exp_below(min(min(score, own) - peak, zero)) / (one + small)
        below = (small if score >= own else one) / (one + small)
        slope = shares[j] * (one + strength * (score * (two + score) - middle))
        slope -= inverse * gain * below
        if weights.size > 0 and weights[j] == 0.0:
            slope = zero
        shares[j] = slope
