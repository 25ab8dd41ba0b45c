"""Rel-MF: pointwise losses of relevance, unbiased by inverse propensities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recneg.jit import kernel
from recneg.losses import kinds
from recneg.losses.base import Loss
from recneg.losses.checks import check_choice
from recneg.losses.rows import Rows, log_sigmoid
from recneg.losses.scalars import count_kept, sigmoid, softplus, weight_at
from recneg.propensity.exposure import check_clip

if TYPE_CHECKING:
    import torch

__all__ = ["RelMFLoss", "rel_mf_row"]


@dataclass(frozen=True)
class RelMFLoss(Loss):
    """Mean over a row's 1 + n pairs of ``(Y / theta) delta_1(s) + (1 - Y / theta) delta_0(s)``.

    Saito et al., "Unbiased recommender learning from missing-not-at-random implicit feedback",
    WSDM 2020. With ``p = sigmoid(s)`` the local losses are ``(1 - p)^2`` and ``p^2``, as in the
    paper's code, or ``-ln p`` and ``-ln(1 - p)``. Unbiased for relevance where pairs are uniform
    over all users and items; the paper's batches are half clicks, half missing, so one negative a
    row. Weights of clicks in delta_0 are negative: the log form has no lower bound.

    Sides are `recneg.propensity.relmf_weights(...).relevant`: ``1 / theta`` of positives,
    ``Y / theta`` of negatives, 0 if they are not clicked.

    Parameters
    ----------
    local : {"squared", "log"}
    clip : float or None, default 0.00914
        theta is at least this, so weights are at most ``1 / clip``; the paper's value is for
        Yahoo! R3. None for no bound.
    """

    local: str = "squared"
    clip: float | None = 0.00914

    kind: ClassVar[int] = kinds.REL_MF

    def __post_init__(self) -> None:
        check_choice(self.local, "local", ("squared", "log"))
        if self.clip is not None:
            check_clip(self.clip)

    @property
    def needs(self) -> str:
        """Inverse propensities."""
        return "propensity"

    def _parameters(self) -> tuple[float, ...]:
        bound = float("inf") if self.clip is None else 1 / self.clip
        return (self.local == "squared", bound)

    def _losses(self, rows: Rows) -> torch.Tensor:
        pairs = rows.total(self._pairs(rows.negative, rows.negative_side))
        return (self._pairs(rows.positive, rows.positive_side) + pairs) / (rows.count + 1)

    def _pairs(self, scores: Any, relevant: Any) -> Any:
        relevant = relevant.clamp(max=self.parameters[1])
        if self.local == "log":
            return -relevant * log_sigmoid(scores) - (1 - relevant) * log_sigmoid(-scores)
        return relevant * (-scores).sigmoid() ** 2 + (1 - relevant) * scores.sigmoid() ** 2


@kernel
def _pair(squared: float, bound: float, score: float, relevant: float) -> tuple[float, float]:
    """Return the loss of one pair and its derivative."""
    w = min(relevant, bound)
    p, rest = sigmoid(score), sigmoid(-score)
    if squared > 0:
        return w * rest**2 + (1.0 - w) * p**2, 2.0 * p * rest * ((1.0 - w) * p - w * rest)
    return w * softplus(-score) + (1.0 - w) * softplus(score), (1.0 - w) * p - w * rest


@kernel
def rel_mf_row(
    parameters: tuple[float, ...],
    positive: float,
    negatives: Any,
    relevant: float,
    relevants: Any,
    weights: Any,
    gradients: Any,
) -> tuple[float, float]:
    """Fill d loss / d s_j; return the loss and d loss / d s_pos."""
    share = 1.0 / (count_kept(weights, negatives.size) + 1.0)
    loss, up = _pair(parameters[0], parameters[1], positive, relevant)
    for j in range(negatives.size):
        gradients[j] = 0.0
        if weight_at(weights, j) != 0.0:
            value, slope = _pair(
                parameters[0], parameters[1], np.float64(negatives[j]), np.float64(relevants[j])
            )
            loss += value
            gradients[j] = share * slope
    return share * loss, share * up
