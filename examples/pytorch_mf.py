"""Matrix factorisation with BPR in plain PyTorch, and what changes for recneg's negatives.

``python examples/pytorch_mf.py [data set]`` trains both ways under three seeds, and prints the
seconds of an epoch and NDCG@20 on test, at the epoch that is best on validation. Data sets are
those of ``recneg datasets``; the bundled sample is the default.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn.functional import logsigmoid
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset

from recneg import Interactions, Uniform, evaluate
from recneg.adapters.torch import InteractionRows, NegativeCollator
from recneg.datasets import load
from recneg.splits import Split, random_split

BATCH_SIZE = 1024


class MatrixFactorization(nn.Module):
    """Scores are inner products of a user's and an item's factors."""

    def __init__(self, num_users: int, num_items: int, factors: int = 64) -> None:
        super().__init__()
        self.users = nn.Embedding(num_users, factors)
        self.items = nn.Embedding(num_items, factors)
        nn.init.normal_(self.users.weight, std=0.1)
        nn.init.normal_(self.items.weight, std=0.1)

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Return the scores of items (batch, n) for users (batch,)."""
        return (self.users(users)[:, None] * self.items(items)).sum(-1)

    @property
    def user_factors(self) -> torch.Tensor:
        """The users' factors, as `recneg.evaluate` asks for them."""
        return self.users.weight.detach()

    @property
    def item_factors(self) -> torch.Tensor:
        """The items' factors."""
        return self.items.weight.detach()


def step(
    model: nn.Module,
    optimizer: Optimizer,
    users: torch.Tensor,
    positives: torch.Tensor,
    negatives: torch.Tensor,
) -> None:
    """Take one step on the BPR loss."""
    loss = -logsigmoid(model(users, positives[:, None]) - model(users, negatives)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def with_randint(
    model: nn.Module, optimizer: Optimizer, train: Interactions, epochs: int, seed: int
) -> Iterator[int]:
    """Train as one does without recneg; yields after each epoch."""
    users = torch.from_numpy(train.users().astype(np.int64))
    items = torch.from_numpy(train.indices.astype(np.int64))
    loader = DataLoader(TensorDataset(users, items), BATCH_SIZE, shuffle=True)
    for epoch in range(epochs):
        for users, positives in loader:
            negatives = torch.randint(train.num_items, (len(users), 1))
            step(model, optimizer, users, positives, negatives)
        yield epoch


def with_recneg(
    model: nn.Module, optimizer: Optimizer, train: Interactions, epochs: int, seed: int
) -> Iterator[int]:
    """Train with negatives that the user has not seen; yields after each epoch."""
    collate = NegativeCollator(Uniform(train), num_negatives=1, key=seed)
    loader = DataLoader(InteractionRows(train), BATCH_SIZE, shuffle=True, collate_fn=collate)
    for epoch in range(epochs):
        collate.set_epoch(epoch)
        for users, positives, negatives, _ in loader:
            step(model, optimizer, users, positives, negatives)
        yield epoch


def run(
    way: Callable[..., Iterator[int]], split: Split, epochs: int, seed: int
) -> tuple[float, float]:
    """Return the seconds of an epoch, and NDCG@20 on test at the best epoch on validation."""
    torch.manual_seed(seed)
    model = MatrixFactorization(split.train.num_users, split.train.num_items)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005, weight_decay=1e-5)
    best, ndcg, seconds, start = -1.0, 0.0, 0.0, time.perf_counter()
    for _ in way(model, optimizer, split.train, epochs, seed):
        seconds += time.perf_counter() - start
        valid = evaluate(model, split.train, split.validation, k=20, metrics=["ndcg"])
        if valid.mean("ndcg@20") > best:
            best = valid.mean("ndcg@20")
            test = evaluate(
                model, split.train, split.test, k=20, metrics=["ndcg"], exclude=split.validation
            )
            ndcg = test.mean("ndcg@20")
        start = time.perf_counter()
    return seconds / epochs, ndcg


def main(name: str = "sample", epochs: int = 25, seeds: int = 3) -> None:
    """Train both ways and print a line for each."""
    torch.set_num_threads(1)  # matrices this small gain nothing from more
    split = random_split(load(name).interactions, key=1)
    print(split)
    for way in (with_randint, with_recneg):
        figures = [run(way, split, epochs, seed) for seed in range(seeds)]
        seconds, ndcg = zip(*figures, strict=True)
        print(
            f"{way.__name__:12}  {np.median(seconds):.2f} s an epoch   "
            f"ndcg@20 {np.mean(ndcg):.4f} (seeds: {', '.join(f'{n:.4f}' for n in ndcg)})"
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "sample")
