"""A group of items by its share, then any of its items: categories, brands, popularity cohorts."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions, check_interactions
from recneg.samplers.cells import Cells, CellSampler, build_cells

__all__ = ["Stratified", "popularity_cohorts"]


@dataclass(frozen=True, eq=False)
class Stratified(CellSampler):
    """A group of items by its share, then uniformly one of the group's items.

    The shares are renormalised over the groups in which the user has an item to draw. Inside a
    group all such items have the same probability, so rare groups can be given as much weight as
    large ones.

    The first draw for a user in a block of rows takes O(num_groups + h) for h interactions, each
    further one O(log num_items). 28 bytes an item, 4 an interaction.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    groups : int array, shape (num_items,)
        The group of each item; any numbers from 0 on.
    shares : array_like, shape (num_groups,), optional
        Of each group, at least ``groups.max() + 1`` of them, finite, not negative; they need not
        sum to 1. Default: the same for all groups that have items.
    unseen : bool, default True

    Raises
    ------
    InvalidDataError
        For groups or shares of another shape or value, or if no group with items has a share.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg import Interactions
    >>> from recneg.samplers import Stratified
    >>> data = Interactions.from_arrays([0, 1], [0, 3], num_items=4)
    >>> law = Stratified(data, [0, 0, 0, 1], [0.8, 0.2])
    >>> np.exp(law.log_prob([[0], [1]], [0, 1, 2, 3]), dtype=float).round(6).tolist()
    [[0.0, 0.4, 0.4, 0.2], [0.333333, 0.333333, 0.333333, 0.0]]
    """

    interactions: Interactions
    groups: NDArray[np.int64] = field(repr=False)
    shares: NDArray[np.float64] | None = field(default=None, repr=False)
    unseen: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        check_interactions(self.interactions, "interactions")
        if self.num_items == 0:
            raise InvalidDataError("a sampler needs at least one item; got 0")
        groups = np.array(self.groups)
        if groups.dtype.kind not in "iu" or groups.shape != (self.num_items,):
            raise InvalidDataError(
                f"groups must be integers of shape ({self.num_items},); "
                f"got {groups.dtype} of shape {groups.shape}"
            )
        if groups.min() < 0:
            raise InvalidDataError(f"groups must not be negative; got {groups.min()}")
        groups = groups.astype(np.int64)
        groups.setflags(write=False)
        object.__setattr__(self, "groups", groups)
        if self.shares is not None:
            object.__setattr__(self, "shares", _checked_shares(self.shares, int(groups.max())))
        _ = self._cells

    @cached_property
    def _cells(self) -> Cells:
        present, cell_of = np.unique(self.groups, return_inverse=True)
        shares = np.ones(len(present)) if self.shares is None else self.shares[present]
        if not shares.any():
            raise InvalidDataError("a group that has items must have a positive share; none has")
        with np.errstate(divide="ignore"):
            offset = np.log(shares)
        return build_cells(
            self.interactions,
            self.unseen,
            cell_of.astype(np.int64),
            np.ones(self.num_items, np.int64),
            np.zeros((len(present), 0)),
            np.zeros((1, 0)),
            offset=offset,
            per_weight=False,
        )


def _checked_shares(shares: ArrayLike, last: int) -> NDArray[np.float64]:
    checked = np.array(shares, np.float64)
    if checked.ndim != 1 or len(checked) <= last:
        raise InvalidDataError(
            f"shares must be a vector of at least {last + 1}, one a group; "
            f"got shape {checked.shape}"
        )
    wrong = ~(np.isfinite(checked) & (checked >= 0))
    if wrong.any():
        group = int(np.argmax(wrong))
        raise InvalidDataError(
            f"shares must be finite and not negative; got {checked[group]} for group {group}"
        )
    checked.setflags(write=False)
    return checked


def popularity_cohorts(interactions: Interactions, num_cohorts: int) -> NDArray[np.int64]:
    """Return the cohort of each item: 0 for the most popular ones, each with about equal counts.

    Items are ordered by falling number of interactions, ties by id, and cut where the running
    number passes multiples of ``1 / num_cohorts`` of the total; an item belongs to the cohort in
    which the middle of its own interactions falls. A cohort is empty where one item outweighs it.

    Parameters
    ----------
    interactions : Interactions
    num_cohorts : int
        At least 1.

    Returns
    -------
    numpy.ndarray of int64, shape (num_items,)

    Examples
    --------
    >>> from recneg import Interactions
    >>> data = Interactions.from_arrays([0, 1, 2, 0, 1, 0], [2, 2, 2, 0, 3, 1], num_items=5)
    >>> popularity_cohorts(data, 2).tolist()
    [1, 1, 0, 1, 1]
    """
    if isinstance(num_cohorts, bool) or not isinstance(num_cohorts, (int, np.integer)):
        raise TypeError(f"num_cohorts must be an integer; got {num_cohorts!r}")
    if num_cohorts < 1:
        raise ValueError(f"num_cohorts must be at least 1; got {num_cohorts}")
    counts = interactions.item_counts()
    order = np.argsort(-counts, kind="stable")
    total = max(int(counts.sum()), 1)
    twice_middle = 2 * np.cumsum(counts[order]) - counts[order]
    cohorts = np.empty(counts.size, np.int64)
    cohorts[order] = np.minimum(twice_middle * num_cohorts // (2 * total), num_cohorts - 1)
    return cohorts
