"""Weighted means over ragged histories as functions of autograd.

Histories share items: they hold places in a table of the distinct ones. On the CPU compiled kernels
read its rows in place; with torch alone each entry of each history is a copy of its row, which for
long histories takes longer than everything else in a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from recneg.jit import kernel_fast

__all__ = ["attended", "averaged"]

Matrix = NDArray[np.floating]
Places = NDArray[np.int64]


def averaged(rows: torch.Tensor, slots: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Return the mean of the rows of each history, zeros for none, (num_groups, d).

    Parameters
    ----------
    rows : torch.Tensor of float32 or float64, shape (num_rows, d)
    slots : torch.Tensor of int64, shape (num_entries,)
        The row of each entry, one history after another.
    offsets : torch.Tensor of int64, shape (num_groups + 1,)
    """
    if _compiled_for(rows):
        found: torch.Tensor = _Averaged.apply(rows, slots, offsets)
        return found
    owners = _owners(offsets)
    sums = rows.new_zeros(len(offsets) - 1, rows.shape[1]).index_add(0, owners, rows[slots])
    return sums / offsets.diff().clamp(min=1)[:, None]


def attended(
    queries: torch.Tensor,
    keys: torch.Tensor,
    rows: torch.Tensor,
    slots: torch.Tensor,
    offsets: torch.Tensor,
    padded: int = 0,
) -> torch.Tensor:
    """Return a mean of the rows of each history, weighted by a softmax of ``query . key``.

    Parameters
    ----------
    queries : torch.Tensor, shape (num_groups, d)
    keys, rows : torch.Tensor, shape (num_rows, d)
    slots, offsets
        As for `averaged`.
    padded : int, default 0
        Histories shorter than this are filled up to it with rows of zeros, of logit 0.

    Returns
    -------
    torch.Tensor, shape (num_groups, d)
    """
    if _compiled_for(rows):
        found: torch.Tensor = _Attended.apply(queries, keys, rows, slots, offsets, padded)
        return found
    owners = _owners(offsets)
    logits = (queries[owners] * keys[slots]).sum(1)
    empty = (padded - offsets.diff()).clamp(min=0)
    top = torch.where(empty > 0, 0.0, -torch.inf).to(logits.dtype)
    top = top.scatter_reduce(0, owners, logits.detach(), "amax")
    powers = (logits - top[owners]).exp()
    padding = torch.where(empty > 0, empty * (-top).exp(), 0.0)  # not 0 times infinity
    shares = powers / padding.index_add(0, owners, powers)[owners]
    weighted = shares[:, None] * rows[slots]
    return torch.zeros_like(queries).index_add(0, owners, weighted)


def _compiled_for(rows: torch.Tensor) -> bool:
    return rows.device.type == "cpu" and rows.dtype in (torch.float32, torch.float64)


def _owners(offsets: torch.Tensor) -> torch.Tensor:
    groups = torch.arange(len(offsets) - 1, device=offsets.device)
    return groups.repeat_interleave(offsets.diff())


def _arrays(*tensors: torch.Tensor) -> list[NDArray[Any]]:
    return [np.ascontiguousarray(tensor.detach().numpy()) for tensor in tensors]


class _Averaged(torch.autograd.Function):  # type: ignore[misc]  # torch is not checked
    @staticmethod
    def forward(
        ctx: Any, rows: torch.Tensor, slots: torch.Tensor, offsets: torch.Tensor
    ) -> torch.Tensor:
        values, *places = _arrays(rows, slots, offsets)
        out = np.zeros((len(offsets) - 1, rows.shape[1]), values.dtype)
        _average(values, places[0], places[1], out)
        ctx.places, ctx.shape = places, rows.shape
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]  # torch is not checked
    def backward(ctx: Any, by_out: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (slopes,) = _arrays(by_out)
        by_rows = np.zeros(ctx.shape, slopes.dtype)
        _average_back(slopes, ctx.places[0], ctx.places[1], by_rows)
        return torch.from_numpy(by_rows), None, None


class _Attended(torch.autograd.Function):  # type: ignore[misc]  # torch is not checked
    @staticmethod
    def forward(
        ctx: Any,
        queries: torch.Tensor,
        keys: torch.Tensor,
        rows: torch.Tensor,
        slots: torch.Tensor,
        offsets: torch.Tensor,
        padded: int,
    ) -> torch.Tensor:
        inputs = _arrays(queries, keys, rows, slots, offsets)
        shares, out = np.empty(len(slots), inputs[0].dtype), np.zeros_like(inputs[0])
        _attend(inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], padded, shares, out)
        ctx.inputs = [*inputs, shares]
        return torch.from_numpy(out)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]  # torch is not checked
    def backward(ctx: Any, by_out: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        found = [np.zeros_like(table) for table in ctx.inputs[:3]]
        _attend_back(_arrays(by_out)[0], *ctx.inputs, *found)
        return (*(torch.from_numpy(each) for each in found), None, None, None)


@kernel_fast
def _average(rows: Matrix, slots: Places, offsets: Places, out: Matrix) -> None:
    for g in range(out.shape[0]):
        for entry in range(offsets[g], offsets[g + 1]):
            slot = slots[entry]
            for f in range(out.shape[1]):
                out[g, f] += rows[slot, f]
        for f in range(out.shape[1]):
            out[g, f] /= max(offsets[g + 1] - offsets[g], 1)


@kernel_fast
def _average_back(by_out: Matrix, slots: Places, offsets: Places, by_rows: Matrix) -> None:
    share = np.empty(by_out.shape[1], by_out.dtype)
    for g in range(by_out.shape[0]):
        for f in range(by_out.shape[1]):
            share[f] = by_out[g, f] / max(offsets[g + 1] - offsets[g], 1)
        for entry in range(offsets[g], offsets[g + 1]):
            slot = slots[entry]
            for f in range(by_out.shape[1]):
                by_rows[slot, f] += share[f]


@kernel_fast
def _attend(
    queries: Matrix,
    keys: Matrix,
    rows: Matrix,
    slots: Places,
    offsets: Places,
    padded: int,
    shares: Matrix,
    out: Matrix,
) -> None:
    """Fill `shares`, the softmax over the entries of each history, and `out`, which is zeros."""
    for g in range(queries.shape[0]):
        first, last = offsets[g], offsets[g + 1]
        for entry in range(first, last):
            logit, slot = queries.dtype.type(0.0), slots[entry]
            for f in range(queries.shape[1]):
                logit += queries[g, f] * keys[slot, f]
            shares[entry] = logit
        if last == first:
            continue
        top, total = shares[first:last].max(), queries.dtype.type(0.0)
        if padded > last - first:
            top = max(top, queries.dtype.type(0.0))
            total += np.exp(-top) * queries.dtype.type(padded - (last - first))
        for entry in range(first, last):
            shares[entry] = np.exp(shares[entry] - top)
            total += shares[entry]
        for entry in range(first, last):
            share, slot = shares[entry] / total, slots[entry]
            shares[entry] = share
            for f in range(queries.shape[1]):
                out[g, f] += share * rows[slot, f]


@kernel_fast
def _attend_back(
    by_out: Matrix,
    queries: Matrix,
    keys: Matrix,
    rows: Matrix,
    slots: Places,
    offsets: Places,
    shares: Matrix,
    by_queries: Matrix,
    by_keys: Matrix,
    by_rows: Matrix,
) -> None:
    by_share = np.empty_like(shares)
    for g in range(queries.shape[0]):
        mean = queries.dtype.type(0.0)
        for entry in range(offsets[g], offsets[g + 1]):
            slope, slot = queries.dtype.type(0.0), slots[entry]
            for f in range(queries.shape[1]):
                slope += by_out[g, f] * rows[slot, f]
            by_share[entry] = slope
            mean += shares[entry] * slope
        for entry in range(offsets[g], offsets[g + 1]):
            slot, share = slots[entry], shares[entry]
            by_logit = share * (by_share[entry] - mean)
            for f in range(queries.shape[1]):
                by_rows[slot, f] += share * by_out[g, f]
                by_keys[slot, f] += by_logit * queries[g, f]
                by_queries[g, f] += by_logit * keys[slot, f]
