"""Users' histories as ragged batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recneg.interactions import Interactions
from recneg.jit import kernel
from recneg.keys import Key, random_bits

__all__ = ["capped", "histories"]


def capped(interactions: Interactions, most: int | None, key: Key) -> Interactions:
    """Return at most `most` interactions of each user: the latest, or without times random ones."""
    counts = interactions.user_counts()
    if most is None or not len(interactions) or counts.max() <= most:
        return interactions
    rows = np.arange(len(interactions))
    times = interactions.timestamps
    latest_first = np.zeros(len(rows), np.int64) if times is None else -times
    order = np.lexsort((random_bits(key, rows), latest_first, interactions.users()))
    keep = np.empty(len(rows), bool)
    keep[order] = rows - np.repeat(interactions.indptr[:-1], counts) < most
    return interactions.select(keep)


def histories(
    interactions: Interactions,
    users: NDArray[np.int64],
    targets: NDArray[np.int32] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the users' histories, without their targets, as places among the items met.

    Parameters
    ----------
    interactions : Interactions
    users : numpy.ndarray of int64, shape (num_groups,)
    targets : numpy.ndarray of int32, shape (num_groups,), optional
        An item that each user's history is to lack.

    Returns
    -------
    items : numpy.ndarray of int64, shape (num_items_met,)
        That are in any of the histories, each once.
    slots : numpy.ndarray of int64, shape (num_entries,)
        Where in `items` each entry is, one history after another.
    offsets : numpy.ndarray of int64, shape (num_groups + 1,)
        Where in `slots` each history begins.
    """
    counts = interactions.user_counts()[users]
    entries = interactions.indices[interactions.rows_of(users)]
    if targets is not None:
        owners = np.repeat(np.arange(len(users)), counts)
        kept = entries != targets[owners]
        entries = entries[kept]
        counts = np.bincount(owners[kept], minlength=len(users))
    items, slots = _distinct(entries, interactions.num_items)
    return items, slots, np.append(0, np.cumsum(counts))


@kernel
def _distinct(
    entries: NDArray[np.int32], num_items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the items among the entries, in the order in which they are met, and where each is."""
    place = np.full(num_items, -1, np.int32)
    items = np.empty(min(entries.size, num_items), np.int64)
    slots = np.empty(entries.size, np.int64)
    met = 0
    for index in range(entries.size):
        item = entries[index]
        if place[item] < 0:
            place[item] = met
            items[met] = item
            met += 1
        slots[index] = place[item]
    return items[:met].copy(), slots
