"""Softmax weights over the candidates of a row, added up in an order that does not matter."""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from recneg.errors import InvalidDataError
from recneg.mining.candidates import Candidates, detached
from recneg.mining.mined import Mined
from recneg.samplers import Negatives

__all__ = ["in_given_order", "proposal_log_q", "softmax_weights", "weighed"]


def softmax_weights(candidates: Candidates, logits: Any) -> Any:
    """Return the softmax of float64 `logits` in sorted order; 0 where not eligible."""
    xp = candidates.xp
    if bool(xp.any(candidates.eligible & (xp.isnan(logits) | (logits == xp.inf)))):
        raise InvalidDataError(
            "scores over the temperature, or times alpha, must be finite; got overflow, for scores "
            f"of up to {float(xp.max(xp.abs(candidates.scores))):g}"
        )
    logits = xp.where(candidates.eligible, logits, -xp.inf)
    top = xp.max(logits, axis=-1, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    weights = xp.exp(logits - top)
    total = xp.sum(weights, axis=-1, keepdims=True)
    return weights / xp.where(total > 0, total, xp.ones_like(total))


def in_given_order(candidates: Candidates, values: Any) -> Any:
    """Bring values from sorted order back into the order in which the candidates came."""
    back = candidates.xp.argsort(candidates.order, axis=-1)
    return candidates.xp.take_along_axis(values, back, axis=-1)


def weighed(candidates: Candidates, negatives: Negatives, logits: Any, dtype: Any) -> Mined:
    """Return all candidates as they came, with the softmax of `logits` as their weights."""
    xp = candidates.xp
    weights = in_given_order(candidates, softmax_weights(candidates, logits))
    mask = in_given_order(candidates, candidates.eligible)
    items = xp.where(mask, candidates.given, -xp.ones_like(candidates.given))
    place = xp.arange(items.shape[-1], dtype=xp.int64, device=device(items))
    positions = xp.where(mask, place, xp.zeros_like(place))
    log_q = xp.broadcast_to(detached(negatives.log_q), tuple(items.shape))
    return Mined(items, log_q, mask, positions, xp.astype(weights, dtype))


def proposal_log_q(candidates: Candidates, negatives: Negatives) -> Any:
    """Return the sampler's log q in sorted order as float64, 0 where not eligible.

    Raises
    ------
    InvalidDataError
        Where log q is not finite: a law that is not known cannot be corrected for.
    """
    xp = candidates.xp
    log_q = xp.broadcast_to(detached(negatives.log_q), tuple(candidates.items.shape))
    log_q = candidates.arranged(xp.astype(log_q, xp.float64))
    log_q = xp.where(candidates.eligible, log_q, xp.zeros_like(log_q))
    if not bool(xp.all(xp.isfinite(log_q))):
        raise InvalidDataError("log_q must be finite where mask is true; got NaN or infinity")
    return log_q
