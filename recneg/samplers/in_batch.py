"""Negatives from the batch: the other rows' positives, masked by each row's full history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError, InvalidIdError
from recneg.interactions import Interactions, check_ids, check_interactions
from recneg.jit import kernel
from recneg.keys import Key, below
from recneg.samplers.arrays import numpy_and_back
from recneg.samplers.base import Negatives, Sampler
from recneg.samplers.frequency import checked_frequency, log_frequency

__all__ = ["InBatch", "shared_by_rows"]


class _Batch(NamedTuple):
    """Distinct items of the batch, sorted, and how many positives lie before each."""

    items: NDArray[np.int64]
    before: NDArray[np.int64]  # one more entry than items: the last is the size of the batch


@dataclass(frozen=True, eq=False)
class InBatch(Sampler):
    """The positives of a batch as candidates for every row of it.

    What a user has interacted with is masked by the row's **full history**, not only where the ids
    of the batch are equal: the larger the batch, the more of it a heavy user has seen.

    There are two ways to use it. `sample` draws from the law "a positive of this batch, that the
    user has not seen, each with equal probability", whose log q is exact given the batch. `shared`
    returns all positives of the batch for all rows, as an in-batch softmax takes them, with the
    log-frequency of each item: over many batches an item is a candidate in proportion to its
    popularity, and Yi et al. ("Sampling-bias-corrected neural modeling for large corpus item
    recommendations", RecSys 2019) subtract this log q from the scores, the positive's included.

    24 bytes a positive of the batch, whatever the numbers of users and items.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    positives : int array, shape (size,)
        The positive items of the batch.
    frequency : numpy.ndarray of float, shape (num_items,), optional
        Probability of each item at a draw of the batch, for `shared`: counts of the training
        interactions by their sum (the default), or what a `FrequencyEstimator` says for the size
        of the batch. A common factor, as of frequencies of whole batches, cancels in a softmax.

    Examples
    --------
    >>> from recneg import Interactions
    >>> train = Interactions.from_arrays([0, 0, 1, 2], [0, 2, 1, 2], num_items=4)
    >>> batch = InBatch(train, [0, 1, 2])  # of the rows (0, 0), (1, 1) and (2, 2)
    >>> batch.shared([0, 1, 2]).mask.tolist()  # user 0 has seen item 2 as well
    [[False, True, False], [True, False, True], [True, True, False]]
    >>> batch.shared([0, 1, 2]).log_q[0].round(2)
    array([-1.39, -1.39, -0.69], dtype=float32)
    """

    unseen: ClassVar[bool] = True

    interactions: Interactions
    positives: NDArray[np.int64]
    frequency: NDArray[np.float64] | None = None
    _batch: _Batch = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_interactions(self.interactions, "interactions")
        positives = check_ids(numpy_and_back(self.positives)[0], "item", self.num_items)
        if positives.ndim != 1:
            raise InvalidDataError(f"positives must be a vector; got shape {positives.shape}")
        if self.frequency is not None:
            frequency = checked_frequency(self.frequency, self.num_items)
            object.__setattr__(self, "frequency", frequency)
        kept = positives.copy()
        kept.setflags(write=False)
        items, counts = np.unique(kept, return_counts=True)
        object.__setattr__(self, "positives", kept)
        object.__setattr__(self, "_batch", _Batch(items, np.append(0, np.cumsum(counts))))

    def shared(self, users: NDArray[np.int64]) -> Negatives:
        """Return the whole batch as candidates of each row.

        Parameters
        ----------
        users : int array, shape (batch,)
            NumPy or torch.

        Returns
        -------
        Negatives
            Each of shape (batch, size): `items` are the positives in every row, `mask` is false
            where the user has seen the item, and `log_q` is the item's log-frequency, the same for
            all users and not renormalised for the mask.
        """
        log_q = log_frequency(self.interactions, self.positives, self.frequency)
        return shared_by_rows(self.interactions, users, self.positives, log_q)

    def _draw(
        self, users: NDArray[np.int64], num_negatives: int, key: Key, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        items = np.empty((users.size, num_negatives), np.int64)
        log_q = np.empty((users.size, num_negatives), np.float32)
        data = self.interactions
        _draw_unseen(self._batch, data.indptr, data.indices, *key.words, users, rows, items, log_q)
        return items, log_q

    def _log_prob(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        batch, data = self._batch, self.interactions
        owners, inverse = np.unique(users, return_inverse=True)
        free = _free_masses(batch, data.indptr, data.indices, owners)[inverse].reshape(users.shape)
        place = np.minimum(np.searchsorted(batch.items, items), max(batch.items.size - 1, 0))
        if batch.items.size == 0:
            return np.full(items.shape, -np.inf)
        count = np.where(batch.items[place] == items, np.diff(batch.before)[place], 0)
        count = np.where(data.contains(users, items), 0, count)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(count > 0, np.log(count) - np.log(free), -np.inf)


def shared_by_rows(
    interactions: Interactions,
    users: Any,
    items: NDArray[np.int64],
    log_q: NDArray[np.float32],
) -> Negatives:
    """Return the same candidates for each of `users`, masked by each one's history."""
    array, back = numpy_and_back(users)
    u = check_ids(array, "user", interactions.num_users)
    if u.ndim != 1:
        raise InvalidIdError(f"users must be a vector, shape (batch,); got shape {array.shape}")
    shared = np.repeat(items[None], u.size, axis=0)
    mask = ~interactions.contains(u[:, None], shared)
    return Negatives(back(shared), back(np.repeat(log_q[None], u.size, axis=0)), back(mask))


@kernel
def _seen_places(
    batch_items: NDArray[np.int64],
    history: NDArray[np.int32],
    places: NDArray[np.int64],
) -> int:
    """Fill the places of the batch's items that the history holds; return how many.

    The shorter list is walked, the longer one searched.
    """
    found = 0
    if history.size <= batch_items.size:
        for item in history:
            here = np.searchsorted(batch_items, np.int64(item))
            if here < batch_items.size and batch_items[here] == item:
                places[found] = here
                found += 1
        return found
    for place in range(batch_items.size):
        at = np.searchsorted(history, np.int32(batch_items[place]))
        if at < history.size and history[at] == batch_items[place]:
            places[found] = place
            found += 1
    return found


@kernel
def _free_masses(
    batch: _Batch,
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    users: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return how many positives of the batch each user has not seen."""
    items, before = batch
    places = np.empty(items.size, np.int64)
    out = np.empty(users.size, np.int64)
    for index in range(users.size):
        history = indices[indptr[users[index]] : indptr[users[index] + 1]]
        out[index] = before[-1]
        for k in range(_seen_places(items, history, places)):
            out[index] -= before[places[k] + 1] - before[places[k]]
    return out


@kernel
def _draw_unseen(
    batch: _Batch,
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    rows: NDArray[np.int64],
    items: NDArray[np.int64],
    log_q: NDArray[np.float32],
) -> None:
    """Draw a rank among the unseen positives, then skip the seen ones below it."""
    distinct, before = batch
    places = np.empty(distinct.size, np.int64)
    free_below = np.empty(distinct.size, np.int64)  # unseen positives before each seen item
    num_seen, last_user = 0, np.int64(-1)
    free: Any = np.int64(0)
    for r in range(users.size):
        if users[r] != last_user:  # the rows of a user often follow each other
            last_user = users[r]
            history = indices[indptr[last_user] : indptr[last_user + 1]]
            num_seen = _seen_places(distinct, history, places)
            skipped = np.int64(0)
            for k in range(num_seen):
                free_below[k] = before[places[k]] - skipped
                skipped += before[places[k] + 1] - before[places[k]]
            free = before[-1] - skipped
        if free == 0:
            items[r], log_q[r] = -1, -np.inf
            continue
        for slot in range(items.shape[1]):
            rank = below(k0, k1, rows[r], slot, free)
            passed = np.searchsorted(free_below[:num_seen], rank, "right")
            if passed > 0:  # the last seen item ends `rank - free_below` before the drawn one
                last = places[passed - 1]
                rank += before[last + 1] - free_below[passed - 1]
            place = np.searchsorted(before, rank, "right") - 1
            items[r, slot] = distinct[place]
            log_q[r, slot] = np.log((before[place + 1] - before[place]) / free)
