"""Scores and losses of a batch in torch: any loss, any device, with autograd."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from recneg.losses import Loss, Sides
from recneg.training.record import Totals
from recneg.training.scoring import PAIR, POOL, Batch

__all__ = ["DeviceBatch", "batch_losses", "double_sums"]

_INDEX = torch.int64

WITHOUT_FLOAT64 = ("mps",)
"""Kinds of devices that have no numbers of 64 bits with a fraction."""


def double_sums(*values: torch.Tensor) -> list[float]:
    """Return the sum of each tensor in float64, as far as the device of the tensors has it."""
    if values[0].device.type in WITHOUT_FLOAT64:
        return [float(each.sum()) for each in values]
    sums: list[float] = torch.stack([each.sum(dtype=torch.float64) for each in values]).tolist()
    return sums


class DeviceBatch(NamedTuple):
    """A `Batch` as tensors; what has no negative is masked and holds item 0.

    Attributes
    ----------
    whose : int
        `PAIR`, `GROUP` or `POOL`.
    runs : list of int
        Of pools: the first group of each, and the end.
    users : torch.Tensor of int64, shape (num_groups,)
    owners : torch.Tensor of int64, shape (num_positives,)
        The group of each positive.
    places : torch.Tensor of int64, shape (num_positives,)
        The row of `negatives` of each positive.
    positives : torch.Tensor of int64, shape (num_positives,)
    negatives : torch.Tensor of int64, shape (m, n)
    present : torch.Tensor of bool, shape (m, n)
        Whether there is a negative.
    mask : torch.Tensor of bool, shape (num_positives, n)
        Whether it counts.
    weights : torch.Tensor of float32, shape (num_positives, n), or None
    shift : torch.Tensor of float32, shape (m, n), or None
        The temperature times log q, finite.
    sides : Sides
    """

    whose: int
    runs: list[int]
    users: torch.Tensor
    owners: torch.Tensor
    places: torch.Tensor
    positives: torch.Tensor
    negatives: torch.Tensor
    present: torch.Tensor
    mask: torch.Tensor
    weights: torch.Tensor | None
    shift: torch.Tensor | None
    sides: Sides

    @classmethod
    def of(cls, batch: Batch, device: torch.device | str) -> DeviceBatch:
        """Move a batch to a device."""

        def put(array: NDArray[np.generic], kind: torch.dtype | None = None) -> torch.Tensor:
            return torch.as_tensor(array).to(device, kind)

        double = torch.device(device).type not in WITHOUT_FLOAT64

        counts = np.diff(batch.offsets)
        owners, places = np.repeat(np.arange(len(counts)), counts), batch.places()
        present = batch.negatives >= 0
        mask = present[places]
        if batch.seen[0].size:
            mask &= ~batch.excluded()[owners]
        shift = None
        if batch.log_q.size:
            shift = put(np.where(present, np.float32(batch.temperature) * batch.log_q, 0))
        sides = (
            put(side if double else side.astype(np.float32)) if side.size else None
            for side in (batch.positive_sides, batch.negative_sides)
        )
        return cls(
            batch.whose,
            batch.runs().tolist() if batch.whose == POOL else [],
            put(batch.users, _INDEX),
            put(owners, _INDEX),
            put(places, _INDEX),
            put(batch.positives, _INDEX),
            put(np.maximum(batch.negatives, 0), _INDEX),
            put(present),
            put(mask & (batch.weights != 0) if batch.weights.size else mask),
            put(batch.weights) if batch.weights.size else None,
            shift,
            Sides(*sides),
        )

    def items(self) -> torch.Tensor:
        """Return all items of the batch, with repeats."""
        return torch.cat((self.positives, self.negatives[self.present]))


def batch_losses(
    loss: Loss,
    batch: DeviceBatch,
    vectors: torch.Tensor,
    factors: torch.Tensor,
    places: torch.Tensor | None = None,
) -> tuple[torch.Tensor, Totals]:
    """Return the loss of each positive, (num_positives,), and the sums of the batch.

    Parameters
    ----------
    loss : Loss
    batch : DeviceBatch
    vectors : torch.Tensor of float32, shape (num_groups, d)
        Of the users, as they are scored.
    factors : torch.Tensor of float32, shape (rows, d)
        Of the items, likewise.
    places : torch.Tensor of int64, shape (num_items,), optional
        The row of each item of the batch, where `factors` holds only some.
    """
    positives, negatives = batch.positives, batch.negatives
    if places is not None:
        positives, negatives = places[positives], places[negatives]
    own = (vectors[batch.owners] * factors[positives]).sum(1)
    if batch.whose == POOL:
        mine = torch.tensor_split(vectors, batch.runs[1:-1])
        others = torch.cat(
            [part @ factors[pool].T for part, pool in zip(mine, negatives, strict=True)]
        )
    else:
        each = vectors[batch.owners] if batch.whose == PAIR else vectors
        others = torch.einsum("gd,gnd->gn", each, factors[negatives])
    if batch.whose != PAIR:
        others = others[batch.owners]
    if batch.shift is not None:
        others = others - _of_positives(batch, batch.shift)
    losses = loss(own, others, mask=batch.mask, weights=batch.weights, sides=batch.sides)
    with torch.no_grad():
        below = (others < own[:, None]) & batch.mask
        if batch.shift is None:  # the positive itself ties, whatever rounding says
            below &= _of_positives(batch, negatives) != positives[:, None]
        total, correct, pairs = double_sums(losses, below, batch.mask)
    return losses, Totals(total, correct, pairs, batch.mask.numel() - pairs)


def _of_positives(batch: DeviceBatch, values: torch.Tensor) -> torch.Tensor:
    """Return rows (m, n) as positives have them; no copy where they are theirs or one for all."""
    if batch.whose == PAIR or len(values) == 1:
        return values
    return values[batch.places]
