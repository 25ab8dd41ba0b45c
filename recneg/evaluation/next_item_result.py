"""What an evaluation of next items found: a rank an event, metrics and their intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recneg.evaluation.result import Evaluation, check_level

if TYPE_CHECKING:
    import polars as pl

__all__ = ["RANK_METRICS", "NextItemEvaluation"]

RANK_METRICS: Mapping[str, Callable[[NDArray[np.int64]], NDArray[np.float64]]] = MappingProxyType(
    {
        "recall": lambda ranks: np.ones(ranks.shape),
        "mrr": lambda ranks: 1.0 / ranks,
        "ndcg": lambda ranks: 1.0 / np.log2(ranks + 1.0),
    }
)
"""Metrics of one wanted item at a rank, by name: ``f(ranks) -> values``; 0 beyond rank k.

With one relevant item recall@k is the hit rate, and the ideal gain of NDCG is 1.
"""


@dataclass(frozen=True, eq=False, repr=False)
class NextItemEvaluation:
    """Ranks of the items that came next, over the full catalogue; names are ``"metric@k"``.

    Attributes
    ----------
    events : numpy.ndarray of int64, shape (num_targets,)
        Position of each target in the items of the evaluated sequences, ascending.
    sequences : numpy.ndarray of int64, shape (num_targets,)
        The sequence of each target.
    ranks : numpy.ndarray of int64, shape (num_targets,)
        From 1.
    values : mapping of str to numpy.ndarray of float64, shape (num_targets,)
    skipped_sequences : numpy.ndarray of int64
        Sequences without a target: those of fewer than two events, or all of whose targets are
        masked. They stand in no mean.
    num_masked_targets : int
        Targets left out because they are masked, so no list could ever hold them.
    num_unseen_targets : int or None
        Targets that do not occur in train: they count, though no model can have learned them.
        None where no train was given.
    """

    events: NDArray[np.int64]
    sequences: NDArray[np.int64]
    ranks: NDArray[np.int64]
    values: Mapping[str, NDArray[np.float64]]
    skipped_sequences: NDArray[np.int64]
    num_masked_targets: int = 0
    num_unseen_targets: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return tuple(self.values)

    def mean(self, name: str) -> float:
        """Return the mean over events."""
        return float(self._values_of(name).mean())

    def standard_error(self, name: str) -> float:
        """Return the standard error of the mean; NaN for one sequence.

        Sequences are taken as the sample, not events: what is hard in a session is hard at most of
        its events. With d_s the sum of (value - mean) over the events of sequence s, n sequences
        and m events it is sqrt(n / (n - 1) sum_s d_s²) / m.
        """
        values = self._values_of(name)
        _, owners = np.unique(self.sequences, return_inverse=True)
        sums = np.bincount(owners, weights=values - values.mean())
        if sums.size < 2:
            return float("nan")
        return float(np.sqrt(sums.size / (sums.size - 1) * (sums**2).sum()) / values.size)

    def confidence_interval(self, name: str, level: float = 0.95) -> tuple[float, float]:
        """Return the normal interval of the mean, taking sequences as a sample.

        It does not cover other training runs. For two models on the same sequences use
        `recneg.evaluation.compare` on what `by_sequence` returns.
        """
        margin = NormalDist().inv_cdf(0.5 + check_level(level) / 2) * self.standard_error(name)
        center = self.mean(name)
        return center - margin, center + margin

    def by_sequence(self) -> Evaluation:
        """Return the mean of each sequence as an `Evaluation` whose users are the sequences.

        Its own means weigh sequences alike, whatever their length.
        """
        who, owners, counts = np.unique(self.sequences, return_inverse=True, return_counts=True)
        values = {name: np.bincount(owners, each) / counts for name, each in self.values.items()}
        return Evaluation(
            who, self.skipped_sequences, values, num_masked_relevant=self.num_masked_targets
        )

    def to_polars(self, level: float = 0.95) -> pl.DataFrame:
        """Return one row a name: ``metric``, ``k``, ``mean``, ``low``, ``high``."""
        import polars as pl

        rows: list[tuple[Any, ...]] = []
        for name in self.names:
            metric, _, k = name.partition("@")
            rows.append((metric, int(k), self.mean(name), *self.confidence_interval(name, level)))
        schema = {
            "metric": pl.String,
            "k": pl.Int64,
            "mean": pl.Float64,
            "low": pl.Float64,
            "high": pl.Float64,
        }
        return pl.DataFrame(rows, schema=schema, orient="row")

    def per_event(self) -> pl.DataFrame:
        """Return one row a target: ``event``, ``sequence``, ``rank`` and a column a metric."""
        import polars as pl

        indices = {"event": self.events, "sequence": self.sequences, "rank": self.ranks}
        return pl.DataFrame({**indices, **self.values})

    def __repr__(self) -> str:
        lines = [
            f"NextItemEvaluation({len(self.events)} events of {np.unique(self.sequences).size} "
            f"sequences, {len(self.skipped_sequences)} skipped without a target)"
        ]
        if self.num_masked_targets:
            lines.append(f"  {self.num_masked_targets} targets masked and left out")
        if self.num_unseen_targets:
            lines.append(f"  {self.num_unseen_targets} targets never seen in train, counted")
        width = max(len(name) for name in self.names)
        for name in self.names:
            low, high = self.confidence_interval(name)
            lines.append(f"  {name:<{width}}  {self.mean(name):.4f} [{low:.4f}, {high:.4f}]")
        return "\n".join(lines)

    def _values_of(self, name: str) -> NDArray[np.float64]:
        if name not in self.values:
            raise ValueError(f"the name must be one of {sorted(self.values)}; got {name!r}")
        return self.values[name]
