"""The k highest of each row with ties broken by item id, in one partial selection."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import is_torch_array

from recneg.mining.candidates import sorted_candidates
from recneg.mining.mined import Mined, mined_at

__all__ = ["highest"]


def highest(xp: Any, items: Any, scores: Any, eligible: Any, num_negatives: int) -> Mined:
    """Return the highest-scored eligible candidates of each row, best first.

    Scores of up to 32 bits are packed with the item id into one sortable integer, so that a single
    partial selection also settles the ties; float64 takes two stable sorts.

    Parameters
    ----------
    xp, items, scores, eligible
        From `recneg.mining.candidates.admissible`; any number of leading axes.
    num_negatives : int
    """
    if scores.dtype == xp.float64:
        return sorted_candidates(xp, items, scores, eligible).best_scores(num_negatives)
    keys = xp.where(eligible, _packed(xp, items, scores), -(2**63))
    k = min(num_negatives, scores.shape[-1])
    positions = _largest(keys, k)
    mask = xp.take_along_axis(eligible, positions, axis=-1)
    return mined_at(xp, items, positions, mask, num_negatives)


def _packed(xp: Any, items: Any, scores: Any) -> Any:
    """Return int64 keys that sort by score ascending, then by item id descending."""
    single = xp.astype(scores, xp.float32) + 0.0  # -0 becomes 0
    bits = single.view(xp.int32)
    rising = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # negative floats sort backwards as integers
    return (xp.astype(rising, xp.int64) << 32) | (0xFFFFFFFE - xp.astype(items, xp.int64))


def _largest(keys: Any, k: int) -> Any:
    if is_torch_array(keys):
        return keys.topk(k, dim=-1).indices
    n = keys.shape[-1]
    some = np.argpartition(keys, n - k, axis=-1)[..., n - k :]
    ranked = np.argsort(np.take_along_axis(keys, some, -1), axis=-1)[..., ::-1]
    return np.take_along_axis(some, ranked, -1)
