"""CCL, the loss of SimpleX: only negatives above a margin count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recneg.checks import check_number
from recneg.jit import kernel, kernel_fast
from recneg.losses import kinds
from recneg.losses.base import Loss
from recneg.losses.checks import check_between
from recneg.losses.rows import Rows
from recneg.losses.scalars import count_kept

if TYPE_CHECKING:
    import torch

__all__ = ["CosineContrastiveLoss", "cosine_contrastive_of", "mean_excess"]


@dataclass(frozen=True)
class CosineContrastiveLoss(Loss):
    """``max(0, 1 - s_pos) + w mean_j max(0, s_j - margin)``, of scores that are cosines.

    Mao et al., "SimpleX: a simple and strong baseline for collaborative filtering", CIKM 2021. The
    first ``max(0, .)`` is that of the paper's code: with dropout scores may exceed 1. Batches are
    averaged.

    Parameters
    ----------
    margin : float, default 0.9
    weight : float, default 150
        w, at least 0. The defaults are those of MF-CCL on Gowalla.
    """

    margin: float = 0.9
    weight: float = 150.0

    kind: ClassVar[int] = kinds.COSINE_CONTRASTIVE
    weighted: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number(self.margin, "margin")
        check_between(self.weight, "weight", 0)

    def _parameters(self) -> tuple[float, ...]:
        return (self.margin, self.weight)

    def _losses(self, rows: Rows) -> torch.Tensor:
        return (1 - rows.positive).relu() + self.weight * rows.mean(
            (rows.negative - self.margin).relu()
        )


@kernel_fast
def mean_excess(
    parameters: tuple[float, ...], negatives: Any, weights: Any, gradients: Any
) -> float:
    """Return the term of the negatives, ``weight mean_j max(0, s_j - margin)``; fill its slopes."""
    share = parameters[1] / max(count_kept(weights, negatives.size), 1.0)
    total = 0.0
    for j in range(negatives.size):
        excess, slope = np.float64(negatives[j]) - parameters[0], share
        if weights.size > 0:
            slope = share * weights[j]
        gradients[j] = slope if excess > 0.0 else 0.0
        total += 0.0 if excess <= 0.0 or slope == 0.0 else slope * excess  # a NaN stays
    return total


@kernel
def cosine_contrastive_of(positive: float, summary: float) -> tuple[float, float, float]:
    """Return the loss, and its slopes by the positive's score and the negatives' term."""
    short = 1.0 - positive
    return max(short, 0.0) + summary, -1.0 if short > 0.0 else 0.0, 1.0
