"""The optimisers in torch: the formulas of `move_rows`, on any device.

torch.optim has no Adagrad with one sum a row and no Adam that moves the rows of a batch alone.
"""

from __future__ import annotations

import torch

from recneg.training.optimizers import ADAGRAD, PLAIN, ROWWISE, Optimizer

__all__ = ["move_table"]


def move_table(
    optimizer: Optimizer,
    values: torch.Tensor,
    moments: tuple[torch.Tensor, ...],
    rows: torch.Tensor | None,
    gradient: torch.Tensor,
    rate: float,
    step: int,
) -> None:
    """Move rows of a table, and their moments, by one step.

    Parameters
    ----------
    optimizer : Optimizer
    values : torch.Tensor of float32, shape (num_rows, columns)
        Changed in place.
    moments : two tensors of float32
        As `Optimizer.moments` makes them; changed in place.
    rows : torch.Tensor of int64, shape (m,), or None for all
        Without repeats.
    gradient : torch.Tensor of float32, shape (m, columns)
    rate : float
    step : int
        From 1.
    """
    where = slice(None) if rows is None else rows
    if optimizer.code == PLAIN:
        values[where] -= rate * gradient
        return
    first, second = moments
    if optimizer.code in (ADAGRAD, ROWWISE):
        squares = gradient.square()
        if optimizer.code == ROWWISE:
            squares = squares.mean(1, keepdim=True)
        first[where] += squares
        values[where] -= rate * gradient / (first[where].sqrt() + optimizer.parameters[2])
        return
    beta1, beta2, epsilon = optimizer.parameters
    first[where] = beta1 * first[where] + (1 - beta1) * gradient
    second[where] = beta2 * second[where] + (1 - beta2) * gradient.square()
    size, root = rate / (1 - beta1**step), (1 - beta2**step) ** -0.5
    values[where] -= size * first[where] / (second[where].sqrt() * root + epsilon)
