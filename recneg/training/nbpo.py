"""NBPO: preference and flip rates, learned together from noisy votes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.losses import NBPOLoss
from recneg.noise import (
    OBJECTIVES,
    FlipModel,
    Sums,
    Tables,
    start_tables,
    steady_rate,
    vote_epoch,
)
from recneg.samplers import Uniform
from recneg.training.matrix_factorization import chosen_engine
from recneg.training.negatives import NegativeSource
from recneg.training.options import NBPOOptions, checked
from recneg.training.record import Totals, overflow, record
from recneg.training.state import Epoch, Factors, TrainingState
from recneg.training.streams import NEGATIVES
from recneg.training.trainer import Trainer

__all__ = ["NBPO"]

FLIPS = ("user_flips", "item_flips")


class NBPO(Trainer):
    """Matrix factorization with noisy-label-robust optimisation (Yu and Qin, SIGIR 2020).

    `recneg.noise.fit_flips` says how it learns; here with validation, early stop and checkpoints.
    Negatives are uniform over what a user has not voted for.

    Parameters
    ----------
    factors : int, default 50
        Columns of all four tables.
    objective : {"nbpo", "nbpo-o", "nbpo-s", "bpo"}
        See `recneg.noise.coefficients`.
    learning_rate : float, optional
        By default `recneg.noise.steady_rate` of what is trained on: 0.05, as published for "nbpo"
        on Amazon Electronics, or less on denser data. Published on MovieLens-1M: 0.02.
    regularization, flip_regularization : float
        Default: those published on Amazon Electronics; on MovieLens-1M 0.5 and 1.
    learning_rate_decay : float, default 0.99
        Factor on the learning rate before every epoch.
    batch_size, num_negatives, epochs : int
        5000, 4 and 200 as published. Batches take the interactions in their order.
    patience, evaluate_every, validation_fraction, seed
        As for `BPR`.
    num_threads : int, default 0
        Of the torch engine alone: in the fused one batches follow each other, and each is summed
        up by one thread.
    engine : {"auto", "fused", "torch"}
        "fused": compiled, on the CPU. "torch": the same batches, draws and steps with autograd, on
        any device. "auto": fused, but for another device. Both give the same but for rounding.
    device : str, optional
        Where torch trains. Default: the CPU.

    Attributes
    ----------
    flips : FlipModel
        Preference and flip rates, at the factors that the model has.
    history : list of Epoch
        The loss is minus the log-likelihood, a mean over the pairs of a vote and a draw.

    Examples
    --------
    >>> from recneg import Interactions
    >>> data = Interactions.from_arrays([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 2, 3])
    >>> model = NBPO(4, epochs=5, regularization=0.1).fit(data, show_progress=False)
    >>> model.flips
    FlipModel(3 users, 4 items)
    """

    name: ClassVar[str] = "NBPO"
    fixed_switches: ClassVar[dict[str, Any]] = {
        "visit": "in order",
        "redraw": "pair",
        "num_pools": 1,
        "reduction": "sum",
        "regularized": "tables",
        "dropout_before_norm": False,
    }
    """A batch is the next votes as they are stored."""

    def __init__(
        self,
        factors: int = 50,
        *,
        objective: str = "nbpo",
        learning_rate: float | None = None,
        learning_rate_decay: float = 0.99,
        regularization: float = 1.0,
        flip_regularization: float = 5.0,
        batch_size: int = 5000,
        num_negatives: int = 4,
        epochs: int = 200,
        patience: int | None = None,
        evaluate_every: int = 5,
        validation_fraction: float = 0.1,
        seed: int = 0,
        num_threads: int = 0,
        engine: str = "auto",
        device: str | None = None,
    ) -> None:
        if objective not in OBJECTIVES:
            raise InvalidDataError(
                f"objective must be one of {', '.join(OBJECTIVES)}; got {objective!r}"
            )
        self.options: NBPOOptions = checked(
            NBPOOptions,
            factors=factors,
            objective=objective,
            learning_rate=learning_rate,
            learning_rate_decay=learning_rate_decay,
            regularization=regularization,
            flip_regularization=flip_regularization,
            batch_size=batch_size,
            num_negatives=num_negatives,
            epochs=epochs,
            patience=patience,
            evaluate_every=evaluate_every,
            validation_fraction=validation_fraction,
            seed=seed,
        )
        self._ready(Uniform, None, num_threads)
        self.engine, self.device = chosen_engine(engine, device, NBPOLoss(objective)), device

    def manifest(self) -> dict[str, Any]:
        """Return the options, as keyword arguments that JSON can hold."""
        return self.options.model_dump()

    @property
    def flips(self) -> FlipModel:
        """Preference and flip rates."""
        self._require_fitted()
        return FlipModel(self._user_factors, self._item_factors, *self._flips)

    def _initial(self, train: Interactions, key: Key) -> Factors:
        return _joined(start_tables(train, self.options.factors, key))

    def _engine(
        self, train: Interactions, source: NegativeSource, key: Key, threads: int
    ) -> VoteEngine:
        if self.engine == "fused":
            return VoteEngine(train, self.options, key, vote_epoch)
        from recneg.training.torch_votes import torch_vote_epoch

        visit = partial(torch_vote_epoch, device=self.device or "cpu", threads=threads)
        return VoteEngine(train, self.options, key, visit)

    def adopt(self, state: TrainingState) -> None:
        """Take the factors and the history of a run."""
        super().adopt(state)
        self._user_factors, self._item_factors, *self._flips = _parted(state.factors)

    def _tensors(self) -> dict[str, NDArray[Any]]:
        return super()._tensors() | dict(zip(FLIPS, self._flips, strict=True))

    def _take_tensors(self, tensors: dict[str, NDArray[Any]]) -> None:
        super()._take_tensors(tensors)
        self._flips = [tensors[name] for name in FLIPS]


class VoteEngine:
    """Runs the epochs of NBPO; a state's factors hold preference and flips side by side.

    Parameters
    ----------
    train : Interactions
    options : NBPOOptions
    key : Key
        Of the run.
    visit : callable
        `recneg.noise.vote_epoch`, or what does the same elsewhere.
    """

    def __init__(
        self, train: Interactions, options: NBPOOptions, key: Key, visit: Callable[..., Sums]
    ) -> None:
        self.train, self.options, self.key, self.visit = train, options, key, visit
        rate = options.learning_rate
        if rate is None:
            rate = steady_rate(
                train, batch_size=options.batch_size, num_negatives=options.num_negatives
            )
        self.rate = rate

    def epoch(self, state: TrainingState, tell: Callable[[float], None]) -> Epoch:
        """Visit every vote once."""
        o, number = self.options, len(state.history)
        rate = self.rate * o.learning_rate_decay ** (number + 1)
        draws = self.key.fold_in(NEGATIVES).fold_in(number)
        tables = _parted(state.factors)
        started = time.perf_counter()
        sums = self.visit(
            self.train, tables, o.objective, draws, o.batch_size, o.num_negatives, rate,
            o.regularization, o.flip_regularization, tell,
        )  # fmt: skip
        if not all(np.isfinite(table).all() for table in tables):
            raise overflow(state, rate)
        state.factors = _joined(tables)
        seconds = time.perf_counter() - started
        return record(state, Totals(*sums), sums.pairs or len(self.train), seconds)


def _joined(tables: Tables) -> Factors:
    u, v, p, q = tables
    return np.hstack((u, p)), np.hstack((v, q)), np.zeros(0, np.float32)


def _parted(factors: Factors) -> Tables:
    users, items, _ = factors
    columns = users.shape[1] // 2
    u, p = (np.ascontiguousarray(part) for part in (users[:, :columns], users[:, columns:]))
    v, q = (np.ascontiguousarray(part) for part in (items[:, :columns], items[:, columns:]))
    return u, v, p, q
