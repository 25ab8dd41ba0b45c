"""The weights that an encoder and its tables start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recneg.keys import Key
from recneg.training.fused import random_factors
from recneg.training.state import Factors
from recneg.training.tables import Matrix

if TYPE_CHECKING:
    from recneg.models.tron import TRONEncoder

__all__ = ["start_weights"]


def start_weights(
    encoder: TRONEncoder, num_items: int, tied: bool, item_bias: bool, key: Key
) -> Factors:
    """Return keyed weights: matrices uniform as by Glorot and Bengio, biases 0, norms 1.

    Parameters
    ----------
    encoder : TRONEncoder
        Tells the names and shapes of its weights.
    num_items : int
    tied : bool
        Whether the next item is scored by the table that the encoder sees.
    item_bias : bool
        Whether the table that it is scored by has one more column, of zeros.
    key : Key

    Returns
    -------
    tuple of three arrays of float32
        The output table, without rows if tied, the input table, and the encoder's weights one
        after another.
    """
    columns = encoder.factors
    items = _glorot(num_items, columns, key.fold_in(0))
    scored = items if tied else _glorot(num_items, columns, key.fold_in(1))
    if item_bias:
        scored = np.hstack((scored, np.zeros((num_items, 1), np.float32)))
    rest = []
    for number, (name, weight) in enumerate(encoder.named_parameters(), start=2):
        if weight.ndim == 2:
            rows, columns = weight.shape
            rest.append(_glorot(rows, columns, key.fold_in(number)).reshape(-1))
        else:
            rest.append(np.full(weight.numel(), name.endswith("norm.weight"), np.float32))
    if tied:
        return np.empty((0, scored.shape[1]), np.float32), scored, np.concatenate(rest)
    return scored, items, np.concatenate(rest)


def _glorot(rows: int, columns: int, key: Key) -> Matrix:
    return random_factors(rows, columns, (2.0 / (rows + columns)) ** 0.5, key)
