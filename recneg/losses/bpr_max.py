"""BPR-max, the loss of GRU4Rec+: BPR in expectation over the softmax of the negatives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recneg.jit import kernel
from recneg.losses import kinds
from recneg.losses.base import Loss
from recneg.losses.checks import check_between
from recneg.losses.rows import Rows, log_sigmoid
from recneg.losses.scalars import sigmoid, softmax_row, softplus, weight_at

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
        penalty = rows.total(log_weights.exp() * rows.negative**2)
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
    penalty = parameters[0]
    total = softmax_row(negatives, 0.0, 1.0, weights, gradients)  # masked ones are 0
    if total == -np.inf:
        return 0.0, 0.0
    square, top = 0.0, -np.inf
    for j in range(negatives.size):
        if weight_at(weights, j) != 0.0:
            score = np.float64(negatives[j])
            square += math.exp(score - total) * score**2
            top = max(top, score - softplus(score - positive))
    mass = 0.0
    for j in range(negatives.size):
        if weight_at(weights, j) != 0.0:
            score = np.float64(negatives[j])
            mass += math.exp(score - softplus(score - positive) - top)
    gain = top + math.log(mass)
    up = 0.0
    for j in range(negatives.size):
        if weight_at(weights, j) != 0.0:
            score = np.float64(negatives[j])
            weight = math.exp(score - total)
            share = math.exp(score - softplus(score - positive) - gain)
            up += share * sigmoid(score - positive)
            gradients[j] = (
                weight
                - share * sigmoid(positive - score)
                + penalty * weight * (2.0 * score + score**2 - square)
            )
    return total - gain + penalty * square, -up
