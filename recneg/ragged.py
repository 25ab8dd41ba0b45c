"""Rows of several lengths, one after another in a flat array: where their entries stand."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["flat_positions"]


def flat_positions(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions of the entries of several spans, span after span.

    Parameters
    ----------
    starts, counts : numpy.ndarray of int64, shape (num_spans,)
        First position and number of entries of each span; spans may overlap and be empty.

    Returns
    -------
    numpy.ndarray of int64, shape (sum of counts,)

    Examples
    --------
    >>> import numpy as np
    >>> flat_positions(np.array([7, 0, 3]), np.array([2, 0, 3])).tolist()
    [7, 8, 3, 4, 5]
    """
    positions = np.repeat(starts - np.cumsum(counts) + counts, counts)
    positions += np.arange(positions.size)
    return positions
