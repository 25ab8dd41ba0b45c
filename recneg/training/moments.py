"""Moments of an optimiser by their names in a training state, the same for every engine."""

from __future__ import annotations

from recneg.training.optimizers import Optimizer
from recneg.training.state import TrainingState
from recneg.training.tables import Matrix

__all__ = ["table_moments"]


def table_moments(
    optimizer: Optimizer, state: TrainingState, name: str, values: Matrix
) -> tuple[Matrix, ...]:
    """Return the moments of a table, which are zeros before the first step."""
    names = [f"{name}_moment{number}" for number in range(2)]
    if names[0] not in state.moments:
        state.moments |= dict(zip(names, optimizer.moments(*values.shape), strict=True))
    return tuple(state.moments[each] for each in names)
