"""AdaSIR: a small pool of each user, resampled by score from many candidates, then drawn from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.keys import Key, as_key, random_floats
from recneg.mining.importance import importance_resampled
from recneg.retrieval.ranking import as_floats
from recneg.samplers import Pool, Sampler

__all__ = ["resampled_pool"]

BLOCK_USERS = 256


def resampled_pool(
    base_sampler: Sampler,
    user_factors: Any,
    item_factors: Any,
    *,
    key: int | Key,
    num_candidates: int = 200,
    size: int = 50,
    previous: Pool | None = None,
) -> Pool:
    """Return the uniform law over pools that `importance_resampled` fills, one for each user.

    Chen et al., "Learning recommenders for implicit feedback with importance resampling" (AdaSIR),
    WWW 2022: for each user `num_candidates` draws from a simple law are resampled, with
    replacement, by ``softmax(s - log_q)``. With the pool of an earlier epoch, the new one takes
    `size` entries at random, with replacement, from both, as the authors' program does.

    Log q of the result is exact for the pool; how the pool came about is not part of it. Works on
    256 users at a time. The result takes 8 bytes a user and 16 an entry.

    Parameters
    ----------
    base_sampler : Sampler
        The law of the candidates.
    user_factors : array or tensor, shape (num_users, d)
    item_factors : array or tensor, shape (num_items, d)
    key : int or Key
        A new one for every rebuild.
    num_candidates : int, default 200
    size : int, default 50
        Entries of a pool.
    previous : Pool, optional

    Returns
    -------
    recneg.samplers.Pool
        Empty for users without an admissible item.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg import Interactions, Uniform
    >>> data = Interactions.from_arrays([0], [0], num_items=4)
    >>> factors = np.array([[9.0], [1.0], [400.0], [2.0]])
    >>> pool = resampled_pool(Uniform(data), np.array([[1.0]]), factors, key=0, size=3)
    >>> pool.entries
    array([[2, 2, 2]], dtype=int32)
    """
    check_count(num_candidates, "num_candidates")
    check_count(size, "size")
    users, items = as_floats(user_factors, "user_factors"), as_floats(item_factors, "item_factors")
    expected = (base_sampler.num_users, base_sampler.num_items)
    if (len(users), len(items)) != expected or users.shape[1] != items.shape[1]:
        raise InvalidDataError(
            f"factors must have {expected[0]} and {expected[1]} rows and equal columns; "
            f"got shapes {users.shape} and {items.shape}"
        )
    for name, factors in (("user_factors", users), ("item_factors", items)):
        if not np.isfinite(factors).all():
            row = int(np.argmin(np.isfinite(factors).all(axis=1)))
            raise InvalidDataError(f"{name} must be finite; got NaN or infinity in row {row}")
    if previous is not None and previous.num_users != len(users):
        raise InvalidDataError(f"previous must have {len(users)} users; got {previous.num_users}")
    drawing, choosing, joining = (as_key(key).fold_in(part) for part in range(3))
    entries = np.full((len(users), size), -1, np.int32)
    for start in range(0, len(users), BLOCK_USERS):
        block = np.arange(start, min(start + BLOCK_USERS, len(users)))
        drawn = base_sampler.sample(
            block, num_candidates, key=drawing, rows=block, exhausted="mask"
        )
        scores = np.einsum("ud,und->un", users[block], items[drawn.items], dtype=np.float64)
        entries[block] = importance_resampled(
            drawn, scores, num_negatives=size, key=choosing, rows=block
        ).items
    if previous is not None and previous.entries.size:
        entries = _joined(entries, previous.entries, joining)
    return Pool(base_sampler.interactions, entries)


def _joined(entries: NDArray[np.int32], previous: NDArray[np.int32], key: Key) -> NDArray[np.int32]:
    """Draw each user's entries anew, uniformly, from those of both pools."""
    both = np.concatenate((previous, entries), axis=1)
    order = np.argsort(both < 0, axis=1, kind="stable")
    both = np.take_along_axis(both, order, axis=1)
    listed = (both >= 0).sum(axis=1, keepdims=True)
    rows = np.arange(len(entries))[:, None]
    unit = random_floats(key, rows, np.arange(entries.shape[1])[None])
    chosen = np.minimum((unit * listed).astype(np.int64), np.maximum(listed - 1, 0))
    return np.take_along_axis(both, chosen, axis=1)
