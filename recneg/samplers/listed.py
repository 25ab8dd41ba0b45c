"""Laws over a list of items of each user: CSR with multiplicities, and one kernel for all."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.interactions import Interactions
from recneg.jit import kernel
from recneg.keys import Key, below
from recneg.samplers.base import Sampler

__all__ = ["ItemLists", "ListedSampler", "item_lists"]


class ItemLists(NamedTuple):
    """Items of each user with how often each is listed; 8 bytes a user, 12 an entry.

    Attributes
    ----------
    indptr : numpy.ndarray of int64, shape (num_users + 1,)
    items : numpy.ndarray of int32
        Sorted and distinct inside each user.
    running : numpy.ndarray of int64
        How often the user's items up to and with this one are listed.
    """

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]
    running: NDArray[np.int64]


def item_lists(
    interactions: Interactions, users: NDArray[np.int64], items: NDArray[np.int64]
) -> ItemLists:
    """Return the lists of the pairs (user, item) without what the user has interacted with."""
    pairs, counts = np.unique(users * interactions.num_items + items, return_counts=True)
    u, i = np.divmod(pairs, max(interactions.num_items, 1))
    free = ~interactions.contains(u, i)
    u, i, counts = u[free], i[free], counts[free]
    indptr = np.zeros(interactions.num_users + 1, np.int64)
    np.cumsum(np.bincount(u, minlength=interactions.num_users), out=indptr[1:])
    total = np.concatenate(([0], np.cumsum(counts)))
    running = total[1:] - np.repeat(total[indptr[:-1]], np.diff(indptr))
    return ItemLists(indptr, i.astype(np.int32), running)


class ListedSampler(Sampler):
    """Base of the laws that draw an entry of the user's list, each with equal probability.

    A subclass is a frozen dataclass that gives `lists`. A draw is one bounded integer and a
    bisection of the user's list.
    """

    @property
    @abstractmethod
    def lists(self) -> ItemLists:
        """What may be drawn for each user."""

    def _draw(
        self, users: NDArray[np.int64], num_negatives: int, key: Key, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        items = np.empty((users.size, num_negatives), np.int64)
        log_q = np.empty((users.size, num_negatives), np.float32)
        _draw_listed(self.lists, *key.words, users, rows, items, log_q)
        return items, log_q

    def _log_prob(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        out = np.empty(items.shape, np.float64)
        _listed_log_prob(self.lists, users.flatten(), items.flatten(), out.reshape(-1))
        return out


@kernel
def _draw_listed(
    lists: ItemLists,
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    rows: NDArray[np.int64],
    items: NDArray[np.int64],
    log_q: NDArray[np.float32],
) -> None:
    indptr, listed, running = lists
    for r in range(users.size):
        begin, end = indptr[users[r]], indptr[users[r] + 1]
        if begin == end:
            items[r], log_q[r] = -1, -np.inf
            continue
        total = running[end - 1]
        for slot in range(items.shape[1]):
            unit = below(k0, k1, rows[r], slot, total)
            low, high = begin, end - 1
            while low < high:
                middle = (low + high) >> 1
                if running[middle] <= unit:
                    low = middle + 1
                else:
                    high = middle
            count = running[low] - (running[low - 1] if low > begin else 0)
            items[r, slot] = listed[low]
            log_q[r, slot] = np.log(count / total)


@kernel
def _listed_log_prob(
    lists: ItemLists,
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    indptr, listed, running = lists
    for index in range(out.size):
        begin, end = indptr[users[index]], indptr[users[index] + 1]
        low, high = begin, end
        while low < high:
            middle = (low + high) >> 1
            if listed[middle] < items[index]:
                low = middle + 1
            else:
                high = middle
        if low == end or listed[low] != items[index]:
            out[index] = -np.inf
            continue
        count = running[low] - (running[low - 1] if low > begin else 0)
        out[index] = np.log(count / running[end - 1])
