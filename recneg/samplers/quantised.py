"""Base of the laws over cells of quantised item factors: what `MIDX` and `Cluster` share."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_number
from recneg.samplers.cells import CellSampler, Weighting
from recneg.samplers.factors import FactorSampler

__all__ = ["QuantisedSampler"]


@dataclass(frozen=True, eq=False)
class QuantisedSampler(CellSampler, FactorSampler):
    """A subclass makes `_cells` of the codes that k-means gives its item factors.

    Parameters
    ----------
    temperature : float
        Divides the scores; positive and finite.
    weighting : {"uniform", "popularity"}
        Weights of the items in a cell.
    seed : int
        Of the k-means.
    """

    temperature: float = field(default=1.0, kw_only=True)
    weighting: Weighting = field(default="uniform", kw_only=True)
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self.temperature, "temperature", "positive")
        _ = self._cells

    def _vectors(self) -> NDArray[np.float32]:
        return self.user_factors
