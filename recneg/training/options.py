"""The options of a trainer: checked once, frozen, and saved with the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError

from recneg.errors import InvalidDataError
from recneg.training.optimizers import Optimizer
from recneg.training.rates import Schedule

if TYPE_CHECKING:
    from recneg.mining.miner import Miner

__all__ = [
    "BPROptions",
    "FactorizationOptions",
    "NBPOOptions",
    "PairOptions",
    "RunOptions",
    "check_sharing",
    "checked",
]

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Decay = Annotated[float, Field(ge=0)]


class RunOptions(BaseModel):
    """Options of every trainer: how long, judged how, from which seed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    factors: Count
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)]
    epochs: Annotated[int, Field(ge=0)]
    patience: Count | None
    evaluate_every: Count
    validation_fraction: Annotated[float, Field(gt=0, lt=1)]
    seed: Annotated[int, Field(ge=0, lt=1 << 64)]

    @property
    def plateau(self) -> float:
        """Factor on the learning rate when an evaluation brings no better score; 1 for none."""
        return 1.0


class PairOptions(RunOptions):
    """Options of every trainer on interactions, whose positives have negatives of their own."""

    num_negatives: Count


class BPROptions(PairOptions):
    """Options of `recneg.BPR`; see there."""

    learning_rate: Rate
    init_deviation: Decay
    user_regularization: Decay
    positive_regularization: Decay
    negative_regularization: Decay
    bias_regularization: Decay
    item_bias: bool


class FactorizationOptions(PairOptions):
    """Options of `recneg.MatrixFactorization`; see there."""

    score: Literal["dot", "cosine"]
    optimizer: InstanceOf[Optimizer]
    user_optimizer: InstanceOf[Optimizer]
    schedule: Schedule
    user_regularization: Decay
    item_regularization: Decay
    regularized: Literal["rows", "tables"]
    reduction: Literal["sum", "mean"]
    visit: Literal["pairs", "users"]
    batch_size: Count
    redraw: Literal["pair", "user", "batch", "epoch"]
    num_pools: Count
    log_q_correction: bool
    dropout: Annotated[float, Field(ge=0, lt=1)]
    dropout_before_norm: bool
    max_norm: Rate | None
    item_bias: bool
    init: Literal["random", "spectral"]
    init_deviation: Decay
    plateau_factor: Annotated[float, Field(gt=0, le=1)]

    @property
    def plateau(self) -> float:
        """Factor on the learning rate when an evaluation brings no better score."""
        return self.plateau_factor


def check_sharing(options: FactorizationOptions, mining: Miner | None) -> None:
    """Raise if what is drawn or mined does not suit those who share a draw."""
    if mining is not None and options.redraw != "pair":
        raise InvalidDataError(f"mining needs redraw='pair'; got {options.redraw!r}")
    if options.num_pools > 1 and options.redraw not in ("batch", "epoch"):
        raise InvalidDataError(
            f"num_pools needs redraw='batch' or 'epoch', or must be 1; got {options.num_pools} "
            f"with redraw={options.redraw!r}"
        )


class NBPOOptions(PairOptions):
    """Options of `recneg.NBPO`; see there."""

    objective: str
    learning_rate: Rate | None
    regularization: Decay
    flip_regularization: Decay
    batch_size: Count


Options = TypeVar("Options", bound=RunOptions)


def checked(kind: type[Options], **values: object) -> Options:
    """Build the options, or state every requirement that a value breaks."""
    try:
        return kind(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        wanted: dict[str, str] = {}
        for part in error.errors():
            name, want = str(part["loc"][0]), part["msg"].lower()
            wanted[name] = f"{wanted[name]}, or {want}" if name in wanted else want
        if "patience" in wanted:
            wanted["patience"] += ", or None for no early stop"
        wrong = [f"{name}: {want}, got {values[name]!r}" for name, want in wanted.items()]
        raise InvalidDataError("; ".join(wrong)) from None
