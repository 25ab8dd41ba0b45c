"""The k best items of users whose scores are inner products of factors, in bounded memory.

One product a chunk uses the threads of BLAS, then the rows are ranked on the pool. One chunk a
thread would be some 20 % faster (measured on 2 cores), but only with BLAS held to one thread, which
takes another dependency; with BLAS left alone it is slower.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions, check_ids
from recneg.retrieval.ranking import TopItems, as_floats, empty_result, select_into

__all__ = ["CHUNK_BYTES", "check_factors", "rank_factors"]

CHUNK_BYTES = 64 * 2**20
"""Default size of the buffer that holds the scores of one chunk of users."""

_ROW_MULTIPLE = 32  # BLAS takes other paths, with other rounding, for one row or a few


def check_factors(user_factors: Any, item_factors: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both as matrices of one float dtype after checking that they fit together."""
    users, items = as_floats(user_factors, "user_factors"), as_floats(item_factors, "item_factors")
    if users.shape[1] != items.shape[1]:
        raise InvalidDataError(
            "user_factors and item_factors must have the same number of columns; "
            f"got shapes {users.shape} and {items.shape}"
        )
    dtype = np.result_type(users, items)
    return users.astype(dtype, copy=False), items.astype(dtype, copy=False)


def rank_factors(
    user_factors: Any,
    item_factors: Any,
    k: int,
    *,
    users: ArrayLike | None = None,
    seen: Interactions | None = None,
    item_biases: ArrayLike | None = None,
    candidates: ArrayLike | None = None,
    filter_items: ArrayLike | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> TopItems:
    """Return each user's k best items by inner product, then item id ascending.

    Chunks of users are multiplied by BLAS, with its own threads, and ranked on the pool of
    `recneg.parallel`. Neither the number of threads nor, up to the rounding of BLAS, the size of
    the chunks changes a result.

    Parameters
    ----------
    user_factors : array_like or torch.Tensor, shape (num_users, d)
    item_factors : array_like or torch.Tensor, shape (num_items, d)
    k : int
        At least 1.
    users : array_like of int, shape (n,), optional
        Default: all.
    seen : Interactions, optional
        Items never to return, user by user.
    item_biases : array_like of float, shape (num_items,), optional
        Added to the inner products.
    candidates : array_like of int, optional
        Rank these items only.
    filter_items : array_like of int, optional
        Items to leave out for everybody.
    chunk_bytes : int
        Bound on the score buffer, at least 32 rows.

    Returns
    -------
    TopItems
        ``items`` and ``scores`` of shape (n, k).

    Raises
    ------
    InvalidDataError
        For shapes that do not fit together, and for NaN scores, naming the user.
    InvalidIdError
        For an id out of range.
    """
    k = check_count(k, "k")
    left, right = check_factors(user_factors, item_factors)
    if item_biases is not None:
        left, right = _with_biases(left, right, item_biases)
    num_users, num_items = len(left), len(right)
    if seen is not None and (seen.num_users, seen.num_items) != (num_users, num_items):
        raise InvalidDataError(
            f"seen must have the shape of the model, {(num_users, num_items)}; "
            f"got {(seen.num_users, seen.num_items)}"
        )
    who = np.arange(num_users) if users is None else check_ids(users, "user", num_users)
    rows, columns = who, None
    if candidates is not None or filter_items is not None:
        columns = _columns(candidates, filter_items, num_items)
        right = right[columns]
        seen, rows = _restrict(seen, who, columns), np.arange(len(who))
    result = empty_result(len(who), k, left.dtype)
    for start, stop, scores in _score_chunks(left, right, who, chunk_bytes):
        part = slice(start, stop)
        chunk = TopItems(result.items[part], result.scores[part])
        select_into(chunk, scores, seen, rows[part], who[part])
    if columns is not None and columns.size:
        found = result.items >= 0
        result.items[found] = columns[result.items[found]]
    return result


def _score_chunks(
    left: NDArray[Any], right: NDArray[Any], users: NDArray[np.int64], chunk_bytes: int
) -> Any:
    """Yield (start, stop, scores) with one buffer for all chunks, whole multiples of rows."""
    fitting = chunk_bytes // max(len(right) * left.itemsize * _ROW_MULTIPLE, 1)
    needed = -(-len(users) // _ROW_MULTIPLE)
    size = _ROW_MULTIPLE * max(min(fitting, needed), 1)
    factors = np.zeros((size, left.shape[1]), left.dtype)
    buffer = np.empty((size, len(right)), left.dtype)
    for start in range(0, len(users), size):
        stop = min(start + size, len(users))
        np.take(left, users[start:stop], axis=0, out=factors[: stop - start])
        height = -(-(stop - start) // _ROW_MULTIPLE) * _ROW_MULTIPLE
        np.matmul(factors[:height], right.T, out=buffer[:height])
        yield start, stop, buffer[: stop - start]


def _with_biases(
    left: NDArray[Any], right: NDArray[Any], item_biases: ArrayLike
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Make the biases one more column of the item factors, against ones."""
    biases = np.asarray(item_biases, right.dtype)
    if biases.shape != (len(right),):
        raise InvalidDataError(f"item_biases must have shape ({len(right)},); got {biases.shape}")
    return (
        np.hstack([left, np.ones((len(left), 1), left.dtype)]),
        np.hstack([right, biases[:, None]]),
    )


def _columns(
    candidates: ArrayLike | None, filter_items: ArrayLike | None, num_items: int
) -> NDArray[np.int64]:
    keep = np.full(num_items, candidates is None)
    if candidates is not None:
        keep[check_ids(candidates, "item", num_items)] = True
    if filter_items is not None:
        keep[check_ids(filter_items, "item", num_items)] = False
    return np.flatnonzero(keep)


def _restrict(
    seen: Interactions | None, users: NDArray[np.int64], columns: NDArray[np.int64]
) -> Interactions | None:
    """Return the history of `users`, one row each, with items numbered as in `columns`."""
    if seen is None:
        return None
    place = np.full(seen.num_items, -1, np.int64)
    place[columns] = np.arange(len(columns))
    counts = seen.user_counts()[users]
    items = place[seen.indices[seen.rows_of(users)]]
    rows, keep = np.repeat(np.arange(len(users)), counts), items >= 0
    return Interactions.from_arrays(
        rows[keep], items[keep], num_users=len(users), num_items=len(columns)
    )
