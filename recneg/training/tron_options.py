"""The options of TRON: checked once, frozen, and saved with the model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, InstanceOf

from recneg.training.candidates import Hits, Redraw
from recneg.training.optimizers import Optimizer
from recneg.training.options import Count, Rate, RunOptions
from recneg.training.rates import Schedule
from recneg.training.sequence_batches import Order

__all__ = ["Precision", "TRONOptions"]

Natural = Annotated[int, Field(ge=0)]

Precision = Literal["float32", "choice", "bfloat16"]
"""What is done in bfloat16: nothing, the choice of the top-k, or that and the encoder."""


class TRONOptions(RunOptions):
    """Options of `recneg.TRON`; see there."""

    num_negatives: Natural | Literal["all"]
    blocks: Count
    heads: Count
    hidden: Count | None
    activation: Literal["relu", "gelu"]
    max_length: Count
    dropout: Annotated[float, Field(ge=0, lt=1 - 2**-17)]  # 2**-16 steps of it are below 1
    scale: bool
    tied: bool
    item_bias: bool
    score: Literal["dot", "cosine"]
    optimizer: InstanceOf[Optimizer]
    schedule: Schedule
    max_norm: Rate | None
    batch_size: Count
    order: Order
    num_in_batch: Natural
    top_k: Natural
    redraw: Redraw
    accidental_hits: Hits
    log_q_correction: bool
    metric: Literal["recall", "mrr", "ndcg"]
    precision: Precision
