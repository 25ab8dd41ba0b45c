"""Codebooks: k-means centres of vectors.

The same key gives the same centres on one machine. Between machines the linear algebra library may
round differently, and a vector halfway between two centres may change sides.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.keys import Key, shuffled

__all__ = ["codebook"]

ITERATIONS = 20
SAMPLE = 1 << 16
"""Vectors that the centres are fitted to at least, where there are more; or 64 a centre."""


LARGEST = 4096
"""Beyond this k-means takes minutes, and the law over cells is no cheaper than the softmax."""


def codebook(
    vectors: NDArray[np.float32], size: int, key: Key
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return at most `size` centres of vectors and the nearest of each, by Lloyd's k-means.

    Parameters
    ----------
    vectors : numpy.ndarray of float32, shape (n, d)
        ``n >= 1``. Without a column, ``d = 0``, all vectors have the one empty centre.
    size : int
        Fewer centres come back where fewer vectors are distinct.
    key : Key
        Picks the vectors to fit to, and those to start from.

    Returns
    -------
    centres : numpy.ndarray of float64, shape (at most size, d)
    codes : numpy.ndarray of int64, shape (n,)
    """
    from scipy.cluster.vq import kmeans2, vq

    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise InvalidDataError(f"the size of a codebook must be a positive integer; got {size!r}")
    if size > LARGEST:
        raise InvalidDataError(f"the size of a codebook must be at most {LARGEST}; got {size}")
    n, d = vectors.shape
    if d == 0:
        return np.zeros((1, 0)), np.zeros(n, np.int64)
    picked = shuffled(key, np.arange(n))[: max(SAMPLE, 64 * size)]
    sample = vectors[picked].astype(np.float64)
    distinct = np.sort(np.unique(sample, axis=0, return_index=True)[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty cluster keeps its centre: no harm
        centres, _ = kmeans2(sample, sample[distinct[:size]], iter=ITERATIONS, minit="matrix")
    codes = np.empty(n, np.int64)
    for start in range(0, n, SAMPLE):  # in parts: a copy in float64 of all would be large
        part = slice(start, start + SAMPLE)
        codes[part], _ = vq(vectors[part].astype(np.float64), centres)
    return centres, codes
