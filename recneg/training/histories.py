"""Users' histories as ragged batches: items one after another, and whose each is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recneg.interactions import Interactions
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
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the items of the users' histories, without their targets, and whose each is.

    Parameters
    ----------
    interactions : Interactions
    users : numpy.ndarray of int64, shape (num_groups,)
    targets : numpy.ndarray of int32, shape (num_groups,), optional
        An item that each user's history is to lack.

    Returns
    -------
    items : numpy.ndarray of int64, shape (num_entries,)
    owners : numpy.ndarray of int64, shape (num_entries,)
        Positions in `users`, ascending.
    """
    owners = np.repeat(np.arange(len(users)), interactions.user_counts()[users])
    items = interactions.indices[interactions.rows_of(users)]
    if targets is not None:
        kept = items != targets[owners]
        items, owners = items[kept], owners[kept]
    return items.astype(np.int64), owners
