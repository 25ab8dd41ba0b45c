"""PSL: the softmax loss with another surrogate of the step function than the exponential."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recneg.checks import check_number
from recneg.jit import kernel
from recneg.losses import kinds
from recneg.losses.base import Loss
from recneg.losses.checks import check_choice
from recneg.losses.rows import Rows, log_sigmoid
from recneg.losses.scalars import sigmoid, softplus, weight_at

if TYPE_CHECKING:
    import torch

__all__ = ["ACTIVATIONS", "PSLLoss", "psl_row"]

ACTIVATIONS = {"tanh": 0, "relu": 1, "atan": 2}

FLOOR = 1e-8
"""Smallest activation, reached by relu and atan for gaps that no two cosines have."""


@dataclass(frozen=True)
class PSLLoss(Loss):
    """``ln sum_j a(d_j)^(1 / t)`` with ``d_j = (s_j - s_pos) / 2``, of scores that are cosines.

    Yang et al., "PSL: rethinking and improving softmax loss from pairwise perspective for
    recommendation", NeurIPS 2024, its first form. The activation a is ``tanh(d) + 1``,
    ``max(d + 1, 0)`` or ``atan(d) + 1``, for d in [-1, 1]; ``exp(d)`` would be the softmax loss.
    Beyond, relu and atan are at least 1e-8, without gradient there.

    Parameters
    ----------
    temperature : float, default 0.05
        About half of what the softmax loss wants.
    activation : {"tanh", "relu", "atan"}
    """

    temperature: float = 0.05
    activation: str = "tanh"

    kind: ClassVar[int] = kinds.PSL

    def __post_init__(self) -> None:
        check_number(self.temperature, "temperature", "positive")
        check_choice(self.activation, "activation", ACTIVATIONS)

    def _parameters(self) -> tuple[float, ...]:
        return (self.temperature, ACTIVATIONS[self.activation])

    def _losses(self, rows: Rows) -> torch.Tensor:
        half = rows.gaps / 2
        if self.activation == "tanh":  # tanh(d) + 1 = 2 sigmoid(2 d), without cancellation
            logits = math.log(2) + log_sigmoid(2 * half)
        else:
            values = half if self.activation == "relu" else half.atan()
            logits = (values + 1).clamp(min=FLOOR).log()
        return rows.compared(rows.log_sum_exp(logits / self.temperature))


@kernel
def _log_activation(activation: float, d: float) -> tuple[float, float]:
    """Return the logarithm of the activation and its derivative by d."""
    if activation == 0.0:
        return math.log(2.0) - softplus(-2.0 * d), 2.0 * sigmoid(-2.0 * d)
    value = 1.0 + (d if activation == 1.0 else math.atan(d))
    if value < FLOOR:
        return math.log(FLOOR), 0.0
    return math.log(value), (1.0 if activation == 1.0 else 1.0 / (1.0 + d * d)) / value


@kernel
def psl_row(
    parameters: tuple[float, ...],
    positive: float,
    negatives: Any,
    weights: Any,
    gradients: Any,
) -> tuple[float, float]:
    """Fill d loss / d s_j; return the loss and d loss / d s_pos."""
    scale, activation = 1.0 / parameters[0], parameters[1]
    top = -np.inf
    for j in range(negatives.size):
        if weight_at(weights, j) != 0.0:
            value, _ = _log_activation(activation, (np.float64(negatives[j]) - positive) / 2)
            top = max(top, scale * value)
    total = up = 0.0
    for j in range(negatives.size):
        gradients[j] = 0.0
        if weight_at(weights, j) != 0.0:
            value, slope = _log_activation(activation, (np.float64(negatives[j]) - positive) / 2)
            term = math.exp(scale * value - top)
            total += term
            up += term * slope * scale / 2
            gradients[j] = term * slope * scale / 2
    if total == 0.0:
        return 0.0, 0.0
    for j in range(negatives.size):
        gradients[j] /= total
    return top + math.log(total), -up / total
