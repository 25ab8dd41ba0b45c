"""What mining returns: which candidates were chosen, where they stood, and how much they weigh."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Mined", "mined_at"]


class Mined(NamedTuple):
    """Chosen candidates; every array has shape (batch, num_negatives).

    The first three fields are those of `recneg.samplers.Negatives`. Gather scores, and with them
    the graph of their gradient, by `positions`; a masked entry points at candidate 0, so that
    gathering is always safe, and is to be left out of a loss by `mask`.

    Attributes
    ----------
    items : int64
        -1 where `mask` is false.
    log_q : float32
        NaN wherever a choice looked at scores, since the law of the result is not known: a loss
        that corrects for q then fails loudly. Functions that only weigh hand on the sampler's.
    mask : bool
        False where fewer candidates than asked for were admissible.
    positions : int64
        Places on the last axis of the candidates; 0 where `mask` is false.
    weights : float of the dtype of the scores, or None
        Weights of the terms of a loss, without gradient and 0 where `mask` is false; None from
        functions that do not weigh.
    """

    items: Any
    log_q: Any
    mask: Any
    positions: Any
    weights: Any = None


def mined_at(
    xp: Any, items: Any, positions: Any, mask: Any, num_negatives: int, weights: Any = None
) -> Mined:
    """Return the candidates at `positions`, filled up with masked entries to `num_negatives`.

    Parameters
    ----------
    xp : module
        The array namespace.
    items : int array, shape (..., n)
        Candidates.
    positions, mask : int64 and bool arrays, shape (..., k)
        With k of at most `num_negatives`.
    weights : array of shape (..., k), optional
    """
    missing = num_negatives - positions.shape[-1]
    if missing:
        shape = (*positions.shape[:-1], missing)
        filler = xp.broadcast_to(positions[..., :1], shape)
        positions = xp.concat([positions, filler], axis=-1)
        none = xp.broadcast_to(xp.zeros_like(mask[..., :1]), shape)
        mask = xp.concat([mask, none], axis=-1)
    positions = xp.where(mask, positions, xp.zeros_like(positions))
    chosen = xp.take_along_axis(items, positions, axis=-1)
    chosen = xp.astype(xp.where(mask, chosen, -xp.ones_like(chosen)), xp.int64)
    unknown = xp.zeros_like(chosen, dtype=xp.float32) * xp.nan + xp.nan
    return Mined(chosen, unknown, mask, positions, weights)
