"""The user tower of SimpleX: a user's own vector and an aggregate of the history's items."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import embedding

from recneg.models.pooling import attended, averaged

__all__ = ["SimpleXTower"]


class SimpleXTower(nn.Module):  # type: ignore[misc]  # torch is not checked
    """``h_u = g e_u + (1 - g) V p_u`` (Mao et al., "SimpleX", CIKM 2021, section 3.2).

    p_u is the mean of the history's item vectors e_k, or a sum with weights of a softmax over the
    history: of ``e_u . tanh(W e_k + b)`` ("user_attention") or ``q . tanh(W e_k + b)``
    ("self_attention"). An empty history has p_u = 0.

    Parameters
    ----------
    weights : dict of torch.Tensor of float32
        ``users`` (num_users, d) and ``items`` (num_items, d); unless gamma is 1 also ``transform``,
        V, (d, d), and by aggregation ``keys``, W, (d, d), ``key_bias``, b, (1, d), and ``query``,
        q, (1, d); ``history`` (num_items, d) if the history's items have vectors of their own.
        Parameters share the memory of these tensors.
    gamma : float
        g in [0, 1]; 1 is matrix factorization.
    aggregation : {"mean", "user_attention", "self_attention"}
    padded_history : int, default 0
        The softmax of attention counts histories as filled up to this length with entries of logit
        0 and without vector, which makes p_u of short ones small. That is what the paper's code
        does, at the length of the longest history.
    """

    def __init__(
        self,
        weights: dict[str, torch.Tensor],
        gamma: float,
        aggregation: str,
        padded_history: int = 0,
    ) -> None:
        super().__init__()
        self.gamma, self.aggregation, self.padded_history = gamma, aggregation, padded_history
        self.weights = {name: nn.Parameter(weight) for name, weight in weights.items()}
        for name, weight in self.weights.items():
            self.register_parameter(name, weight)

    def forward(
        self,
        users: torch.Tensor,
        items: torch.Tensor,
        slots: torch.Tensor,
        offsets: torch.Tensor,
    ) -> torch.Tensor:
        """Return the vectors of users, (num_groups, d).

        Parameters
        ----------
        users : torch.Tensor of int64, shape (num_groups,)
        items : torch.Tensor of int64, shape (num_items_met,)
            That are in any history, each once.
        slots : torch.Tensor of int64, shape (num_entries,)
            Where in `items` each entry of the histories is, one history after another.
        offsets : torch.Tensor of int64, shape (num_groups + 1,)
            The history of group g is ``slots[offsets[g]:offsets[g + 1]]``.
        """
        own = embedding(users, self.weights["users"])
        if self.gamma == 1:
            return own
        table = self.weights["history" if "history" in self.weights else "items"]
        return self.mixed(own, embedding(items, table), slots, offsets)

    def mixed(
        self, own: torch.Tensor, rows: torch.Tensor, slots: torch.Tensor, offsets: torch.Tensor
    ) -> torch.Tensor:
        """Return the vectors of users from `own`, those of themselves, and `rows`, of items met."""
        pooled = self._pooled(own, rows, slots, offsets)
        return self.gamma * own + (1 - self.gamma) * pooled @ self.weights["transform"].T

    def _pooled(
        self, own: torch.Tensor, rows: torch.Tensor, slots: torch.Tensor, offsets: torch.Tensor
    ) -> torch.Tensor:
        if self.aggregation == "mean":
            return averaged(rows, slots, offsets)
        keys = (rows @ self.weights["keys"].T + self.weights["key_bias"]).tanh()
        by_user = self.aggregation == "user_attention"
        queries = own if by_user else self.weights["query"].expand_as(own)
        return attended(queries, keys, rows, slots, offsets, self.padded_history)
