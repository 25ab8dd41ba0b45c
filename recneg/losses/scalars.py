"""Scalar functions and row sums shared by the kernels of losses; for use inside kernels only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from recneg.jit import inlined, kernel, kernel_fast
from recneg.losses.elementary import exp_below, log1p_share

__all__ = [
    "count_kept",
    "exponentials",
    "highest_of",
    "multiply",
    "sigmoid",
    "softmax_row",
    "softplus",
    "softplus_sum",
    "weight_at",
]


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
def highest_of(scores: Any, weights: Any) -> Any:
    """Return the largest score that is not masked, -inf for none.

    Sixteen running ones, because vector instructions can hold them.
    """
    lanes = np.full(16, -np.inf, scores.dtype)
    last = scores.size - scores.size % 16
    if weights.size == 0:
        for start in range(0, last, 16):
            for lane in range(16):
                value = scores[start + lane]
                lanes[lane] = value if value > lanes[lane] else lanes[lane]
    else:
        for start in range(0, last, 16):
            for lane in range(16):
                value = scores[start + lane]
                larger = value > lanes[lane] and weights[start + lane] != 0.0
                lanes[lane] = value if larger else lanes[lane]
    highest = lanes[0]
    for lane in range(1, 16):
        highest = max(highest, lanes[lane])
    for j in range(last, scores.size):
        if weight_at(weights, j) != 0.0:
            highest = max(highest, scores[j])
    if highest == -np.inf:  # nothing above it: a NaN is no score, but has to show in the loss
        for j in range(scores.size):
            if weight_at(weights, j) != 0.0 and np.isnan(scores[j]):
                highest = scores[j]
    return highest


@kernel
def softmax_row(scores: Any, shift: float, scale: float, weights: Any, out: Any) -> float:
    """Fill `out` with the softmax of ``scale * (scores - shift)``; return the log-sum-exp.

    Masked entries get 0; without any other the result is -inf.
    """
    highest = np.float64(highest_of(scores, weights))
    if highest == -np.inf:
        out[:] = 0.0
        return -np.inf
    total = exponentials(scores, highest, scale, weights, out)
    multiply(out, 1.0 / total)
    return float(scale * (highest - shift) + math.log(total))


@kernel_fast
def exponentials(scores: Any, highest: Any, scale: Any, weights: Any, out: Any) -> float:
    """Fill `out` with ``exp(scale * (scores - highest))``, 0 if masked; return their sum.

    Terms of float32 scores do not get smaller below exp(-87).
    """
    peak, factor = scores.dtype.type(highest), scores.dtype.type(scale)
    nothing, total = scores.dtype.type(0.0), 0.0
    for j in range(scores.size):
        term = exp_below(min(factor * (scores[j] - peak), nothing))
        if weights.size > 0 and weights[j] == 0.0:
            term = nothing
        out[j] = term
        total += np.float64(term)
    return total


@kernel_fast
def softplus_sum(
    scores: Any, shift: float, weights: Any, weighted: bool, slopes: Any
) -> tuple[float, float]:
    """Return ``sum_j w_j softplus(s_j - shift)`` and the sum of its slopes, which are filled in.

    The slopes are ``w_j sigmoid(s_j - shift)``; masked entries get 0. Unless `weighted`, all others
    weigh 1.
    """
    less, zero, one = scores.dtype.type(shift), scores.dtype.type(0.0), scores.dtype.type(1.0)
    total, steep = 0.0, 0.0
    for j in range(scores.size):
        gap = scores[j] - less
        small = exp_below(-abs(gap))
        slope = (one if gap >= zero else small) / (one + small)
        term = max(gap, zero) + log1p_share(small)
        if weights.size > 0:
            weight = scores.dtype.type(weights[j])
            if not weighted:
                weight = one if weight != zero else zero
            slope = slope * weight if weight != zero else zero
            term = term * weight if weight != zero else zero
        slopes[j] = slope
        total += np.float64(term)
        steep += np.float64(slope)
    return total, steep


@kernel_fast
def multiply(values: Any, factor: float) -> None:
    """Multiply all values in place."""
    factor_of_type = values.dtype.type(factor)
    for j in range(values.size):
        values[j] *= factor_of_type
