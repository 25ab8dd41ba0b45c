"""Contrastive losses that allow for positives among the negatives: DCL and HCL."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recneg.checks import check_number
from recneg.jit import kernel
from recneg.losses import kinds
from recneg.losses.base import Loss
from recneg.losses.checks import check_between
from recneg.losses.rows import Rows, log_sigmoid
from recneg.losses.scalars import count_kept, sigmoid, softplus, weight_at

if TYPE_CHECKING:
    import torch

__all__ = ["DebiasedLoss", "HardContrastiveLoss", "contrastive_row"]


@dataclass(frozen=True)
class DebiasedLoss(Loss):
    """``-ln(e^(s_pos / t) / (e^(s_pos / t) + G))``, G an estimate of the true negatives' part.

    DCL: Chuang et al., "Debiased contrastive learning", NeurIPS 2020, of cosines. With n negatives,
    a share p of which is relevant, ``G = max((sum_j e^(s_j / t) - p n e^(s_pos / t)) / (1 - p),
    n e^(-1 / t))``. Where the floor holds, the negatives have no gradient.

    Parameters
    ----------
    temperature : float, default 0.5
        t.
    prior : float, default 0.1
        p, in [0, 1), ``tau_plus`` of the paper. Its default is for image classes; relevant items
        among a user's unseen ones are rather 0.001 to 0.01 of them.
    """

    temperature: float = 0.5
    prior: float = 0.1

    kind: ClassVar[int] = kinds.CONTRASTIVE

    def __post_init__(self) -> None:
        check_number(self.temperature, "temperature", "positive")
        check_between(self.prior, "prior", 0, 1)

    def _parameters(self) -> tuple[float, ...]:
        return (self.temperature, self.prior, self._hardness)

    @property
    def _hardness(self) -> float:
        return 0.0

    def _losses(self, rows: Rows) -> torch.Tensor:
        import torch

        gaps, count = rows.gaps / self.temperature, rows.count
        count = torch.as_tensor(count, dtype=gaps.dtype, device=gaps.device).clamp(min=1)
        total = rows.log_sum_exp(gaps)  # all in units of exp(s_pos / t)
        if self._hardness:
            total = rows.log_sum_exp((1 + self._hardness) * gaps) + count.log()
            total = total - rows.log_sum_exp(self._hardness * gaps)
        floor = count.log() - (1 + rows.positive) / self.temperature
        if self.prior:
            excess = (self.prior * count).log() - total
            real = excess < 0
            excess = torch.where(real, excess, -1.0)
            total = total + (-excess.expm1()).log() - math.log1p(-self.prior)
            total = torch.where(real, total, -float("inf"))
        return rows.compared(-log_sigmoid(-torch.where(total > floor, total, floor)))


@dataclass(frozen=True)
class HardContrastiveLoss(DebiasedLoss):
    """`DebiasedLoss` with ``sum_j w_j e^(s_j / t)``, ``w_j = e^(beta s_j / t)`` over its mean.

    HCL: Robinson et al., "Contrastive learning with hard negative samples", ICLR 2021. The weights
    have a gradient, as in the paper's code.

    Parameters
    ----------
    temperature : float, default 0.5
    prior : float, default 0.1
    beta : float, default 1
        At least 0; 0 is `DebiasedLoss`.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between(self.beta, "beta", 0)

    @property
    def _hardness(self) -> float:
        return self.beta


@kernel
def _log_sum_exp(negatives: Any, positive: float, scale: float, weights: Any) -> float:
    top = -np.inf
    for j in range(negatives.size):
        if weight_at(weights, j) != 0.0:
            top = max(top, scale * (np.float64(negatives[j]) - positive))
    total = 0.0
    for j in range(negatives.size):
        if weight_at(weights, j) != 0.0:
            total += math.exp(scale * (np.float64(negatives[j]) - positive) - top)
    return float(top + math.log(total))


@kernel
def contrastive_row(
    parameters: tuple[float, ...],
    positive: float,
    negatives: Any,
    weights: Any,
    gradients: Any,
) -> tuple[float, float]:
    """Fill d loss / d s_j; return the loss and d loss / d s_pos."""
    scale, prior, beta = 1.0 / parameters[0], parameters[1], parameters[2]
    count = count_kept(weights, negatives.size)
    gradients[:] = 0.0
    if count == 0.0:
        return 0.0, 0.0
    hard = _log_sum_exp(negatives, positive, (1.0 + beta) * scale, weights)
    base = _log_sum_exp(negatives, positive, beta * scale, weights)
    total = hard - base + math.log(count)
    floor = math.log(count) - scale * (1.0 + positive)
    kept = -math.expm1(math.log(prior * count) - total) if prior > 0.0 else 1.0
    part = total + math.log(kept) - math.log1p(-prior) if kept > 0.0 else -np.inf
    if not part > floor:
        return softplus(floor), -scale * sigmoid(floor)
    slope = scale * sigmoid(part) / kept
    for j in range(negatives.size):
        if weight_at(weights, j) != 0.0:
            gap = scale * (np.float64(negatives[j]) - positive)
            harder = (1.0 + beta) * math.exp((1.0 + beta) * gap - hard)
            gradients[j] = slope * (harder - beta * math.exp(beta * gap - base))
    return softplus(part), -slope
