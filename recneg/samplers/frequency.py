"""How often an item turns up in a batch: from counts, or estimated from the stream itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.interactions import ID_LIMIT, Interactions, check_ids
from recneg.keys import Key, as_key, random_integers

__all__ = ["FrequencyEstimator", "checked_frequency", "log_frequency"]


def checked_frequency(frequency: ArrayLike, num_items: int) -> NDArray[np.float64]:
    """Return a read-only copy of item frequencies after checking shape, sign and size."""
    values = np.array(frequency, np.float64)
    if values.shape != (num_items,):
        raise InvalidDataError(f"frequency must have shape ({num_items},); got {values.shape}")
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        item = int(np.argmax(wrong))
        raise InvalidDataError(
            f"frequency must be finite and not negative; got {values[item]} for item {item}"
        )
    values.setflags(write=False)
    return values


def log_frequency(
    interactions: Interactions, items: NDArray[np.int64], frequency: NDArray[np.float64] | None
) -> NDArray[np.float32]:
    """Return the logarithm of `frequency`, or else of the share of the interactions, of `items`."""
    if frequency is None:
        shares = interactions.item_counts()[items] / max(len(interactions), 1)
    else:
        shares = np.asarray(frequency, np.float64)[items]
    with np.errstate(divide="ignore"):
        return np.log(shares).astype(np.float32)


class FrequencyEstimator:
    """Item frequencies of a stream of batches, without counting them beforehand.

    Yi et al. ("Sampling-bias-corrected neural modeling for large corpus item recommendations",
    RecSys 2019), algorithm 2: every item remembers the step it was last seen at and a moving
    average of the gap between its steps; the frequency is one by the gap. Hashed tables keep the
    memory fixed: an item takes the largest gap of its `num_hashes` buckets, since a collision can
    only shorten one.

    The tables are the state of a stream and not of a law: this object changes, and what it says
    goes into samplers as ``frequency``. 16 bytes a bucket.

    Parameters
    ----------
    num_buckets : int
        Buckets of each table; about the number of items, or more.
    num_hashes : int, default 2
    rate : float, default 0.05
        Weight of the newest gap, in (0, 1]: smaller is steadier, larger follows faster.
    initial_gap : float, default 1e4
        The gap of an item that was seen less than twice.
    key : int or Key, default 0
        Of the hashes.

    Examples
    --------
    >>> import numpy as np
    >>> stream = FrequencyEstimator(100, rate=0.2)
    >>> for step in range(400):
    ...     stream.update([0, 1] if step % 4 == 0 else [0])
    >>> stream.probability([0, 1]).round(2).tolist()
    [1.0, 0.25]
    """

    def __init__(
        self,
        num_buckets: int,
        *,
        num_hashes: int = 2,
        rate: float = 0.05,
        initial_gap: float = 1e4,
        key: int | Key = 0,
    ) -> None:
        for name, count in (("num_buckets", num_buckets), ("num_hashes", num_hashes)):
            check_count(count, name)
        if not 0 < rate <= 1:
            raise InvalidDataError(f"rate must lie in (0, 1]; got {rate}")
        if not 1 <= initial_gap < np.inf:
            raise InvalidDataError(f"initial_gap must be finite and at least 1; got {initial_gap}")
        self.rate, self.key = rate, as_key(key)
        self.step = 0
        self.last_seen = np.zeros((num_hashes, num_buckets), np.int64)
        self.gap = np.full((num_hashes, num_buckets), np.inf)
        self.initial_gap = initial_gap

    def update(self, items: ArrayLike) -> None:
        """Take in the positive items of the next batch; an item counts once a batch."""
        self.step += 1
        for table, buckets in enumerate(self._buckets(items)):
            hit = np.unique(buckets)
            last, old = self.last_seen[table, hit], self.gap[table, hit]
            newest = np.where(last == 0, np.inf, self.step - last)
            known = np.isfinite(old)
            old[known] += self.rate * (newest[known] - old[known])
            self.gap[table, hit] = np.where(known, old, newest)
            self.last_seen[table, hit] = self.step

    def probability(self, items: ArrayLike, batch_size: int | None = None) -> NDArray[np.float64]:
        """Return the estimated probability that each item is in a batch, float64 in (0, 1].

        With a `batch_size` B, that it is drawn at one of B draws, ``1 - (1 - p) ** (1 / B)``. An
        item that is in every batch has 1 either way.
        """
        if batch_size is not None:
            check_count(batch_size, "batch_size")
        buckets = self._buckets(items)
        gaps = [gap[bucket] for gap, bucket in zip(self.gap, buckets, strict=True)]
        longest = np.max(gaps, axis=0)
        found = np.asarray(1 / np.where(np.isfinite(longest), longest, self.initial_gap))
        return found if batch_size is None else 1 - (1 - found) ** (1 / batch_size)

    def _buckets(self, items: ArrayLike) -> list[NDArray[np.int64]]:
        rows = check_ids(items, "item", ID_LIMIT)
        size = self.gap.shape[1]
        return [random_integers(self.key, size, rows, table) for table in range(len(self.gap))]
