"""What the events of a batch of sequences are contrasted with: a shared pool, others' events.

Everything depends on (key, epoch, batch) and the batch's own sequences, and on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.jit import kernel
from recneg.keys import Key, below, shuffled
from recneg.samplers import Sampler
from recneg.samplers.static import StaticSampler
from recneg.sequences import Sequences

__all__ = ["CandidateSource", "Candidates", "Hits", "Redraw"]

Hits = Literal["keep", "target", "sequence"]
"""Candidates to leave out: none, those that are the event's target, or all of its sequence."""

Redraw = Literal["batch", "event"]
"""Who shares the sampler's draws: the events of a batch, or nobody."""

NO_LOGS = np.empty((0, 0), np.float32)


class Candidates(NamedTuple):
    """The negatives of a batch before any selection; its events may share them.

    Attributes
    ----------
    pool : numpy.ndarray of int32, shape (num_pool,)
        Of all events.
    pool_log : numpy.ndarray of float32, shape (num_pool,), or empty for no correction
        Logarithm of how many of an event's candidates are expected to be that item.
    listed : numpy.ndarray of int32, shape (num_lists, num_listed)
        Of those events that have this list; -1 for none.
    listed_log : numpy.ndarray of float32, of that shape, or empty
    lists : numpy.ndarray of int64, shape (num_events,)
        The list of each event.
    """

    pool: NDArray[np.int32]
    pool_log: NDArray[np.float32]
    listed: NDArray[np.int32]
    listed_log: NDArray[np.float32]
    lists: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CandidateSource:
    """Draws the candidates of batches.

    Parameters
    ----------
    sequences : Sequences
        Training sequences.
    sampler : Sampler
        Over their items; with ``redraw="batch"`` a static law, whose unseen form counts as that of
        all items: which items a session has does not matter to a draw that all sessions share.
    num_negatives : int or "all"
        Draws from the sampler, with replacement, of which there may be 0; or every item once and
        no draws, which other candidates cannot join.
    num_in_batch : int
        Input events of other sequences of the batch, without replacement: a popular item is met in
        proportion to its events. Fewer where the batch has fewer.
    redraw : {"batch", "event"}
    log_q_correction : bool
        Whether to return logarithms of expected counts. With both kinds of candidates the count of
        an item is the sum over both, wherever it came from.

    Raises
    ------
    InvalidDataError
        If there would be no candidate, or the law cannot be shared.
    """

    sequences: Sequences
    sampler: Sampler
    num_negatives: int | Literal["all"]
    num_in_batch: int
    redraw: Redraw
    log_q_correction: bool

    def __post_init__(self) -> None:
        if self.num_negatives == "all":
            if self.num_in_batch or self.redraw == "event" or self.log_q_correction:
                raise InvalidDataError(
                    "with num_negatives='all' num_in_batch must be 0, redraw 'batch' and "
                    f"log_q_correction False; got {self.num_in_batch}, {self.redraw!r} and "
                    f"{self.log_q_correction}"
                )
        elif self.num_negatives + self.num_in_batch == 0:
            raise InvalidDataError("num_negatives or num_in_batch must be positive; got 0 and 0")
        if self.redraw == "event" and self.num_in_batch:
            raise InvalidDataError(
                f"num_in_batch must be 0 with redraw='event'; got {self.num_in_batch}"
            )
        if self.sampler.num_items != self.sequences.num_items:
            raise InvalidDataError(
                f"the sampler must have the {self.sequences.num_items} items of the sequences; "
                f"got {self.sampler.num_items}"
            )
        if self.redraw == "event":
            if self.sampler.num_users != self.sequences.num_sequences:
                raise InvalidDataError(
                    f"the sampler must have the {self.sequences.num_sequences} sequences as users; "
                    f"got {self.sampler.num_users}"
                )
        elif not isinstance(self.sampler, StaticSampler):
            raise InvalidDataError(
                "negatives shared by a batch need a law that is the same for all, such as Uniform "
                f"or Popularity; got {self.sampler!r}"
            )
        elif self.sampler.unseen:
            object.__setattr__(self, "sampler", replace(self.sampler, unseen=False))
        object.__setattr__(self, "_expected", self._expectations())

    def _expectations(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return how often an item is expected in the pool, and its share of all input events."""
        if self.redraw == "event" or not self.log_q_correction:
            return None
        every = np.arange(self.sequences.num_items)
        counts = np.zeros(every.size)
        if self.num_negatives:
            counts += self.num_negatives * np.exp(self.sampler.log_prob(0, every), dtype=np.float64)
        seen = self.sequences.without_last(1).item_counts()
        return counts, seen / max(seen.sum(), 1)

    def _logs(
        self, items: NDArray[np.integer[Any]], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return logarithms of expected counts of items; nothing without correction."""
        expected = self._expected  # type: ignore[attr-defined]
        if expected is None:
            return np.empty((0,) * items.ndim, np.float32)
        # a small batch has fewer events of others than are asked for
        of_others = np.minimum(self.num_in_batch, lengths.sum() - lengths).mean()
        there = np.maximum(items, 0)
        with np.errstate(divide="ignore"):
            logs = np.log(expected[0][there] + of_others * expected[1][there])
        return np.asarray(logs, np.float32)

    def draw(
        self,
        key: Key,
        number: int,
        sequences: NDArray[np.int64],
        lengths: NDArray[np.int64],
        events: NDArray[np.int64],
    ) -> Candidates:
        """Draw for batch `number` under the key of an epoch.

        Parameters
        ----------
        sequences : numpy.ndarray of int64, shape (num_rows,)
            Of the batch, which has the last but one of their events.
        lengths : numpy.ndarray of int64, shape (num_rows,)
            Input events of each.
        events : numpy.ndarray of int64, shape (num_events,)
            Places of the input events in the training sequences.
        """
        owners = np.repeat(np.arange(len(lengths)), lengths)
        if self.redraw == "event":
            assert self.num_negatives != "all"
            drawn = self.sampler.sample(
                sequences[owners], self.num_negatives, key=key, rows=events, exhausted="mask"
            )
            logs = NO_LOGS
            if self.log_q_correction:
                logs = drawn.log_q + np.float32(np.log(max(self.num_negatives, 1)))
            return Candidates(
                np.empty(0, np.int32), np.empty(0, np.float32), drawn.items.astype(np.int32), logs,
                np.arange(len(events)),
            )  # fmt: skip
        pool = self._pool(key, number)
        listed = np.empty((len(lengths), self.num_in_batch), np.int32)
        if self.num_in_batch:
            inputs, stops = self.sequences.items[events], np.cumsum(lengths)
            of_others = key.fold_in(number).words
            _draw_of_others(*of_others, sequences, stops - lengths, stops, inputs, listed)
        return Candidates(
            pool, self._logs(pool, lengths), listed,
            self._logs(listed, lengths) if listed.size else NO_LOGS, owners,
        )  # fmt: skip

    def _pool(self, key: Key, number: int) -> NDArray[np.int32]:
        """Return the items that all events of a batch are contrasted with.

        All items come shuffled: their first few stand for all of them in a trainer's figures.
        """
        if self.num_negatives == "all":
            every = np.arange(self.sequences.num_items, dtype=np.int32)
            return shuffled(key.fold_in(number), every)
        user = np.zeros(1, np.int64)
        drawn = self.sampler.sample(user, self.num_negatives, key=key, rows=[number])
        return np.asarray(drawn.items[0], np.int32)


@kernel
def _draw_of_others(
    k0: np.uint32,
    k1: np.uint32,
    sequences: NDArray[np.int64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    inputs: NDArray[np.int32],
    out: NDArray[np.int32],
) -> None:
    """Fill each row with items of the other rows' events, by a shuffle that is undone after it."""
    places = np.arange(inputs.size)
    swapped = np.empty(out.shape[1], np.int64)
    for row in range(out.shape[0]):
        own = stops[row] - starts[row]
        others = inputs.size - own
        count = min(others, out.shape[1])
        out[row, count:] = -1
        for slot in range(count):
            other = slot + below(k0, k1, sequences[row], slot, others - slot)
            swapped[slot] = other
            places[slot], places[other] = places[other], places[slot]
            place = places[slot]
            out[row, slot] = inputs[place if place < starts[row] else place + own]
        for slot in range(count - 1, -1, -1):
            other = swapped[slot]
            places[slot], places[other] = places[other], places[slot]
