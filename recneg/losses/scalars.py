"""Scalar functions and row sums shared by the kernels of losses; for use inside kernels only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from recneg.jit import inlined, kernel, kernel_fast

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


@kernel_fast
def _exponentials_float32(scores: Any, highest: Any, scale: Any, out: Any) -> float:
    total = np.float32(0.0)
    for j in range(scores.size):
        t = max(scale * (scores[j] - highest), np.float32(-87.0))
        n = np.floor(t * np.float32(1.44269504) + np.float32(0.5))
        r = t - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
        p = np.float32(1.9875691500e-4)
        p = p * r + np.float32(1.3981999507e-3)
        p = p * r + np.float32(8.3334519073e-3)
        p = p * r + np.float32(4.1665795894e-2)
        p = p * r + np.float32(1.6666665459e-1)
        p = p * r + np.float32(5.0000001201e-1)
        p = p * r * r + r + np.float32(1.0)
        power = np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
        out[j] = p * power
        total += out[j]
    return float(total)


@kernel_fast
def _sum_unmasked(weights: Any, out: Any) -> float:
    total = np.float32(0.0)
    for j in range(out.size):
        term = out[j] if weights[j] != 0.0 else np.float32(0.0)
        out[j] = term
        total += term
    return float(total)


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
    return highest


@kernel
def softmax_row(scores: Any, shift: float, scale: float, weights: Any, out: Any) -> float:
    """Fill `out` with the softmax of ``scale * (scores - shift)``; return the log-sum-exp.

    Masked entries get 0; without any other the result is -inf. Of float32 scores the exponentials
    are those of `exponentials_float32`.
    """
    highest = np.float64(highest_of(scores, weights))
    if highest == -np.inf:
        out[:] = 0.0
        return -np.inf
    total = exponentials(scores, highest, scale, weights, out)
    inverse = 1.0 / total
    for j in range(scores.size):
        out[j] *= inverse
    return float(scale * (highest - shift) + math.log(total))


def exponentials(scores: Any, highest: Any, scale: Any, weights: Any, out: Any) -> Any:
    """Fill `out` with ``exp(scale * (scores - highest))``, 0 if masked; return their sum."""
    raise NotImplementedError  # compiled code has one form for each dtype


@overload(exponentials, jit_options={"error_model": "numpy"})
def _exponentials(scores: Any, highest: Any, scale: Any, weights: Any, out: Any) -> Any:
    return exponentials_float32 if scores.dtype == types.float32 else exponentials_float64


def exponentials_float64(scores: Any, highest: Any, scale: Any, weights: Any, out: Any) -> Any:
    """Fill `out` by the standard library's function."""
    total = 0.0
    for j in range(scores.size):
        out[j] = 0.0
        if weight_at(weights, j) != 0.0:
            term = math.exp(scale * (np.float64(scores[j]) - highest))
            out[j] = term
            total += term
    return total


def exponentials_float32(scores: Any, highest: Any, scale: Any, weights: Any, out: Any) -> Any:
    """Fill `out` in vector instructions, ten times as fast; a term is right to 2e-6 of itself.

    ``exp(t) = 2**n exp(r)`` with n the integer next to ``t / ln 2``; ``exp(r)`` is a polynomial of
    the fifth degree (Cephes), 2**n is made of bits. Below exp(-87) terms do not get smaller.
    """
    total = _exponentials_float32(scores, np.float32(highest), np.float32(scale), out)
    return total if weights.size == 0 else _sum_unmasked(weights, out)
