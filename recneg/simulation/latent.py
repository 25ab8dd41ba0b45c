"""The latent arrays of a simulated world: who is active, what is popular, where it is listed."""

import numpy as np
from numpy.typing import NDArray

from recneg.jit import kernel
from recneg.keys import Key, shuffled, word
from recneg.parallel import map_blocks

__all__ = ["examination", "normals", "popularity"]

BLOCK = 1 << 16


@kernel
def uniform(k0: np.uint32, k1: np.uint32, row: int, slot: int) -> float:
    """Return a float in ``[0, 1)``, the one that `recneg.keys.random_floats` gives."""
    return np.float64(word(k0, k1, row, slot, 0) >> np.uint64(11)) * 2.0**-53


@kernel
def _normals(k0: np.uint32, k1: np.uint32, start: int, out: NDArray[np.float32]) -> None:
    for row in range(out.shape[0]):
        for column in range(0, out.shape[1], 2):
            radius = np.sqrt(-2.0 * np.log1p(-uniform(k0, k1, start + row, column)))
            angle = 2.0 * np.pi * uniform(k0, k1, start + row, column + 1)
            out[row, column] = radius * np.cos(angle)
            if column + 1 < out.shape[1]:
                out[row, column + 1] = radius * np.sin(angle)


def normals(key: Key, num_rows: int, num_columns: int) -> NDArray[np.float32]:
    """Return standard normals (Box and Muller 1958), float32, shape (num_rows, num_columns)."""
    out = np.empty((num_rows, num_columns), np.float32)
    k0, k1 = key.words
    map_blocks(lambda start, stop: _normals(k0, k1, start, out[start:stop]), num_rows, BLOCK)
    return out


def popularity(
    key: Key, num_items: int, exponent: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return each item's share of the showings, and the items from the most to the least popular.

    Parameters
    ----------
    key : Key
        Decides which item has which rank.
    num_items : int
    exponent : float
        The item of rank r (from 1) has a share proportional to ``r ** -exponent``.

    Returns
    -------
    shares : numpy.ndarray of float64, shape (num_items,)
        Sum to one.
    order : numpy.ndarray of int64, shape (num_items,)
    """
    order = shuffled(key, np.arange(num_items))
    weights = np.arange(1, num_items + 1, dtype=np.float64) ** -exponent
    shares = np.empty(num_items)
    shares[order] = weights / weights.sum()
    return shares, order


def examination(
    shares: NDArray[np.float64], order: NDArray[np.int64], num_positions: int, position_bias: float
) -> NDArray[np.float64]:
    """Return the probability that a showing of each item is examined, shape (num_items,).

    A showing lies on one of the first ``1 + floor(num_positions * s)`` places, each equally likely,
    where ``s`` is the share of all showings that goes to more popular items.
    """
    ranked = shares[order]
    above = np.cumsum(ranked) - ranked
    lowest = np.minimum((num_positions * above).astype(np.int64), num_positions - 1)
    places = np.arange(1, num_positions + 1, dtype=np.float64)
    means = np.cumsum(places**-position_bias) / places
    result = np.empty_like(shares)
    result[order] = means[lowest]
    return result
