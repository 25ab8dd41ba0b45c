"""Scalar functions and row sums shared by the kernels of losses; for use inside kernels only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from recneg.jit import inlined, kernel

__all__ = ["count_kept", "sigmoid", "softmax_row", "softplus", "weight_at"]


@inlined
def sigmoid(x: Any) -> Any:
    """Return ``1 / (1 + exp(-x))`` of a float64."""
    return 1.0 / (1.0 + math.exp(-x))


@inlined
def softplus(x: Any) -> Any:
    """Return ``ln(1 + exp(x))`` of a float64, which is ``-ln sigmoid(-x)``."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@inlined
def weight_at(weights: Any, j: Any) -> Any:
    """Return the weight of negative j; an empty array stands for ones."""
    return np.float64(weights[j]) if weights.size > 0 else 1.0


@inlined
def count_kept(weights: Any, size: Any) -> Any:
    """Return how many of `size` negatives are not masked, as a float64."""
    return np.float64(size if weights.size == 0 else np.count_nonzero(weights))


@kernel
def softmax_row(scores: Any, shift: float, scale: float, weights: Any, out: Any) -> float:
    """Fill `out` with the softmax of ``scale * (scores - shift)``; return the log-sum-exp.

    Masked entries get 0; without any other the result is -inf.
    """
    top = -np.inf
    for j in range(scores.size):
        if weight_at(weights, j) != 0.0:
            top = max(top, scale * (np.float64(scores[j]) - shift))
    total = 0.0
    for j in range(scores.size):
        out[j] = 0.0
        if weight_at(weights, j) != 0.0:
            term = math.exp(scale * (np.float64(scores[j]) - shift) - top)
            total += term
            out[j] = term
    if total == 0.0:
        return -np.inf
    for j in range(scores.size):
        out[j] /= total
    return float(top + math.log(total))
