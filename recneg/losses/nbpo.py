"""NBPO: missing votes are noisy labels, corrected by flip scores."""

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
from recneg.noise.coefficients import (
    BPO,
    NBPO_LIKELIHOOD,
    NBPO_SURROGATE,
    OBJECTIVES,
    pair_coefficients,
)

if TYPE_CHECKING:
    import torch

__all__ = ["NBPOLoss", "flips_row"]

CUT = 10.0
"""Scores are cut to [-10, 10], as published and as `recneg.noise.coefficients` does."""


@dataclass(frozen=True)
class NBPOLoss(Loss):
    """Sum over pairs of the noisy-label objectives of a positive i and each negative j.

    Yu and Qin, "Sampler design for implicit feedback data by noisy-label robust learning", SIGIR
    2020. With ``R = sigmoid(s)``, ``gamma = sigmoid(g)`` and g the flip score, minus

    - ``"bpo"``: ``ln R_i + ln(1 - R_j)``; needs no flip scores;
    - ``"nbpo-o"``: ``ln((1 - gamma_i) R_i) + ln(1 - R_j + gamma_j R_j)``, the log-likelihood;
    - ``"nbpo-s"``: ``(1 - gamma_i) R_i + 1 - R_j + gamma_j R_j``;
    - ``"nbpo"``: ``sg[1 - gamma_i] ln R_i + sg[R_i] ln(1 - gamma_i) + ln(1 - R_j)
      + sg[gamma_j] ln R_j + sg[R_j] ln gamma_j`` with sg a factor that is held. Its gradient is
      not the gradient of its value: it is published as a step, not as an objective.

    Scores are cut to [-10, 10] in the value and in the coefficients, and the gradient passes the
    cut, as in the paper's code. Flip scores that are tensors with a gradient get theirs, the two
    other columns of `recneg.noise.coefficients`. The kernel gives the gradient of scores alone.

    Parameters
    ----------
    objective : {"nbpo", "nbpo-o", "nbpo-s", "bpo"}
    reduction : {"sum", "mean"}
        Over the pairs of a row. The paper sums: the positive counts once a negative.
    """

    objective: str = "nbpo"
    reduction: str = "sum"

    kind: ClassVar[int] = kinds.FLIPS

    def __post_init__(self) -> None:
        check_choice(self.objective, "objective", OBJECTIVES)
        check_choice(self.reduction, "reduction")

    @property
    def needs(self) -> str:
        """Flip scores, but for the objective without flips."""
        return "nothing" if self.objective == "bpo" else "flips"

    @property
    def surrogate(self) -> bool:
        """The objective named after the method is a step; those of the others are gradients."""
        return self.objective == "nbpo"

    def _parameters(self) -> tuple[float, ...]:
        return (self.reduction == "mean", OBJECTIVES[self.objective])

    def _losses(self, rows: Rows) -> torch.Tensor:
        from torch import logaddexp

        r_i, r_j = _cut(rows.positive)[..., None], _cut(rows.negative)
        if self.objective == "bpo":
            return -rows.reduced(log_sigmoid(r_i) + log_sigmoid(-r_j), self.reduction)
        g_i, g_j = _cut(rows.positive_side)[..., None], _cut(rows.negative_side)
        if self.objective == "nbpo-o":
            vote = log_sigmoid(-g_i) + log_sigmoid(r_i)
            gains = vote + logaddexp(log_sigmoid(-r_j), log_sigmoid(g_j) + log_sigmoid(r_j))
        elif self.objective == "nbpo-s":
            gains = (-g_i).sigmoid() * r_i.sigmoid() + (-r_j).sigmoid()
            gains = gains + g_j.sigmoid() * r_j.sigmoid()
        else:
            gains = (-g_i).sigmoid().detach() * log_sigmoid(r_i) + log_sigmoid(-r_j)
            gains = gains + r_i.sigmoid().detach() * log_sigmoid(-g_i)
            gains = gains + g_j.sigmoid().detach() * log_sigmoid(r_j)
            gains = gains + r_j.sigmoid().detach() * log_sigmoid(g_j)
        return -rows.reduced(gains, self.reduction)


def _cut(scores: Any) -> Any:
    """Cut scores; the gradient passes as if they were not."""
    return scores + (scores.clamp(-CUT, CUT) - scores).detach()


@kernel
def _pair_loss(objective: int, r_i: float, g_i: float, r_j: float, g_j: float) -> float:
    """Return the value of one pair of scores that are cut."""
    if objective == BPO:
        return float(softplus(-r_i) + softplus(r_j))
    flip_i, flip_j, like_i, like_j = sigmoid(g_i), sigmoid(g_j), sigmoid(r_i), sigmoid(r_j)
    if objective == NBPO_LIKELIHOOD:
        return float(softplus(g_i) + softplus(-r_i) - np.log(sigmoid(-r_j) + flip_j * like_j))
    if objective == NBPO_SURROGATE:
        return float(-sigmoid(-g_i) * like_i - sigmoid(-r_j) - flip_j * like_j)
    positive = (1.0 - flip_i) * softplus(-r_i) + like_i * softplus(g_i)
    return float(positive + softplus(r_j) + flip_j * softplus(-r_j) + like_j * softplus(-g_j))


@kernel
def flips_row(
    parameters: tuple[float, ...],
    positive: float,
    negatives: Any,
    flip: float,
    flips: Any,
    weights: Any,
    gradients: Any,
) -> tuple[float, float]:
    """Fill d loss / d s_j; return the loss and d loss / d s_pos."""
    share = 1.0
    if parameters[0] > 0:
        share /= max(count_kept(weights, negatives.size), 1.0)
    objective = int(parameters[1])
    r_i, g_i = min(max(positive, -CUT), CUT), min(max(flip, -CUT), CUT)
    loss = up = 0.0
    for j in range(negatives.size):
        gradients[j] = 0.0
        if weight_at(weights, j) == 0.0:
            continue
        r_j = min(max(np.float64(negatives[j]), -CUT), CUT)
        g_j = min(max(np.float64(flips[j]), -CUT), CUT) if flips.size > 0 else 0.0
        gain = pair_coefficients(objective, r_i, g_i, r_j, g_j)
        loss += share * _pair_loss(objective, r_i, g_i, r_j, g_j)
        up += share * gain[0]
        gradients[j] = -share * gain[2]
    return loss, -up
