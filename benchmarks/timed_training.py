"""Training under a clock: scores of a model after so many processor seconds, looks not counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from recneg import Interactions

__all__ = ["Clock", "Look", "Point", "runs", "small", "stages"]

SLACK = 1.3
"""A look is taken where an iteration of this many times the last one's seconds passes a mark."""

Look = Callable[[Any], float]


class Point(NamedTuple):
    """A look at a model: at which mark, after which seconds and iterations, and NDCG@20."""

    mark: float
    seconds: float
    iterations: int
    ndcg: float


class EnoughError(Exception):
    """Ends a training from inside a callback."""


class Clock:
    """Processor seconds since its making, without those of looks; looks before marks.

    Parameters
    ----------
    marks : tuple of float
    look : callable
        From a model to NDCG@20.
    gives_up : bool
        Whether to end where a mark from 5 seconds on brought little.
    """

    def __init__(self, marks: tuple[float, ...], look: Look, gives_up: bool) -> None:
        self.left, self._look, self._gives_up = list(marks), look, gives_up
        self.points: list[Point] = []
        self.outside, self.iterations = 0.0, 0
        self.pace, self._last = 0.0, 0.0
        self.started = time.process_time()

    def seconds(self) -> float:
        """Return the processor seconds that count."""
        return time.process_time() - self.started - self.outside

    def after(self, iterations: int, model: Callable[[], Any]) -> None:
        """Look if one more iteration would pass the next mark; raise `EnoughError` at the end."""
        paused, now = time.process_time(), self.seconds()
        self.iterations += iterations
        self.pace, self._last = (now - self._last) / iterations, now
        while self.left and now > self.left[0]:
            self.left.pop(0)  # an iteration took longer than from mark to mark
        passed = [mark for mark in self.left if now + SLACK * self.pace > mark]
        if passed:
            score = self._look(model())
            before = max((point.ndcg for point in self.points), default=0.0)
            self.points += [Point(mark, now, self.iterations, score) for mark in passed]
            self.left = self.left[len(passed) :]
            if self._gives_up and passed[-1] >= 5 and score < 1.005 * before:
                raise EnoughError
        self.outside += time.process_time() - paused
        if not self.left:
            raise EnoughError


def runs(
    make: Callable[..., Any],
    train: Interactions,
    marks: tuple[float, ...],
    look: Look,
    gives_up: bool,
) -> Iterator[Point]:
    """Train anew for every mark; `make` takes the number of epochs."""
    make(1).fit(small(), False)
    stamps = [time.process_time()]
    make(0).fit(train, False)
    stamps.append(time.process_time())
    make(2).fit(train, False)
    start, two = np.diff([*stamps, time.process_time()])
    pace, done = max((two - start) / 2, 1e-3), 0
    for mark in marks:
        epochs = int((0.97 * mark - start) / pace)
        if epochs <= done:
            continue
        done, model = epochs, make(epochs)
        started = time.process_time()
        model.fit(train, False)
        seconds = time.process_time() - started
        pace = (seconds - start) / epochs
        yield Point(mark, seconds, epochs, look(model))


def stages(
    advance: Callable[[Interactions, Clock], None],
    train: Interactions,
    marks: tuple[float, ...],
    look: Look,
    gives_up: bool,
) -> Iterator[Point]:
    """Train once, with a clock that looks on the way."""
    clock = Clock(marks, look, gives_up)
    try:
        advance(train, clock)
    except EnoughError:
        pass
    except Exception as error:  # each library has an error of its own for factors that overflow
        if "nan" not in str(error).lower() and not isinstance(error, FloatingPointError):
            raise
    yield from clock.points


def small() -> Interactions:
    """Return random data to compile with."""
    rng = np.random.default_rng(0)
    return Interactions.from_arrays(np.repeat(np.arange(200), 8), rng.integers(0, 300, 1600))
