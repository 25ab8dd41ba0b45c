"""Compiled score gradients: one dispatcher for all losses, and its form for batches of arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidDataError
from recneg.jit import kernel
from recneg.losses import kinds
from recneg.losses.base import Loss, Sides
from recneg.losses.bpr import bpr_row
from recneg.losses.bpr_max import bpr_max_row
from recneg.losses.contrastive import contrastive_row
from recneg.losses.cosine_contrastive import cosine_contrastive_of, mean_excess
from recneg.losses.gbce import gbce_row
from recneg.losses.hinge import cml_row, warp_row
from recneg.losses.nbpo import flips_row
from recneg.losses.pointwise import logistic_row, squared_row
from recneg.losses.psl import psl_row
from recneg.losses.relmf import rel_mf_row
from recneg.losses.self_adversarial import self_adversarial_row
from recneg.losses.sl_at_k import sl_at_k_of
from recneg.losses.softmax import bsl_sum, log_sum_exp, sampled_softmax_of, softmax_loss_of
from recneg.losses.ubpr import ubpr_row

__all__ = [
    "ScoreGradients",
    "row_gradient",
    "row_of_summary",
    "score_gradients",
    "summarise",
    "summarises",
]


@kernel
def summarises(kind: int) -> bool:
    """Tell whether a loss knows its negatives by one number, the same for every positive.

    Then the positives that share negatives share most of the work: `summarise` once, and
    `row_of_summary` for each.
    """
    return kind in (
        kinds.COSINE_CONTRASTIVE,
        kinds.SAMPLED_SOFTMAX,
        kinds.SOFTMAX,
        kinds.BSL,
        kinds.SL_AT_K,
    )


@kernel
def summarise(
    kind: int, parameters: tuple[float, ...], negatives: Any, weights: Any, gradients: Any
) -> float:
    """Return the number that stands for the negatives; fill its derivatives by their scores."""
    if kind == kinds.COSINE_CONTRASTIVE:
        return mean_excess(parameters, negatives, weights, gradients)
    if kind == kinds.BSL:
        return bsl_sum(parameters, negatives, weights, gradients)
    return log_sum_exp(parameters, negatives, weights, gradients)


@kernel
def row_of_summary(
    kind: int,
    parameters: tuple[float, ...],
    positive: float,
    positive_side: float,
    summary: float,
) -> tuple[float, float, float]:
    """Return the loss of one positive, and its derivatives by its score and by the summary."""
    if kind == kinds.COSINE_CONTRASTIVE:
        return cosine_contrastive_of(positive, summary)
    if kind == kinds.SAMPLED_SOFTMAX:
        return sampled_softmax_of(parameters, positive, summary)
    if kind == kinds.SL_AT_K:
        return sl_at_k_of(parameters, positive, positive_side, summary)
    return softmax_loss_of(parameters, positive, summary)


@kernel
def row_gradient(
    kind: int,
    parameters: tuple[float, ...],
    positive: float,
    negatives: Any,
    positive_side: float,
    negative_sides: Any,
    weights: Any,
    gradients: Any,
) -> tuple[float, float]:
    """Fill d loss / d s_j of one row; return the loss and d loss / d s_pos, both float64.

    Parameters
    ----------
    kind, parameters
        `Loss.kind` and `Loss.parameters`.
    positive : float64
    negatives : float32 or float64 array, shape (n,)
    positive_side : float64
        Any number where the loss needs none.
    negative_sides : float array, shape (n,), or empty where the loss needs none
    weights : float array, shape (n,), or empty for ones
        0 masks; other values count only for losses that are `weighted`.
    gradients : float32 or float64 array, shape (n,)
        Written; 0 where masked.
    """
    if summarises(kind):
        summary = summarise(kind, parameters, negatives, weights, gradients)
        loss, by_positive, by_summary = row_of_summary(
            kind, parameters, positive, positive_side, summary
        )
        for j in range(negatives.size):
            gradients[j] *= by_summary
        return loss, by_positive
    if kind == kinds.BPR:
        return bpr_row(parameters, positive, negatives, weights, gradients)
    if kind == kinds.LOGISTIC:
        return logistic_row(parameters, positive, negatives, weights, gradients)
    if kind == kinds.SQUARED:
        return squared_row(parameters, positive, negatives, weights, gradients)
    if kind == kinds.GBCE:
        return gbce_row(parameters, positive, negatives, weights, gradients)
    if kind == kinds.SELF_ADVERSARIAL:
        return self_adversarial_row(parameters, positive, negatives, weights, gradients)
    if kind == kinds.FLIPS:
        return flips_row(
            parameters, positive, negatives, positive_side, negative_sides, weights, gradients
        )
    if kind == kinds.REL_MF:
        return rel_mf_row(
            parameters, positive, negatives, positive_side, negative_sides, weights, gradients
        )
    if kind == kinds.UBPR:
        return ubpr_row(
            parameters, positive, negatives, positive_side, negative_sides, weights, gradients
        )
    if kind == kinds.BPR_MAX:
        return bpr_max_row(parameters, positive, negatives, weights, gradients)
    if kind == kinds.PSL:
        return psl_row(parameters, positive, negatives, weights, gradients)
    if kind == kinds.CONTRASTIVE:
        return contrastive_row(parameters, positive, negatives, weights, gradients)
    if kind == kinds.WARP:
        return warp_row(parameters, positive, negatives, weights, gradients)
    if kind == kinds.CML:
        return cml_row(parameters, positive, negatives, weights, gradients)
    raise ValueError("kind must be the code of a loss with a kernel")


@kernel
def _fill_rows(
    kind: int,
    parameters: tuple[float, ...],
    positives: Any,
    negatives: Any,
    positive_sides: NDArray[np.float64],
    negative_sides: NDArray[np.float64],
    weights: NDArray[np.float64],
    losses: NDArray[np.float64],
    by_positive: NDArray[np.float64],
    by_negative: Any,
) -> None:
    for row in range(positives.size):
        side = positive_sides[row] if positive_sides.size > 0 else 0.0
        losses[row], by_positive[row] = row_gradient(
            kind,
            parameters,
            np.float64(positives[row]),
            negatives[row],
            side,
            negative_sides[row if len(negative_sides) > 1 else 0],
            weights[row if len(weights) > 1 else 0],
            by_negative[row],
        )


class ScoreGradients(NamedTuple):
    """Losses of rows and their derivatives by the scores.

    Attributes
    ----------
    losses, positive : numpy.ndarray of float64, shape (batch,)
        The losses, and d loss / d s_pos.
    negative : numpy.ndarray, shape (batch, n), of the dtype of the negative scores
        d loss / d s_j; 0 where masked.
    """

    losses: NDArray[np.float64]
    positive: NDArray[np.float64]
    negative: NDArray[np.floating[Any]]


def score_gradients(
    loss: Loss,
    positive_scores: ArrayLike,
    negative_scores: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    sides: Sides | None = None,
) -> ScoreGradients:
    """Return a loss and its score gradients without torch, as the fused engine computes them.

    Parameters
    ----------
    loss : Loss
        One with a kernel.
    positive_scores : array_like of float, shape (batch,)
    negative_scores : array_like of float32 or float64, shape (batch, n)
    mask, weights, sides
        As in `Loss.__call__`.

    Examples
    --------
    >>> from recneg.losses import BPRLoss
    >>> found = score_gradients(BPRLoss(), [0.0], [[0.0, 0.0]])
    >>> found.losses.round(4).tolist(), found.positive.tolist(), found.negative.tolist()
    ([0.6931], [-0.5], [[0.25, 0.25]])
    """
    if loss.kind == kinds.NO_KERNEL:
        raise InvalidDataError(f"the loss must have a kernel; {loss} runs in torch alone")
    positive = np.asarray(positive_scores)
    negative = np.ascontiguousarray(negative_scores)
    sides = Sides(*(None if side is None else np.asarray(side, np.float64) for side in sides or ()))
    loss._check(positive, negative, weights, sides)
    known = negative.dtype in (np.float32, np.float64) and positive.dtype.kind == "f"
    if positive.ndim != 1 or not known:
        raise InvalidDataError(
            "scores must be float32 or float64, those of positives of shape (batch,); got "
            f"{positive.dtype} of shape {positive.shape} and {negative.dtype}"
        )
    shares = np.empty((1, 0))
    for name, given in (("mask", mask), ("weights", weights)):
        if given is not None:
            values = np.asarray(given, np.float64)
            if values.shape != negative.shape:
                raise InvalidDataError(
                    f"{name} must have shape {negative.shape}; got {values.shape}"
                )
            shares = values if shares.size == 0 else np.where(shares != 0, values, 0.0)
    out = ScoreGradients(np.empty(len(positive)), np.empty(len(positive)), np.empty_like(negative))
    _fill_rows(
        loss.kind,
        loss.parameters,
        np.asarray(positive, negative.dtype),
        negative,
        np.empty(0) if sides.positive is None else np.ascontiguousarray(sides.positive),
        np.empty((1, 0)) if sides.negative is None else np.ascontiguousarray(sides.negative),
        np.ascontiguousarray(shares),
        *out,
    )
    return out
