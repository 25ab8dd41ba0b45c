"""Other libraries' BPRs behind one small interface: advance by iterations, read the factors.

Each peer can be advanced in stages, from where it stopped. Those of implicit and Cornac, here, draw
positives with replacement and skip a triple whose negative turns out to be seen; the others have
files of their own.
"""

import importlib
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from recneg import Interactions


class Factors(NamedTuple):
    """What `recneg.evaluation.evaluate` takes as a model: scores are the inner products."""

    user_factors: NDArray[np.float32]
    item_factors: NDArray[np.float32]


class Peer(Protocol):
    """A BPR under training."""

    def advance(self, iterations: int, callback: Callable[..., None] | None = None) -> None:
        """Train for more iterations, from where it stopped."""

    def factors(self) -> Factors:
        """Return the factors in the index space of the training data."""


def why_missing(module: str) -> str | None:
    """Return why a module cannot be imported, None if it can."""
    try:
        importlib.import_module(module)
    except Exception as error:
        return f"skipped: {type(error).__name__}: {error}"
    return None


@dataclass(frozen=True)
class Known:
    """The users and items of a library's own indices, by their index in the training data."""

    train: Interactions
    users: NDArray[Any]
    items: NDArray[Any]

    def spread(
        self,
        user_factors: NDArray[Any],
        item_factors: NDArray[Any],
        item_biases: NDArray[Any] | float = 0.0,
    ) -> Factors:
        """Return a library's factors in the index space of the training data, with a bias column.

        Items without training data get the lowest bias and no factors, so that they come last.
        """
        width = user_factors.shape[1] + 1
        users = np.zeros((self.train.num_users, width), np.float32)
        items = np.zeros((self.train.num_items, width), np.float32)
        users[:, -1] = 1.0
        users[self.users, :-1] = user_factors
        items[:, -1] = np.finfo(np.float32).min / 2
        items[self.items, :-1] = item_factors
        items[self.items, -1] = item_biases
        return Factors(users, items)

    def check(self, factors: Factors, score: Callable[[int, int], Any]) -> None:
        """Raise unless inner products are a library's scores, by its indices, for a few pairs."""
        user_factors, item_factors = factors
        for user, item in zip(
            range(0, len(self.users), 97), range(0, len(self.items), 89), strict=False
        ):
            ours = float(user_factors[self.users[user]] @ item_factors[self.items[item]])
            theirs = float(score(user, item))
            if np.isfinite(theirs) and abs(ours - theirs) > 1e-4 * max(1.0, abs(theirs)):
                raise AssertionError(f"scores must agree with the library's; got {ours}, {theirs}")


def repeat(step: Callable[[], Any], times: int, callback: Callable[..., None] | None) -> None:
    """Take a step so many times; `callback`, if there is one, is called after each."""
    for _ in range(times):
        step()
        if callback is not None:
            callback()


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Let torch use so many threads within."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class ImplicitBPR:
    """`implicit.bpr.BayesianPersonalizedRanking` on the CPU; it always has an item bias."""

    def __init__(
        self,
        train: Interactions,
        *,
        factors: int,
        learning_rate: float,
        regularization: float,
        seed: int,
        num_threads: int,
    ) -> None:
        from implicit.bpr import BayesianPersonalizedRanking

        self._matrix = train.to_scipy()
        self._model = BayesianPersonalizedRanking(
            factors=factors,
            learning_rate=learning_rate,
            regularization=regularization,
            num_threads=num_threads,
            use_gpu=False,
            random_state=np.random.default_rng(seed),  # goes on from stage to stage
        )

    def advance(self, iterations: int, callback: Callable[..., None] | None = None) -> None:
        """Train for more iterations; `callback` is called after each."""
        self._model.iterations = iterations
        self._model.fit(self._matrix, show_progress=False, callback=callback)

    def factors(self) -> Factors:
        """Return the factors; the last column is one for users and the bias for items."""
        return Factors(self._model.user_factors, self._model.item_factors)


class CornacBPR:
    """`cornac.models.BPR`, with its own index space of the users and items that occur in train.

    Given a seed, it would train on one thread only; its generator is therefore set directly.
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
        item_bias: bool = True,
        data: Any = None,
    ) -> None:
        from cornac.models import BPR

        users, items, self.data = data or cornac_data(train)
        self._known = Known(train, users, items)
        self._model = BPR(
            k=factors,
            learning_rate=learning_rate,
            lambda_reg=regularization,
            use_bias=item_bias,
            num_threads=num_threads,
        )
        self._model.rng = np.random.RandomState(seed)

    def advance(self, iterations: int, callback: Callable[..., None] | None = None) -> None:
        """Train for more iterations, without a callback."""
        if callback is not None:
            raise TypeError("Cornac's BPR has no callback")
        self._model.max_iter = iterations
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Model is already fitted")  # it goes on all the same
            self._model.fit(self.data)

    def factors(self) -> Factors:
        """Return the factors in the index space of `train`, with a bias column."""
        model = self._model
        found = self._known.spread(model.u_factors, model.i_factors, model.i_biases)
        self._known.check(found, model.score)
        return found


def cornac_data(train: Interactions) -> tuple[NDArray[Any], NDArray[Any], Any]:
    """Return the users and items of Cornac's indices, and its data set.

    The same as `cornac.data.Dataset.build` on triples, which walks them one by one, but for the
    order of the indices.
    """
    from cornac.data import Dataset

    users, user_index = np.unique(train.users(), return_inverse=True)
    items, item_index = np.unique(train.indices, return_inverse=True)
    maps = [OrderedDict(zip(ids.tolist(), range(len(ids)), strict=True)) for ids in (users, items)]
    triples = (user_index, item_index, np.ones(len(train)))
    return users, items, Dataset(len(users), len(items), *maps, triples)


PEERS: dict[str, type[Any]] = {"implicit": ImplicitBPR, "cornac": CornacBPR}
