"""The options of a trainer: checked once, frozen, and saved with the model."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recneg.errors import InvalidDataError

__all__ = ["BPROptions", "checked"]

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Decay = Annotated[float, Field(ge=0)]


class BPROptions(BaseModel):
    """Options of `recneg.BPR`; see there."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    factors: Count
    learning_rate: Rate
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)]
    user_regularization: Decay
    positive_regularization: Decay
    negative_regularization: Decay
    bias_regularization: Decay
    item_bias: bool
    init_deviation: Decay
    epochs: Annotated[int, Field(ge=0)]
    num_negatives: Count
    patience: Count | None
    evaluate_every: Count
    validation_fraction: Annotated[float, Field(gt=0, lt=1)]
    seed: Annotated[int, Field(ge=0, lt=1 << 64)]


def checked(**values: object) -> BPROptions:
    """Build the options, or state every requirement that a value breaks."""
    try:
        return BPROptions(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, part['loc']))}: {part['msg'].lower()}, got {part['input']!r}"
            for part in error.errors()
        )
        raise InvalidDataError(wrong) from None
