"""Ids that are strings, of any length: as an array, and as indices into a sorted one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

__all__ = ["index_labels", "label_array"]

OBJECT_BYTES = 64
"""What a Python string costs beyond its text, about."""


def label_array(labels: pl.Series) -> NDArray[Any]:
    """Return strings as an array of their common width, or of objects where that is much smaller.

    An array of one width takes four bytes a character of its longest string for every string.

    Parameters
    ----------
    labels : polars.Series of String, shape (n,)
        Without nulls.

    Returns
    -------
    numpy.ndarray of str, shape (n,)
        Of objects if fixed widths took more than a mebibyte and four times as much as those.
    """
    fixed = 4 * int(labels.str.len_chars().to_numpy().max(initial=0)) * len(labels)
    loose = int(labels.str.len_bytes().sum()) + OBJECT_BYTES * len(labels)
    array = labels.to_numpy()
    return array if fixed > max(4 * loose, 1 << 20) else array.astype(str)


def index_labels(labels: pl.Series) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the sorted distinct strings and the place of each among them.

    Parameters
    ----------
    labels : polars.Series of String, shape (n,)
        Without nulls.

    Returns
    -------
    numpy.ndarray of str, shape (num_distinct,)
        As from `label_array`.
    numpy.ndarray of int64, shape (n,)
    """
    import polars as pl

    distinct = labels.unique().sort()
    places = labels.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64)
    return label_array(distinct), places.to_numpy()
