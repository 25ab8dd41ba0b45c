"""UBPR: BPR of relevance, unbiased by inverse propensities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recneg.jit import kernel
from recneg.losses import kinds
from recneg.losses.base import Loss
from recneg.losses.checks import check_between, check_choice
from recneg.losses.rows import Rows, log_sigmoid
from recneg.losses.scalars import count_kept, sigmoid, softplus, weight_at
from recneg.propensity.exposure import check_clip

if TYPE_CHECKING:
    import torch

__all__ = ["UBPRLoss", "ubpr_row"]


@dataclass(frozen=True)
class UBPRLoss(Loss):
    """``mean_j max((1 / theta_i) (1 - Y_j / theta_j) (-ln sigmoid(s_pos - s_j)), -beta)``.

    Saito, "Unbiased pairwise learning from biased implicit feedback", ICTIR 2020. Negatives come
    from *all* items: a j that was clicked has a negative weight, without which the loss would stay
    biased. The floor holds for each pair; where it does, the pair has no gradient.

    Sides are `recneg.propensity.relmf_weights(...).relevant`, as for `RelMFLoss`.

    Parameters
    ----------
    beta : float or None, default 0.0023
        At least 0; None for the estimator without floor. The paper's value is for Yahoo! R3, and
        0.008 for Coat.
    clip : float, optional
        theta is at least this.
    reduction : {"mean", "sum"}
        Over the negatives of a row. The paper takes the mean over all triples of a batch.
    """

    beta: float | None = 0.0023
    clip: float | None = None
    reduction: str = "mean"

    kind: ClassVar[int] = kinds.UBPR
    weighted: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.beta is not None:
            check_between(self.beta, "beta", 0)
        if self.clip is not None:
            check_clip(self.clip)
        check_choice(self.reduction, "reduction")

    @property
    def needs(self) -> str:
        """Inverse propensities."""
        return "propensity"

    def _parameters(self) -> tuple[float, ...]:
        floor = -float("inf") if self.beta is None else -self.beta
        bound = float("inf") if self.clip is None else 1 / self.clip
        return (self.reduction == "mean", floor, bound)

    def _losses(self, rows: Rows) -> torch.Tensor:
        _, floor, bound, _ = self.parameters
        relevant = rows.positive_side.clamp(max=bound)[..., None]
        relevant = relevant * (1 - rows.negative_side.clamp(max=bound))
        return rows.reduced((-relevant * log_sigmoid(-rows.gaps)).clamp(min=floor), self.reduction)


@kernel
def ubpr_row(
    parameters: tuple[float, ...],
    positive: float,
    negatives: Any,
    relevant: float,
    relevants: Any,
    weights: Any,
    gradients: Any,
) -> tuple[float, float]:
    """Fill d loss / d s_j; return the loss and d loss / d s_pos."""
    share, floor, bound = 1.0, parameters[1], parameters[2]
    if parameters[0] > 0:
        share /= max(count_kept(weights, negatives.size), 1.0)
    loss = up = 0.0
    for j in range(negatives.size):
        weight = weight_at(weights, j) * share
        gradients[j] = 0.0
        if weight == 0.0:
            continue
        gap = np.float64(negatives[j]) - positive
        factor = min(relevant, bound) * (1.0 - min(np.float64(relevants[j]), bound))
        value = factor * softplus(gap)
        loss += weight * max(value, floor)
        if value >= floor:
            slope = weight * factor * sigmoid(gap)
            up += slope
            gradients[j] = slope
    return loss, -up
