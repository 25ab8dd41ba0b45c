"""logQ correction: scores made to stand for all items although negatives were drawn from q."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from recneg.errors import InvalidDataError
from recneg.jit import kernel
from recneg.losses.scalars import weight_at
from recneg.mining.candidates import detached

__all__ = ["log_q_corrected", "subtract_log_q"]

UNKNOWN = "log_q must be finite where mask is true; got NaN or infinity"


def log_q_corrected(scores: Any, log_q: Any, *, temperature: float = 1.0, mask: Any = None) -> Any:
    """Return ``s - temperature * log_q``, so that ``s / temperature`` becomes a corrected logit.

    Bengio and Senecal, 2008, and Yi et al., "Sampling-bias-corrected neural modeling for large
    corpus item recommendations", RecSys 2019: a softmax loss of these scores, positive included,
    estimates that over all items. The temperature divides first and log_q is subtracted then, so
    give the temperature of the loss that follows. Where the positive is certain to be in the
    denominator and only n negatives are drawn, correct the negatives alone, by ``log_q + ln n``.

    Parameters
    ----------
    scores : float array or tensor, any shape
        Of positives or of negatives.
    log_q : float array or tensor of that shape
        What the sampler returned for them, or `Sampler.log_prob`.
    temperature : float, default 1
    mask : bool array or tensor of that shape, optional
        Scores where it is False come back as they are.

    Returns
    -------
    Array or tensor, with the gradient of the scores.

    Raises
    ------
    InvalidDataError
        Where log q is NaN, as mining makes it, since the law of what it chose is not known; and
        where it is -inf, as of an item that the law never draws, such as a seen positive.

    Examples
    --------
    >>> log_q_corrected(np.array([1.0]), np.log([0.5])).round(4).tolist()
    [1.6931]
    """
    xp: Any = array_namespace(scores, log_q)
    log_q = detached(log_q)
    if tuple(log_q.shape) != tuple(scores.shape):
        raise InvalidDataError(
            f"log_q must have the shape of scores, {tuple(scores.shape)}; got {tuple(log_q.shape)}"
        )
    if mask is not None:
        log_q = xp.where(mask, log_q, xp.zeros_like(log_q))
    if not bool(xp.all(xp.isfinite(log_q))):
        raise InvalidDataError(UNKNOWN)
    return scores - temperature * xp.astype(log_q, scores.dtype)


@kernel
def subtract_log_q(scores: Any, log_q: Any, temperature: float, weights: Any, out: Any) -> None:
    """Fill `out` with ``s_j - temperature log q_j``; gradients by `out` are those by the scores.

    An entry of weight 0 gets its score as it is. Raises InvalidDataError as `log_q_corrected` does.
    """
    for j in range(scores.size):
        out[j] = scores[j]
        if weight_at(weights, j) != 0.0:
            if not np.isfinite(log_q[j]):
                raise InvalidDataError(UNKNOWN)
            out[j] = np.float64(scores[j]) - temperature * np.float64(log_q[j])
