"""BPR as it is written by hand in torch, behind the interface of `peers`."""

from collections.abc import Callable

import numpy as np
from peers import Factors, repeat, torch_threads

from recneg import Interactions

__all__ = ["TorchBPR"]


class TorchBPR:
    """Sparse embeddings, plain SGD, shuffled batches, and a uniform negative that may be seen.

    Losses of a batch are summed, so that a pair moves its rows as far as in the other trainers.
    """

    def __init__(
        self,
        train: Interactions,
        *,
        factors: int,
        learning_rate: float,
        regularization: float,
        seed: int,
        num_threads: int,
        batch_size: int = 1024,
    ) -> None:
        import torch

        self._generator = torch.Generator().manual_seed(seed)
        self._pairs = [
            torch.from_numpy(each.astype(np.int64)) for each in (train.users(), train.indices)
        ]
        self._tables = []
        for rows, width in (
            (train.num_users, factors),
            (train.num_items, factors),
            (train.num_items, 1),
        ):
            start = torch.randn(rows, width, generator=self._generator) * (width > 1) * 0.03
            self._tables.append(torch.nn.Embedding.from_pretrained(start, False, sparse=True))
        parameters = [each.weight for each in self._tables]
        self._optimizer = torch.optim.SGD(parameters, learning_rate)
        self._regularization, self._batch_size = regularization, batch_size
        self._num_threads = num_threads

    def advance(self, iterations: int, callback: Callable[..., None] | None = None) -> None:
        """Train for more epochs; `callback` is called after each."""
        with torch_threads(self._num_threads):
            repeat(self._epoch, iterations, callback)

    def _epoch(self) -> None:
        import torch
        from torch.nn.functional import logsigmoid

        of_users, of_items, biases = self._tables
        order = torch.randperm(len(self._pairs[0]), generator=self._generator)
        users, positives = (each[order].split(self._batch_size) for each in self._pairs)
        for user, positive in zip(users, positives, strict=True):
            drawn = torch.randint(of_items.num_embeddings, (len(user),), generator=self._generator)
            found = of_users(user), of_items(positive), of_items(drawn)
            margin = (found[0] * (found[1] - found[2])).sum(1)
            margin = margin + (biases(positive) - biases(drawn)).squeeze(1)
            penalty = sum(each.square().sum() for each in found)
            loss = self._regularization / 2 * penalty - logsigmoid(margin).sum()
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()

    def factors(self) -> Factors:
        """Return the factors; the last column is one for users and the bias for items."""
        users, items, biases = (each.weight.detach().numpy() for each in self._tables)
        ones = np.ones((len(users), 1), np.float32)
        return Factors(np.hstack([users, ones]), np.hstack([items, biases]))
