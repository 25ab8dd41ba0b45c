"""A table of weights in training, on the CPU or another device, with one interface for both."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from recneg.training.optimizers import Optimizer
from recneg.training.tables import EVERY, SMALLEST_NORM, Matrix, Table
from recneg.training.torch_optimizers import move_table
from recneg.training.torch_scoring import double_sums

__all__ = ["DeviceWeights", "HostWeights"]


class HostWeights:
    """Weights that torch and the compiled kernels share, and their gradients.

    Parameters
    ----------
    values : numpy.ndarray of float32, shape (num_rows, columns)
        Changed in place.
    moments : two arrays of float32
        Of the optimiser; changed in place.
    cosine : bool, default False
        Whether the rows are used divided by their norms; gradients are by those then.
    gradients_by : {"scored", "both"}
        Whether rows have gradients beside these, by what they are before the division.
    beside : int, default 0
        With cosines: columns of `scored` after those of the rows, at first zeros, of whoever fills
        them.
    threads : int
        How many move rows side by side.
    lanes : int, optional
        For gradients of several threads at once. Default: one a thread.

    Attributes
    ----------
    values : torch.Tensor of float32, shape (num_rows, columns)
        The rows.
    scored : torch.Tensor of float32, shape (num_rows, columns + beside)
        The rows as they are used.
    gradient : torch.Tensor of float32, of that shape
        By them.
    """

    def __init__(
        self,
        values: Matrix,
        moments: tuple[Matrix, ...],
        *,
        cosine: bool = False,
        gradients_by: str = "scored",
        beside: int = 0,
        threads: int = 1,
        lanes: int | None = None,
    ) -> None:
        self.table = Table(
            values, moments, cosine=cosine, gradients_by=gradients_by, beside=beside,
            threads=threads, lanes=lanes,
        )  # fmt: skip
        self.values = torch.from_numpy(values)
        self.scored = torch.from_numpy(self.table.scored)
        self.gradient = torch.from_numpy(self.table.gradients[0])

    def renew(self) -> None:
        """Make `scored` anew of the rows, without what rounding the steps have added."""
        self.table.renew()

    def add_rows(self, rows: NDArray[np.int32], gradient: torch.Tensor) -> None:
        """Add gradients by rows, which may repeat."""
        self.table.add_rows(rows, np.ascontiguousarray(gradient.numpy()))

    def add_by_rows(self, rows: NDArray[np.int32], gradient: torch.Tensor) -> None:
        """Add gradients by rows before the division by norms; rows may repeat."""
        self.table.add_by_rows(rows, np.ascontiguousarray(gradient.numpy()))

    def add(self, rows: NDArray[np.int32] | None, gradient: torch.Tensor | None = None) -> None:
        """Add a gradient by the whole table, nonzero in `rows` alone; None for any row."""
        if gradient is not None:
            self.gradient += gradient
        self.table.touched[0, slice(None) if rows is None else rows] = 1

    def finish(self, optimizer: Optimizer, scale: float, decay: float = 0.0) -> float:
        """Multiply the gradient by `scale`, add `decay` times all rows; return its squared length.

        `gradient` is whole then but for columns beside the rows, which are sums as added.
        """
        return self.table.finish(optimizer, (decay, EVERY), scale)

    def step(self, optimizer: Optimizer, rate: float, step: int, shrink: float) -> None:
        """Move the weights by `shrink` times the gradient, and clear it."""
        self.table.step(optimizer, rate, step, shrink)

    def give_back(self) -> None:
        """Do nothing: the arrays of the state are the weights."""


class DeviceWeights:
    """Weights on another device; the parameters are those of `HostWeights`."""

    def __init__(
        self,
        values: Matrix,
        moments: tuple[Matrix, ...],
        device: torch.device,
        *,
        cosine: bool = False,
        gradients_by: str = "scored",
        beside: int = 0,
    ) -> None:
        self._arrays, self._cosine = (values, *moments), cosine
        self.values, *rest = (torch.from_numpy(array).to(device) for array in self._arrays)
        self._moments = tuple(rest)
        self.scored = self.values
        if cosine:
            self.scored = torch.zeros((len(values), values.shape[1] + beside), device=device)
        self.renew()
        self.gradient = torch.zeros_like(self.scored)
        self._by_rows = torch.zeros_like(self.values) if gradients_by == "both" else None
        self._touched = torch.zeros(len(values), dtype=torch.bool, device=device)

    def renew(self) -> None:
        """Make `scored` anew of the rows."""
        if self._cosine:
            self.scored[:, : self.values.shape[1]] = normalize(self.values, eps=SMALLEST_NORM)

    def add_rows(self, rows: NDArray[np.int32], gradient: torch.Tensor) -> None:
        """Add gradients by rows, which may repeat."""
        where = torch.from_numpy(rows).to(self.scored.device).long()
        self.gradient.index_add_(0, where, gradient)
        self._touched[where] = True

    def add_by_rows(self, rows: NDArray[np.int32], gradient: torch.Tensor) -> None:
        """Add gradients by rows before the division by norms; rows may repeat."""
        assert self._by_rows is not None
        where = torch.from_numpy(rows).to(self.scored.device).long()
        self._by_rows.index_add_(0, where, gradient)
        self._touched[where] = True

    def add(self, rows: NDArray[np.int32] | None, gradient: torch.Tensor | None = None) -> None:
        """Add a gradient by the whole table, nonzero in `rows` alone; None for any row."""
        if gradient is not None:
            self.gradient += gradient
        if rows is None:
            self._touched[:] = True
        else:
            self._touched[torch.from_numpy(rows).to(self.scored.device).long()] = True

    def finish(self, optimizer: Optimizer, scale: float, decay: float = 0.0) -> float:
        """Multiply the gradient by `scale`, add `decay` times all rows; return its squared length.

        `gradient` is whole then but for columns beside the rows, which are sums as added.
        """
        columns = self.values.shape[1]
        slopes = scale * self.gradient[:, :columns]
        if self._cosine:
            scored = self.scored[:, :columns]
            slopes -= (slopes * scored).sum(1, keepdim=True) * scored
            slopes /= self.values.norm(dim=1, keepdim=True).clamp(min=SMALLEST_NORM)
        if self._by_rows is not None:
            slopes += scale * self._by_rows
        if decay:
            slopes += decay * self.values
            self._touched[:] = True
        self.gradient[:, :columns] = slopes
        return double_sums(slopes.square())[0]

    def step(self, optimizer: Optimizer, rate: float, step: int, shrink: float) -> None:
        """Move the weights by `shrink` times the gradient, and clear it."""
        rows = None if optimizer.dense else self._touched.nonzero().flatten()
        slopes = shrink * self.gradient[:, : self.values.shape[1]]
        slopes = slopes if rows is None else slopes[rows]
        move_table(optimizer, self.values, self._moments, rows, slopes, rate, step)
        self.renew()
        self.gradient.zero_()
        if self._by_rows is not None:
            self._by_rows.zero_()
        self._touched.zero_()

    def give_back(self) -> None:
        """Write weights and moments into the arrays of the state."""
        tensors = (self.values, *self._moments)
        for array, tensor in zip(self._arrays, tensors, strict=True):
            array[...] = tensor.cpu().numpy()
