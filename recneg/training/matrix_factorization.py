"""Matrix factorization with any loss of scores."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Self

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.losses import BPRLoss, Loss
from recneg.losses.kinds import NO_KERNEL
from recneg.samplers import Uniform
from recneg.training.batch_trainer import BatchTrainer
from recneg.training.batched import BatchedEngine, scored_factors
from recneg.training.descriptions import described, rebuilt
from recneg.training.negatives import NegativeSource, SamplerLike
from recneg.training.optimizers import Adagrad, Optimizer
from recneg.training.options import FactorizationOptions, check_sharing, checked
from recneg.training.running import Engine
from recneg.training.sides import ExposureLike, Thresholds
from recneg.training.spectral import spectral_factors
from recneg.training.state import Factors, TrainingState
from recneg.training.trainer import random_start

if TYPE_CHECKING:
    from recneg.mining.miner import Miner

__all__ = ["MatrixFactorization"]


class MatrixFactorization(BatchTrainer):
    """Matrix factorization with any loss of `recneg.losses`, in batches.

    All scores of a batch are those of the factors at its start; then both tables take one step of
    the optimiser. Scores are inner products, or cosines. What papers do differently stands here as
    an option of its own, and is saved with the model.

    Parameters
    ----------
    factors : int, default 64
    loss : Loss, default BPRLoss()
        Of one positive and its negatives.
    score : {"dot", "cosine"}
        Losses with a temperature or a margin are made for cosines.
    optimizer : Optimizer, default Adagrad(0.1, rowwise=True)
    user_optimizer : Optimizer, optional
        Of the users' table. Default: `optimizer`.
    schedule : {"constant", "cosine", "steps"}
        How the learning rate falls over `epochs`: not, to 0 along half a cosine, or to a tenth from
        60 % of them on and a hundredth from 90 %.
    learning_rate_decay : float, default 1.0
        Factor on the learning rate after every epoch.
    plateau_factor : float, default 1.0
        Factor on the learning rate when an evaluation on validation data brings no better score;
        training then goes on from the best factors. 1 for none.
    regularization : float, default 0.0
        L2 decay lambda: the penalty ``lambda / 2 * |row|**2`` of each batch.
    user_regularization, item_regularization : float, optional
        Default: `regularization`.
    regularized : {"rows", "tables"}
        Whether the penalty is of the rows that a batch touches, each once, or of both whole tables
        at every step, as SimpleX, Rel-MF and NBPO have it.
    reduction : {"mean", "sum"}
        Of the losses of a batch's positives.
    visit : {"pairs", "users"}
        Whether a batch is made of positives in random order, or of users with all their positives.
    batch_size : int, default 1024
        Positives, or users.
    num_negatives : int, default 64
    redraw : {"pair", "user", "batch", "epoch"}
        Who shares a draw of negatives: nobody, the positives of a user in a batch, of a batch, or
        of an epoch. Every positive is visited once an epoch, so "pair" is also what SimpleX calls
        once an epoch.
    sampler : Sampler, callable, Adaptive or PerBatch, default Uniform
        ``unseen=True`` leaves out what a user has seen, ``unseen=False`` draws from all items. What
        users share with others ("batch", "epoch") is drawn from all items, and masked for those who
        have seen it if the sampler is one of unseen items; it must not depend on the user.
    num_pools : int, default 1
        For "batch" and "epoch": how many draws of `num_negatives` there are, at most one for each
        positive, or user, of a batch. These share them in runs of the batch's random order. With
        more of them an item is a negative more often and of fewer users at a time, as with draws
        for each positive, in a fraction of their time.
    mining : Miner, optional
        Keeps some of each positive's candidates by their scores; with ``redraw="pair"``.
    log_q_correction : bool, default False
        Subtract ``t (log q + ln n)`` from the score of each of n negatives, t being the loss's
        temperature: softmax losses then estimate their sum over all items. For those alone.
    dropout : float, default 0.0
        Chance of each column of a user's vector to be left out of a visit; the others grow by
        ``1 / (1 - dropout)``.
    dropout_before_norm : bool, default False
        Of cosines, whether columns are left out before the division by norms, so that what is
        scored has length 1, as BSL's authors have it, or after it, as SimpleX has it.
    max_norm : float, optional
        Longest gradient, over both tables, that a step follows unshortened.
    item_bias : bool, default False
    init : {"random", "spectral"}
        Where training starts: at random, or at `recneg.training.spectral.spectral_factors`, the
        singular vectors of the normalised interactions.
    init_deviation : float, default 0.1
        Standard deviation of the initial factors, uniform around 0 if they are random.
    propensity : Exposure or callable, optional
        For losses of inverse propensities. Default: `recneg.propensity.power_law`, clipped as the
        loss says. Any other has a `clip` of its own, 0.01 unless given, and the larger one holds.
    thresholds : Thresholds, optional
        For `SLAtKLoss`: how often its thresholds are estimated.
    epochs : int, default 100
    patience, evaluate_every, validation_fraction, seed
        As for `BPR`.
    num_threads : int, default 0
        0: as for `BPR`. More threads change results by rounding alone.
    engine : {"auto", "fused", "torch"}
        "fused": compiled, on the CPU, for losses with a kernel, as all of `recneg.losses` are.
        "torch": the same steps with autograd, for any loss, also your own, on any device. "auto":
        fused where that is possible. Both give the same result but for rounding.
    device : str, optional
        Where torch trains. Default: the CPU.

    Attributes
    ----------
    history : list of Epoch
    resumed_epochs : int
        Epochs that the last `fit` found in its checkpoint.

    Examples
    --------
    >>> from recneg import Interactions
    >>> from recneg.losses import SampledSoftmaxLoss
    >>> data = Interactions.from_arrays([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 2, 3])
    >>> model = MatrixFactorization(4, loss=SampledSoftmaxLoss(0.2), score="cosine", epochs=20)
    >>> ids, scores = model.fit(data, show_progress=False).recommend(0, N=2)
    >>> sorted(ids.tolist())
    [2, 3]
    """

    name: ClassVar[str] = "MatrixFactorization"

    def __init__(
        self,
        factors: int = 64,
        *,
        loss: Loss | None = None,
        score: str = "dot",
        optimizer: Optimizer | None = None,
        user_optimizer: Optimizer | None = None,
        schedule: str = "constant",
        learning_rate_decay: float = 1.0,
        plateau_factor: float = 1.0,
        regularization: float = 0.0,
        user_regularization: float | None = None,
        item_regularization: float | None = None,
        regularized: str = "rows",
        reduction: str = "mean",
        visit: str = "pairs",
        batch_size: int = 1024,
        num_negatives: int = 64,
        redraw: str = "pair",
        num_pools: int = 1,
        sampler: SamplerLike = Uniform,
        mining: Miner | None = None,
        log_q_correction: bool = False,
        dropout: float = 0.0,
        dropout_before_norm: bool = False,
        max_norm: float | None = None,
        item_bias: bool = False,
        init: str = "random",
        init_deviation: float = 0.1,
        propensity: ExposureLike | None = None,
        thresholds: Thresholds | None = None,
        epochs: int = 100,
        patience: int | None = None,
        evaluate_every: int = 5,
        validation_fraction: float = 0.1,
        seed: int = 0,
        num_threads: int = 0,
        engine: str = "auto",
        device: str | None = None,
    ) -> None:
        def decay(value: float | None) -> float:
            return regularization if value is None else value

        self.loss = BPRLoss() if loss is None else loss
        if not isinstance(self.loss, Loss):
            raise InvalidDataError(f"loss must be a Loss, such as BPRLoss(); got {loss!r}")
        optimizer = Adagrad(0.1, rowwise=True) if optimizer is None else optimizer
        self.propensity, self.thresholds = propensity, thresholds or Thresholds()
        self.options: FactorizationOptions = checked(
            FactorizationOptions,
            factors=factors,
            score=score,
            optimizer=optimizer,
            user_optimizer=optimizer if user_optimizer is None else user_optimizer,
            schedule=schedule,
            learning_rate_decay=learning_rate_decay,
            plateau_factor=plateau_factor,
            user_regularization=decay(user_regularization),
            item_regularization=decay(item_regularization),
            regularized=regularized,
            reduction=reduction,
            visit=visit,
            batch_size=batch_size,
            num_negatives=num_negatives,
            redraw=redraw,
            num_pools=num_pools,
            log_q_correction=log_q_correction,
            dropout=dropout,
            dropout_before_norm=dropout_before_norm,
            max_norm=max_norm,
            item_bias=item_bias,
            init=init,
            init_deviation=init_deviation,
            epochs=epochs,
            patience=patience,
            evaluate_every=evaluate_every,
            validation_fraction=validation_fraction,
            seed=seed,
        )
        if item_bias and score == "cosine":
            raise InvalidDataError("item_bias is for inner products; got score='cosine'")
        check_sharing(self.options, mining)
        if log_q_correction:
            check_correctable(self.loss)
        self._ready(sampler, mining, num_threads)
        self.engine, self.device = chosen_engine(engine, device, self.loss), device

    def manifest(self) -> dict[str, Any]:
        """Return the options, as keyword arguments that JSON can hold."""
        return self.options.model_dump() | {
            "loss": described(self.loss),
            "optimizer": described(self.options.optimizer),
            "user_optimizer": described(self.options.user_optimizer),
            "thresholds": described(self.thresholds),
        }

    @classmethod
    def _rebuilt(cls, options: dict[str, Any]) -> Self:
        kinds: dict[str, type] = {
            "loss": Loss,
            "optimizer": Optimizer,
            "user_optimizer": Optimizer,
            "thresholds": Thresholds,
        }
        parts: dict[str, Any] = {name: rebuilt(kind, options[name]) for name, kind in kinds.items()}
        model = cls.__new__(cls)
        MatrixFactorization.__init__(model, **(options | parts))
        return model

    def _names(self) -> list[str]:
        return list(signature(MatrixFactorization).parameters)

    def _source(self, train: Interactions) -> NegativeSource:
        return NegativeSource(
            self.sampler, self.mining, train, self.options.num_negatives,
            scored_factors(self.options),
        )  # fmt: skip

    def _initial(self, train: Interactions, key: Key) -> Factors:
        o = self.options
        start = random_start(train, o.factors, o.init_deviation, o.item_bias, key)
        if o.init == "spectral":
            start = (*spectral_factors(train, o.factors, o.init_deviation, key), start[2])
        return start

    def _engine(
        self, train: Interactions, source: NegativeSource, key: Key, threads: int
    ) -> Engine:
        plan = self._plan(train, source, key)
        if self.engine == "fused":
            return BatchedEngine(plan, threads)
        from recneg.training.torch_engine import TorchEngine

        return TorchEngine(plan, self.device or "cpu", threads)

    def adopt(self, state: TrainingState) -> None:
        """Take the factors and the history of a run."""
        super().adopt(state)
        scored = scored_factors(self.options)(state.factors)
        self._user_factors, self._item_factors, self._item_biases = scored


def check_correctable(loss: Loss) -> None:
    """Refuse a loss that the correction by log q does not make one over all items."""
    if not loss.correctable:
        raise InvalidDataError(
            "log_q_correction is for losses of a sum of exponentials over a temperature, such as "
            "SampledSoftmaxLoss(0.1), or one of your own that says `correctable = True`; "
            f"got {loss}"
        )


def chosen_engine(engine: str, device: str | None, loss: Loss) -> str:
    """Return "fused" or "torch" for what was asked."""
    if engine not in ("auto", "fused", "torch"):
        raise InvalidDataError(f"engine must be 'auto', 'fused' or 'torch'; got {engine!r}")
    _check_device(device)
    fits = loss.kind != NO_KERNEL and (device is None or device == "cpu")
    if engine == "fused" and not fits:
        raise InvalidDataError(
            "engine='fused' must have a loss with a kernel, on the CPU; "
            f"got {loss}, device={device!r}"
        )
    return engine if engine != "auto" else ("fused" if fits else "torch")


def _check_device(device: str | None) -> None:
    """Refuse names that torch has for no kind of device; whether there is one shows in use."""
    if device is None:
        return
    import torch

    try:
        torch.device(device)
    except (RuntimeError, TypeError):
        raise InvalidDataError(
            f"device must be a device of torch, such as 'cuda'; got {device!r}"
        ) from None
