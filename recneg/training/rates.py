"""How long steps are: learning rates over a run, and gradients that are too long."""

from __future__ import annotations

import math
from typing import Literal

__all__ = ["Schedule", "rate_factor", "shrink_factor"]

Schedule = Literal["constant", "cosine", "steps"]

STEPS = (0.6, 0.9)
"""Shares of a run's epochs after which "steps" takes a tenth of the rate."""


def rate_factor(schedule: Schedule, decay: float, epoch: int, done: float, epochs: int) -> float:
    """Return what the learning rate is multiplied by.

    Parameters
    ----------
    schedule : {"constant", "cosine", "steps"}
        "cosine" falls along half a cosine, to 0 at the end of the run; "steps" is a tenth from 60 %
        of the epochs on, and a hundredth from 90 %.
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
    elif schedule == "steps":
        factor *= 0.1 ** sum(epoch >= round(share * epochs) for share in STEPS)
    return factor


def shrink_factor(squares: float, max_norm: float | None) -> float:
    """Return what a gradient of squared length `squares` is multiplied by, as torch clips norms."""
    if max_norm is None:
        return 1.0
    return min(1.0, max_norm / (math.sqrt(squares) + 1e-6))
