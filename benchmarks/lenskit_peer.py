"""LensKit's BPR behind the interface of `peers`."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers import Factors, Known, repeat, torch_threads

from recneg import Interactions

__all__ = ["LensKitBPR", "lenskit_data"]


class LensKitBPR:
    """`lenskit.flexmf.FlexMFImplicitScorer` with its preset "bpr", on the CPU.

    An epoch visits every positive once, in batches, with a negative that is drawn again up to ten
    times while it is seen; AdamW moves whole tables. There are no biases: FlexMF of 2025.8.1 makes
    them when asked, but never reads them. Models are compiled in their first epoch, for the sizes
    of their tables and the number of threads.
    """

    def __init__(
        self,
        train: Interactions,
        *,
        factors: int,
        seed: int,
        num_threads: int,
        data: Any = None,
        **config: Any,
    ) -> None:
        from lenskit.flexmf import FlexMFImplicitScorer
        from lenskit.parallel import ensure_parallel_init

        users, items, self.data = data or lenskit_data(train)
        self._known = Known(train, users, items)
        self._model = FlexMFImplicitScorer(preset="bpr", embedding_size=factors, **config)
        self._trainer: Any = None
        self._seed, self._num_threads = seed, num_threads
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "failed to set interop threads")  # torch was in use
            ensure_parallel_init()  # later it would undo the number of threads

    def advance(self, iterations: int, callback: Callable[..., None] | None = None) -> None:
        """Train for more epochs; `callback` is called after each."""
        import torch._dynamo
        from lenskit.training import TrainingOptions

        with torch_threads(self._num_threads):
            if self._trainer is None:
                torch._dynamo.config.recompile_limit = 256  # beyond it nothing more is compiled
                options = TrainingOptions(device="cpu", rng=self._seed)
                self._trainer = self._model.create_trainer(self.data, options)
            repeat(self._trainer.train_epoch, iterations, callback)

    def factors(self) -> Factors:
        """Return the factors in the index space of `train`, with a bias column."""
        from lenskit.data import ItemList

        known, model = self._known, self._model.model

        def score(user: int, item: int) -> Any:
            items = ItemList(item_ids=known.items[[item]])
            return self._model(int(known.users[user]), items).scores()[0]

        with torch_threads(self._num_threads), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            tables = [table.weight.detach().numpy() for table in (model.u_embed, model.i_embed)]
            found = known.spread(*tables)
            known.check(found, score)
        return found


def lenskit_data(train: Interactions) -> tuple[NDArray[Any], NDArray[Any], Any]:
    """Return the users and items of LensKit's indices, and its data set."""
    import pandas as pd
    from lenskit.data import from_interactions_df

    frame = pd.DataFrame(
        {"user_id": train.users().astype(np.int64), "item_id": train.indices.astype(np.int64)}
    )
    data = from_interactions_df(frame)
    return data.users.ids(), data.items.ids(), data
