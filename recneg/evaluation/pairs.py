"""The scores that a model gives to given pairs of users and items."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.retrieval.factors import CHUNK_BYTES, check_factors
from recneg.retrieval.ranking import as_floats

__all__ = ["pair_scores"]


def pair_scores(model: Any, test: Interactions) -> NDArray[np.float64]:
    """Return the model's score of each pair of `test`, shape (num_interactions,).

    The model is one of `recneg.evaluation.evaluate`. Inner products are summed in float64.
    """
    users, shape = test.users(), (test.num_users, test.num_items)
    user_factors = getattr(model, "user_factors", None)  # once: a property may build them
    item_factors = getattr(model, "item_factors", None)
    scores = np.empty(len(test))
    if user_factors is not None and item_factors is not None:
        left, right = check_factors(user_factors, item_factors)
        if (len(left), len(right)) != shape:
            raise InvalidDataError(
                f"the model must have factors for {shape[0]} users and {shape[1]} items; "
                f"got {len(left)} and {len(right)}"
            )
        at_once = max(1, CHUNK_BYTES // (16 * max(left.shape[1], 1)))
        for start in range(0, len(test), at_once):
            part = slice(start, start + at_once)
            products = left[users[part]].astype(np.float64) * right[test.indices[part]]
            scores[part] = products.sum(axis=1)
    elif callable(model):
        at_once = max(1, CHUNK_BYTES // (8 * max(shape[1], 1)))
        with_items = np.flatnonzero(test.user_counts())
        for start in range(0, len(with_items), at_once):
            some = with_items[start : start + at_once]
            made = as_floats(model(some), "the scores of the model")
            if made.shape != (len(some), shape[1]):
                raise InvalidDataError(
                    f"the model must return scores of shape {(len(some), shape[1])}; "
                    f"got {made.shape}"
                )
            rows = test.rows_of(some)
            scores[rows] = made[np.searchsorted(some, users[rows]), test.indices[rows]]
    else:
        raise TypeError(
            "the model must be callable or have user_factors and item_factors; "
            f"got {type(model).__name__}"
        )
    if np.isnan(scores).any():
        place = int(np.argmax(np.isnan(scores)))
        raise InvalidDataError(
            f"scores must not be NaN; got NaN for user {users[place]} and item "
            f"{test.indices[place]}"
        )
    return scores
