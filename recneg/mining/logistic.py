"""The logistic function and its logarithm in any array namespace, finite for any finite input."""

from __future__ import annotations

from typing import Any

__all__ = ["sigmoid", "softplus"]


def sigmoid(xp: Any, x: Any) -> Any:
    """Return ``1 / (1 + exp(-x))``."""
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, xp.ones_like(x), small) / (1 + small)


def softplus(xp: Any, x: Any) -> Any:
    """Return ``ln(1 + exp(x))``, which is ``-ln sigmoid(-x)``."""
    return xp.where(x > 0, x, xp.zeros_like(x)) + xp.log1p(xp.exp(-xp.abs(x)))
