"""Factors to start from: the leading singular vectors of the normalised interactions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtri

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.keys import Key, random_floats
from recneg.training.fused import random_factors

__all__ = ["spectral_factors"]

EXTRA, ITERATIONS = 16, 2
"""Columns beyond those asked for, and rounds of subspace iteration."""

NOISE = 1e-3
"""Share of random factors, which tells rows of equal histories apart."""

Matrix = NDArray[np.float32]


def spectral_factors(
    train: Interactions, factors: int, deviation: float, key: Key
) -> tuple[Matrix, Matrix]:
    """Return factors of users and items whose rows have length ``deviation * sqrt(factors)``.

    Their directions are those of the rows of ``U sqrt(S)`` and ``V sqrt(S)``, where ``U S V'`` are
    the leading singular triples of ``D_u^-1/2 R D_i^-1/2``, the interactions over the roots of the
    degrees of users and items; found by randomised subspace iteration (Halko, Martinsson and Tropp,
    SIAM Review 2011, algorithm 4.4). Rows without interactions are random.

    Raises
    ------
    InvalidDataError
        If there are fewer users or items than factors.
    """
    smaller = min(train.num_users, train.num_items)
    if factors > smaller:
        raise InvalidDataError(
            f"a spectral start must have at most {smaller} factors, the smaller side of "
            f"{train!r}; got {factors}"
        )
    matrix = _normalised(train)
    turned = matrix.T.tocsr()
    size = min(factors + EXTRA, smaller)
    rows = np.arange(train.num_items)
    uniform = random_floats(key.fold_in(2), rows[:, None], np.arange(size))
    found = _orthonormal(matrix @ ndtri(uniform + 2.0**-54).astype(np.float32))
    for _ in range(ITERATIONS):
        found = _orthonormal(matrix @ _orthonormal(turned @ found))
    projected = turned @ found
    squares, left = _eigen(projected)
    # U sqrt(S) and V sqrt(S), from the eigenvectors of the projection's small Gram matrix
    roots = np.sqrt(np.sqrt(squares[:factors]))
    sides = (
        found @ (left[:, :factors] * roots).astype(np.float32),
        projected @ (left[:, :factors] / roots).astype(np.float32),
    )
    users, items = (
        _scaled(side, random_factors(len(side), factors, deviation, key.fold_in(number)))
        for number, side in enumerate(sides)
    )
    return users, items


def _normalised(train: Interactions) -> sparse.csr_matrix:
    degrees = (train.user_counts(), train.item_counts())
    of_users, of_items = (1.0 / np.sqrt(np.maximum(degree, 1)) for degree in degrees)
    values = of_users[train.users()] * of_items[train.indices]
    shape = (train.num_users, train.num_items)
    return sparse.csr_matrix((values.astype(np.float32), train.indices, train.indptr), shape=shape)


def _eigen(columns: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the eigenvalues of the Gram matrix, the largest first and none near 0, and vectors."""
    values, vectors = np.linalg.eigh((columns.T @ columns).astype(np.float64))
    return np.maximum(values, 1e-7 * max(values[-1], 1e-30))[::-1], vectors[:, ::-1]


def _orthonormal(columns: Matrix) -> Matrix:
    """Return columns that span the same space, orthonormal but for rounding.

    By the Gram matrix, which costs two products in float32 where a QR decomposition works in
    float64, column by column; directions below the rounding of float32 come out shorter.
    """
    values, vectors = _eigen(columns)
    return np.asarray(columns @ (vectors / np.sqrt(values)).astype(np.float32))


def _scaled(side: NDArray[np.floating], random: Matrix) -> Matrix:
    """Give each row the usual length of the random ones, and a little of them."""
    length = np.sqrt(np.mean(np.square(random)) * random.shape[1])
    norms = np.linalg.norm(side, axis=1, keepdims=True)
    empty = norms < 1e-6 * max(float(norms.max()), 1e-30)
    turned = length * side / np.where(empty, 1.0, norms) + NOISE * random
    return np.ascontiguousarray(np.where(empty, random, turned), np.float32)
