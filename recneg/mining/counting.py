"""How many of a row's reference values lie at or below each of its other values."""

from __future__ import annotations

from typing import Any

__all__ = ["count_at_most"]


def count_at_most(xp: Any, reference: Any, values: Any) -> Any:
    """Return, row by row, the number of reference values that do not exceed each value.

    A stable sort of both together gives each value's rank among all; its rank among the values
    alone is taken off. Takes memory for one row of both, where a comparison of all with all would
    take their product.

    Parameters
    ----------
    xp : module
        The array namespace.
    reference : float array, shape (batch, m)
    values : float array, shape (batch, n)

    Returns
    -------
    int64 array, shape (batch, n)
    """

    def ranks(array: Any) -> Any:
        return xp.argsort(xp.argsort(array, axis=-1, stable=True), axis=-1)

    together = ranks(xp.concat([reference, values], axis=-1))
    return together[..., reference.shape[-1] :] - ranks(values)
