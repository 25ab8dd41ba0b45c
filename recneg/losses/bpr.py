"""Bayesian personalised ranking: a positive should score above each of its negatives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from recneg.jit import inlined

if TYPE_CHECKING:
    import torch

__all__ = ["bpr", "bpr_weight"]


def bpr(positive_scores: torch.Tensor, negative_scores: torch.Tensor) -> torch.Tensor:
    """Return ``mean_j -ln sigmoid(s_pos - s_neg_j)`` for each row.

    Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009, BPR-Opt
    without its prior. The paper takes one negative a positive and sums over pairs.

    Parameters
    ----------
    positive_scores : torch.Tensor, shape (batch,)
    negative_scores : torch.Tensor, shape (batch, num_negatives)

    Returns
    -------
    torch.Tensor, shape (batch,)
        Finite for any finite scores.
    """
    from torch.nn.functional import softplus

    return softplus(negative_scores - positive_scores[..., None]).mean(-1)


@inlined
def bpr_weight(difference: Any) -> Any:
    """Return minus the derivative of the loss of one pair by ``s_pos - s_neg``, in (0, 1)."""
    return 1.0 / (1.0 + math.exp(difference))
