"""The contract of every sampler: a frozen law q(item | user), drawn from under a key."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError, InvalidIdError, NoNegativeError
from recneg.interactions import Interactions, check_ids
from recneg.keys import Key, as_key
from recneg.parallel import get_num_threads, map_blocks
from recneg.samplers.arrays import numpy_and_back
from recneg.samplers.draws import draw_into
from recneg.samplers.law import Law

__all__ = ["Negatives", "Sampler", "TimedSampler"]

ROW_LIMIT = 2**63 - 1

LEAST_DRAWS, MOST_DRAWS = 1 << 13, 1 << 16
"""Draws that one task makes: enough to be worth handing over, few enough for scratch memory."""


class Negatives(NamedTuple):
    """What `Sampler.sample` returns: three arrays of shape (batch, num_negatives).

    Attributes
    ----------
    items : int64
        -1 where `mask` is false.
    log_q : float32
        Natural logarithm of the probability of each item under the user's law.
    mask : bool
        False where a user has no admissible item; only with ``exhausted="mask"``.
    """

    items: Any
    log_q: Any
    mask: Any


class Sampler(ABC):
    """A conditional law q(item | user). It holds no random state and never changes.

    A new law subclasses this with a frozen dataclass that has a field ``interactions`` and the two
    methods `_draw` and `_log_prob`; see ``docs/adding-a-sampler.md``.
    """

    interactions: Interactions

    @property
    def unseen(self) -> bool:
        """Whether the law never draws what the user has interacted with; a law that does says so.

        `recneg.testing.check_sampler` holds it to that.
        """
        return False

    @property
    def depends_on_time(self) -> bool:
        """Whether draws differ with ``times``."""
        return False

    @property
    def num_users(self) -> int:
        """Users are ``0 .. num_users - 1``."""
        return self.interactions.num_users

    @property
    def num_items(self) -> int:
        """Items are ``0 .. num_items - 1``."""
        return self.interactions.num_items

    @property
    def law(self) -> Law | None:
        """The law as data, which `sample` and the trainers then draw from; else None."""
        return None

    @abstractmethod
    def _draw(
        self, users: NDArray[np.int64], num_negatives: int, key: Key, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Draw (items, log_q), each (batch, num_negatives); item -1 where a user has none.

        Entry ``[r, j]`` must depend on ``(key, users[r], rows[r], j)`` alone: take the bits from
        `recneg.keys`.
        """

    @abstractmethod
    def _log_prob(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return log q(item | user) for two arrays of one shape; -inf off the support."""

    def _draw_at(
        self,
        users: NDArray[np.int64],
        num_negatives: int,
        key: Key,
        rows: NDArray[np.int64],
        times: NDArray[np.int64] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Draw for rows that happened at `times`; a law that depends on time overrides this."""
        return self._draw(users, num_negatives, key, rows)

    def _log_prob_at(
        self, users: NDArray[np.int64], items: NDArray[np.int64], times: NDArray[np.int64] | None
    ) -> NDArray[np.float64]:
        """Return log q(item | user, time); a law that depends on time overrides this."""
        return self._log_prob(users, items)

    @final
    def sample(
        self,
        users: Any,
        num_negatives: int = 1,
        *,
        key: int | Key,
        rows: Any = None,
        times: Any = None,
        exhausted: Literal["error", "mask"] = "error",
    ) -> Negatives:
        """Draw negatives for a batch of users.

        Parameters
        ----------
        users : int array, shape (batch,)
            NumPy or torch, on any device; indices in ``[0, num_users)``.
        num_negatives : int
            Draws for each row, independent and with replacement. May be 0.
        key : int or Key
            Draw j of row r depends on (key, user, row number, j) alone. Use a new key for every
            step: ``Key(seed).fold_in(epoch).fold_in(step)``.
        rows : int array, shape (batch,), optional
            Global row numbers, for a batch that is one part of a larger one. Default:
            ``0 .. batch - 1``.
        times : int array, shape (batch,), optional
            When each row happened, on the clock of the timestamps. Laws that depend on time draw
            for that moment; the others draw the same as without.
        exhausted : {"error", "mask"}
            What to do for a user who has no admissible item: raise, or return item -1 with
            ``mask`` false and ``log_q`` -inf.

        Returns
        -------
        Negatives
            Arrays of the same kind as `users`, on the same device.

        Raises
        ------
        InvalidIdError
            For users, rows or times that are not integers in their range.
        NoNegativeError
            For a user without an admissible item, naming the first five.
        """
        if isinstance(num_negatives, bool) or not isinstance(num_negatives, (int, np.integer)):
            raise TypeError(f"num_negatives must be an integer; got {num_negatives!r}")
        if not 0 <= num_negatives < 1 << 31:
            raise ValueError(f"num_negatives must lie in [0, 2**31); got {num_negatives}")
        if exhausted not in ("error", "mask"):
            raise ValueError(f"exhausted must be 'error' or 'mask'; got {exhausted!r}")
        array, back = numpy_and_back(users)
        u = check_ids(array, "user", self.num_users)
        if u.ndim != 1:
            raise InvalidIdError(f"users must be a vector, shape (batch,); got shape {array.shape}")
        if rows is None:
            r = np.arange(u.size)
        else:
            r = check_ids(numpy_and_back(rows)[0], "row", ROW_LIMIT)
            if r.shape != u.shape:
                raise InvalidIdError(f"rows must have the shape of users, {u.shape}; got {r.shape}")
        t = None if times is None else check_times(numpy_and_back(times)[0], u.shape)
        items, log_q = self._draw_blocks(u, int(num_negatives), as_key(key), r, t)
        mask = items >= 0
        if exhausted == "error" and not mask.all():
            self._raise_exhausted(u[~mask.all(axis=1)])
        return Negatives(back(items), back(log_q), back(mask))

    def _draw_blocks(
        self,
        users: NDArray[np.int64],
        num_negatives: int,
        key: Key,
        rows: NDArray[np.int64],
        times: NDArray[np.int64] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Draw on all threads: rows do not depend on each other, so any law can be split."""
        items = np.empty((users.size, num_negatives), np.int64)
        log_q = np.empty((users.size, num_negatives), np.float32)
        law = self.law

        def block(start: int, stop: int) -> None:
            part = slice(start, stop)
            if law is not None:  # our own kernels: what they write needs no check
                draw_into(law, key, users[part], rows[part], items[part], log_q[part])
                return
            when = None if times is None else times[part]
            drawn = self.draw_checked(users[part], num_negatives, key, rows[part], when)
            items[part], log_q[part] = drawn

        share = -(-users.size * num_negatives // get_num_threads())
        draws = min(max(share, LEAST_DRAWS), MOST_DRAWS)
        map_blocks(block, users.size, max(-(-draws // max(num_negatives, 1)), 1))
        return items, log_q

    @final
    def draw_checked(
        self,
        users: NDArray[np.int64],
        num_negatives: int,
        key: Key,
        rows: NDArray[np.int64],
        times: NDArray[np.int64] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Draw on this thread, for code that has checked users and rows; for trainers.

        Raises
        ------
        InvalidDataError
            If the law does not return items and log q of the promised shape and range: compiled
            kernels would write beyond their arrays.
        """
        drawn = self._draw_at(users, num_negatives, key, rows, times)
        shape = (users.size, num_negatives)
        kinds = [
            (part.shape, part.dtype.kind) if isinstance(part, np.ndarray) else None
            for part in (drawn if isinstance(drawn, tuple) else (drawn,))
        ]
        if kinds != [(shape, "i"), (shape, "f")]:
            raise InvalidDataError(
                f"_draw of {type(self).__name__} must return (items, log_q), an int and a float "
                f"array of shape {shape}; got {kinds}"
            )
        items, log_q = drawn
        if items.size and not (items.min() >= -1 and items.max() < self.num_items):
            raise InvalidIdError(
                f"_draw of {type(self).__name__} must return items in [0, {self.num_items}), or -1 "
                f"for none; got {items.min()} to {items.max()}"
            )
        return items.astype(np.int64, copy=False), log_q.astype(np.float32, copy=False)

    def _raise_exhausted(self, users: NDArray[np.int64]) -> None:
        without = np.unique(users)
        raw = self.interactions.user_ids
        named = ", ".join(
            str(user) if raw is None else f"{user} (id {raw[user]})" for user in without[:5]
        )
        more = ", ..." if len(without) > 5 else ""
        have = "has" if len(without) == 1 else "have"
        raise NoNegativeError(
            f"every user must have an item that {type(self).__name__} may draw; "
            f"{len(without)} of this batch {have} none: {named}{more} "
            "(drop them; sample alone can leave them out, with exhausted='mask')"
        )

    @final
    def log_prob(self, users: Any, items: Any, *, times: Any = None) -> Any:
        """Return log q(item | user), float32, normalised per user over all items.

        Parameters
        ----------
        users, items : int arrays
            NumPy or torch, broadcast against each other; users of shape (batch,) and items of shape
            (batch, n) are matched row by row.
        times : int array of the shape of users, optional
            The moments that laws which depend on time are asked for.

        Returns
        -------
        array of float32, of the broadcast shape
            -inf for items that the user's law never draws.
        """
        array, back = numpy_and_back(items)
        i = check_ids(array, "item", self.num_items)
        u = check_ids(numpy_and_back(users)[0], "user", self.num_users)
        t = None if times is None else check_times(numpy_and_back(times)[0], u.shape)
        if u.ndim == 1 and i.ndim == 2 and len(u) == len(i):
            u, t = u[:, None], None if t is None else t[:, None]
        u, i = np.broadcast_arrays(u, i)
        t = None if t is None else np.broadcast_to(t, u.shape)
        return back(self._log_prob_at(u, i, t).astype(np.float32))


class TimedSampler(Sampler):
    """Base of laws that depend on time or hand it on: `_draw_at` and `_log_prob_at` say it all.

    ``times=None`` asks for the law without a moment.
    """

    @final
    def _draw(
        self, users: NDArray[np.int64], num_negatives: int, key: Key, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return self._draw_at(users, num_negatives, key, rows, None)

    @final
    def _log_prob(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._log_prob_at(users, items, None)

    @abstractmethod
    def _draw_at(
        self,
        users: NDArray[np.int64],
        num_negatives: int,
        key: Key,
        rows: NDArray[np.int64],
        times: NDArray[np.int64] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...

    @abstractmethod
    def _log_prob_at(
        self, users: NDArray[np.int64], items: NDArray[np.int64], times: NDArray[np.int64] | None
    ) -> NDArray[np.float64]: ...


def check_times(times: Any, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return `times` as int64 after checking that they are integers, one for each row."""
    array = np.asarray(times)
    wide = array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max
    if array.shape != shape or (array.dtype.kind not in "iu" and array.size) or wide:
        raise InvalidIdError(
            f"times must be integers below 2**63 of the shape of users, {shape}; "
            f"got {array.dtype} of shape {array.shape}"
        )
    return array.astype(np.int64, copy=False)
