"""Scores in torch with what is masked left out: sums, means and log-sum-exp over negatives."""

from __future__ import annotations

from typing import Any, NamedTuple

from recneg.errors import InvalidDataError

__all__ = ["Rows", "log_sigmoid"]


def log_sigmoid(x: Any) -> Any:
    """Return ``ln sigmoid(x)`` of a tensor: torch's softplus, which by default is cut off at 20."""
    from torch.nn.functional import softplus

    return -softplus(-x, threshold=40)


class Rows(NamedTuple):
    """Checked scores; masked entries hold 0, so that no formula meets what stood there.

    Attributes
    ----------
    positive : torch.Tensor, shape (...,)
    negative : torch.Tensor, shape (..., n), n of at least 1
    mask : torch.Tensor of bool, shape (..., n), or None if all count
    weights : torch.Tensor, shape (..., n), or None for ones
    positive_side, negative_side : torch.Tensor or None
    """

    positive: Any
    negative: Any
    mask: Any
    weights: Any
    positive_side: Any
    negative_side: Any

    @classmethod
    def of(
        cls,
        positive: Any,
        negative: Any,
        mask: Any,
        weights: Any,
        positive_side: Any,
        negative_side: Any,
    ) -> Rows:
        """Return rows with masked entries replaced."""
        import torch

        for name, scores in (("positive", positive), ("negative", negative)):
            if not torch.is_floating_point(scores):
                raise InvalidDataError(f"{name} scores must be floats; got {scores.dtype}")
        for name, value in (("mask", mask), ("weights", weights)):
            if value is not None and tuple(value.shape) != tuple(negative.shape):
                raise InvalidDataError(
                    f"{name} must have shape {tuple(negative.shape)}; got {tuple(value.shape)}"
                )
        if mask is not None and mask.dtype != torch.bool:
            raise InvalidDataError(f"mask must be bool; got {mask.dtype}")
        if weights is not None:
            weights = torch.as_tensor(weights, dtype=negative.dtype, device=negative.device)
        if positive_side is not None:
            positive_side = torch.as_tensor(
                positive_side, dtype=positive.dtype, device=positive.device
            )
        if negative_side is not None:
            negative_side = torch.as_tensor(
                negative_side, dtype=negative.dtype, device=negative.device
            )
        if negative.shape[-1] == 0:  # one that is masked, since a maximum of none is undefined
            filler = negative.new_zeros((*negative.shape[:-1], 1))
            negative = torch.cat((negative, filler), dim=-1)
            mask = torch.zeros_like(filler, dtype=torch.bool)
            weights = None
            negative_side = None if negative_side is None else filler
        if weights is not None:
            mask = weights != 0 if mask is None else mask & (weights != 0)
        if mask is not None:
            negative = torch.where(mask, negative, 0.0)
            weights = None if weights is None else torch.where(mask, weights, 0.0)
            if negative_side is not None:
                negative_side = torch.where(mask, negative_side, 0.0)
        return cls(positive, negative, mask, weights, positive_side, negative_side)

    @property
    def gaps(self) -> Any:
        """``s_j - s_pos``, shape (..., n)."""
        return self.negative - self.positive[..., None]

    @property
    def count(self) -> Any:
        """Negatives that count: an int, or a tensor of shape (...,) in the dtype of the scores."""
        if self.mask is None:
            return self.negative.shape[-1]
        return self.mask.sum(-1).to(self.negative.dtype)

    def total(self, terms: Any) -> Any:
        """Sum weighted terms over the negatives that count, shape (...,)."""
        import torch

        if self.weights is not None:
            terms = terms * self.weights
        return (terms if self.mask is None else torch.where(self.mask, terms, 0.0)).sum(-1)

    def mean(self, terms: Any) -> Any:
        """Return the sum of weighted terms over the number of negatives; 0 if there are none."""
        total = self.total(terms)
        return total / (self.count if self.mask is None else self.count.clamp(min=1))

    def reduced(self, terms: Any, reduction: str) -> Any:
        """Return the sum or the mean over negatives."""
        return self.mean(terms) if reduction == "mean" else self.total(terms)

    def filled(self, values: Any, filler: float) -> Any:
        """Put `filler` where negatives do not count; rows without negatives stay as they are."""
        import torch

        if self.mask is None:
            return values
        return torch.where(self.mask | ~self.mask.any(-1, keepdim=True), values, filler)

    def log_sum_exp(self, logits: Any) -> Any:
        """Return ``ln sum_j exp(logits_j)``, shape (...,); finite, and arbitrary, if none."""
        return self.filled(logits, -float("inf")).logsumexp(-1)

    def compared(self, losses: Any) -> Any:
        """Put 0 where a row has no negative."""
        import torch

        return losses if self.mask is None else torch.where(self.mask.any(-1), losses, 0.0)
