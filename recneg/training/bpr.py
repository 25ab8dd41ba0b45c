"""Matrix factorization trained with Bayesian personalised ranking, on the fused engine."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.evaluation import evaluate
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.parallel import get_num_threads
from recneg.samplers import Uniform
from recneg.splits import carve_validation
from recneg.training.epochs import CARVE, FOLLOW, INIT, MINE, NEGATIVES, train_epoch
from recneg.training.factor_model import FactorModel, as_interactions
from recneg.training.fingerprint import fingerprint
from recneg.training.fused import random_factors
from recneg.training.negatives import NegativeSource, SamplerLike
from recneg.training.options import BPROptions, checked
from recneg.training.progress import epoch_progress
from recneg.training.state import Epoch, Factors, TrainingState

if TYPE_CHECKING:
    from recneg.mining.miner import Miner

__all__ = ["BPR"]


class BPR(FactorModel):
    """Matrix factorization with the BPR loss (Rendle et al., UAI 2009).

    Every positive is visited once an epoch, with fresh negatives from `sampler`, and one step of
    plain stochastic gradient descent is taken for each pair. What Milogradskii et al. (RecSys 2024)
    found to matter is kept: plain SGD on sums, negatives that the user has not seen, decay of the
    touched rows only, and separate decay for users, positives and negatives.

    Parameters
    ----------
    factors : int, default 64
    learning_rate : float, default 0.05
        Step for a single triple, never divided by a batch size.
    learning_rate_decay : float, default 1.0
        Factor on the learning rate after every epoch.
    regularization : float, default 0.01
        L2 decay of the rows of each triple: the term ``lambda / 2 * |row|**2`` of the paper.
    user_regularization, positive_regularization, negative_regularization : float, optional
        Default: `regularization`.
    bias_regularization : float, optional
        Default: `regularization`.
    item_bias : bool, default True
    init_deviation : float, default 0.1
        Standard deviation of the initial factors, which are uniform around 0.
    epochs : int, default 100
    num_negatives : int, default 1
        Pairs for each positive and epoch.
    sampler : Sampler, callable, Adaptive or PerBatch, default Uniform
        The law of the negatives, or a function that builds it from the training interactions; or a
        law that follows the model or the batch (blocks of 256 users). A positive whose user has
        seen the whole batch is passed over; `Epoch.triples` counts the pairs that were trained on.
    mining : Miner, optional
        Draw more candidates than `num_negatives` and keep some of them by their scores, those at
        the start of each block of 256 users. Weights that it returns multiply the steps.
    patience : int, optional
        Stop after this many evaluations on validation data without a better NDCG@20, and keep the
        best factors. Default: train for all epochs.
    evaluate_every : int, default 5
        Epochs between evaluations.
    validation_fraction : float, default 0.1
        Share of each user's interactions that is carved out for validation when `patience` is set
        and `fit` gets none.
    seed : int, default 0
    num_threads : int, default 0
        0: every core. With one thread the same seed gives the same bits. More threads update the
        factors without locks; results then depend on timing, as much as on the seed.

    Attributes
    ----------
    history : list of Epoch
    resumed_epochs : int
        Epochs that the last `fit` found in its checkpoint.

    Examples
    --------
    >>> from recneg import Interactions
    >>> data = Interactions.from_arrays([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 2, 3])
    >>> model = BPR(factors=4, epochs=20, num_threads=1).fit(data, show_progress=False)
    >>> ids, scores = model.recommend(0, N=2)
    >>> sorted(ids.tolist())
    [2, 3]
    """

    name: ClassVar[str] = "BPR"

    def __init__(
        self,
        factors: int = 64,
        *,
        learning_rate: float = 0.05,
        learning_rate_decay: float = 1.0,
        regularization: float = 0.01,
        user_regularization: float | None = None,
        positive_regularization: float | None = None,
        negative_regularization: float | None = None,
        bias_regularization: float | None = None,
        item_bias: bool = True,
        init_deviation: float = 0.1,
        epochs: int = 100,
        num_negatives: int = 1,
        sampler: SamplerLike = Uniform,
        mining: Miner | None = None,
        patience: int | None = None,
        evaluate_every: int = 5,
        validation_fraction: float = 0.1,
        seed: int = 0,
        num_threads: int = 0,
    ) -> None:
        def decay(value: float | None) -> float:
            return regularization if value is None else value

        self.options = checked(
            factors=factors,
            learning_rate=learning_rate,
            learning_rate_decay=learning_rate_decay,
            user_regularization=decay(user_regularization),
            positive_regularization=decay(positive_regularization),
            negative_regularization=decay(negative_regularization),
            bias_regularization=decay(bias_regularization),
            item_bias=item_bias,
            init_deviation=init_deviation,
            epochs=epochs,
            num_negatives=num_negatives,
            patience=patience,
            evaluate_every=evaluate_every,
            validation_fraction=validation_fraction,
            seed=seed,
        )
        if num_threads < 0:
            raise InvalidDataError(f"num_threads must not be negative; got {num_threads}")
        self.num_threads = num_threads
        self.sampler = sampler
        self.mining = mining
        self.history: list[Epoch] = []
        self.resumed_epochs = 0
        self.run = {}

    def __repr__(self) -> str:
        return f"BPR({', '.join(f'{k}={v!r}' for k, v in self._manifest().items())})"

    def _manifest(self) -> dict[str, Any]:
        return self.options.model_dump()

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
        callback : callable, optional
            Called with the `Epoch` after each one.
        validation : Interactions, optional
            Held-out data of the same users and items; NDCG@20 on it is computed every
            `evaluate_every` epochs. Never give test data.
        checkpoint : path, optional
            Written every `evaluate_every` epochs. If the file is there at the start, training goes
            on from it, with the same options and data only; with one thread, to the same bits.

        Raises
        ------
        NoNegativeError
            If a user with interactions has no item that the sampler may draw.
        FloatingPointError
            If the factors overflow, naming the epoch and the learning rate.
        """
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
                f"got none from {data!r}"
            )
        if len(train) == 0:
            raise InvalidDataError("there must be at least one interaction to train on; got none")
        source = NegativeSource(self.sampler, self.mining, train, options.num_negatives)
        state = TrainingState(_initial(train, options, key.fold_in(INIT)))
        made_of: dict[str, Any] = {}
        if checkpoint is not None:
            made_of = {
                "options": self._manifest(),
                "sampler": f"{source!r} {source.fingerprint}",
                "data": fingerprint(train),
            }
            if Path(checkpoint).exists():
                state = TrainingState.read(checkpoint, made_of)
        self.resumed_epochs = len(state.history)
        threads = self.num_threads or get_num_threads()
        with epoch_progress(self.name, options.epochs, len(state.history), show_progress) as report:
            while len(state.history) < options.epochs and not state.exhausted(options.patience):
                epoch = train_epoch(state, train, source, options, key, threads)
                due = epoch.epoch % options.evaluate_every == 0 or epoch.epoch == options.epochs
                if validation is not None and due:
                    self._adopt(state)
                    score = evaluate(self, train, validation, k=20, metrics=["ndcg"]).mean(
                        "ndcg@20"
                    )
                    epoch = epoch._replace(validation=score)
                    state.keep_if_best(score)
                state.history.append(epoch)
                if checkpoint is not None and due:
                    state.write(checkpoint, made_of)
                report(epoch)
                if callback is not None:
                    self._adopt(state)
                    callback(epoch)
        if options.patience is not None and state.best is not None:
            state.factors = state.best
        self._adopt(state)
        self._seen = data
        return self

    def negatives(self, user_items: Any) -> NDArray[np.int64]:
        """Return what the run's sampler and mining give at the present factors.

        One pass under the key of the epoch that would come next. For a sampler that neither
        follows a model or a batch nor is mined, it is that epoch's. In training, batches are made
        of users in shuffled order, scores change from block to block, and a law that is rebuilt
        every few epochs may lag behind; here batches follow the order of the users, and the law and
        all scores are of the present factors.

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
        train, key = as_interactions(user_items), Key(self.options.seed)
        shape = (len(self._user_factors), len(self._item_factors))
        if (train.num_users, train.num_items) != shape:
            raise InvalidDataError(
                f"user_items must have the users and items of the model, {shape}; got {train!r}"
            )
        source = NegativeSource(self.sampler, self.mining, train, self.options.num_negatives)
        state = TrainingState((self._user_factors, self._item_factors, self._item_biases))
        state.history = self.history
        number = len(self.history)
        source.follow(state, key.fold_in(FOLLOW))
        draws, choices = (key.fold_in(part).fold_in(number) for part in (NEGATIVES, MINE))
        return source.epoch(state, draws, choices)

    def _adopt(self, state: TrainingState) -> None:
        self._user_factors, self._item_factors, self._item_biases = state.factors
        self.history = state.history


def _initial(train: Interactions, options: BPROptions, key: Key) -> Factors:
    users, items = (
        random_factors(size, options.factors, options.init_deviation, key.fold_in(side))
        for side, size in enumerate((train.num_users, train.num_items))
    )
    return users, items, np.zeros(train.num_items * options.item_bias, np.float32)
