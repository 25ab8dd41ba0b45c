"""Matrix factorization trained with Bayesian personalised ranking, on the fused engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.samplers import Uniform
from recneg.training.epochs import PairwiseEngine
from recneg.training.negatives import NegativeSource, SamplerLike
from recneg.training.options import BPROptions, checked
from recneg.training.state import Factors
from recneg.training.trainer import Trainer, random_start

if TYPE_CHECKING:
    from recneg.mining.miner import Miner

__all__ = ["BPR"]


class BPR(Trainer):
    """Matrix factorization with the BPR loss (Rendle et al., UAI 2009).

    Every positive is visited once an epoch, with fresh negatives from `sampler`, and one step of
    plain stochastic gradient descent is taken for each pair. (Rendle et al. draw as many positives
    with replacement.) What Milogradskii et al. (RecSys 2024) found to matter is kept: plain SGD on
    sums, negatives that the user has not seen, decay of the touched rows only, and separate decay
    for users, positives and negatives.

    A step a pair is nothing for a GPU. There, `MatrixFactorization` with ``BPRLoss("sum")``, `SGD`
    and ``reduction="sum"`` follows the same gradients, summed up in batches in which each row
    decays once; with ``batch_size=1, num_negatives=1`` its steps are these, biases apart.

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
        0: `recneg.parallel.get_num_threads`, which is every core unless ``RECNEG_NUM_THREADS`` or
        `set_num_threads` says otherwise. With one thread the same seed gives the same bits. More
        threads update the factors without locks; results then depend on timing, as much as on the
        seed.

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
    fixed_switches: ClassVar[dict[str, Any]] = {
        "visit": "users",
        "redraw": "pair",
        "num_pools": 1,
        "reduction": "sum",
        "regularized": "triples",
        "dropout_before_norm": False,
    }
    """Rows decay with each triple that they are in."""

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

        self.options: BPROptions = checked(
            BPROptions,
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
        self._ready(sampler, mining, num_threads)

    def manifest(self) -> dict[str, Any]:
        """Return the options, as keyword arguments that JSON can hold."""
        return self.options.model_dump()

    def _initial(self, train: Interactions, key: Key) -> Factors:
        o = self.options
        return random_start(train, o.factors, o.init_deviation, o.item_bias, key)

    def _engine(
        self, train: Interactions, source: NegativeSource, key: Key, threads: int
    ) -> PairwiseEngine:
        return PairwiseEngine(train, source, self.options, key, threads)
