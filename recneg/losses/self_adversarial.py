"""RotatE's loss: logistic, with negatives weighted by the softmax of their own scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recneg.checks import check_number
from recneg.jit import kernel
from recneg.losses import kinds
from recneg.losses.base import Loss
from recneg.losses.rows import Rows, log_sigmoid
from recneg.losses.scalars import sigmoid, softmax_row, softplus

if TYPE_CHECKING:
    import torch

__all__ = ["SelfAdversarialLoss", "self_adversarial_row"]


@dataclass(frozen=True)
class SelfAdversarialLoss(Loss):
    """``-ln sigmoid(margin + s_pos) - sum_j sg[softmax(alpha s)_j] ln sigmoid(-s_j - margin)``.

    Sun et al., "RotatE: knowledge graph embedding by relational rotation in complex space", ICLR
    2019, for scores that are minus distances. The weights are held (sg): the gradient is that of
    the weighted sum and not of the value.

    Parameters
    ----------
    margin : float, default 12
        gamma of the paper; 0 for inner products.
    alpha : float, default 1
        Inverse temperature of the weights.
    """

    margin: float = 12.0
    alpha: float = 1.0

    kind: ClassVar[int] = kinds.SELF_ADVERSARIAL

    def __post_init__(self) -> None:
        check_number(self.margin, "margin")
        check_number(self.alpha, "alpha")

    @property
    def surrogate(self) -> bool:
        """The weights are held."""
        return True

    def _parameters(self) -> tuple[float, ...]:
        return (self.margin, self.alpha)

    def _losses(self, rows: Rows) -> torch.Tensor:
        weights = rows.filled(self.alpha * rows.negative, -float("inf")).softmax(-1).detach()
        missing = rows.total(-weights * log_sigmoid(-rows.negative - self.margin))
        return missing - log_sigmoid(rows.positive + self.margin)


@kernel
def self_adversarial_row(
    parameters: tuple[float, ...],
    positive: float,
    negatives: Any,
    weights: Any,
    gradients: Any,
) -> tuple[float, float]:
    """Fill d loss / d s_j; return the loss and d loss / d s_pos."""
    margin = parameters[0]
    loss = softplus(-positive - margin)
    softmax_row(negatives, 0.0, parameters[1], weights, gradients)
    for j in range(negatives.size):
        if gradients[j] > 0.0:
            score = np.float64(negatives[j]) + margin
            loss += gradients[j] * softplus(score)
            gradients[j] *= sigmoid(score)
    return loss, -sigmoid(-positive - margin)
