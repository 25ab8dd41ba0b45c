"""The record of an epoch, made from its sums, and the errors of a run that cannot go on."""

from __future__ import annotations

from typing import NamedTuple

from recneg.errors import NoNegativeError
from recneg.training.state import Epoch, TrainingState

__all__ = ["Totals", "overflow", "record"]


class Totals(NamedTuple):
    """Sums over a batch or an epoch.

    Attributes
    ----------
    loss : float
    correct, pairs, skipped : float
        Negatives below their positive, all that were scored, and those that were missing.
    """

    loss: float = 0.0
    correct: float = 0.0
    pairs: float = 0.0
    skipped: float = 0.0

    def plus(self, other: Totals) -> Totals:
        """Return the sums of both."""
        return Totals(*(a + b for a, b in zip(self, other, strict=True)))


def record(state: TrainingState, sums: Totals, terms: float, seconds: float) -> Epoch:
    """Return the record of an epoch; the loss is a mean over `terms`.

    Raises
    ------
    NoNegativeError
        If there was no pair at all.
    """
    number = len(state.history) + 1
    if sums.pairs == 0:
        raise NoNegativeError(
            f"training must have a negative for some positive; in epoch {number} there was none "
            f"for any of {int(terms)}"
        )
    before = state.history[-1].seconds if state.history else 0.0
    return Epoch(
        number, before + seconds, sums.correct / sums.pairs, sums.loss / terms, int(sums.pairs),
        None, int(sums.skipped),
    )  # fmt: skip


def overflow(state: TrainingState, rate: float) -> FloatingPointError:
    """Return the error of a run whose factors or losses left the finite numbers."""
    return FloatingPointError(
        f"training must stay finite; it overflowed in epoch {len(state.history) + 1} at learning "
        f"rate {rate:g}: choose a smaller one"
    )
