"""What trainers of factor models share: fit with validation, early stop, checkpoints, progress."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.evaluation import evaluate
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.parallel import get_num_threads
from recneg.splits import carve_validation
from recneg.training.factor_model import FactorModel, as_interactions
from recneg.training.fingerprint import fingerprint
from recneg.training.fused import random_factors
from recneg.training.laws import DRAWN_BY, PARTS, check_parts, part_record, rebuilt_part
from recneg.training.negatives import NegativeSource, SamplerLike
from recneg.training.options import PairOptions
from recneg.training.running import Checkpoint, Engine, run_epochs
from recneg.training.state import Epoch, Factors, TrainingState
from recneg.training.streams import CARVE, FOLLOW, INIT, MINE, NEGATIVES

if TYPE_CHECKING:
    from recneg.mining.miner import Miner

__all__ = ["Trainer", "random_start"]

SWITCHES = ("visit", "redraw", "num_pools", "reduction", "regularized", "dropout_before_norm")


class Trainer(FactorModel):
    """A factor model that is trained epoch by epoch with sampled negatives.

    Attributes
    ----------
    history : list of Epoch
    resumed_epochs : int
        Epochs that the last `fit` found in its checkpoint.
    """

    fixed_switches: ClassVar[dict[str, Any]] = {}
    """Those of `switches` that are no options of the class."""

    options: PairOptions
    sampler: SamplerLike
    mining: Miner | None

    def _ready(self, sampler: SamplerLike, mining: Miner | None, num_threads: int) -> None:
        """Set what every trainer starts with."""
        self.num_threads = check_count(num_threads, "num_threads", 0)
        self.sampler = sampler
        self.mining = mining
        self._unseen: bool | None = None
        self._train: Interactions | None = None
        self.history: list[Epoch] = []
        self.resumed_epochs = 0
        self.run = {}

    def __repr__(self) -> str:
        values = self.manifest()
        named = [name for name in self._names() if name in values]
        return f"{self.name}({', '.join(f'{name}={values[name]!r}' for name in named)})"

    def _names(self) -> list[str]:
        """Return the names of the options in their order."""
        return list(signature(type(self)).parameters)

    def switches(self) -> dict[str, Any]:
        """Return the switches in which papers differ, by the names of `MatrixFactorization`.

        Returns
        -------
        dict
            ``unseen``: whether negatives leave out what a user has seen, None before `fit` and for
            a law that changes; ``visit``, ``redraw``, ``num_pools``, ``reduction``,
            ``regularized``, ``dropout_before_norm``. They are saved with the model.
        """
        options = self.options.model_dump() | self.fixed_switches
        return {"unseen": self._unseen} | {name: options[name] for name in SWITCHES}

    def description(self) -> dict[str, Any]:
        """Return the options, where negatives come from, and the switches."""
        parts = {name: part_record(getattr(self, name, None), self._train) for name in PARTS}
        return super().description() | {"drawn": parts, "switches": self.switches()}

    @classmethod
    def _described(cls, description: dict[str, Any]) -> Self:
        model = super()._described(description)
        for name, record in description["drawn"].items():
            if hasattr(model, name):
                setattr(model, name, rebuilt_part(record))
        model._unseen = description["switches"]["unseen"]
        return model

    @abstractmethod
    def _engine(
        self, train: Interactions, source: NegativeSource, key: Key, threads: int
    ) -> Engine: ...

    @abstractmethod
    def _initial(self, train: Interactions, key: Key) -> Factors: ...

    def _source(self, train: Interactions) -> NegativeSource:
        return NegativeSource(self.sampler, self.mining, train, self.options.num_negatives)

    def _made_of(self, train: Interactions, source: NegativeSource) -> dict[str, Any]:
        """Return what a checkpoint may be resumed with alone."""
        return {
            "model": self.name,
            "options": self.manifest(),
            "sampler": f"{source!r} {source.fingerprint}",
            "data": fingerprint(train),
        }

    # -- training ------------------------------------------------------------------------------

    def fit(
        self,
        user_items: Any,
        show_progress: bool = True,
        callback: Callable[[Epoch], None] | None = None,
        *,
        validation: Interactions | None = None,
        checkpoint: str | PathLike[str] | None = None,
    ) -> Self:
        """Train from scratch, or go on from a checkpoint.

        Parameters
        ----------
        user_items : Interactions or SciPy sparse matrix, users x items
        show_progress : bool, default True
            A bar on a terminal or in a notebook, elsewhere a line a minute; on standard error.
        callback : callable, optional
            Called with the `Epoch` after each one.
        validation : Interactions, optional
            Held-out data of the same users and items; NDCG@20 on it is computed every
            `evaluate_every` epochs. Never give test data.
        checkpoint : path, optional
            Written every `evaluate_every` epochs, and after epochs that end half a minute after
            it was. If the file is there at the start, training goes on from it, with the same
            options and data only; with one thread, to the same bits.

        Raises
        ------
        NoNegativeError
            If a user with interactions has no item that the sampler may draw.
        FloatingPointError
            If the factors overflow, naming the epoch and the learning rate.
        """
        check_parts(self)
        data = as_interactions(user_items)
        options, key = self.options, Key(self.options.seed)
        train = data
        if validation is None and options.patience is not None:
            train, validation = carve_validation(
                data, options.validation_fraction, key=key.fold_in(CARVE)
            )
        if validation is not None and (validation.num_users, validation.num_items) != (
            data.num_users,
            data.num_items,
        ):
            raise InvalidDataError(
                f"validation must have the users and items of user_items; got {validation!r}"
            )
        if options.patience is not None and len(validation or ()) == 0:
            raise InvalidDataError(
                "patience must have validation interactions, given or carved from the data; "
                f"got none from {data!r}; with patience=None the last epoch is kept"
            )
        if len(train) == 0:
            raise InvalidDataError("there must be at least one interaction to train on; got none")
        source = self._source(train)
        state = TrainingState(self._initial(train, key.fold_in(INIT)))
        kept = None
        if checkpoint is not None:
            made_of = self._made_of(train, source)
            if validation is not None:
                made_of["validation"] = fingerprint(validation)
            kept = Checkpoint(checkpoint, made_of)
            if Path(checkpoint).exists():
                state = TrainingState.read(*kept)
        self.resumed_epochs = len(state.history)
        held_out = validation

        def score() -> float:
            assert held_out is not None
            return evaluate(self, train, held_out, k=20, metrics=["ndcg"]).mean("ndcg@20")

        run_epochs(
            self,
            self._engine(train, source, key, self.num_threads or get_num_threads()),
            state,
            score=None if validation is None else score,
            measure="NDCG@20",
            checkpoint=kept,
            show_progress=show_progress,
            callback=callback,
        )
        self._seen, self._train, self._unseen = data, train, source.unseen
        return self

    def negatives(self, user_items: Any) -> NDArray[np.int64]:
        """Return what the run's sampler and mining give at the present factors.

        One pass under the key of the epoch that would come next, with draws shared as in training:
        that epoch's, if the sampler does not follow the model and nothing is mined. In training
        scores change from batch to batch, and a law that is rebuilt every few epochs may lag
        behind; here the law and all scores are of the present factors. `BPR` shuffles users before
        it cuts batches of them for a law that follows the batch; here such batches follow the order
        of the users.

        Parameters
        ----------
        user_items : Interactions or SciPy sparse matrix, users x items
            What the model was trained on.

        Returns
        -------
        numpy.ndarray of int64, shape (num_interactions, num_negatives)
            Row r holds those of interaction r; -1 for none.
        """
        self._require_fitted()
        check_parts(self, DRAWN_BY)
        train, key = as_interactions(user_items), Key(self.options.seed)
        shape = (len(self._user_factors), len(self._item_factors))
        if (train.num_users, train.num_items) != shape:
            raise InvalidDataError(
                f"user_items must have the users and items of the model, {shape}; got {train!r}"
            )
        source = self._source(train)
        state = TrainingState((self._user_factors, self._item_factors, self._item_biases))
        state.history = self.history
        source.follow(state, key.fold_in(FOLLOW))
        return self._negatives(train, source, state, key)

    def _negatives(
        self, train: Interactions, source: NegativeSource, state: TrainingState, key: Key
    ) -> NDArray[np.int64]:
        """Return the negatives of each interaction, in the epoch that follows `state`."""
        number = len(state.history)
        draws, choices = (key.fold_in(part).fold_in(number) for part in (NEGATIVES, MINE))
        return source.epoch(state, draws, choices)

    def adopt(self, state: TrainingState) -> None:
        """Take the factors and the history of a run."""
        self._user_factors, self._item_factors, self._item_biases = state.factors
        self.history = state.history


def random_start(
    train: Interactions, factors: int, deviation: float, item_bias: bool, key: Key
) -> Factors:
    """Return random factors of users and items, and biases of 0."""
    users, items = (
        random_factors(size, factors, deviation, key.fold_in(side))
        for side, size in enumerate((train.num_users, train.num_items))
    )
    return users, items, np.zeros(train.num_items * item_bias, np.float32)
