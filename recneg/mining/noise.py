"""Keyed noise of candidates: addressed by row, item and occurrence, never by position."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import device, is_torch_array

from recneg.errors import InvalidDataError
from recneg.keys import Key, as_key, random_bits, random_bits_torch
from recneg.mining.candidates import Candidates

__all__ = ["gumbel_noise", "row_numbers", "stream", "unit_noise"]


def stream(key: int | Key | None, purpose: str) -> Key:
    """Return the key of one purpose, at most 8 letters: apart from that of the sampler's draws."""
    if key is None:
        raise ValueError("a key is needed for a random choice; got None")
    return as_key(key).fold_in(int.from_bytes(purpose.encode("ascii"), "big"))


def row_numbers(xp: Any, rows: Any, like: Any) -> Any:
    """Return the global row numbers of a batch as an int64 column, by default 0 .. batch - 1."""
    batch = like.shape[0]
    if rows is None:
        return xp.arange(batch, dtype=xp.int64, device=device(like))[:, None]
    rows = xp.asarray(rows, device=device(like))
    if tuple(rows.shape) != (batch,) or not xp.isdtype(rows.dtype, "integral"):
        raise InvalidDataError(
            f"rows must be integers of shape ({batch},); got {rows.dtype} of {tuple(rows.shape)}"
        )
    return xp.astype(rows, xp.int64)[:, None]


def unit_noise(xp: Any, key: Key, rows: Any, slots: Any, attempts: Any) -> Any:
    """Return float64 numbers strictly between 0 and 1, one per (row, slot, attempt).

    The upper 52 bits of the word of `recneg.keys`, plus one half, times ``2**-52``; made on the
    device of the arguments, which broadcast against each other.
    """
    if is_torch_array(slots):
        bits = (random_bits_torch(key, rows, slots, attempts) >> 12) & (2**52 - 1)
    else:
        bits = random_bits(key, rows, slots, attempts) >> np.uint64(12)
    return (xp.astype(bits, xp.float64) + 0.5) * 2.0**-52


def gumbel_noise(candidates: Candidates, key: Key, rows: Any) -> Any:
    """Return standard Gumbel noise, one number a candidate in sorted order, between -4 and 37.

    The k highest of ``log p + noise`` are a sample without replacement, drawn one after the other
    in proportion to p (Kool et al., ICML 2019; after Yellott 1977).

    Parameters
    ----------
    candidates : Candidates
    key : Key
        From `stream`.
    rows : int array, shape (batch,), or None
    """
    xp, items, eligible = candidates.xp, candidates.items, candidates.eligible
    batch, n = items.shape
    first = xp.arange(batch, dtype=xp.int64, device=device(items))[:, None] * 2**32
    runs = xp.reshape(first + xp.where(eligible, items, 2**32 - 1), (-1,))
    begin = xp.searchsorted(runs, runs)
    place = xp.arange(batch * n, dtype=xp.int64, device=device(items))
    nothing = xp.zeros_like(items)
    occurrence = xp.where(eligible, xp.reshape(place - begin, (batch, n)), nothing)
    slots = xp.where(eligible, items, nothing)
    unit = unit_noise(xp, key, row_numbers(xp, rows, items), slots, occurrence)
    return -xp.log(-xp.log(unit))
