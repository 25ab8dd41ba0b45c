"""MixGCF: part of the positive is mixed into every candidate, and the hardest mixture is kept."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace, device

from recneg.keys import Key
from recneg.mining.candidates import admissible, detached, sorted_candidates
from recneg.mining.noise import row_numbers, stream, unit_noise
from recneg.mining.vectors import MixedVectors, check_vectors
from recneg.samplers import Negatives

__all__ = ["mixed_positive"]


def mixed_positive(
    negatives: Negatives,
    scores: Any,
    *,
    candidate_vectors: Any,
    positive_vectors: Any,
    key: int | Key,
    rows: Any = None,
) -> MixedVectors:
    """Return ``a p + (1 - a) n_j`` for the candidate that maximises its product with the user.

    Huang et al., "MixGCF: an improved training method for graph neural network-based recommender
    systems", KDD 2021. One ``a`` from (0, 1) serves all candidates of a row, so the hardest mixture
    is that of the highest-scored candidate. Call it once a layer, with ``key.fold_in(layer)`` and
    the layer's vectors and scores, and pool the results as the model pools its layers.

    The gradient flows through the positive's and the chosen candidate's vectors, as in the paper,
    and not through the choice.

    Parameters
    ----------
    negatives : Negatives
        Shape (batch, n).
    scores : float array, shape (batch, n)
        Inner products of the user's and the candidates' vectors of the layer.
    candidate_vectors : float array, shape (batch, n, d)
    positive_vectors : float array, shape (batch, d)
    key : int or Key
    rows : int array, shape (batch,), optional
        Global row numbers. Default: ``0 .. batch - 1``.

    Returns
    -------
    MixedVectors
        One a row: vectors of shape (batch, 1, d).

    Examples
    --------
    >>> import numpy as np
    >>> from recneg.samplers import Negatives
    >>> items = np.array([[7, 1]])
    >>> drawn = Negatives(items, np.zeros(items.shape), items >= 0)
    >>> vectors, positive = np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.array([[1.0, 1.0]])
    >>> known = dict(candidate_vectors=vectors, positive_vectors=positive, key=0)
    >>> mixed = mixed_positive(drawn, np.array([[0.2, 0.9]]), **known)
    >>> int(mixed.positions[0, 0]), float(mixed.vectors[0, 0, 1])
    (1, 1.0)
    """
    check_vectors(scores, candidate_vectors, positive_vectors=positive_vectors)
    chosen = sorted_candidates(*admissible(negatives, scores)).best_scores(1)
    xp: Any = array_namespace(detached(scores))
    none = xp.zeros((1, 1), dtype=xp.int64, device=device(scores))
    share = unit_noise(xp, stream(key, "mixgcf"), row_numbers(xp, rows, scores), none, none)
    share = xp.astype(share, candidate_vectors.dtype)[..., None]
    shape = (scores.shape[0], 1, candidate_vectors.shape[-1])
    index = xp.broadcast_to(chosen.positions[..., None], shape)
    candidate = xp.take_along_axis(candidate_vectors, index, axis=1)
    mixed = share * positive_vectors[:, None, :] + (1 - share) * candidate
    mixed = xp.where(chosen.mask[..., None], mixed, xp.zeros_like(mixed))
    return MixedVectors(mixed, chosen.mask, chosen.positions)
