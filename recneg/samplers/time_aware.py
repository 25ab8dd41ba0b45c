"""Negatives that existed at the moment of the row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.csr import sort_rows
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions, check_interactions
from recneg.jit import kernel
from recneg.keys import Key, below
from recneg.parallel import map_blocks
from recneg.samplers.base import TimedSampler

__all__ = ["TimeAware"]

NEVER = np.iinfo(np.int64).max


class _Order(NamedTuple):
    """Items in order of birth, and each user's history as ranks in that order."""

    items: NDArray[np.int32]  # by birth, then id
    ranks: NDArray[np.int32]  # of each item
    births: NDArray[np.int64]  # sorted; those that never happen are cut off
    indptr: NDArray[np.int64]
    seen: NDArray[np.int32]  # sorted ranks of each user's items


@dataclass(frozen=True, eq=False)
class TimeAware(TimedSampler):
    """Uniform over the unseen items that existed at the time of the row.

    An item that appeared later tells apart old rows from new ones, not good items from bad: drawn
    as a negative it teaches a model that new items are bad. ``sample(..., times=...)`` draws for
    the moment of each row, and trainers pass the timestamps of the interactions. Without times the
    law is that of the moment `at`.

    The history excludes all that the user has interacted with, before the moment or after. A draw
    is one bounded integer and a bisection of the history. 24 bytes an item, 4 an interaction.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    item_times : int array, shape (num_items,), optional
        When each item appeared, on the clock of the timestamps. Default: its first interaction;
        an item without one never appears. `Interactions` keep the last time of a pair that occurs
        again, so that data with repeats, as of plays, need the times of the items.
    at : int, optional
        The moment of draws without times. Default: after all.

    Examples
    --------
    >>> from recneg import Interactions
    >>> data = Interactions.from_arrays([0, 1, 1], [0, 1, 2], timestamps=[10, 20, 30])
    >>> TimeAware(data).sample([0, 0], 2, key=1, times=[20, 20]).items.tolist()
    [[1, 1], [1, 1]]
    """

    unseen: ClassVar[bool] = True

    interactions: Interactions
    item_times: NDArray[np.int64] | None = None
    at: int | None = None
    _order: _Order = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_interactions(self.interactions, "interactions")
        data = self.interactions
        if self.item_times is None:
            if data.timestamps is None:
                raise InvalidDataError(
                    "TimeAware must have item_times, or interactions with timestamps; got neither"
                )
            times = np.full(data.num_items, NEVER)
            np.minimum.at(times, data.indices, data.timestamps)
        else:
            times = np.array(self.item_times)
            wide = times.dtype.kind == "u" and times.size and times.max() > NEVER
            if times.shape != (data.num_items,) or times.dtype.kind not in "iu" or wide:
                raise InvalidDataError(
                    f"item_times must be integers below 2**63 of shape ({data.num_items},); "
                    f"got {times.dtype} of shape {times.shape}"
                )
            times = times.astype(np.int64)
        if self.at is not None and not (
            isinstance(self.at, (int, np.integer)) and -NEVER <= self.at < NEVER
        ):
            raise InvalidDataError(f"at must be an integer below 2**63 - 1; got {self.at!r}")
        items = np.argsort(times, kind="stable").astype(np.int32)
        ranks = np.empty(data.num_items, np.int32)
        ranks[items] = np.arange(data.num_items, dtype=np.int32)
        births = times[items[: int(np.searchsorted(times[items], NEVER))]]
        seen = ranks[data.indices]
        map_blocks(lambda a, b: sort_rows(data.indptr, seen, a, b), data.num_users, 1 << 12)
        times.setflags(write=False)
        object.__setattr__(self, "item_times", times)
        object.__setattr__(self, "_order", _Order(items, ranks, births, data.indptr, seen))

    @property
    def depends_on_time(self) -> bool:
        """Always."""
        return True

    def _now(self, users: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.full(users.shape, NEVER - 1 if self.at is None else self.at, np.int64)

    def _draw_at(
        self,
        users: NDArray[np.int64],
        num_negatives: int,
        key: Key,
        rows: NDArray[np.int64],
        times: NDArray[np.int64] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        times = self._now(users) if times is None else times
        items = np.empty((users.size, num_negatives), np.int64)
        log_q = np.empty((users.size, num_negatives), np.float32)
        born = np.searchsorted(self._order.births, times, "right")
        _draw_born(self._order, *key.words, users, rows, born, items, log_q)
        return items, log_q

    def _log_prob_at(
        self, users: NDArray[np.int64], items: NDArray[np.int64], times: NDArray[np.int64] | None
    ) -> NDArray[np.float64]:
        times = self._now(users) if times is None else times
        order = self._order
        born = np.searchsorted(order.births, times, "right")
        free = born - _seen_below(order, users.flatten(), born.flatten()).reshape(users.shape)
        possible = (order.ranks[items] < born) & ~self.interactions.contains(users, items)
        with np.errstate(divide="ignore"):
            return np.where(possible, -np.log(free), -np.inf)


@kernel
def _count_below(seen: NDArray[np.int32], begin: int, end: int, bound: int) -> int:
    low, high = begin, end
    while low < high:
        middle = (low + high) >> 1
        if seen[middle] < bound:
            low = middle + 1
        else:
            high = middle
    return low - begin


@kernel
def _seen_below(
    order: _Order, users: NDArray[np.int64], born: NDArray[np.int64]
) -> NDArray[np.int64]:
    out = np.empty(users.size, np.int64)
    for index in range(users.size):
        begin, end = order.indptr[users[index]], order.indptr[users[index] + 1]
        out[index] = _count_below(order.seen, begin, end, born[index])
    return out


@kernel
def _draw_born(
    order: _Order,
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    rows: NDArray[np.int64],
    born: NDArray[np.int64],
    items: NDArray[np.int64],
    log_q: NDArray[np.float32],
) -> None:
    """Rank shifting among the first ``born[r]`` items in order of birth."""
    by_birth, _, _, indptr, seen = order
    for r in range(users.size):
        begin = indptr[users[r]]
        excluded = _count_below(seen, begin, indptr[users[r] + 1], born[r])
        free = born[r] - excluded
        if free == 0:
            items[r], log_q[r] = -1, -np.inf
            continue
        for slot in range(items.shape[1]):
            rank = below(k0, k1, rows[r], slot, free)
            low, high = 0, excluded  # how many seen items have at most `rank` free ones before them
            while low < high:
                middle = (low + high) >> 1
                if seen[begin + middle] - middle <= rank:
                    low = middle + 1
                else:
                    high = middle
            items[r, slot] = by_birth[rank + low]
            log_q[r, slot] = -np.log(np.float64(free))
