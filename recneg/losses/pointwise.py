"""Losses that look at one score at a time: logistic and squared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recneg.jit import kernel
from recneg.losses import kinds
from recneg.losses.base import Loss
from recneg.losses.checks import check_between, check_choice
from recneg.losses.rows import Rows, log_sigmoid
from recneg.losses.scalars import count_kept, multiply, sigmoid, softplus, softplus_sum, weight_at

if TYPE_CHECKING:
    import torch

__all__ = ["LogisticLoss", "SquaredLoss", "logistic_row", "squared_row"]


@dataclass(frozen=True)
class LogisticLoss(Loss):
    """``-ln sigmoid(s_pos) + mean_j -ln sigmoid(-s_j)``, or with the sum over negatives.

    Binary cross-entropy; the mean is the BCE of the study of TRON (Wilm et al., RecSys 2023), and
    with one negative it is BPO (Yu and Qin, SIGIR 2020), whose trainer sums over pairs. The sum is
    the negative sampling of word2vec (Mikolov et al., NeurIPS 2013).

    Parameters
    ----------
    reduction : {"mean", "sum"}
        Over the negatives of a row; the positive counts once.
    """

    reduction: str = "mean"

    kind: ClassVar[int] = kinds.LOGISTIC
    weighted: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choice(self.reduction, "reduction")

    def _parameters(self) -> tuple[float, ...]:
        return (self.reduction == "mean",)

    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows.reduced(-log_sigmoid(-rows.negative), self.reduction) - log_sigmoid(
            rows.positive
        )


@dataclass(frozen=True)
class SquaredLoss(Loss):
    """``(1 - s_pos)^2 + w mean_j s_j^2``, or with the sum over negatives.

    One-class matrix factorization with sampled negatives (Pan et al., ICDM 2008): targets are 1 and
    0, and what is missing counts less.

    Parameters
    ----------
    negative_weight : float, default 1
        w, at least 0.
    reduction : {"mean", "sum"}
        Over the negatives of a row; the positive counts once.
    """

    negative_weight: float = 1.0
    reduction: str = "mean"

    kind: ClassVar[int] = kinds.SQUARED
    weighted: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_between(self.negative_weight, "negative_weight", 0)
        check_choice(self.reduction, "reduction")

    def _parameters(self) -> tuple[float, ...]:
        return (self.reduction == "mean", self.negative_weight)

    def _losses(self, rows: Rows) -> torch.Tensor:
        missing = rows.reduced(rows.negative**2, self.reduction)
        return (1 - rows.positive) ** 2 + self.negative_weight * missing


@kernel
def logistic_row(
    parameters: tuple[float, ...],
    positive: float,
    negatives: Any,
    weights: Any,
    gradients: Any,
) -> tuple[float, float]:
    """Fill d loss / d s_j; return the loss and d loss / d s_pos."""
    share = 1.0
    if parameters[0] > 0:
        share /= max(count_kept(weights, negatives.size), 1.0)
    total, _ = softplus_sum(negatives, 0.0, weights, True, gradients)
    multiply(gradients, share)
    return softplus(-positive) + share * total, -sigmoid(-positive)


@kernel
def squared_row(
    parameters: tuple[float, ...],
    positive: float,
    negatives: Any,
    weights: Any,
    gradients: Any,
) -> tuple[float, float]:
    """Fill d loss / d s_j; return the loss and d loss / d s_pos."""
    share = parameters[1]
    if parameters[0] > 0:
        share /= max(count_kept(weights, negatives.size), 1.0)
    loss = (1.0 - positive) ** 2
    for j in range(negatives.size):
        weight = weight_at(weights, j) * share
        gradients[j] = 0.0
        if weight != 0.0:
            score = np.float64(negatives[j])
            loss += weight * score**2
            gradients[j] = 2.0 * weight * score
    return loss, 2.0 * (positive - 1.0)
