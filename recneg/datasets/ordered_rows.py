"""From rows of raw ids and times to sequences, with little memory where the rows are in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recneg.csr import check_values
from recneg.datasets.assembling import index_ids, unless_plain
from recneg.event_order import in_order

if TYPE_CHECKING:
    import polars as pl

    from recneg.sequences import Sequences

__all__ = ["sequences_of_rows"]


def sequences_of_rows(rows: pl.DataFrame) -> Sequences:
    """Return the sequences of rows ``user, item, timestamp``, ids in sorted order.

    Rows that stand user after user, the oldest first, are taken as they are: beyond the result
    that costs a few bytes a row. Times are treated as by `Sequences.from_arrays`.
    """
    from recneg.sequences import Sequences

    user_ids, users = index_ids(rows["user"].to_numpy(), np.int32)
    item_ids, items = index_ids(rows["item"].to_numpy(), np.int32)
    times = rows["timestamp"].to_numpy()
    ids = {"sequence_ids": unless_plain(user_ids), "item_ids": unless_plain(item_ids)}
    if in_order(users, times):
        bounds = np.searchsorted(users, np.arange(len(user_ids) + 1, dtype=np.int32))
        whole = check_values(times, times.size, "timestamps", np.int64)
        return Sequences(bounds.astype(np.int64), items, len(item_ids), whole, **ids)
    return Sequences.from_arrays(
        users,
        items,
        timestamps=times,
        num_sequences=len(user_ids),
        num_items=len(item_ids),
        **ids,
    )
