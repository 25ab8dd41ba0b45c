"""Rows of several lengths, one after another in a flat array: where their entries stand."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_inside", "flat_positions"]


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


def first_inside(indptr: NDArray[np.int64], marked: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Find the first marked pair of neighbours that stand in one row.

    Parameters
    ----------
    indptr : numpy.ndarray of int64, shape (num_rows + 1,)
    marked : numpy.ndarray of bool, shape (num_entries - 1,)
        For each entry but the last, if it and the next one are marked. Overwritten: pairs in two
        rows lose their mark.

    Returns
    -------
    tuple of int, or None
        The row and the position of the pair's second entry.
    """
    starts = indptr[1:-1]
    marked[starts[(starts > 0) & (starts <= marked.size)] - 1] = False
    if not marked.any():
        return None
    second = int(np.argmax(marked)) + 1
    return int(np.searchsorted(indptr, second, side="right")) - 1, second
