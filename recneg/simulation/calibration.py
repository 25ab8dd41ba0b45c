"""How often to show things so that the expected number of observed pairs is the one asked for."""

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.keys import Key, random_floats
from recneg.simulation.truth import Truth

__all__ = ["calibrate"]

BINS_PER_E = 16  # bins are 1/16 wide on the natural logarithm: members differ by 6 % at most
NUM_PAIRS = 1 << 18  # pairs whose click probability is looked at
MAX_SCALE = 1e12  # beyond it, rounding of the item line (2**-53 wide) would be visible


def _bins(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Bin positive values by logarithm: members in order, first member, size, mean of each bin."""
    labels = np.floor(np.log(values) * BINS_PER_E).astype(np.int64)
    members = np.argsort(labels, kind="stable")
    _, starts, sizes = np.unique(labels[members], return_index=True, return_counts=True)
    return members, starts, sizes, np.add.reduceat(values[members], starts) / sizes


def calibrate(truth: Truth, num_interactions: int, key: Key) -> float:
    """Return the scale at which `truth` expects `num_interactions` distinct observed pairs.

    Users are binned by activity and items by rate; the expected count is a sum over pairs of bins.
    The mean click probability of a pair of bins comes from a few of its members, so the result is
    exact where each bin has one member and within about one per cent in large worlds.

    Parameters
    ----------
    truth : Truth
        Its own scale is not used.
    num_interactions : int
    key : Key

    Raises
    ------
    InvalidDataError
        If even unlimited showing would not give that many pairs.
    """
    rates = np.diff(truth.edges)
    shown = np.flatnonzero(rates > 0)
    users, user_starts, user_sizes, activity = _bins(truth.user_activity)
    items, item_starts, item_sizes, rate = _bins(rates[shown])
    items = shown[items]
    cells = (len(activity), len(rate))
    samples = max(1, NUM_PAIRS // (cells[0] * cells[1]))
    draws = np.arange(cells[0] * cells[1] * samples).reshape(*cells, samples)
    u = users[_pick(user_starts, user_sizes, random_floats(key, draws, 0), axis=0)]
    i = items[_pick(item_starts, item_sizes, random_floats(key, draws, 1), axis=1)]
    clicks = truth.click_if_exposed(u, i).mean(axis=-1) * np.outer(user_sizes, item_sizes)
    if num_interactions > clicks.sum():
        raise InvalidDataError(
            "num_interactions must not exceed the pairs that would be clicked if every user saw "
            f"every item, about {int(clicks.sum())}; got {num_interactions}"
        )
    intensity = np.outer(activity, rate)

    def expected(scale: float) -> float:
        return float((clicks * -np.expm1(-scale * intensity)).sum())

    if expected(MAX_SCALE) < num_interactions:
        raise InvalidDataError(
            "num_interactions must be reachable with this popularity_exponent and activity_sigma, "
            f"at most about {int(expected(MAX_SCALE))}; got {num_interactions}"
        )
    low, high = np.log(1e-12), np.log(MAX_SCALE)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(np.exp(middle)) < num_interactions else (low, middle)
    return float(np.exp(high))


def _pick(
    starts: NDArray[np.int64], sizes: NDArray[np.int64], floats: NDArray[np.float64], axis: int
) -> NDArray[np.int64]:
    """Turn floats of shape (user bins, item bins, samples) into places of bin members."""
    shape = [1, 1, 1]
    shape[axis] = len(starts)
    return starts.reshape(shape) + (floats * sizes.reshape(shape)).astype(np.int64)
