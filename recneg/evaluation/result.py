"""What an evaluation found: values per user, means with confidence intervals, who was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Evaluation", "check_level"]


def check_level(level: float) -> float:
    """Return a confidence level after checking that it lies strictly between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1); got {level}")
    return level


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Metrics of one model on one split; names are ``"metric@k"``.

    Attributes
    ----------
    users : numpy.ndarray of int64, shape (num_evaluated,)
        The users that have held-out items, ascending.
    skipped_users : numpy.ndarray of int64
        The users that have none: they have no defined recall and stand in no mean.
    values : mapping of str to numpy.ndarray of float64, shape (num_evaluated,)
        User metrics, aligned with `users`.
    catalogue : mapping of str to float
        Metrics of all lists together.
    num_masked_relevant : int
        Held-out interactions left out because they are masked, so no list could ever hold them.
    """

    users: NDArray[np.int64]
    skipped_users: NDArray[np.int64]
    values: Mapping[str, NDArray[np.float64]]
    catalogue: Mapping[str, float] = field(default_factory=dict)
    num_masked_relevant: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """All names, user metrics first."""
        return (*self.values, *self.catalogue)

    def per_user_values(self, name: str) -> NDArray[np.float64]:
        """Return the values of one user metric, shape (num_evaluated,).

        Raises
        ------
        ValueError
            If there is no such user metric.
        """
        if name not in self.values:
            raise ValueError(f"the name must be one of {sorted(self.values)}; got {name!r}")
        return self.values[name]

    def mean(self, name: str) -> float:
        """Return the mean over `users`, or the value itself of a catalogue metric."""
        if name in self.catalogue:
            return self.catalogue[name]
        if name not in self.values:
            raise ValueError(f"the name must be one of {sorted(self.names)}; got {name!r}")
        return float(self.values[name].mean())

    def standard_error(self, name: str) -> float:
        """Return the standard error of the mean over users, s / sqrt(n); NaN for one user."""
        values = self.per_user_values(name)
        if values.size < 2:
            return float("nan")
        return float(values.std(ddof=1) / np.sqrt(values.size))

    def confidence_interval(self, name: str, level: float = 0.95) -> tuple[float, float]:
        """Return the normal interval of the mean, mean ± z s / sqrt(n), taking users as a sample.

        It says how far the mean would move with other users of the same kind; it does not cover
        another split or another training run. For few users, or values nearly all 0, it is rough.
        To compare two models use `recneg.evaluation.compare`: their intervals may overlap although
        one is better for nearly every user.
        """
        margin = NormalDist().inv_cdf(0.5 + check_level(level) / 2) * self.standard_error(name)
        center = self.mean(name)
        return center - margin, center + margin

    def to_polars(self, level: float = 0.95) -> pl.DataFrame:
        """Return one row a name: ``metric``, ``k``, ``mean``, ``low``, ``high``.

        ``low`` and ``high`` are null for catalogue metrics.
        """
        import polars as pl

        rows: list[tuple[Any, ...]] = []
        for name in self.names:
            metric, _, k = name.partition("@")
            interval = (None, None)
            if name in self.values:
                interval = self.confidence_interval(name, level)  # type: ignore[assignment]
            rows.append((metric, int(k), self.mean(name), *interval))
        schema = {
            "metric": pl.String,
            "k": pl.Int64,
            "mean": pl.Float64,
            "low": pl.Float64,
            "high": pl.Float64,
        }
        return pl.DataFrame(rows, schema=schema, orient="row")

    def per_user(self) -> pl.DataFrame:
        """Return one row a user: ``user``, the index, and one column a user metric."""
        import polars as pl

        return pl.DataFrame({"user": self.users, **self.values})

    def __repr__(self) -> str:
        lines = [
            f"Evaluation({len(self.users)} users, "
            f"{len(self.skipped_users)} skipped without held-out items)"
        ]
        if self.num_masked_relevant:
            lines.append(f"  {self.num_masked_relevant} held-out interactions masked and left out")
        width = max((len(name) for name in self.names), default=0)
        for name in self.names:
            line = f"  {name:<{width}}  {self.mean(name):.4f}"
            if name in self.values:
                line += " [{:.4f}, {:.4f}]".format(*self.confidence_interval(name))
            lines.append(line)
        return "\n".join(lines)
