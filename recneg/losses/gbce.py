"""gBCE: binary cross-entropy that undoes the overconfidence of sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from recneg.checks import check_count, check_number
from recneg.jit import kernel
from recneg.losses import kinds
from recneg.losses.base import Loss
from recneg.losses.rows import Rows, log_sigmoid
from recneg.losses.scalars import count_kept, multiply, sigmoid, softplus, softplus_sum

if TYPE_CHECKING:
    import torch

__all__ = ["GBCELoss", "gbce_row"]


@dataclass(frozen=True)
class GBCELoss(Loss):
    """``-(beta ln sigmoid(s_pos) + sum_j ln sigmoid(-s_j)) / (n + 1)``.

    Petrov and Macdonald, "gSASRec: reducing overconfidence in sequential recommendation trained
    with negative sampling", RecSys 2023. With n negatives of N items the sampling rate is
    ``alpha = n / (N - 1)``, and ``beta = alpha (t (1 - 1 / alpha) + 1 / alpha)``, which is
    ``1 - t (1 - alpha)``: t = 0 is the mean binary cross-entropy, t = 1 gives unbiased
    probabilities. The paper draws 256 negatives uniformly, positives included.

    Parameters
    ----------
    num_items : int
        N, at least 2. n is the number of negatives of a row that are not masked.
    calibration : float, default 0.75
        t, in [0, 1].
    """

    num_items: int
    calibration: float = 0.75

    kind: ClassVar[int] = kinds.GBCE

    def __post_init__(self) -> None:
        check_count(self.num_items, "num_items", 2)
        if not 0 <= check_number(self.calibration, "calibration") <= 1:
            raise ValueError(f"calibration must lie in [0, 1]; got {self.calibration}")

    def _parameters(self) -> tuple[float, ...]:
        return (self.num_items, self.calibration)

    def _losses(self, rows: Rows) -> torch.Tensor:
        import torch

        count = torch.as_tensor(rows.count, dtype=rows.positive.dtype, device=rows.positive.device)
        rate = (count / (self.num_items - 1)).clamp(max=1)
        power = 1 - self.calibration * (1 - rate)
        missing = rows.total(-log_sigmoid(-rows.negative))
        return (missing - power * log_sigmoid(rows.positive)) / (count + 1)


@kernel
def gbce_row(
    parameters: tuple[float, ...],
    positive: float,
    negatives: Any,
    weights: Any,
    gradients: Any,
) -> tuple[float, float]:
    """Fill d loss / d s_j; return the loss and d loss / d s_pos."""
    count = count_kept(weights, negatives.size)
    power = 1.0 - parameters[1] * (1.0 - min(count / (parameters[0] - 1.0), 1.0))
    share = 1.0 / (count + 1.0)
    total, _ = softplus_sum(negatives, 0.0, weights, False, gradients)
    multiply(gradients, share)
    loss = share * (power * softplus(-positive) + total)
    return loss, -power * share * sigmoid(-positive)
