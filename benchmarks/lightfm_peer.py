"""LightFM's losses on pairs behind the interface of `peers`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from peers import Factors, Known, repeat

from recneg import Interactions

__all__ = ["LightFM"]


class LightFM:
    """`lightfm.LightFM` without features, on the CPU, with its Adagrad.

    An epoch visits every positive once, shuffled. BPR draws a negative by popularity until one is
    unseen; WARP draws uniformly up to ten times until one, unseen, violates the margin. There are
    biases of users and items. The fork ``lightfm-next`` builds on the Pythons of today.

    Parameters
    ----------
    loss : str
        ``"bpr"`` or ``"warp"``.
    **options
        Of the library's class: ``learning_rate``, ``user_alpha``, ``item_alpha``.
    """

    def __init__(
        self,
        train: Interactions,
        *,
        factors: int,
        seed: int,
        num_threads: int,
        loss: str = "bpr",
        **options: Any,
    ) -> None:
        from lightfm import LightFM

        self._train, self._num_threads = train, num_threads
        self._matrix = train.to_scipy().tocoo().astype(np.float32)
        self._model = LightFM(factors, loss=loss, random_state=seed, **options)

    def advance(self, iterations: int, callback: Callable[..., None] | None = None) -> None:
        """Train for more epochs; `callback` is called after each."""
        repeat(self._epoch, iterations, callback)

    def _epoch(self) -> None:
        self._model.fit_partial(self._matrix, epochs=1, num_threads=self._num_threads)

    def factors(self) -> Factors:
        """Return the factors in the index space of `train`, with a bias column.

        The users' biases, which order nothing, are left out.
        """
        model, train = self._model, self._train
        users, items = (np.arange(number) for number in (train.num_users, train.num_items))
        known = Known(train, users, items)
        found = known.spread(model.user_embeddings, model.item_embeddings, model.item_biases)

        def score(user: int, item: int) -> Any:
            of_user = model.user_biases[user]
            return model.predict(np.array([user]), np.array([item]))[0] - of_user

        known.check(found, score)
        return found
