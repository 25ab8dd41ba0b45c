"""What mixing returns and checks: synthetic negatives are vectors, not items."""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace

from recneg.errors import InvalidDataError
from recneg.mining.candidates import detached

__all__ = ["MixedVectors", "check_vectors"]


class MixedVectors(NamedTuple):
    """Synthetic negatives; they are no items, so they have neither an id nor a probability.

    Attributes
    ----------
    vectors : float array, shape (batch, m, d)
        0 where `mask` is false.
    mask : bool array, shape (batch, m)
        False where a row had nothing to mix.
    positions : int64 array, shape (batch, m)
        The candidate that a vector is made of; of two, the first. 0 where `mask` is false.
    """

    vectors: Any
    mask: Any
    positions: Any


def check_vectors(scores: Any, candidate_vectors: Any, **row_vectors: Any) -> None:
    """Check candidate vectors (batch, n, d), and vectors of rows (batch, d) by their names."""
    shape = tuple(candidate_vectors.shape)
    xp: Any = array_namespace(detached(candidate_vectors))
    for name, vectors in {"candidate_vectors": candidate_vectors, **row_vectors}.items():
        if not xp.isdtype(vectors.dtype, "real floating"):
            raise InvalidDataError(f"{name} must be floats; got {vectors.dtype}")
        if not bool(xp.all(xp.isfinite(detached(vectors)))):
            raise InvalidDataError(f"{name} must be finite; got NaN or infinity")
    if len(shape) != 3 or shape[:2] != tuple(scores.shape):
        raise InvalidDataError(
            f"candidate_vectors must have shape (*{tuple(scores.shape)}, d); got {shape}"
        )
    for name, vectors in row_vectors.items():
        if tuple(vectors.shape) != (shape[0], shape[2]):
            raise InvalidDataError(
                f"{name} must have shape {(shape[0], shape[2])}; got {tuple(vectors.shape)}"
            )
