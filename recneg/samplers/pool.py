"""Negatives from a list of each user: what an index returned, or an earlier draw kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions, check_ids, check_interactions
from recneg.samplers.listed import ItemLists, ListedSampler, item_lists

__all__ = ["Pool"]


@dataclass(frozen=True, eq=False)
class Pool(ListedSampler):
    """Uniform over the entries of the user's list; an item that is listed twice counts twice.

    Items that the user has interacted with are dropped from the list. The law is exact given the
    lists; how the lists came about is not part of it.

    8 bytes a user and 16 an entry.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    entries : int array, shape (num_users, size)
        Items; -1 where a list is shorter.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg import Interactions
    >>> data = Interactions.from_arrays([0, 1], [0, 1], num_items=4)
    >>> pool = Pool(data, np.array([[0, 2, 2, 3], [3, -1, -1, -1]]))
    >>> np.exp(pool.log_prob([0, 1], np.arange(4)[None].repeat(2, 0))).round(2)
    array([[0.  , 0.  , 0.67, 0.33],
           [0.  , 0.  , 0.  , 1.  ]], dtype=float32)
    """

    unseen: ClassVar[bool] = True

    interactions: Interactions
    entries: NDArray[np.int32]

    def __post_init__(self) -> None:
        check_interactions(self.interactions, "interactions")
        entries = np.asarray(self.entries)
        if entries.ndim != 2 or len(entries) != self.interactions.num_users:
            raise InvalidDataError(
                f"entries must have shape ({self.interactions.num_users}, size); "
                f"got {entries.shape}"
            )
        listed = entries != -1
        check_ids(entries[listed], "item", self.interactions.num_items)
        kept = entries.astype(np.int32)
        kept.setflags(write=False)
        object.__setattr__(self, "entries", kept)
        _ = self.lists

    @cached_property
    def lists(self) -> ItemLists:
        """The entries in sorted form."""
        users, places = np.nonzero(self.entries >= 0)
        items = self.entries[users, places].astype(np.int64)
        return item_lists(self.interactions, users.astype(np.int64), items)
