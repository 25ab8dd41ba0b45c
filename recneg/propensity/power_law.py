"""Exposure as a power of popularity, the propensity of Rel-MF."""

from __future__ import annotations

import numpy as np

from recneg.interactions import Interactions
from recneg.propensity.exposure import CLIP, Exposure

__all__ = ["power_law"]


def power_law(interactions: Interactions, exponent: float = 0.5, *, clip: float = CLIP) -> Exposure:
    """Return ``theta_i = (n_i / max n) ** exponent``, the users of an item over those of the first.

    The estimate of Saito et al. (WSDM 2020), with their exponent 0.5. It is a guess: it takes all
    popularity for exposure, and the most popular item for one that everybody saw. An item without
    interactions gets `clip`. 8 bytes an item.

    Parameters
    ----------
    interactions : Interactions
        Training interactions; the clicks that are to be corrected.
    exponent : float, default 0.5
        Not negative.
    clip : float, default 0.01
        In (0, 1].

    Examples
    --------
    >>> from recneg import Interactions
    >>> data = Interactions.from_arrays([0, 1, 2, 3, 0], [0, 0, 0, 0, 2], num_items=4)
    >>> power_law(data).theta(0, [0, 1, 2, 3]).tolist()
    [1.0, 0.01, 0.5, 0.01]
    """
    if not 0 <= exponent < np.inf:
        raise ValueError(f"exponent must be finite and not negative; got {exponent}")
    counts = interactions.item_counts().astype(np.float64)
    seen = counts > 0
    theta = np.zeros_like(counts)
    theta[seen] = (counts[seen] / counts.max(initial=1.0)) ** exponent
    return Exposure(theta, None, clip)
