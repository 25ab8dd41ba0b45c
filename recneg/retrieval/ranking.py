"""The k best unseen items of each row of scores, exactly, with ties broken by item id."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions, check_ids
from recneg.parallel import map_blocks
from recneg.retrieval.selection import select_rows

__all__ = ["TopItems", "as_floats", "top_items"]

_BLOCK_ROWS = 16


class TopItems(NamedTuple):
    """Ranked items, best first.

    Attributes
    ----------
    items : numpy.ndarray of int32, shape (num_rows, k)
        Padded with -1 where a row has fewer than k candidates.
    scores : numpy.ndarray of float32 or float64, shape (num_rows, k)
        Padded with -inf.
    """

    items: NDArray[np.int32]
    scores: NDArray[Any]


def as_floats(values: Any, what: str) -> NDArray[Any]:
    """Return a matrix of float32 or float64 from an array or a torch tensor on any device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if values.is_floating_point() and values.itemsize < 4:  # NumPy has no bfloat16
            values = values.float()
    array = np.asarray(values)
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise InvalidDataError(
            f"{what} must be a matrix of numbers; got shape {array.shape}, dtype {array.dtype}"
        )
    single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    return np.ascontiguousarray(array, np.float32 if single else np.float64)


def top_items(
    scores: ArrayLike, k: int, *, seen: Interactions | None = None, rows: ArrayLike | None = None
) -> TopItems:
    """Return the k best items of each row, by score descending and then item id ascending.

    Only the order of the scores matters: any strictly increasing transform gives the same items.
    The result does not depend on the number of threads.

    Parameters
    ----------
    scores : array_like or torch.Tensor of float, shape (num_rows, num_items)
        ``-inf`` is a score like any other: such items come last, but they do come. Left unchanged.
    k : int
        At least 1. The columns are always k; see `TopItems` for the padding.
    seen : Interactions, optional
        Items never to return.
    rows : array_like of int, shape (num_rows,), optional
        The user of each row in `seen`. Default: row r is user r.

    Raises
    ------
    InvalidDataError
        For shapes that do not fit, and for NaN, naming the user and the item.

    Examples
    --------
    >>> top_items([[0.1, 0.7, 0.7, 0.2]], 3).items.tolist()
    [[1, 2, 3]]
    >>> seen = Interactions.from_arrays([0, 0], [1, 3])
    >>> top_items([[0.1, 0.7, 0.7, 0.2]], 3, seen=seen).items.tolist()
    [[2, 0, -1]]
    """
    matrix = as_floats(scores, "scores")
    num_rows, num_items = matrix.shape
    if seen is not None and seen.num_items != num_items:
        raise InvalidDataError(
            f"scores must have one column an item, {seen.num_items}; got {num_items}"
        )
    limit = num_rows if seen is None else seen.num_users
    users = check_ids(np.arange(num_rows) if rows is None else rows, "user", limit)
    if users.shape != (num_rows,):
        raise InvalidDataError(f"rows must have shape ({num_rows},); got {users.shape}")
    result = empty_result(num_rows, check_count(k, "k"), matrix.dtype)
    select_into(result, matrix, seen, users)
    return result


def empty_result(num_rows: int, k: int, dtype: Any) -> TopItems:
    """Return arrays to be filled by `select_into`."""
    return TopItems(np.empty((num_rows, k), np.int32), np.empty((num_rows, k), dtype))


def select_into(
    result: TopItems,
    scores: NDArray[Any],
    seen: Interactions | None,
    rows: NDArray[np.int64],
    users: NDArray[np.int64] | None = None,
) -> None:
    """Rank checked scores on all cores, where row r has the history ``seen.items_of(rows[r])``.

    `users` are the users to name in errors, if they differ from `rows`.
    """
    if seen is None:
        indptr, indices, spans = np.zeros(2, np.int64), np.empty(0, np.int32), np.zeros_like(rows)
    else:
        indptr, indices, spans = seen.indptr, seen.indices, rows
    bad = np.empty(len(rows), np.int64)

    def work(start: int, stop: int) -> None:
        part = slice(start, stop)
        outputs = result.items[part], result.scores[part], bad[part]
        select_rows(scores[part], indptr, indices, spans[part], *outputs)

    map_blocks(work, len(rows), _BLOCK_ROWS)
    if (bad >= 0).any():
        row = int(np.argmax(bad >= 0))
        user = (rows if users is None else users)[row]
        raise InvalidDataError(
            f"scores must not be NaN; got NaN for user {user} in column {bad[row]}"
        )
