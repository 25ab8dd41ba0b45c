"""Parameters in, a simulated world out: its interactions and the truth behind them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recneg.interactions import ID_LIMIT, Interactions
from recneg.keys import Key, as_key
from recneg.simulation.calibration import calibrate
from recneg.simulation.latent import examination, normals, popularity
from recneg.simulation.showings import observe
from recneg.simulation.truth import Truth

__all__ = ["Simulation", "simulate"]


@dataclass(frozen=True)
class Simulation:
    """A simulated world.

    Attributes
    ----------
    interactions : Interactions
        What was observed: the clicks.
    truth : Truth
        What was not: relevance and exposure of any pair.
    """

    interactions: Interactions
    truth: Truth


def simulate(
    num_users: int,
    num_items: int,
    num_interactions: int,
    *,
    key: int | Key = 0,
    factors: int = 8,
    relevance_bias: float = -2.0,
    relevance_spread: float = 2.0,
    popularity_exponent: float = 1.0,
    activity_sigma: float = 1.0,
    num_positions: int = 10,
    position_bias: float = 0.5,
    false_positive_rate: float = 0.02,
    false_negative_rate: float = 0.1,
) -> Simulation:
    """Simulate implicit feedback whose relevance, exposure and noise are known.

    The model is that of the package's docstring. The result depends on the arguments alone, not on
    the number of threads. Time and memory grow with users, items and interactions, never with
    their product.

    Parameters
    ----------
    num_users, num_items : int
        In ``[1, 2**31 - 1]``.
    num_interactions : int
        Expected number of distinct observed pairs; the number itself varies as a sum of
        independent events does.
    key : int or Key
    factors : int
        Length of the latent vectors behind relevance.
    relevance_bias, relevance_spread : float
        Mean and standard deviation over pairs of the logit of relevance. By default about one
        pair in five is relevant.
    popularity_exponent : float
        Zipf exponent of the item shares, ``[0, 4]``; 0 for equal shares.
    activity_sigma : float
        Standard deviation of the logarithm of user activity, ``[0, 4]``.
    num_positions : int
        Places of a list, ``[1, 10000]``.
    position_bias : float
        Place k is examined with probability ``k ** -position_bias``, ``[0, 4]``; 0 for every place.
    false_positive_rate, false_negative_rate : float
        Noise, ``[0, 1]``: clicks on exposed irrelevant items, misses of exposed relevant ones.

    Returns
    -------
    Simulation

    Raises
    ------
    ValueError
        For a parameter outside its range.
    InvalidDataError
        If so many interactions cannot be reached.

    Examples
    --------
    >>> world = simulate(100, 50, 1000, key=1)
    >>> world.truth.exposure([0, 1], [7, 7]).shape
    (2,)
    >>> world.truth.relevance(3, range(50)).shape
    (50,)
    """
    _check_sizes(
        num_users=(num_users, ID_LIMIT),
        num_items=(num_items, ID_LIMIT),
        num_interactions=(num_interactions, 2**62),
        factors=(factors, 1024),
        num_positions=(num_positions, 10_000),
    )
    _check_ranges(
        relevance_bias=(relevance_bias, -50, 50),
        relevance_spread=(relevance_spread, 0, 50),
        popularity_exponent=(popularity_exponent, 0, 4),
        activity_sigma=(activity_sigma, 0, 4),
        position_bias=(position_bias, 0, 4),
        false_positive_rate=(false_positive_rate, 0, 1),
        false_negative_rate=(false_negative_rate, 0, 1),
    )
    streams = [as_key(key).fold_in(number) for number in range(8)]
    shares, order = popularity(streams[0], num_items, popularity_exponent)
    examined = examination(shares, order, num_positions, position_bias)
    # entries of variance s / sqrt(d) on either side give an inner product of variance s**2
    entry = np.float32(np.sqrt(relevance_spread / np.sqrt(factors)))
    noise = normals(streams[1], num_users, 1)[:, 0].astype(np.float64)
    truth = Truth(
        user_factors=entry * normals(streams[2], num_users, factors),
        item_factors=entry * normals(streams[3], num_items, factors),
        bias=float(relevance_bias),
        user_activity=np.exp(activity_sigma * noise - activity_sigma**2 / 2),
        item_popularity=shares,
        item_examination=examined,
        edges=np.concatenate(([0.0], np.cumsum(shares * examined))),
        scale=1.0,
        false_positive_rate=float(false_positive_rate),
        false_negative_rate=float(false_negative_rate),
        relevance_key=streams[4],
    )
    truth = replace(truth, scale=calibrate(truth, num_interactions, streams[5]))
    indptr, items = observe(truth, streams[6], streams[7])
    return Simulation(Interactions(indptr, items, num_items), truth)


def _check_sizes(**sizes: tuple[int, int]) -> None:
    for name, (size, limit) in sizes.items():
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
            raise TypeError(f"{name} must be an integer; got {size!r}")
        if not 1 <= size <= limit:
            raise ValueError(f"{name} must lie in [1, {limit}]; got {size}")


def _check_ranges(**ranges: tuple[float, float, float]) -> None:
    for name, (value, low, high) in ranges.items():
        if not low <= value <= high:  # refuses NaN too
            raise ValueError(f"{name} must lie in [{low}, {high}]; got {value}")
