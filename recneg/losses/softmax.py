"""Softmax losses over sampled negatives, with and without the positive in the denominator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recneg.checks import check_number
from recneg.jit import kernel
from recneg.losses import kinds
from recneg.losses.base import Loss
from recneg.losses.checks import check_choice
from recneg.losses.rows import Rows, log_sigmoid
from recneg.losses.scalars import count_kept, sigmoid, softmax_row, softplus

if TYPE_CHECKING:
    import torch

__all__ = [
    "BSLLoss",
    "SampledSoftmaxLoss",
    "SoftmaxLoss",
    "bsl_sum",
    "log_sum_exp",
    "sampled_softmax_of",
    "softmax_loss_of",
]


@dataclass(frozen=True)
class SampledSoftmaxLoss(Loss):
    """``-ln(exp(s_pos / t) / (exp(s_pos / t) + sum_j exp(s_j / t)))``.

    SSM: the cross-entropy of the positive among itself and the negatives (Wu et al., "On the
    effectiveness of sampled softmax loss for item recommendation", 2022), of cosines with t from
    0.05 to 0.2 or, as in TRON (Wilm et al., RecSys 2023), of inner products with t = 1. Correct
    scores for q by `log_q_corrected` first.

    Parameters
    ----------
    temperature : float, default 1
    """

    temperature: float = 1.0

    kind: ClassVar[int] = kinds.SAMPLED_SOFTMAX
    correctable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number(self.temperature, "temperature", "positive")

    def _parameters(self) -> tuple[float, ...]:
        return (self.temperature,)

    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows.compared(-log_sigmoid(-rows.log_sum_exp(rows.gaps / self.temperature)))


@dataclass(frozen=True)
class SoftmaxLoss(Loss):
    """``ln sum_j exp((s_j - s_pos) / t)``: no positive in the denominator.

    SL, as in Wu et al., "BSL: understanding and improving softmax loss for recommendation", ICDE
    2024, and in the code of PSL and SL@K, of cosines. It sums over the negatives, so its value
    moves by the logarithm of their number, and it may be negative.

    Parameters
    ----------
    temperature : float, default 0.1
    """

    temperature: float = 0.1

    kind: ClassVar[int] = kinds.SOFTMAX
    correctable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number(self.temperature, "temperature", "positive")

    def _parameters(self) -> tuple[float, ...]:
        return (self.temperature,)

    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows.compared(rows.log_sum_exp(rows.gaps / self.temperature))


@dataclass(frozen=True)
class BSLLoss(Loss):
    """``-s_pos / t + e ln mean_j exp(s_j / t)``, or with the sum over negatives.

    Wu et al., "BSL: understanding and improving softmax loss for recommendation", ICDE 2024, as its
    code has it, of cosines: one temperature in both exponentials and a power of the negatives'
    part, where the text speaks of two temperatures.

    - ``"multi"``: the mean over negatives. The code replaces ``exp(s_pos / t)`` by its mean over
      the user's positives in the batch; a row here has one, so give
      ``t logsumexp(s / t) - t ln m`` as the positive score for m of them.
    - ``"reweight"``: the sum over negatives, one positive.

    Parameters
    ----------
    temperature : float, default 0.1
        t.
    exponent : float, default 1.1
        e, ``temperature2`` in the code: 1.22 on Gowalla (t = 0.08), 1.1 on Yelp2018 (t = 0.11).
    variant : {"multi", "reweight"}
    """

    temperature: float = 0.1
    exponent: float = 1.1
    variant: str = "multi"

    kind: ClassVar[int] = kinds.BSL
    correctable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number(self.temperature, "temperature", "positive")
        check_number(self.exponent, "exponent", "positive")
        check_choice(self.variant, "variant", ("multi", "reweight"))

    def _parameters(self) -> tuple[float, ...]:
        return (self.temperature, self.exponent, self.variant == "multi")

    def _losses(self, rows: Rows) -> torch.Tensor:
        import torch

        total = rows.log_sum_exp(rows.negative / self.temperature)
        if self.variant == "multi":
            count = torch.as_tensor(rows.count, dtype=total.dtype, device=total.device)
            total = total - count.clamp(min=1).log()
        return rows.compared(self.exponent * total - rows.positive / self.temperature)


@kernel
def log_sum_exp(
    parameters: tuple[float, ...], negatives: Any, weights: Any, gradients: Any
) -> float:
    """Return ``ln sum_j exp(s_j / t)``, -inf without negatives, and fill its slopes."""
    scale = 1.0 / parameters[0]
    total = softmax_row(negatives, 0.0, scale, weights, gradients)
    for j in range(negatives.size):
        gradients[j] *= scale
    return total


@kernel
def sampled_softmax_of(
    parameters: tuple[float, ...], positive: float, summary: float
) -> tuple[float, float, float]:
    """Return the loss, and its slopes by the positive's score and the log-sum-exp."""
    scale = 1.0 / parameters[0]
    gap = summary - scale * positive
    slope = sigmoid(gap)
    return softplus(gap), -scale * slope, slope


@kernel
def softmax_loss_of(
    parameters: tuple[float, ...], positive: float, summary: float
) -> tuple[float, float, float]:
    """Return the loss, and its slopes by the positive's score and the log-sum-exp."""
    if summary == -np.inf:
        return 0.0, 0.0, 0.0
    scale = 1.0 / parameters[0]
    return summary - scale * positive, -scale, 1.0


@kernel
def bsl_sum(parameters: tuple[float, ...], negatives: Any, weights: Any, gradients: Any) -> float:
    """Return ``e ln sum_j exp(s_j / t)``, or of the mean, and fill its slopes."""
    total = log_sum_exp(parameters, negatives, weights, gradients)
    if total > -np.inf and parameters[2] > 0:
        total -= np.log(count_kept(weights, negatives.size))
    for j in range(negatives.size):
        gradients[j] *= parameters[1]
    return parameters[1] * total
