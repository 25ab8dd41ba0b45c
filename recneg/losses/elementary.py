"""Elementary functions of scores in kernels: of float32 without a call, so that loops over them
become vector instructions; of float64 by the standard library.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

__all__ = ["exp_below", "log1p_share"]

_COPIED = {"forceinline": True, "error_model": "numpy", "fastmath": {"contract"}}


def exp_float32(t: Any) -> Any:
    """Return ``exp(t)`` of a float32 at most 0, right to 2e-7 of itself; that of -87 below.

    ``exp(t) = 2**n exp(r)`` with n the integer next to ``t / ln 2``; ``exp(r)`` is a polynomial of
    the fifth degree (Cephes), 2**n is made of bits.
    """
    t = max(t, np.float32(-87.0))
    n = np.floor(t * np.float32(1.44269504) + np.float32(0.5))
    r = t - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1.0)
    return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


def log1p_float32(a: Any) -> Any:
    """Return ``ln(1 + a)`` of a float32 in [0, 1], right to 2e-7 of itself (Cephes)."""
    halved = a > np.float32(0.41421356)
    z = (a - np.float32(1.0)) * np.float32(0.5) if halved else a
    p = np.float32(7.0376836292e-2)
    p = p * z - np.float32(1.1514610310e-1)
    p = p * z + np.float32(1.1676998740e-1)
    p = p * z - np.float32(1.2420140846e-1)
    p = p * z + np.float32(1.4249322787e-1)
    p = p * z - np.float32(1.6668057665e-1)
    p = p * z + np.float32(2.0000714765e-1)
    p = p * z - np.float32(2.4999993993e-1)
    p = p * z + np.float32(3.3333331174e-1)
    p = p * z * z * z - np.float32(0.5) * z * z + z
    return p + (np.float32(0.69314718) if halved else np.float32(0.0))


def exp_float64(t: Any) -> Any:
    """Return ``exp(t)`` by the standard library."""
    return math.exp(t)


def log1p_float64(a: Any) -> Any:
    """Return ``ln(1 + a)`` by the standard library."""
    return math.log1p(a)


def exp_below(t: Any) -> Any:
    """Return ``exp(t)`` of a number at most 0."""
    raise NotImplementedError  # compiled code has one form for each dtype


def log1p_share(a: Any) -> Any:
    """Return ``ln(1 + a)`` of a number in [0, 1]."""
    raise NotImplementedError


@overload(exp_below, jit_options=_COPIED)  # type: ignore[arg-type]  # knows no forceinline
def _exp_below(t: Any) -> Any:
    return exp_float32 if t == types.float32 else exp_float64


@overload(log1p_share, jit_options=_COPIED)  # type: ignore[arg-type]
def _log1p_share(a: Any) -> Any:
    return log1p_float32 if a == types.float32 else log1p_float64
