"""The user tower of SimpleX: a user's own vector and an aggregate of the history's items."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import embedding

__all__ = ["SimpleXTower"]


class SimpleXTower(nn.Module):  # type: ignore[misc]  # torch is not checked
    """``h_u = g e_u + (1 - g) V p_u`` (Mao et al., "SimpleX", CIKM 2021, section 3.2).

    p_u is the mean of the history's item vectors e_k, or a sum with weights of a softmax over the
    history: of ``e_u . tanh(W e_k + b)`` ("user_attention") or ``q . tanh(W e_k + b)``
    ("self_attention"). The paper's code counts padding in the softmax, as entries of logit 0; here
    there is none. An empty history has p_u = 0.

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
    """

    def __init__(self, weights: dict[str, torch.Tensor], gamma: float, aggregation: str) -> None:
        super().__init__()
        self.gamma, self.aggregation = gamma, aggregation
        self.weights = {name: nn.Parameter(weight) for name, weight in weights.items()}
        for name, weight in self.weights.items():
            self.register_parameter(name, weight)

    def forward(
        self, users: torch.Tensor, history: torch.Tensor, owners: torch.Tensor
    ) -> torch.Tensor:
        """Return the vectors of users, (num_groups, d).

        Parameters
        ----------
        users : torch.Tensor of int64, shape (num_groups,)
        history : torch.Tensor of int64, shape (num_entries,)
            Items of all groups' histories, one after another.
        owners : torch.Tensor of int64, shape (num_entries,)
            The group of each entry.
        """
        own = embedding(users, self.weights["users"])
        if self.gamma == 1:
            return own
        table = self.weights["history" if "history" in self.weights else "items"]
        pooled = self._pooled(own, embedding(history, table), owners)
        return self.gamma * own + (1 - self.gamma) * pooled @ self.weights["transform"].T

    def _pooled(
        self, own: torch.Tensor, entries: torch.Tensor, owners: torch.Tensor
    ) -> torch.Tensor:
        groups = len(own)
        if self.aggregation == "mean":
            counts = torch.bincount(owners, minlength=groups).clamp(min=1)
            return torch.zeros_like(own).index_add(0, owners, entries) / counts[:, None]
        keys = (entries @ self.weights["keys"].T + self.weights["key_bias"]).tanh()
        asking = own[owners] if self.aggregation == "user_attention" else self.weights["query"]
        logits = (asking * keys).sum(1)
        top = torch.full((groups,), -torch.inf, dtype=own.dtype, device=own.device)
        top = top.scatter_reduce(0, owners, logits.detach(), "amax")
        powers = (logits - top[owners]).exp()
        sums = torch.zeros_like(top).index_add(0, owners, powers)
        shares = powers / sums[owners]
        return torch.zeros_like(own).index_add(0, owners, shares[:, None] * entries)
