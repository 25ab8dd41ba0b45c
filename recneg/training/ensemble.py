"""Several factor models as one: their scores are averaged, their factors stand side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.training.descriptions import family
from recneg.training.factor_model import FactorModel, as_interactions
from recneg.training.laws import check_parts
from recneg.training.state import Epoch
from recneg.training.trainer import Trainer

__all__ = ["Ensemble"]


class Ensemble(FactorModel):
    """The weighted sum of the scores of several trainers, itself a matrix factorization.

    Models that differ in their seeds alone already err in different places, so their mean ranks
    better than each of them; it has the sum of their factors, and takes the sum of their times.
    Scores are added as they are: models whose scores are of other sizes need weights.

    Parameters
    ----------
    models : sequence of Trainer
        At least one. They keep their own seeds.
    weights : sequence of float, optional
        Positive, one a model. Default: a share of 1 for each.
    popularity : float, default 0
        Times ``log(1 + count)`` of an item's interactions, added to every score as an item bias:
        for users who will turn to popular items more often than in training, or, negative, less
        often. A logarithm is what adjusts the scores of a softmax to other shares (Menon et al.,
        "Long-tail learning via logit adjustment", ICLR 2021). Validation data carved from train
        cannot tell its best value for later data.

    Examples
    --------
    >>> from recneg import BPR, Interactions
    >>> data = Interactions.from_arrays([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 2, 3])
    >>> model = Ensemble([BPR(4, seed=seed, epochs=5, num_threads=1) for seed in range(3)])
    >>> model.fit(data, show_progress=False).item_factors.shape  # the sum of the biases is one more
    (4, 13)
    """

    name: ClassVar[str] = "Ensemble"

    def __init__(
        self,
        models: Sequence[Trainer],
        weights: Sequence[float] | None = None,
        popularity: float = 0.0,
    ) -> None:
        self.models = list(models)
        wrong = [model for model in self.models if not isinstance(model, Trainer)]
        if wrong or not self.models:
            raise InvalidDataError(f"models must be trainers, at least one; got {models!r}")
        given = [1 / len(self.models)] * len(self.models) if weights is None else list(weights)
        if len(given) != len(self.models) or not all(0 < weight < np.inf for weight in given):
            raise InvalidDataError(
                f"weights must be {len(self.models)} positive, finite numbers; got {given}"
            )
        if not np.isfinite(popularity):
            raise InvalidDataError(f"popularity must be finite; got {popularity}")
        self.weights, self.popularity = given, float(popularity)
        self.run = {}

    def __repr__(self) -> str:
        return f"Ensemble({self.models!r}, weights={self.weights!r}, popularity={self.popularity})"

    def manifest(self) -> dict[str, Any]:
        """Return what the models are and weigh, as JSON can hold it."""
        return {
            "models": [{"model": model.name} | model.description() for model in self.models],
            "weights": self.weights,
            "popularity": self.popularity,
        }

    @classmethod
    def _rebuilt(cls, options: dict[str, Any]) -> Self:
        trainers = family(Trainer)  # type: ignore[type-abstract]
        kinds = {kind.name: kind for kind in trainers if "name" in vars(kind)}
        models = [kinds[each["model"]]._described(each) for each in options["models"]]
        return cls(models, options["weights"], options["popularity"])

    @property
    def history(self) -> list[Epoch]:
        """The epochs of all models, one model after another."""
        return [epoch for model in self.models for epoch in model.history]

    def fit(
        self,
        user_items: Any,
        show_progress: bool = True,
        callback: Callable[[Epoch], None] | None = None,
        *,
        validation: Interactions | None = None,
        checkpoint: str | PathLike[str] | None = None,
    ) -> Self:
        """Train the models one after another; the arguments are those of `Trainer.fit`.

        Parameters
        ----------
        user_items : Interactions or SciPy sparse matrix, users x items
        show_progress : bool, default True
            A bar on a terminal or in a notebook, elsewhere a line a minute; on standard error.
        callback : callable, optional
            Called with each model's epochs.
        validation : Interactions, optional
            Chooses the epoch of every model that stops early.
        checkpoint : path, optional
            Of the first model; the others have their number before the suffix.
        """
        data = as_interactions(user_items)
        for number, model in enumerate(self.models):
            check_parts(model, what=f"ensemble.models[{number}]")
        for number, model in enumerate(self.models):
            path = None if checkpoint is None else _numbered(Path(checkpoint), number)
            model.fit(data, show_progress, callback, validation=validation, checkpoint=path)
        self._user_factors = self._beside("_user_factors")
        self._item_factors = self._beside("_item_factors")
        biases = [
            np.float32(weight) * model._item_biases
            for model, weight in zip(self.models, self.weights, strict=True)
            if model._item_biases.size
        ]
        if self.popularity:
            biases.append((self.popularity * np.log1p(data.item_counts())).astype(np.float32))
        self._item_biases = np.sum(biases, axis=0) if biases else np.empty(0, np.float32)
        self._seen = data
        return self

    def _beside(self, name: str) -> NDArray[np.float32]:
        """Return the factors of all models side by side, each with the root of its weight."""
        return np.concatenate(
            [
                np.float32(np.sqrt(weight)) * getattr(model, name)
                for model, weight in zip(self.models, self.weights, strict=True)
            ],
            axis=1,
        )


def _numbered(path: Path, number: int) -> Path:
    return path if number == 0 else path.with_suffix(f".{number}{path.suffix}")
