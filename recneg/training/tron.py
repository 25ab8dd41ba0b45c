"""TRON: a session transformer that learns from the hardest of many negatives."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_count, check_number
from recneg.errors import InvalidDataError
from recneg.evaluation.next_item import evaluate_next_item, wanted_events
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.losses import Loss, SampledSoftmaxLoss
from recneg.parallel import get_num_threads
from recneg.samplers import Sampler, Uniform
from recneg.sequence_splits import Targets, carve_newest, check_same_items, check_targets
from recneg.sequences import Sequences, check_sequences
from recneg.training.candidates import CandidateSource
from recneg.training.descriptions import described, rebuilt
from recneg.training.fingerprint import fingerprint
from recneg.training.laws import check_parts, part_record, rebuilt_part
from recneg.training.matrix_factorization import check_correctable, chosen_engine
from recneg.training.optimizers import Adam, Optimizer
from recneg.training.options import checked
from recneg.training.running import Checkpoint, run_epochs
from recneg.training.sequence_batches import SequenceBatches
from recneg.training.sequence_model import SequenceModel
from recneg.training.sequence_start import start_weights
from recneg.training.state import Epoch, Factors, TrainingState
from recneg.training.streams import INIT
from recneg.training.tables import Matrix, unit_rows
from recneg.training.tron_options import TRONOptions

if TYPE_CHECKING:
    from recneg.models.tron import TRONEncoder, TRONModel
    from recneg.training.sequence_engine import SequenceEngine

__all__ = ["TRON"]

NO_BIASES = np.empty(0, np.float32)

Made = TypeVar("Made")


class TRON(SequenceModel):
    """TRON (Wilm et al., "Scaling session-based transformer recommendations using optimized
    negative sampling and loss functions", RecSys 2023), and by its options SASRec and gSASRec.

    After each event of a session a causal transformer gives a vector, whose inner products with
    the item table are the scores of the next item. Each such score is contrasted with those of a
    pool that the batch shares, drawn anew for every batch, and of events of other sessions; of
    these only the `top_k` highest take part in the loss.

    SASRec (Kang and McAuley, ICDM 2018) is ``loss=LogisticLoss(), num_negatives=1, num_in_batch=0,
    top_k=0, redraw="event"``; gSASRec (Petrov and Macdonald, RecSys 2023) has ``GBCELoss(N)``, 256
    negatives and ``tied=False``.

    Published, and different here by default: sessions in the order of time (``order="given"``), and
    candidates that are the target itself count as negatives (``accidental_hits="keep"``). Published
    and not here: draws that are among the batch's own items are drawn again, and a last batch that
    is not full is dropped. The paper's code chooses epochs on the test set; here it is validation
    data.

    Parameters
    ----------
    factors : int, default 200
    blocks, heads, hidden, activation, max_length, dropout, scale
        As for `recneg.models.TRONEncoder`.
    tied : bool, default True
        Whether the next item is scored by the vectors that the encoder sees.
    item_bias : bool, default False
        Learn a bias of each item's score.
    score : {"dot", "cosine"}
        "cosine" divides vectors and item factors by their norms, and with tied tables what the
        encoder sees too (Gupta et al., "NISER: normalized item and session representations to
        handle popularity bias", 2019); give the loss a temperature then, such as 0.1.
    loss : Loss, default SampledSoftmaxLoss()
        One without side values.
    optimizer : Optimizer, default Adam(5e-4, lazy=True)
        Lazy Adam moves the rows of a batch alone; the published one moves the whole table at
        every step, which for tables of tens of thousands of items takes longer than all else.
    learning_rate_decay : float, default 1.0
        Factor on the learning rate after every epoch.
    schedule : {"constant", "cosine", "steps"}
        As in `MatrixFactorization`.
    max_norm : float, optional
        Longest gradient, over all weights, that a step follows unshortened. Default: none.
    batch_size : int, default 128
        Sessions.
    order : {"length", "random", "given"}
        Of the sessions; see `SequenceBatches`.
    num_negatives : int or "all", default 8192
        Draws from the sampler; TRON XL has 16,384. "all": every item is a candidate of every event
        and nothing is drawn, which makes the softmax that of the whole catalogue; `num_in_batch`
        must be 0 then, and neither `redraw` nor `log_q_correction` be changed.
    num_in_batch : int, default 127
        Events of other sessions of the batch.
    top_k : int, default 100
        0 for all candidates.
    redraw : {"batch", "event"}
        Who shares the draws: the events of a batch, or nobody.
    accidental_hits : {"target", "sequence", "keep"}
        Candidates that do not count: an event's target, all items of its session, or none.
    log_q_correction : bool, default False
        Subtract the logarithm of how often an item is expected among the candidates, times the
        temperature; for softmax losses. With top-k that comes first: the highest corrected scores
        are kept, which are the largest terms of the corrected softmax.
    sampler : Sampler, or callable from Interactions to one, default Uniform of all items
        Over sequences as users. Not asked where all items are candidates. What it calls unseen is
        so in the very sequence that is trained on: those of `Sequences.windows` are parts of a
        user's, whose other items may be drawn.
    epochs : int, default 10
    patience : int, optional
        Stop after so many evaluations without a better score on validation data, carved from the
        newest sessions if not given, and keep the best. Default: train for all epochs.
    evaluate_every : int, default 1
    metric : {"recall", "mrr", "ndcg"}
        What is judged by, at 20.
    validation_fraction : float, default 0.1
    precision : {"float32", "choice", "bfloat16"}
        What is computed in bfloat16: nothing; the scores by which the top-k are chosen; these and
        the encoder. Worth it on processors with matrix tiles and on GPUs.
    seed : int, default 0
    num_threads : int, default 0
        0 for all that `recneg.parallel` would use. With one, runs are the same to the last bit.
    num_workers : int, default 0
        Processes that make batches; changes nothing but speed.
    engine : {"auto", "fused", "torch"}
        "fused": scores by compiled kernels; "torch": by torch, for any loss on any device.
    device : str, optional
        Default: the CPU.

    Attributes
    ----------
    history : list of Epoch
    resumed_epochs : int
        Epochs that the last `fit` found in its checkpoint.

    Examples
    --------
    >>> data = Sequences.from_arrays(np.repeat(np.arange(60), 5), np.arange(300) % 12)
    >>> model = TRON(
    ...     8, num_negatives=6, num_in_batch=3, top_k=4, batch_size=6, optimizer=Adam(0.02)
    ... )
    >>> model.fit(data, show_progress=False).recommend([3, 4, 5], N=1)[0].tolist()
    [6]
    """

    name: ClassVar[str] = "TRON"
    options: TRONOptions

    def __init__(
        self,
        factors: int = 200,
        *,
        blocks: int = 2,
        heads: int = 1,
        hidden: int | None = None,
        activation: str = "relu",
        max_length: int = 50,
        dropout: float = 0.05,
        scale: bool = True,
        tied: bool = True,
        item_bias: bool = False,
        score: str = "dot",
        loss: Loss | None = None,
        optimizer: Optimizer | None = None,
        learning_rate_decay: float = 1.0,
        schedule: str = "constant",
        max_norm: float | None = None,
        batch_size: int = 128,
        order: str = "length",
        num_negatives: int | Literal["all"] = 8192,
        num_in_batch: int = 127,
        top_k: int = 100,
        redraw: str = "batch",
        accidental_hits: str = "target",
        log_q_correction: bool = False,
        sampler: Sampler | Callable[[Interactions], Sampler] | None = None,
        epochs: int = 10,
        patience: int | None = None,
        evaluate_every: int = 1,
        metric: str = "recall",
        validation_fraction: float = 0.1,
        precision: str = "float32",
        seed: int = 0,
        num_threads: int = 0,
        num_workers: int = 0,
        engine: str = "auto",
        device: str | None = None,
    ) -> None:
        self.loss = SampledSoftmaxLoss() if loss is None else loss
        if not isinstance(self.loss, Loss) or self.loss.needs != "nothing":
            raise InvalidDataError(
                f"loss must be a Loss without side values, such as SampledSoftmaxLoss(); got {loss}"
            )
        if log_q_correction:
            check_correctable(self.loss)
        self.options = checked(
            TRONOptions,
            factors=factors,
            blocks=blocks,
            heads=heads,
            hidden=hidden,
            activation=activation,
            max_length=max_length,
            dropout=check_number(dropout, "dropout"),
            scale=scale,
            tied=tied,
            item_bias=item_bias,
            score=score,
            optimizer=Adam(5e-4, lazy=True) if optimizer is None else optimizer,
            learning_rate_decay=check_number(learning_rate_decay, "learning_rate_decay"),
            schedule=schedule,
            max_norm=max_norm,
            batch_size=batch_size,
            order=order,
            num_negatives=num_negatives,
            num_in_batch=num_in_batch,
            top_k=top_k,
            redraw=redraw,
            accidental_hits=accidental_hits,
            log_q_correction=log_q_correction,
            epochs=epochs,
            patience=patience,
            evaluate_every=evaluate_every,
            metric=metric,
            validation_fraction=validation_fraction,
            precision=precision,
            seed=seed,
        )
        if factors % heads:
            raise InvalidDataError(f"heads must divide factors, {factors}; got {heads}")
        if item_bias and score == "cosine":
            raise InvalidDataError("item_bias must be False with score='cosine'; got True")
        self.num_threads = check_count(num_threads, "num_threads", 0)
        self.num_workers = check_count(num_workers, "num_workers", 0)
        self.sampler = partial(Uniform, unseen=False) if sampler is None else sampler
        if not (isinstance(self.sampler, Sampler) or callable(self.sampler)):
            raise InvalidDataError(
                f"sampler must be a Sampler or a function from Interactions to one; got {sampler!r}"
            )
        self.engine, self.device = chosen_engine(engine, device, self.loss), device
        self.history: list[Epoch] = []
        self.resumed_epochs = 0
        self.run = {}
        self._factors: Factors | None = None
        self._made: dict[Hashable, Any] = {}

    def __repr__(self) -> str:
        values = self.manifest()
        return f"TRON({', '.join(f'{name}={value!r}' for name, value in values.items())})"

    def manifest(self) -> dict[str, Any]:
        """Return the options, as keyword arguments that JSON can hold."""
        every = self.options.model_dump() | {
            "loss": described(self.loss),
            "optimizer": described(self.options.optimizer),
        }
        return {name: every[name] for name in signature(TRON).parameters if name in every}

    @classmethod
    def _rebuilt(cls, options: dict[str, Any]) -> Self:
        kinds: dict[str, type] = {"loss": Loss, "optimizer": Optimizer}
        parts: dict[str, Any] = {name: rebuilt(kind, options[name]) for name, kind in kinds.items()}
        return cls(**(options | parts))

    def description(self) -> dict[str, Any]:
        """Return the options, and where negatives come from."""
        return super().description() | {"drawn": {"sampler": part_record(self.sampler)}}

    @classmethod
    def _described(cls, description: dict[str, Any]) -> Self:
        model = super()._described(description)
        model.sampler = rebuilt_part(description["drawn"]["sampler"])
        return model

    # -- training ------------------------------------------------------------------------------

    def fit(
        self,
        sequences: Sequences,
        show_progress: bool = True,
        callback: Callable[[Epoch], None] | None = None,
        *,
        validation: Sequences | None = None,
        targets: Targets = "every",
        exclude_seen: bool = False,
        checkpoint: str | PathLike[str] | None = None,
    ) -> Self:
        """Train from scratch, or go on from a checkpoint.

        Parameters
        ----------
        sequences : Sequences
        show_progress : bool, default True
            A bar on a terminal or in a notebook, elsewhere a line a minute; on standard error.
        callback : callable, optional
            Called with the `Epoch` after each one.
        validation : Sequences, optional
            Held-out sequences over the same items; `metric` at 20 on them is computed every
            `evaluate_every` epochs. Never give test data.
        targets : {"every", "last"}
            Which events of `validation` are predicted.
        exclude_seen : bool, default False
            Whether items that came before in a sequence of `validation` are left out.
        checkpoint : path, optional
            Written every `evaluate_every` epochs. If the file is there at the start, training goes
            on from it, with the same options and data only; with one thread, to the same bits.

        Raises
        ------
        InvalidDataError
            For validation over other items or without an event to predict, and without a sequence
            of two events.
        FloatingPointError
            If the weights overflow, naming the epoch and the learning rate.
        """
        check_parts(self)
        check_targets(targets)
        options, key = self.options, Key(self.options.seed)
        train = check_sequences(sequences, "sequences")
        if validation is None and options.patience is not None:
            train, validation = carve_newest(train, options.validation_fraction)
        if validation is not None:
            check_same_items(train, check_sequences(validation, "validation"))
            if not (validation.lengths() > 1).any():
                raise InvalidDataError(
                    "validation must have a sequence of two events, given or carved with "
                    f"validation_fraction; got {validation!r}"
                )
            wanted_events(validation, targets, exclude_seen, "validation")
        batches = self._batches(train, key)
        state = TrainingState(self._initial(train.num_items, key.fold_in(INIT)))
        kept = None
        if checkpoint is not None:
            made_of = {
                "model": self.name,
                "options": self.manifest(),
                "sampler": f"{batches.source.sampler!r} {fingerprint(self.sampler)}",
                "data": fingerprint(train),
            }
            if validation is not None:
                made_of["validation"] = f"{targets} {exclude_seen} {fingerprint(validation)}"
            kept = Checkpoint(checkpoint, made_of)
            if Path(checkpoint).exists():
                state = TrainingState.read(*kept)
        self.resumed_epochs = len(state.history)
        held_out = validation

        def score() -> float:
            assert held_out is not None
            return self._score(held_out, targets, exclude_seen)

        try:
            run_epochs(
                self,
                self._engine(batches, key),
                state,
                score=None if validation is None else score,
                measure=f"{options.metric}@20",
                checkpoint=kept,
                show_progress=show_progress,
                callback=callback,
            )
        finally:
            self._made = {}  # a run that is stopped has moved the weights since it gave them
        return self

    def adopt(self, state: TrainingState) -> None:
        """Take the weights and the history of a run."""
        self._factors, self.history, self._made = state.factors, state.history, {}

    def _score(self, validation: Sequences, targets: Targets, exclude_seen: bool) -> float:
        metric = self.options.metric
        found = evaluate_next_item(
            self, validation, k=20, metrics=[metric], targets=targets, exclude_seen=exclude_seen
        )
        return float(found.mean(f"{metric}@20"))

    def _batches(self, train: Sequences, key: Key) -> SequenceBatches:
        o, sampler = self.options, self.sampler
        if not isinstance(sampler, Sampler):
            sampler = sampler(train.to_interactions())
        if not isinstance(sampler, Sampler):
            raise InvalidDataError(f"sampler must make a Sampler; got {sampler!r}")
        seen = train.latest(o.max_length + 1)
        source = CandidateSource(
            seen, sampler, o.num_negatives, o.num_in_batch, o.redraw, o.log_q_correction
        )
        return SequenceBatches(
            train, source, batch_size=o.batch_size, max_length=o.max_length, order=o.order,
            hits=o.accidental_hits, key=key,
        )  # fmt: skip

    def _engine(self, batches: SequenceBatches, key: Key) -> SequenceEngine:
        from recneg.training.sequence_engine import SequenceEngine, Stepping

        o = self.options
        stepping = Stepping(
            self.loss, o.top_k, o.optimizer, o.epochs, o.learning_rate_decay, o.schedule,
            o.max_norm, o.precision, o.score == "cosine",
        )  # fmt: skip
        return SequenceEngine(
            self._encoder(), batches, stepping, key, fused=self.engine == "fused",
            device=self.device or "cpu", threads=self.num_threads or get_num_threads(),
            workers=self.num_workers,
        )  # fmt: skip

    def _encoder(self) -> TRONEncoder:
        import torch

        from recneg.models.tron import TRONEncoder

        o = self.options
        with torch.random.fork_rng(devices=[]):  # its own weights are replaced, whatever they are
            return TRONEncoder(
                o.factors, blocks=o.blocks, heads=o.heads, hidden=o.hidden,
                activation=o.activation, max_length=o.max_length, dropout=o.dropout, scale=o.scale,
            )  # fmt: skip

    def _initial(self, num_items: int, key: Key) -> Factors:
        o = self.options
        return start_weights(self._encoder(), num_items, o.tied, o.item_bias, key)

    # -- the trained model ---------------------------------------------------------------------

    @property
    def _fitted(self) -> bool:
        return self._factors is not None

    def _weights(self) -> Factors:
        self._require_fitted()
        assert self._factors is not None
        return self._factors

    @property
    def _num_items(self) -> int:
        return len(self._weights()[1])

    @property
    def _scored(self) -> tuple[Matrix, NDArray[np.float32]]:
        output, items, _ = self._weights()
        table, d = output if len(output) else items, self.options.factors
        if self.options.score == "cosine":
            return self._once("unit rows", lambda: unit_rows(table)), NO_BIASES
        return table[:, :d], table[:, d:].reshape(-1) if table.shape[1] > d else NO_BIASES

    def _once(self, name: Hashable, make: Callable[[], Made]) -> Made:
        """Return what is made of the weights, the same until they are others."""
        if name not in self._made:
            self._made[name] = make()
        found: Made = self._made[name]
        return found

    def _bound(self) -> TRONEncoder:
        import torch

        from recneg.training.sequence_engine import bind

        encoder = self._encoder()
        encoder.to(self.device or "cpu").eval()
        bind(encoder, torch.from_numpy(self._weights()[2]).to(self.device or "cpu"))
        return encoder

    def _vectors(self, sequences: Sequences, last: bool) -> Matrix:
        from recneg.training.sequence_vectors import vectors_after
        from recneg.training.torch_threads import torch_threads

        with torch_threads(self.num_threads or get_num_threads()):
            encoder = self._once(("encoder", self.device), self._bound)
            found = vectors_after(encoder, self._seen_table(), sequences, last=last)
        return unit_rows(found) if self.options.score == "cosine" else found

    def _seen_table(self) -> Matrix:
        """Return what items look like to the encoder."""
        if self.options.score == "cosine" and self.options.tied:
            return self._scored[0]
        return self._weights()[1][:, : self.options.factors]

    def to_torch(self) -> TRONModel:
        """Return the trained model as a torch module of its own, which `torch.export` takes."""
        import torch

        from recneg.models.tron import TRONModel

        output = self._weights()[0]
        factors, biases = self._scored
        encoder = self._bound().cpu()
        for parameter in encoder.parameters():
            parameter.data = parameter.data.clone()
        model = TRONModel(
            encoder,
            torch.from_numpy(self._seen_table().copy()),
            torch.from_numpy(factors.copy()) if len(output) else None,
            torch.from_numpy(biases.copy()) if biases.size else None,
            cosine=self.options.score == "cosine",
        )
        model.eval()
        return model

    def _tensors(self) -> dict[str, NDArray[Any]]:
        return dict(zip(("output", "items", "encoder"), self._weights(), strict=True))

    def _take_tensors(self, tensors: dict[str, NDArray[Any]]) -> None:
        self._factors, self._made = (tensors["output"], tensors["items"], tensors["encoder"]), {}
