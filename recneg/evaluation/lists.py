"""From a model of any kind to a function that ranks items for a few users at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.retrieval.factors import check_factors, rank_factors
from recneg.retrieval.ranking import as_floats, top_items

__all__ = ["list_maker"]

_USERS_AT_ONCE = 16384

Rank = Callable[[NDArray[np.int64]], NDArray[np.int32]]


def list_maker(model: Any, masked: Interactions, k: int, chunk_bytes: int) -> tuple[Rank, int]:
    """Return a function from users to their lists, and how many users to give it at once."""
    shape = masked.num_users, masked.num_items
    user_factors = getattr(model, "user_factors", None)  # once: a property may build them
    item_factors = getattr(model, "item_factors", None)
    if user_factors is not None and item_factors is not None:
        left, right = check_factors(user_factors, item_factors)
        if (len(left), len(right)) != shape:
            raise InvalidDataError(
                f"the model must have factors for {shape[0]} users and {shape[1]} items; "
                f"got {len(left)} and {len(right)}"
            )

        def by_factors(users: NDArray[np.int64]) -> NDArray[np.int32]:
            return rank_factors(
                left, right, k, users=users, seen=masked, chunk_bytes=chunk_bytes
            ).items

        return by_factors, _USERS_AT_ONCE
    if not callable(model):
        raise TypeError(
            "the model must be callable or have user_factors and item_factors; "
            f"got {type(model).__name__}"
        )

    def by_scores(users: NDArray[np.int64]) -> NDArray[np.int32]:
        scores = as_floats(model(users), "the scores of the model")
        if scores.shape != (len(users), shape[1]):
            raise InvalidDataError(
                f"the model must return scores of shape {(len(users), shape[1])}; "
                f"got {scores.shape}"
            )
        return top_items(scores, k, seen=masked, rows=users).items

    return by_scores, max(1, chunk_bytes // (8 * max(shape[1], 1)))
