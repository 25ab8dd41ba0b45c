"""Several laws in one, with the log q of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.keys import Key, random_floats
from recneg.samplers.base import Sampler, TimedSampler

__all__ = ["Mixture"]


@dataclass(frozen=True, eq=False)
class Mixture(TimedSampler):
    """Each draw comes from one of several laws, chosen with the given weights.

    ``q(j|u) = sum_c w_c q_c(j|u)``: a draw reports this log q, not that of the law that it came
    from, so that importance corrections of a mixture are right. For a user for whom some of the
    laws have no item, the weights of the others are renormalised.

    Draws from every law and keeps one, so that it costs as much as all of them. Memory is that of
    the laws.

    Parameters
    ----------
    laws : sequence of Sampler
        Of the same users and items; at least one.
    weights : array_like of float, shape (len(laws),), optional
        Not negative, of any sum above 0. Default: equal.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg import Interactions, Popularity, Uniform
    >>> data = Interactions.from_arrays([0, 1, 2], [0, 1, 1], num_items=4)
    >>> mixed = Mixture((Popularity(data, 1.0), Uniform(data)), (0.5, 0.5))
    >>> np.exp(mixed.log_prob(0, np.arange(4))).round(3)
    array([0.   , 0.667, 0.167, 0.167], dtype=float32)
    """

    laws: Sequence[Sampler]
    weights: ArrayLike | None = None
    interactions: Interactions = field(init=False, repr=False)

    def __post_init__(self) -> None:
        laws = tuple(self.laws)
        if not laws:
            raise InvalidDataError("a mixture must have at least one law; got none")
        for law in laws:
            if not isinstance(law, Sampler):
                raise InvalidDataError(f"the laws of a mixture must be samplers; got {law!r}")
        sizes = {(law.num_users, law.num_items) for law in laws}
        if len(sizes) > 1:
            raise InvalidDataError(
                f"the laws of a mixture must have the same users and items; got {sorted(sizes)}"
            )
        w = np.ones(len(laws)) if self.weights is None else np.array(self.weights, np.float64)
        if w.shape != (len(laws),) or not (np.isfinite(w) & (w >= 0)).all() or not w.any():
            raise InvalidDataError(
                f"weights must be {len(laws)} finite numbers, not negative and not all zero; "
                f"got {w.tolist()}"
            )
        kept = [number for number in range(len(laws)) if w[number] > 0]
        w = w[kept] / w.sum()
        w.setflags(write=False)
        object.__setattr__(self, "laws", tuple(laws[number] for number in kept))
        object.__setattr__(self, "weights", w)
        object.__setattr__(self, "interactions", laws[0].interactions)

    @cached_property
    def unseen(self) -> bool:
        """Whether none of the laws draws what the user has interacted with, by one history."""
        own = self.interactions
        return all(law.unseen and _same_history(law.interactions, own) for law in self.laws)

    @property
    def depends_on_time(self) -> bool:
        """Whether one of the laws does."""
        return any(law.depends_on_time for law in self.laws)

    def _draw_at(
        self,
        users: NDArray[np.int64],
        num_negatives: int,
        key: Key,
        rows: NDArray[np.int64],
        times: NDArray[np.int64] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        shape = (users.size, num_negatives)
        if num_negatives == 0:
            return np.empty(shape, np.int64), np.empty(shape, np.float32)
        drawn = [
            law.draw_checked(users, num_negatives, key.fold_in(1 + number), rows, times)[0]
            for number, law in enumerate(self.laws)
        ]
        shares = self._shares(np.stack([items[:, 0] >= 0 for items in drawn]))
        choice = random_floats(key.fold_in(0), rows[:, None], np.arange(num_negatives)[None])
        items, edge = np.full(shape, -1), np.ones(users.size)  # where the part of a law ends
        for share, candidates in zip(shares[::-1], drawn[::-1], strict=True):
            edge = edge - share  # the last able law starts at 0, up to rounding
            items = np.where(
                (items < 0) | (choice < edge[:, None] + share[:, None]), candidates, items
            )
        when = None if times is None else np.broadcast_to(times[:, None], shape)
        owners = np.broadcast_to(users[:, None], shape)
        log_q = self._log_sum(owners, np.maximum(items, 0), when, shares[:, :, None])
        log_q[items < 0] = -np.inf
        return items, log_q.astype(np.float32)

    def _log_prob_at(
        self, users: NDArray[np.int64], items: NDArray[np.int64], times: NDArray[np.int64] | None
    ) -> NDArray[np.float64]:
        who = users.flatten()
        when = None if times is None else times.flatten()
        rows = np.zeros(who.size, np.int64)
        able = [law.draw_checked(who, 1, Key(0), rows, when)[0][:, 0] >= 0 for law in self.laws]
        shares = self._shares(np.stack(able)).reshape(-1, *users.shape)
        return self._log_sum(users, items, times, shares)

    def _shares(self, able: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return each law's share for each user, (laws, batch); 0 in all where none is able."""
        shares = np.asarray(self.weights)[:, None] * able
        total = shares.sum(axis=0)
        return np.asarray(shares / np.where(total > 0, total, 1.0))

    def _log_sum(
        self,
        users: NDArray[np.int64],
        items: NDArray[np.int64],
        times: NDArray[np.int64] | None,
        shares: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        total = np.zeros(items.shape)
        for share, law in zip(shares, self.laws, strict=True):
            total += share * np.exp(law._log_prob_at(users, items, times))
        with np.errstate(divide="ignore"):
            return np.log(total)


def _same_history(one: Interactions, other: Interactions) -> bool:
    return one is other or (
        np.array_equal(one.indptr, other.indptr) and np.array_equal(one.indices, other.indices)
    )
