"""The logistic function, by SciPy, which is loaded where it is first needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["sigmoid"]


def sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``1 / (1 + exp(-values))``."""
    from scipy.special import expit  # a fifth of a second, which a first draw is spared

    return np.asarray(expit(values))
