"""From verified rows to interactions, a given split and titles in one id space."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError

if TYPE_CHECKING:
    import polars as pl

    from recneg.datasets.parsed import Parsed
    from recneg.interactions import Interactions
    from recneg.splits import Split

__all__ = ["assemble", "index_ids", "titles_of", "unless_plain"]


def assemble(
    parsed: Parsed, threshold: float | None, name: str
) -> tuple[Interactions, Split | None, NDArray[np.str_] | None]:
    """Return interactions, split and aligned titles, all over one vocabulary.

    Raises
    ------
    InvalidDataError
        If no rating reaches the threshold.
    """
    import polars as pl

    rows = parsed.rows
    if threshold is not None:
        rows = rows.filter(pl.col("rating") >= threshold)
        if rows.height == 0:
            raise InvalidDataError(f"no rating of {name} is at least {threshold}")
    user_ids, users = index_ids(rows["user"].to_numpy())
    item_ids, items = index_ids(rows["item"].to_numpy())
    columns = {"users": users, "items": items}
    for role, column in (("weights", "rating"), ("timestamps", "timestamp")):
        if column in rows.columns:
            columns[role] = rows[column].to_numpy()
    space = {"num_users": len(user_ids), "num_items": len(item_ids),
             "user_ids": unless_plain(user_ids), "item_ids": unless_plain(item_ids)}  # fmt: skip
    split, whole = None, columns
    if "part" in rows.columns:
        part = rows["part"].to_numpy()
        split = _split(columns, part, space)
        order = np.argsort(part, kind="stable")
        pairs = users[order] * len(item_ids) + items[order]
        first = order[np.sort(np.unique(pairs, return_index=True)[1])]
        whole = {role: values[first] for role, values in columns.items()}
    interactions = _interactions(whole, space)
    lost = rows.height - len(whole["users"])
    if lost:
        interactions = replace(interactions, num_duplicates=interactions.num_duplicates + lost)
    titles = None if parsed.titles is None else titles_of(parsed.titles, item_ids)
    return interactions, split, titles


def _interactions(columns: dict[str, NDArray[Any]], space: dict[str, Any]) -> Interactions:
    from recneg.interactions import Interactions

    return Interactions.from_arrays(
        columns["users"],
        columns["items"],
        weights=columns.get("weights"),
        timestamps=columns.get("timestamps"),
        **space,
    )


def _split(
    columns: dict[str, NDArray[Any]], part: NDArray[np.uint8], space: dict[str, Any]
) -> Split:
    from recneg.splits import given_split

    train, validation, test = (
        _interactions({role: values[part == code] for role, values in columns.items()}, space)
        for code in range(3)
    )
    return given_split(train, test, validation if (part == 1).any() else None)


def index_ids(raw: NDArray[Any], dtype: Any = np.int64) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the sorted distinct ids and, as `dtype`, the place of each row's among them."""
    if raw.min() >= 0 and raw.max() < 4 * raw.size + 1_000_000:  # a table is faster than sorting
        present = np.zeros(int(raw.max()) + 1, np.bool_)
        present[raw] = True
        return np.flatnonzero(present), (np.cumsum(present) - 1).astype(dtype)[raw]
    ids, places = np.unique(raw, return_inverse=True)
    return ids.astype(np.int64), places.astype(dtype)


def unless_plain(ids: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return None where ids are the indices themselves."""
    return None if np.array_equal(ids, np.arange(ids.size)) else ids


def titles_of(table: pl.DataFrame, item_ids: NDArray[np.int64]) -> NDArray[np.str_]:
    """Return the titles of items, empty where one is unknown."""
    known = dict(zip(table["item"].to_list(), table["title"].to_list(), strict=True))
    return np.array([known.get(item) or "" for item in item_ids.tolist()], dtype=np.str_)
