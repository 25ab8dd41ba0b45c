"""Any law, conditional on not drawing what else somebody wants kept out."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions, check_interactions
from recneg.keys import Key
from recneg.samplers.law import Law, excluding
from recneg.samplers.static import draw_law, log_prob_law
from recneg.samplers.thinned import BLOCK_PAIRS, ThinnedSampler

__all__ = ["Conditional"]

TOO_SMALL = 1e-6
"""Mass below which one minus the excluded mass has lost its digits, and is summed up instead."""


@dataclass(frozen=True, eq=False)
class Conditional(ThinnedSampler):
    """A base law given that nothing of `exclude` is drawn: ``q(j | u) = q0(j | u) / Z_u``.

    Samplers exclude the training interactions they were made from, and nothing else: what is kept
    out is always said. This says more of it, user by user: items out of stock, blocked, already
    bought elsewhere. (Held-out positives should *not* be kept out of training: no recommender in
    use knows them, and a model trained without them as negatives has seen the test set.)

    If the base is data (`Uniform`, `Popularity`, ...), so is this, with the two exclusions merged:
    as fast as the base, also inside the fused trainers. Any other base is thinned. 8 bytes a user,
    and for data 6 bytes an interaction and a pair of `exclude`, and what the law takes a user.

    Parameters
    ----------
    base : Sampler
    exclude : Interactions
        Pairs never to draw, of the same users and items.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg import Interactions, Uniform
    >>> train = Interactions.from_arrays([0, 1], [0, 1], num_items=4)
    >>> sold_out = Interactions.from_arrays([0, 0, 1], [1, 2, 2], num_items=4)
    >>> law = Conditional(Uniform(train), sold_out)
    >>> np.exp(law.log_prob([0, 1], np.arange(4)[None].repeat(2, 0))).round(2).tolist()
    [[0.0, 0.0, 0.0, 1.0], [0.5, 0.0, 0.0, 0.5]]
    """

    exclude: Interactions
    normalise: str = field(default="exact", init=False, repr=False)  # type: ignore[assignment]
    num_estimate: int = field(default=1, init=False, repr=False)

    def __post_init__(self) -> None:
        check_interactions(self.exclude, "exclude")
        shape = (self.base.num_users, self.base.num_items)
        if (self.exclude.num_users, self.exclude.num_items) != shape:
            raise InvalidDataError(
                f"exclude must have the users and items of the base, {shape}; got {self.exclude!r}"
            )
        super().__post_init__()
        _ = self.law

    @cached_property
    def law(self) -> Law | None:
        """The law as data, if the base has one."""
        law = self.base.law
        if law is None:
            return None
        if law.indptr.size == 0:
            return excluding(law, self.exclude)
        seen = Interactions(law.indptr, law.indices, law.num_items)
        return excluding(law, seen.union(self.exclude))

    def _draw_at(
        self,
        users: NDArray[np.int64],
        num_negatives: int,
        key: Key,
        rows: NDArray[np.int64],
        times: NDArray[np.int64] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        if self.law is None:
            return super()._draw_at(users, num_negatives, key, rows, times)
        return draw_law(self.law, users, num_negatives, key, rows)

    def _log_prob_at(
        self, users: NDArray[np.int64], items: NDArray[np.int64], times: NDArray[np.int64] | None
    ) -> NDArray[np.float64]:
        if self.law is None:
            return super()._log_prob_at(users, items, times)
        return log_prob_law(self.law, users, items)

    def _acceptance(
        self, users: NDArray[np.int64], items: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        return (~self.exclude.contains(users, items)).astype(np.float64)

    def _masses_of(
        self, users: NDArray[np.int64], times: NDArray[np.int64] | None
    ) -> NDArray[np.float64]:
        """Return Z from the excluded pairs alone, which are few."""
        if self.law is not None:
            return np.ones(users.size)
        places = self.exclude.rows_of(users)
        sizes = self.exclude.user_counts()[users]
        owners = np.repeat(users, sizes)
        when = None if times is None else np.repeat(times, sizes)
        pairs = self.exclude.indices[places].astype(np.int64)
        lost = np.exp(self.base._log_prob_at(owners, pairs, when))
        row = np.repeat(np.arange(users.size), sizes)
        mass = 1.0 - np.bincount(row, lost, minlength=users.size).astype(np.float64)
        able = self.base.draw_checked(users, 1, Key(0), users, times)[0][:, 0] >= 0
        mass[~able] = 0.0
        unsure = np.flatnonzero(able & (mass < TOO_SMALL))
        at_once = max(BLOCK_PAIRS // max(self.num_items, 1), 1)
        for start in range(0, unsure.size, at_once):
            part = unsure[start : start + at_once]
            mass[part] = self._enumerate(users[part], None if times is None else times[part])
        return mass
