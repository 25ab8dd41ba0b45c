"""SimpleX: users as a mix of a vector of their own and of their history, with many negatives."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import ndtri

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.keys import Key, random_bits
from recneg.losses import CosineContrastiveLoss, Loss
from recneg.samplers import Uniform
from recneg.training.batch_trainer import BatchTrainer
from recneg.training.batched import BatchedEngine
from recneg.training.descriptions import described, rebuilt
from recneg.training.histories import capped
from recneg.training.matrix_factorization import chosen_engine
from recneg.training.negatives import NegativeSource, SamplerLike
from recneg.training.optimizers import Adam, Optimizer
from recneg.training.options import FactorizationOptions, check_sharing, checked
from recneg.training.presets import preset
from recneg.training.running import Engine
from recneg.training.sides import ExposureLike, Thresholds
from recneg.training.state import Factors, TrainingState
from recneg.training.streams import INIT
from recneg.training.tables import Matrix, unit_rows

if TYPE_CHECKING:
    import torch

    from recneg.mining.miner import Miner
    from recneg.models.simplex import SimpleXTower

__all__ = ["SimpleX", "SimpleXOptions"]

NO_BIASES = np.empty(0, np.float32)


class SimpleXOptions(FactorizationOptions):
    """Options of `recneg.SimpleX`; see there."""

    gamma: Annotated[float, Field(ge=0, le=1)]
    aggregation: Literal["mean", "user_attention", "self_attention"]
    max_history: Annotated[int, Field(ge=1)] | None
    shared_history: bool
    padded_history: Annotated[int, Field(ge=0)]


class SimpleX(BatchTrainer):
    """SimpleX (Mao et al., "SimpleX: a simple and strong baseline", CIKM 2021).

    A user is ``h_u = gamma e_u + (1 - gamma) V p_u``, p_u being an aggregate of the vectors of the
    items in the history; scores are cosines, the loss is `CosineContrastiveLoss`. In training the
    positive at hand is left out of its user's history; a trained model uses the whole one. With
    gamma 1 this is `MatrixFactorization`. The L2 penalty is of the whole tables at every step.

    The paper's code chooses epochs on the test set; here, as everywhere, it is validation data.

    Parameters
    ----------
    factors : int, default 64
    gamma : float, default 0.5
        Share of a user's own vector.
    aggregation : {"mean", "user_attention", "self_attention"}
    max_history : int, optional
        Use at most so many items of a history: the latest, or without times random ones. Default:
        all.
    shared_history : bool, default True
        Whether items have the same vector in a history as where they are scored.
    padded_history : int, default 0
        Attention counts shorter histories as filled up to this length with empty entries of logit
        0, which makes them weigh less; published runs do, up to the longest history.
    loss : Loss, default CosineContrastiveLoss()
    optimizer : Optimizer, default Adam(1e-4)
    schedule : {"constant", "cosine", "steps"}
        As in `MatrixFactorization`; published runs have a constant rate and a plateau factor.
    learning_rate_decay : float, default 1.0
        Factor on the learning rate after every epoch.
    plateau_factor : float, default 0.1
        Factor on the learning rate when an evaluation brings no better score; training then goes
        on from the best weights.
    regularization : float, default 1e-7
        Lambda: ``lambda / 2`` times the squares of both tables at every step.
    batch_size : int, default 512
    num_negatives : int, default 1000
    redraw : {"pair", "batch", "epoch"}
        Who shares a draw of negatives: nobody, or the positives of a batch or an epoch.
    num_pools : int, default 1
        For "batch" and "epoch": how many draws positives share, in runs of a batch.
    sampler : Sampler, callable, Adaptive or PerBatch, default Uniform
    mining : Miner, optional
    dropout : float, default 0.1
        Chance of each column of a user's vector to be left out of a visit, after the division by
        norms, as published.
    max_norm : float, optional, default 10
        Longest gradient, over all weights, that a step follows unshortened.
    item_bias : bool, default False
        Learn biases of items, and for training alone of users and of all.
    init_deviation : float, default 1e-4
        Standard deviation of the initial vectors, which are normal. V and the weights of attention
        start as Glorot and Bengio have it.
    propensity : Exposure or callable, optional
    thresholds : Thresholds, optional
        For losses that need them, as in `MatrixFactorization`; with gamma 1 alone.
    epochs : int, default 100
    patience : int, optional, default 3
    evaluate_every : int, default 1
    validation_fraction, seed, num_threads
        As for `BPR`.
    engine : {"auto", "fused", "torch"}
        "fused": scores by compiled kernels; "torch": by torch, for any loss on any device.
    device : str, optional
        Default: the CPU.

    Examples
    --------
    >>> from recneg import Interactions
    >>> data = Interactions.from_arrays([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 2, 3])
    >>> model = SimpleX(4, num_negatives=2, optimizer=Adam(0.01), epochs=20, patience=None)
    >>> ids, scores = model.fit(data, show_progress=False).recommend(0, N=2)
    >>> sorted(ids.tolist())
    [2, 3]
    """

    name: ClassVar[str] = "SimpleX"
    options: SimpleXOptions

    def __init__(
        self,
        factors: int = 64,
        *,
        gamma: float = 0.5,
        aggregation: str = "mean",
        max_history: int | None = None,
        shared_history: bool = True,
        padded_history: int = 0,
        loss: Loss | None = None,
        optimizer: Optimizer | None = None,
        schedule: str = "constant",
        learning_rate_decay: float = 1.0,
        plateau_factor: float = 0.1,
        regularization: float = 1e-7,
        batch_size: int = 512,
        num_negatives: int = 1000,
        redraw: str = "pair",
        num_pools: int = 1,
        sampler: SamplerLike = Uniform,
        mining: Miner | None = None,
        dropout: float = 0.1,
        max_norm: float | None = 10.0,
        item_bias: bool = False,
        init_deviation: float = 1e-4,
        propensity: ExposureLike | None = None,
        thresholds: Thresholds | None = None,
        epochs: int = 100,
        patience: int | None = 3,
        evaluate_every: int = 1,
        validation_fraction: float = 0.1,
        seed: int = 0,
        num_threads: int = 0,
        engine: str = "auto",
        device: str | None = None,
    ) -> None:
        self.loss = CosineContrastiveLoss() if loss is None else loss
        if not isinstance(self.loss, Loss):
            raise InvalidDataError(
                f"loss must be a Loss, such as CosineContrastiveLoss(); got {loss!r}"
            )
        optimizer = Adam(1e-4) if optimizer is None else optimizer
        self.propensity, self.thresholds = propensity, thresholds or Thresholds()
        self.options = checked(
            SimpleXOptions,
            factors=factors,
            gamma=float(gamma),
            aggregation=aggregation,
            max_history=max_history,
            shared_history=shared_history,
            padded_history=padded_history,
            score="cosine",
            optimizer=optimizer,
            user_optimizer=optimizer,
            schedule=schedule,
            learning_rate_decay=learning_rate_decay,
            plateau_factor=plateau_factor,
            user_regularization=regularization,
            item_regularization=regularization,
            regularized="tables",
            reduction="mean",
            visit="pairs",
            batch_size=batch_size,
            num_negatives=num_negatives,
            redraw=redraw,
            num_pools=num_pools,
            log_q_correction=False,
            dropout=dropout,
            dropout_before_norm=False,
            max_norm=max_norm,
            item_bias=item_bias,
            init="random",
            init_deviation=init_deviation,
            epochs=epochs,
            patience=patience,
            evaluate_every=evaluate_every,
            validation_fraction=validation_fraction,
            seed=seed,
        )
        if redraw == "user":
            raise InvalidDataError("redraw must be 'pair', 'batch' or 'epoch'; got 'user'")
        check_sharing(self.options, mining)
        if self.loss.needs == "thresholds" and not self._factorizes:
            raise InvalidDataError(f"{self.loss} needs gamma=1 and no item_bias; got {gamma}")
        self._ready(sampler, mining, num_threads)
        self.engine, self.device = chosen_engine(engine, device, self.loss), device

    @classmethod
    def preset(cls, dataset: str, **options: Any) -> Self:
        """Return a model with the published options for a data set, some of them replaced.

        See `recneg.training.presets`.
        """
        return cls(**(preset("SimpleX", dataset).options | options))

    @property
    def _factorizes(self) -> bool:
        """Whether this is plain matrix factorization."""
        return self.options.gamma == 1 and not self.options.item_bias

    def manifest(self) -> dict[str, Any]:
        """Return the options, as keyword arguments that JSON can hold."""
        every = self.options.model_dump() | {
            "regularization": self.options.item_regularization,
            "loss": described(self.loss),
            "optimizer": described(self.options.optimizer),
            "thresholds": described(self.thresholds),
        }
        return {name: every[name] for name in self._names() if name in every}

    @classmethod
    def _rebuilt(cls, options: dict[str, Any]) -> Self:
        kinds: dict[str, type] = {"loss": Loss, "optimizer": Optimizer, "thresholds": Thresholds}
        parts: dict[str, Any] = {name: rebuilt(kind, options[name]) for name, kind in kinds.items()}
        return cls(**(options | parts))

    def _names(self) -> list[str]:
        return list(signature(SimpleX).parameters)

    # -- training ------------------------------------------------------------------------------

    def _source(self, train: Interactions) -> NegativeSource:
        key = Key(self.options.seed).fold_in(INIT).fold_in(len(_NAMES))
        self._histories = capped(train, self.options.max_history, key)
        return NegativeSource(
            self.sampler, self.mining, train, self.options.num_negatives, self._scored
        )

    def _initial(self, train: Interactions, key: Key) -> Factors:
        sizes = self._sizes(train.num_users, train.num_items)
        weights = {
            name: _normal(shape, deviation, key.fold_in(_NAMES.index(name)))
            for name, (shape, deviation) in sizes.items()
        }
        users, items, *rest = weights.values()
        return users, items, np.concatenate([NO_BIASES, *(part.reshape(-1) for part in rest)])

    def _sizes(self, num_users: int, num_items: int) -> dict[str, tuple[tuple[int, int], float]]:
        """Return the shape of each weight and its deviation at the start."""
        o = self.options
        d, small, square = o.factors, o.init_deviation, o.factors**-0.5
        sizes = {"users": ((num_users, d), small), "items": ((num_items, d), small)}
        if o.gamma < 1:
            sizes["transform"] = ((d, d), square)
            if o.aggregation != "mean":
                sizes |= {"keys": ((d, d), square), "key_bias": ((1, d), 0.0)}
            if o.aggregation == "self_attention":
                sizes["query"] = ((1, d), (2 / (d + 1)) ** 0.5)
            if not o.shared_history:
                sizes["history"] = ((num_items, d), small)
        if o.item_bias:
            sizes |= {"item_bias": ((num_items, 1), small), "user_bias": ((num_users, 1), small)}
            sizes["global_bias"] = ((1, 1), 0.0)
        return sizes

    def _unpack(self, factors: Factors) -> dict[str, Matrix]:
        """Return the weights by name, which share the memory of a run's factors.

        The third of those, biases in other models, holds whatever there is beside the tables.
        """
        users, items, rest = factors
        weights, start = {"users": users, "items": items}, 0
        for name, (shape, _) in self._sizes(len(users), len(items)).items():
            if name not in weights:
                stop = start + shape[0] * shape[1]
                weights[name] = rest[start:stop].reshape(shape)
                start = stop
        return weights

    def _scored(self, factors: Factors) -> Factors:
        """Return vectors whose products are the scores; those of a trained model as they are."""
        sizes = self._sizes(len(factors[0]), len(factors[1])).values()
        if factors[2].size != sum(rows * columns for (rows, columns), _ in list(sizes)[2:]):
            return factors
        weights, users = self._unpack(factors), factors[0]
        if self.options.gamma < 1:
            from recneg.training.tower_engine import tower_vectors

            users = tower_vectors(weights, self._histories, self._tower)
        biases = NO_BIASES
        if self.options.item_bias:
            biases = weights["item_bias"].reshape(-1).copy()
        return unit_rows(users), unit_rows(factors[1]), biases

    def _engine(
        self, train: Interactions, source: NegativeSource, key: Key, threads: int
    ) -> Engine:
        plan = self._plan(train, source, key)
        fused, device = self.engine == "fused", self.device or "cpu"
        if self._factorizes and fused:
            return BatchedEngine(plan, threads)
        if self._factorizes:
            from recneg.training.torch_engine import TorchEngine

            return TorchEngine(plan, device, threads)
        from recneg.training.tower_engine import TowerEngine

        return TowerEngine(
            plan, self._histories, self._unpack, self._tower,
            fused=fused, device=device, threads=threads,
        )  # fmt: skip

    def _tower(self, weights: dict[str, torch.Tensor]) -> SimpleXTower:
        from recneg.models.simplex import SimpleXTower

        o = self.options
        return SimpleXTower(weights, o.gamma, o.aggregation, o.padded_history)

    def adopt(self, state: TrainingState) -> None:
        """Take the factors and the history of a run."""
        super().adopt(state)
        self._user_factors, self._item_factors, self._item_biases = self._scored(state.factors)


_NAMES = (
    "users", "items", "transform", "keys", "key_bias", "query", "history", "item_bias",
    "user_bias", "global_bias",
)  # fmt: skip


def _normal(shape: tuple[int, int], deviation: float, key: Key) -> NDArray[np.float32]:
    """Return keyed normal numbers."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])
    bits = random_bits(key, rows, columns) >> np.uint64(11)
    values = ndtri((bits.astype(np.float64) + 0.5) * 2.0**-53)
    return np.asarray(deviation * values, np.float32)
