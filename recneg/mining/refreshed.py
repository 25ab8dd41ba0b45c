"""ANCE and ADORE: negatives from the top of an index that is rebuilt as the model changes."""

from __future__ import annotations

from typing import Any

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.retrieval import rank_factors
from recneg.samplers import Pool

__all__ = ["refreshed"]


def refreshed(
    interactions: Interactions,
    user_factors: Any,
    item_factors: Any,
    *,
    top: int = 200,
    skip: int = 0,
) -> Pool:
    """Return the uniform law over each user's `top` best unseen items under frozen factors.

    Xiong et al., "Approximate nearest neighbor negative contrastive learning for dense text
    retrieval" (ANCE), ICLR 2021, rebuild it every so many steps; Zhan et al., "Optimizing dense
    retrieval model training with hard negatives" (ADORE, STAR), SIGIR 2021, freeze the items and
    rank for every user anew. Retrieval here is exact. What the user has seen is left out, and
    nothing else: the list holds the relevant unseen items too.

    STAR's random part keeps training stable: mix with another law, for example
    ``Mixture((refreshed(...), Uniform(interactions)), (0.5, 0.5))``.

    The memory is that of `recneg.samplers.Pool`: 8 bytes a user and 16 an entry.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    user_factors : array or tensor, shape (num_users, d)
    item_factors : array or tensor, shape (num_items, d)
    top : int, default 200
        Length of a list.
    skip : int, default 0
        Best items to leave out before it, which are the likeliest to be relevant.

    Returns
    -------
    recneg.samplers.Pool
        With an exact `log_prob`.

    Raises
    ------
    InvalidDataError
        For factors that do not fit the interactions, and for NaN.

    Examples
    --------
    >>> import numpy as np
    >>> data = Interactions.from_arrays([0], [0], num_items=4)
    >>> pool = refreshed(data, np.array([[1.0]]), np.array([[9.0], [1.0], [4.0], [2.0]]), top=2)
    >>> np.exp(pool.log_prob(0, np.arange(4))).tolist()
    [0.0, 0.0, 0.5, 0.5]
    """
    check_count(top, "top")
    check_count(skip, "skip", 0)
    shapes = len(user_factors), len(item_factors)
    if shapes != (interactions.num_users, interactions.num_items):
        raise InvalidDataError(
            "factors must have a row for each user and item, "
            f"{(interactions.num_users, interactions.num_items)}; got {shapes}"
        )
    depth = max(min(top + skip, interactions.num_items), 1)
    best = rank_factors(user_factors, item_factors, depth, seen=interactions)
    return Pool(interactions, best.items[:, skip:])
