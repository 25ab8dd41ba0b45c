"""Bayesian personalised ranking: a positive should score above each of its negatives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from recneg.jit import inlined, kernel
from recneg.losses import kinds
from recneg.losses.base import Loss
from recneg.losses.checks import check_choice
from recneg.losses.rows import Rows, log_sigmoid
from recneg.losses.scalars import count_kept, multiply, softplus_sum

if TYPE_CHECKING:
    import torch

__all__ = ["BPRLoss", "bpr_row", "bpr_weight"]


@inlined
def bpr_weight(difference: Any) -> Any:
    """Return minus the derivative of the loss of one pair by ``s_pos - s_neg``, in (0, 1)."""
    return 1.0 / (1.0 + math.exp(difference))


@dataclass(frozen=True)
class BPRLoss(Loss):
    """``mean_j -ln sigmoid(s_pos - s_j)``, or the sum.

    Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009. The paper
    draws one negative a positive, sums over pairs and adds ``lambda / 2`` times the squares of the
    factors in each triple: both are left to the trainer.

    Parameters
    ----------
    reduction : {"mean", "sum"}
        Over the negatives of a row.

    Examples
    --------
    >>> import torch
    >>> BPRLoss()(torch.tensor([0.0]), torch.tensor([[0.0, 0.0]]))
    tensor([0.6931])
    """

    reduction: str = "mean"

    kind: ClassVar[int] = kinds.BPR
    weighted: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choice(self.reduction, "reduction")

    def _parameters(self) -> tuple[float, ...]:
        return (self.reduction == "mean",)

    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows.reduced(-log_sigmoid(-rows.gaps), self.reduction)


@kernel
def bpr_row(
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
    total, steep = softplus_sum(negatives, positive, weights, True, gradients)
    multiply(gradients, share)
    return share * total, -share * steep
