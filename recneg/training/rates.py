"""How long steps are: learning rates over a run, and gradients that are too long."""

from __future__ import annotations

import math

__all__ = ["rate_factor", "shrink_factor"]


def rate_factor(schedule: str, decay: float, epoch: int, done: float, epochs: int) -> float:
    """Return what the learning rate is multiplied by.

    Parameters
    ----------
    schedule : {"constant", "cosine"}
        "cosine" falls along half a cosine, to 0 at the end of the run.
    decay : float
        Factor of each epoch.
    epoch : int
        From 0.
    done : float
        Share of it that is over.
    epochs : int
        Of the run.
    """
    factor = decay**epoch
    if schedule == "cosine":
        passed = min((epoch + done) / max(epochs, 1), 1.0)
        factor *= 0.5 * (1.0 + math.cos(math.pi * passed))
    return factor


def shrink_factor(squares: float, max_norm: float | None) -> float:
    """Return what a gradient of squared length `squares` is multiplied by, as torch clips norms."""
    if max_norm is None:
        return 1.0
    return min(1.0, max_norm / (math.sqrt(squares) + 1e-6))
