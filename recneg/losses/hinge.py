"""Hinge losses weighted by an estimate of the positive's rank: WARP and CML."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recneg.checks import check_count, check_number
from recneg.jit import kernel
from recneg.losses import kinds
from recneg.losses.base import Loss
from recneg.losses.rows import Rows
from recneg.losses.scalars import count_kept, weight_at

if TYPE_CHECKING:
    import torch

__all__ = ["CMLLoss", "WARPLoss", "cml_row", "warp_row"]


@dataclass(frozen=True)
class WARPLoss(Loss):
    """``ln(max(1, floor((N - 1) / tries))) (margin - s_pos + s_j)`` of the first violator j.

    Weston, Bengio and Usunier, "WSABIE: scaling up to large vocabulary image annotation", IJCAI
    2011. The negatives of a row are tries, in their order, which is part of the method; j is the
    first with ``s_j > s_pos - margin``, and without one the row is 0. The weight and its bound are
    LightFM's. A masked negative is no try. `recneg.mining.until_violation` makes the same choice
    for other losses, but counts masked candidates as tries.

    Parameters
    ----------
    num_items : int
        N, at least 2.
    margin : float, default 1
    max_weight : float or None, default 10
    """

    num_items: int
    margin: float = 1.0
    max_weight: float | None = 10.0

    kind: ClassVar[int] = kinds.WARP
    ordered: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_hinge(self.num_items, self.margin)
        if self.max_weight is not None:
            check_number(self.max_weight, "max_weight", "positive")

    def _parameters(self) -> tuple[float, ...]:
        bound = float("inf") if self.max_weight is None else self.max_weight
        return (self.num_items, self.margin, bound)

    def _losses(self, rows: Rows) -> torch.Tensor:
        import torch

        excess = rows.gaps + self.margin
        kept = torch.ones_like(excess, dtype=torch.bool) if rows.mask is None else rows.mask
        violates = kept & (excess > 0)
        first = violates.to(torch.uint8).argmax(-1, keepdim=True)
        tries = kept.cumsum(-1).gather(-1, first).clamp(min=1)
        rank = torch.div(self.num_items - 1, tries, rounding_mode="floor").clamp(min=1)
        weight = rank.to(excess.dtype).log().clamp(max=self.parameters[2])
        losses = (weight * excess.gather(-1, first))[..., 0]
        return torch.where(violates.any(-1), losses, 0.0)


@dataclass(frozen=True)
class CMLLoss(Loss):
    """``ln(1 + N share) max(0, margin - s_pos + max_j s_j)``, of scores ``-|u - v|^2``.

    Hsieh et al., "Collaborative metric learning", WWW 2017, as its code has it: the hinge of the
    nearest negative, weighted by the rank that the share of negatives within the margin suggests.
    Rows are summed. Ties for the nearest share the gradient. Norms of at most 1, the covariance
    penalty and AdaGrad are the trainer's.

    Parameters
    ----------
    num_items : int
        N, at least 2.
    margin : float, default 1.5
        On squared distances.
    """

    num_items: int
    margin: float = 1.5

    kind: ClassVar[int] = kinds.CML

    def __post_init__(self) -> None:
        _check_hinge(self.num_items, self.margin)

    def _parameters(self) -> tuple[float, ...]:
        return (self.num_items, self.margin)

    def _losses(self, rows: Rows) -> torch.Tensor:
        excess = rows.gaps + self.margin
        share = rows.mean((excess > 0).to(excess.dtype))
        nearest = rows.filled(excess, -float("inf")).amax(-1)
        return rows.compared((1 + self.num_items * share).log() * nearest.relu())


def _check_hinge(num_items: int, margin: float) -> None:
    check_count(num_items, "num_items", 2)
    check_number(margin, "margin")


@kernel
def warp_row(
    parameters: tuple[float, ...],
    positive: float,
    negatives: Any,
    weights: Any,
    gradients: Any,
) -> tuple[float, float]:
    """Fill d loss / d s_j; return the loss and d loss / d s_pos."""
    gradients[:] = 0.0
    tries = 0
    for j in range(negatives.size):
        if weight_at(weights, j) == 0.0:
            continue
        tries += 1
        excess = np.float64(negatives[j]) - positive + parameters[1]
        if excess > 0.0:
            rank = max((int(parameters[0]) - 1) // tries, 1)
            weight = min(math.log(rank), parameters[2])
            gradients[j] = weight
            return weight * excess, -weight
    return 0.0, 0.0


@kernel
def cml_row(
    parameters: tuple[float, ...],
    positive: float,
    negatives: Any,
    weights: Any,
    gradients: Any,
) -> tuple[float, float]:
    """Fill d loss / d s_j; return the loss and d loss / d s_pos."""
    gradients[:] = 0.0
    top, within, ties = -np.inf, 0, 0
    for j in range(negatives.size):
        score = np.float64(negatives[j])  # compared as it is: sums may round differently each time
        if weight_at(weights, j) != 0.0 and score - positive + parameters[1] > 0.0:
            within += 1
            ties = ties + 1 if score == top else 1 if score > top else ties
            top = max(top, score)
    if within == 0:
        return 0.0, 0.0
    weight = math.log(1.0 + parameters[0] * within / count_kept(weights, negatives.size))
    for j in range(negatives.size):
        if weight_at(weights, j) != 0.0 and np.float64(negatives[j]) == top:
            gradients[j] = weight / ties
    return weight * (top - positive + parameters[1]), -weight
