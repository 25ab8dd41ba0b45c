"""SL@K: the softmax loss, weighted by how near a positive is to its user's first K ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from array_api_compat import array_namespace

from recneg.checks import check_count, check_number
from recneg.errors import InvalidDataError
from recneg.jit import kernel
from recneg.losses import kinds
from recneg.losses.base import Loss
from recneg.losses.rows import Rows
from recneg.losses.scalars import sigmoid
from recneg.mining.candidates import detached

if TYPE_CHECKING:
    import torch

__all__ = ["SLAtKLoss", "sl_at_k_of", "top_k_thresholds"]


@dataclass(frozen=True)
class SLAtKLoss(Loss):
    """``sigmoid((s_pos - beta_u) / t_w) ln sum_j exp((s_j - s_pos) / t)``, of cosines.

    Yang et al., "Breaking the top-K barrier: advancing top-K ranking metrics optimization in
    recommender systems", KDD 2025. The weight has a gradient, as in the paper's code. beta_u, the
    score of the user's K-th rank, comes as the positive side value, from `top_k_thresholds`; the
    paper renews it every 5 to 20 epochs.

    Parameters
    ----------
    temperature : float, default 0.1
        t, of the softmax loss.
    weight_temperature : float, default 1
        t_w, of the weight.
    """

    temperature: float = 0.1
    weight_temperature: float = 1.0

    kind: ClassVar[int] = kinds.SL_AT_K
    correctable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number(self.temperature, "temperature", "positive")
        check_number(self.weight_temperature, "weight_temperature", "positive")

    @property
    def needs(self) -> str:
        """Thresholds of the rows' users."""
        return "thresholds"

    def _parameters(self) -> tuple[float, ...]:
        return (self.temperature, self.weight_temperature)

    def _losses(self, rows: Rows) -> torch.Tensor:
        weight = ((rows.positive - rows.positive_side) / self.weight_temperature).sigmoid()
        return rows.compared(weight * rows.log_sum_exp(rows.gaps / self.temperature))


def top_k_thresholds(
    positive_scores: Any, sampled_scores: Any, k: int, *, positive_mask: Any = None
) -> Any:
    """Return beta_u of SL@K: the k-th largest of all scores of a user's positives and samples.

    Parameters
    ----------
    positive_scores : float array or tensor, shape (num_users, p)
        Scores of *all* positives of each user, filled up to the largest number.
    sampled_scores : float array or tensor, shape (num_users, n)
        Scores of sampled items; the paper takes 1000.
    k : int
        At most the number of samples, so that every user has a k-th score.
    positive_mask : bool array or tensor, shape (num_users, p), optional
        False where `positive_scores` are filled up.

    Returns
    -------
    Array or tensor, shape (num_users,)
        Without gradient.

    Examples
    --------
    >>> top_k_thresholds(np.array([[0.9, 0.1]]), np.array([[0.5, 0.3, 0.2]]), 2).tolist()
    [0.5]
    """
    check_count(k, "k")
    positive, sampled = detached(positive_scores), detached(sampled_scores)
    if positive.ndim != 2 or sampled.ndim != 2 or positive.shape[0] != sampled.shape[0]:
        raise InvalidDataError(
            "scores must have shapes (num_users, p) and (num_users, n); got "
            f"{tuple(positive.shape)} and {tuple(sampled.shape)}"
        )
    if k > sampled.shape[1]:
        raise InvalidDataError(f"k must be at most the {sampled.shape[1]} samples; got {k}")
    xp: Any = array_namespace(positive, sampled)
    if positive_mask is not None:
        positive = xp.where(positive_mask, positive, -xp.inf)
    scores = xp.concat([positive, sampled], axis=1)
    return xp.sort(scores, axis=1, descending=True)[:, k - 1]


@kernel
def sl_at_k_of(
    parameters: tuple[float, ...], positive: float, threshold: float, summary: float
) -> tuple[float, float, float]:
    """Return the loss, and its slopes by the positive's score and the log-sum-exp."""
    if summary == -np.inf:
        return 0.0, 0.0, 0.0
    scale, steep = 1.0 / parameters[0], 1.0 / parameters[1]
    excess = steep * (positive - threshold)
    weight = sigmoid(excess)
    total = summary - scale * positive
    return weight * total, weight * (steep * sigmoid(-excess) * total - scale), weight
