"""MoCHi: harder negatives than any candidate, mixed from pairs of hard ones and with the query."""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from recneg.checks import check_count
from recneg.keys import Key
from recneg.mining.candidates import candidates_of, detached
from recneg.mining.noise import row_numbers, stream, unit_noise
from recneg.mining.vectors import MixedVectors, check_vectors
from recneg.samplers import Negatives

__all__ = ["mixed_hard"]


def mixed_hard(
    negatives: Negatives,
    scores: Any,
    *,
    candidate_vectors: Any,
    query_vectors: Any,
    key: int | Key,
    num_pairs: int = 1,
    num_with_query: int = 0,
    among: int | None = None,
    rows: Any = None,
) -> MixedVectors:
    """Return ``a n_i + (1 - a) n_j`` of hard candidates, then ``b q + (1 - b) n_j``, normalised.

    Kalantidis et al., "Hard negative mixing for contrastive learning" (MoCHi), NeurIPS 2020: i and
    j differ and are drawn among the N highest-scored, ``a`` from (0, 1) and ``b`` from (0, 1/2),
    and each vector is scaled to length 1. Where a row has one candidate only, i is j.

    Mixtures are constants, as in the paper, where candidates come from a momentum encoder: the
    gradient of a loss reaches the query through its product with them and nothing else.

    Parameters
    ----------
    negatives : Negatives
        Shape (batch, n).
    scores : float array, shape (batch, n)
    candidate_vectors : float array, shape (batch, n, d)
    query_vectors : float array, shape (batch, d)
    key : int or Key
    num_pairs : int, default 1
        The paper's s (512 of N = 1024 there); may be 0.
    num_with_query : int, default 0
        The paper's s'.
    among : int, optional
        The paper's N. Default: all candidates.
    rows : int array, shape (batch,), optional
        Global row numbers. Default: ``0 .. batch - 1``.

    Returns
    -------
    MixedVectors
        First the `num_pairs`, then the `num_with_query`.

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> items = np.array([[7, 1, 4]])
    >>> drawn = Negatives(items, np.zeros(items.shape), items >= 0)
    >>> vectors = np.array([[[3.0, 0.0], [5.0, 0.0], [0.0, -9.0]]])
    >>> query = np.array([[1.0, 0.0]])
    >>> scores = np.einsum("bnd,bd->bn", vectors, query)
    >>> known = dict(candidate_vectors=vectors, query_vectors=query, key=0)
    >>> mixed_hard(drawn, scores, **known, num_pairs=2, among=2).vectors.tolist()
    [[[1.0, 0.0], [1.0, 0.0]]]
    """
    if min(num_pairs, num_with_query) < 0 or num_pairs + num_with_query < 1:
        raise ValueError(
            "num_pairs and num_with_query must not be negative, nor both 0; "
            f"got {num_pairs} and {num_with_query}"
        )
    check_vectors(scores, candidate_vectors, query_vectors=query_vectors)
    wanted = None if among is None else check_count(among, "among")
    candidates = candidates_of(negatives, scores).highest(wanted)
    xp, eligible = candidates.xp, candidates.eligible
    size = xp.sum(xp.astype(eligible, xp.int64), axis=-1, keepdims=True)

    m = num_pairs + num_with_query
    place = xp.arange(m, dtype=xp.int64, device=device(scores))[None, :]
    numbers, purpose = row_numbers(xp, rows, scores), stream(key, "mochi")
    first, step, share = (
        unit_noise(xp, purpose, numbers, place, xp.full_like(place, part)) for part in range(3)
    )
    first = _below(xp, first, size)
    second = first + 1 + _below(xp, step, size - 1)
    second = xp.where(second >= size, second - size, second)  # a pair of different candidates
    second = xp.where(second < size, second, xp.zeros_like(second))

    mask = xp.broadcast_to(size > 0, (scores.shape[0], m))
    order = candidates.order
    positions = xp.take_along_axis(order, xp.where(mask, first, xp.zeros_like(first)), axis=-1)
    others = xp.take_along_axis(order, xp.where(mask, second, xp.zeros_like(second)), axis=-1)
    vectors, query = detached(candidate_vectors), detached(query_vectors)[:, None, :]
    one, other = (_rows_at(xp, vectors, chosen) for chosen in (positions, others))
    with_query = xp.broadcast_to(place >= num_pairs, mask.shape)
    share = xp.astype(xp.where(with_query, share / 2, share), vectors.dtype)[..., None]
    partner = xp.where(with_query[..., None], xp.broadcast_to(query, one.shape), other)
    mixed = xp.where(with_query[..., None], share * partner + (1 - share) * one,
                     share * one + (1 - share) * partner)  # fmt: skip
    wide = xp.astype(mixed, xp.float64)  # squares of half precision overflow, or vanish
    length = xp.sqrt(xp.sum(wide**2, axis=-1, keepdims=True))
    mixed = xp.astype(wide / xp.where(length > 0, length, xp.ones_like(length)), mixed.dtype)
    mixed = xp.where(mask[..., None], mixed, xp.zeros_like(mixed))
    return MixedVectors(mixed, mask, xp.where(mask, positions, xp.zeros_like(positions)))


def _below(xp: Any, unit: Any, size: Any) -> Any:
    """Return integers in [0, size) from numbers in (0, 1); 0 for a size of 0 or less."""
    count = xp.where(size > 0, size, xp.ones_like(size))
    drawn = xp.astype(xp.floor(unit * xp.astype(count, xp.float64)), xp.int64)
    return xp.where(drawn < count, drawn, count - 1)


def _rows_at(xp: Any, vectors: Any, positions: Any) -> Any:
    """Return the vectors (batch, m, d) at positions (batch, m)."""
    shape = (*tuple(positions.shape), vectors.shape[-1])
    return xp.take_along_axis(vectors, xp.broadcast_to(positions[..., None], shape), axis=1)
