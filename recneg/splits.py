"""Interactions -> train, validation and test that share one id space, each from a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions, check_interactions
from recneg.keys import Key, as_key, random_bits

__all__ = [
    "Split",
    "carve_validation",
    "given_split",
    "leave_last_out",
    "random_split",
    "time_split",
]


@dataclass(frozen=True, repr=False)
class Split:
    """Train, validation and test over the same users and items.

    Attributes
    ----------
    train, validation, test : Interactions
        ``validation`` or ``test`` may be empty. Their ``num_users``, ``num_items`` and
        vocabularies are equal.
    """

    train: Interactions
    validation: Interactions
    test: Interactions

    def __post_init__(self) -> None:
        shapes = {(part.num_users, part.num_items) for part in self}
        if len(shapes) != 1:
            raise InvalidDataError(
                f"the parts of a split must share one id space; got shapes {shapes}"
            )

    def __iter__(self) -> Iterator[Interactions]:
        return iter((self.train, self.validation, self.test))

    def __repr__(self) -> str:
        return (
            f"Split({self.train.num_users} users, {self.train.num_items} items, "
            f"train {len(self.train)}, validation {len(self.validation)}, test {len(self.test)})"
        )

    @property
    def checksum(self) -> str:
        """SHA-256 (16 hex digits) of all three parts: equal splits have equal checksums."""
        digest = hashlib.sha256()
        for part in self:
            digest.update(np.array([part.num_users, part.num_items], np.int64).tobytes())
            digest.update(part.indptr.tobytes())
            digest.update(part.indices.tobytes())
        return digest.hexdigest()[:16]


def _parts(data: Interactions, part: NDArray[np.int8]) -> Split:
    """Build a split from a part number for each interaction: 0 train, 1 validation, 2 test."""
    return Split(*(data.select(part == number) for number in range(3)))


def _position_in_user(data: Interactions) -> NDArray[np.int64]:
    return np.arange(len(data)) - np.repeat(data.indptr[:-1], data.user_counts())


def _rank_in_user(
    data: Interactions, values: NDArray[np.int64] | NDArray[np.uint64]
) -> NDArray[np.int64]:
    """Rank `values` inside each user, 0 for the smallest; ties go to the smaller item id."""
    order = np.lexsort((values, data.users()))  # stable: keeps item order among ties
    ranks = np.empty(len(data), np.int64)
    ranks[order] = _position_in_user(data)
    return ranks


def _check_fractions(test: float, validation: float) -> None:
    for name, value in (("test", test), ("validation", validation)):
        if not 0 <= value < 1:
            raise ValueError(f"the {name} fraction must lie in [0, 1); got {value}")
    if test + validation >= 1:
        raise ValueError(
            f"test and validation must leave something to train on; got {test} + {validation}"
        )


def random_split(
    data: Interactions, *, test: float = 0.2, validation: float = 0.1, key: int | Key = 0
) -> Split:
    """Hold out a random share of each user's interactions.

    A user with m interactions gives ``floor(m * test + 1/2)`` to test and likewise to validation,
    but keeps at least one in train. Which ones depends on (key, user, item) alone, two indices, and
    not on the order of the rows.

    Parameters
    ----------
    data : Interactions
    test, validation : float
        Shares of each user's interactions, in ``[0, 1)``.
    key : int or Key
    """
    check_interactions(data, "data")
    _check_fractions(test, validation)
    priority = random_bits(as_key(key), data.users(), data.indices)
    ranks = _rank_in_user(data, priority)
    counts = data.user_counts()
    num_test = np.floor(counts * test + 0.5).astype(np.int64)
    num_validation = np.floor(counts * validation + 0.5).astype(np.int64)
    num_test = np.minimum(num_test, np.maximum(counts - 1, 0))
    num_validation = np.minimum(num_validation, np.maximum(counts - 1 - num_test, 0))
    return _by_rank(data, ranks, num_test, num_validation)


def _by_rank(
    data: Interactions,
    ranks: NDArray[np.int64],
    num_test: NDArray[np.int64],
    num_validation: NDArray[np.int64],
) -> Split:
    """Give each user's lowest ranks to test and the next to validation."""
    users = data.users()
    part = np.where(
        ranks < num_test[users], 2, np.where(ranks < (num_test + num_validation)[users], 1, 0)
    )
    return _parts(data, part.astype(np.int8))


def carve_validation(
    train: Interactions, fraction: float = 0.1, *, key: int | Key = 0
) -> tuple[Interactions, Interactions]:
    """Split a random share of each user's training interactions off for model selection."""
    split = random_split(train, test=0.0, validation=fraction, key=key)
    return split.train, split.validation


def _require_timestamps(data: Interactions, what: str) -> NDArray[np.int64]:
    if data.timestamps is None:
        raise InvalidDataError(f"{what} needs timestamps; the data have none")
    return data.timestamps


def leave_last_out(data: Interactions, *, test: int = 1, validation: int = 1) -> Split:
    """Hold out each user's last `test` interactions, and the `validation` before them.

    Users keep at least one interaction in train: those with fewer than ``test + validation + 1``
    give less. Equal timestamps are ordered by item id.
    """
    check_interactions(data, "data")
    if test < 0 or validation < 0:
        raise ValueError(f"counts must not be negative; got test={test}, validation={validation}")
    for name, count in (("test", test), ("validation", validation)):
        if isinstance(count, bool) or not isinstance(count, int | np.integer):
            raise ValueError(f"{name} must be an integer, of interactions; got {count!r}")
    timestamps = _require_timestamps(data, "leave-last-out")
    counts = data.user_counts()
    from_last = (counts - 1)[data.users()] - _rank_in_user(data, timestamps)
    num_test = np.minimum(test, np.maximum(counts - 1, 0))
    num_validation = np.minimum(validation, np.maximum(counts - 1 - num_test, 0))
    return _by_rank(data, from_last, num_test, num_validation)


def time_split(data: Interactions, *, test: float = 0.2, validation: float = 0.1) -> Split:
    """Hold out the newest share of all interactions, whoever they belong to.

    The two points in time are quantiles of the timestamps; interactions at a point itself go to
    the later part, so that nothing in train is newer than anything held out.
    """
    check_interactions(data, "data")
    _check_fractions(test, validation)
    timestamps = _require_timestamps(data, "a split by time")
    ordered = np.sort(timestamps)
    size = len(ordered)
    part = np.zeros(size, np.int8)
    for number, share in ((1, test + validation), (2, test)):
        held_out = int(size * share + 0.5)
        if held_out:
            part[timestamps >= ordered[size - held_out]] = number
    if not (part == 0).any():
        raise InvalidDataError(
            "a split by time must leave something to train on; the earliest timestamp, "
            f"{ordered[0] if size else None}, is held out already"
        )
    return _parts(data, part)


def given_split(
    train: Interactions, test: Interactions, validation: Interactions | None = None
) -> Split:
    """Use parts that were made elsewhere, after checking that they share one id space.

    Parameters
    ----------
    train, test : Interactions
    validation : Interactions, optional
        Default: empty.
    """
    check_interactions(train, "train")
    check_interactions(test, "test")
    if validation is None:
        validation = train.select(np.zeros(len(train), np.bool_))
    for part in (validation, test):
        for name in ("user_ids", "item_ids"):
            ours, theirs = getattr(train, name), getattr(part, name)
            if (ours is None) != (theirs is None) or (
                ours is not None and not np.array_equal(ours, theirs)
            ):
                raise InvalidDataError(
                    f"the parts of a split must share one id space; their {name} differ"
                )
    return Split(train, validation, test)
