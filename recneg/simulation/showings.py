"""From the truth to what is observed: which items each user examines, and which of them clicks."""

import numpy as np
from numpy.typing import NDArray

from recneg.jit import kernel
from recneg.keys import Key
from recneg.parallel import map_blocks
from recneg.simulation.latent import uniform
from recneg.simulation.truth import Truth, relevance_of

__all__ = ["observe"]

BLOCK = 512  # users a task; the largest number of items in flight is that of one block


@kernel
def _owner(edges: NDArray[np.float64], item: int, place: float) -> int:
    """Return the first item from `item` on whose stretch ends beyond `place`.

    ``place < edges[-1]``. Doubling steps, then bisection: the next item is usually near.
    """
    step = 1
    low = item
    high = item
    last = edges.size - 2
    while high < last and edges[high + 1] <= place:
        low = high + 1
        high = min(high + step, last)
        step *= 2
    while low < high:
        middle = (low + high) >> 1
        if edges[middle + 1] <= place:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _observe_users(
    start: int,
    stop: int,
    scale: float,
    activity: NDArray[np.float64],
    edges: NDArray[np.float64],
    user_factors: NDArray[np.float32],
    item_factors: NDArray[np.float32],
    bias: float,
    rates: tuple[float, float],
    showing_words: tuple[np.uint32, np.uint32],
    relevance_words: tuple[np.uint32, np.uint32],
    noise_words: tuple[np.uint32, np.uint32],
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return how many items each user clicked, and those items in rising order.

    The items lie side by side on a line, each as long as its rate; showings that are examined are a
    Poisson process on it. Walk from one point to the next by exponential gaps, and from there to
    the end of the item that was hit: the process has no memory, and a second hit changes nothing.
    Each step gives another examined item, so the work is that of the result, however popular an
    item or active a user is.
    """
    false_positive, false_negative = rates
    counts = np.zeros(stop - start, np.int64)
    found = np.empty(1024, np.int32)
    size = 0
    for user in range(start, stop):
        intensity = scale * activity[user]
        item = 0
        place = 0.0
        step = 0
        while True:
            place -= np.log1p(-uniform(showing_words[0], showing_words[1], user, step)) / intensity
            step += 1
            if not place < edges[-1]:
                break
            item = _owner(edges, item, place)
            relevant = uniform(relevance_words[0], relevance_words[1], user, item) < relevance_of(
                bias, user_factors, item_factors, user, item
            )
            chance = 1.0 - false_negative if relevant else false_positive
            if uniform(noise_words[0], noise_words[1], user, item) < chance:
                if size == found.size:
                    larger = np.empty(2 * size, np.int32)
                    larger[:size] = found
                    found = larger
                found[size] = item
                size += 1
                counts[user - start] += 1
            place = edges[item + 1]
            item += 1
    return counts, found[:size].copy()


def observe(
    truth: Truth, showing_key: Key, noise_key: Key
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the CSR row pointers and the items of all clicks."""

    def task(start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        return _observe_users(
            start,
            stop,
            truth.scale,
            truth.user_activity,
            truth.edges,
            truth.user_factors,
            truth.item_factors,
            truth.bias,
            (truth.false_positive_rate, truth.false_negative_rate),
            showing_key.words,
            truth.relevance_key.words,
            noise_key.words,
        )

    parts = map_blocks(task, truth.num_users, BLOCK)
    indptr = np.zeros(truth.num_users + 1, np.int64)
    np.cumsum(np.concatenate([counts for counts, _ in parts]), out=indptr[1:])
    return indptr, np.concatenate([items for _, items in parts])
