"""LibRecommender's compiled BPR behind the interface of `peers`."""

import functools
import importlib.util
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import numpy as np
from peers import Factors, repeat

from recneg import Interactions

__all__ = ["LibRecommenderBPR"]


class LibRecommenderBPR:
    """The kernel of `libreco.algorithms.BPR` with ``use_tf=False``, called as its `fit` calls it.

    `libreco.algorithms` imports TensorFlow, whatever one asks of it; the extension alone does not,
    and is loaded by itself. An epoch visits every positive once, shuffled by
    ``permutation(range(...))``, with a uniform negative that is drawn again while it is seen, from
    generators that start anew in each epoch; users and items have a column of biases.
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
        optimizer: str = "sgd",
    ) -> None:
        self._pairs = (train.users().astype(np.int32), train.indices.astype(np.int32))
        self._rng = np.random.default_rng(seed)
        shapes = ((train.num_users, factors + 1), (train.num_items, factors + 1))
        users, items = (self._rng.normal(0.0, 0.03, shape).astype(np.float32) for shape in shapes)
        users[:, -1], items[:, -1] = 1.0, 0.0
        self._options: dict[str, Any] = {
            "optimizer": optimizer,
            "sparse_interaction": train.to_scipy(),
            "user_embed": users,
            "item_embed": items,
            "lr": learning_rate,
            "reg": regularization,
            "n_users": train.num_users,
            "n_items": train.num_items,
            "num_threads": num_threads,
            "seed": seed,
        }
        self._epochs = 0

    def advance(self, iterations: int, callback: Callable[..., None] | None = None) -> None:
        """Train for more epochs; `callback` is called after each."""
        repeat(self._epoch, iterations, callback)

    def _epoch(self) -> None:
        self._epochs += 1
        order = self._rng.permutation(range(len(self._pairs[0])))
        users, items = (each[order] for each in self._pairs)
        kernel()(user_indices=users, item_indices=items, epoch=self._epochs, **self._options)

    def factors(self) -> Factors:
        """Return the factors; the last column is one for users and the bias for items."""
        return Factors(self._options["user_embed"], self._options["item_embed"])


@functools.cache
def kernel() -> Any:
    """Return `bpr_update` of the extension."""
    package = importlib.util.find_spec("libreco")
    if package is None or package.origin is None:
        raise ImportError("libreco must be installed")
    path = Path(package.origin).parent / "algorithms" / f"_bpr{EXTENSION_SUFFIXES[0]}"
    spec = importlib.util.spec_from_file_location("libreco.algorithms._bpr", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} must be an extension")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.bpr_update
