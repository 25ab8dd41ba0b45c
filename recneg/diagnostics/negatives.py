"""What a sampler really draws for a training set: popularity, coverage, false negatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions

__all__ = ["NegativesSummary", "summarise_negatives"]


@dataclass(frozen=True)
class NegativesSummary:
    """Figures on the negatives of one pass over the training interactions.

    Attributes
    ----------
    num_draws : int
    popularity : float
        Mean training count of the drawn items.
    coverage : float
        Share of the catalogue that was drawn at least once.
    seen : float
        Share of the draws that are training positives of the user: 0 for laws of unseen items.
    false_negatives : float
        Share of the draws that are held-out positives of the user.
    held_out_drawn : float
        Share of the held-out positives that were drawn as negatives at least once.
    """

    num_draws: int
    popularity: float
    coverage: float
    seen: float
    false_negatives: float
    held_out_drawn: float


def summarise_negatives(
    negatives: NDArray[np.int64], train: Interactions, held_out: Interactions
) -> NegativesSummary:
    """Count what was drawn for every training interaction.

    Parameters
    ----------
    negatives : numpy.ndarray of int64, shape (num_interactions, num_negatives)
        Items drawn for each interaction, -1 for none: what `recneg.BPR.negatives` returns, or
        ``sampler.sample(train.users(), num_negatives, key=key).items``.
    train : Interactions
    held_out : Interactions
        Positives that the sampler knows nothing of.
    """
    negatives = np.asarray(negatives)
    if negatives.ndim != 2 or negatives.dtype.kind not in "iu" or len(negatives) != len(train):
        raise InvalidDataError(
            f"negatives must be integers with a row for each of the {len(train)} interactions of "
            f"train; got shape {negatives.shape}, dtype {negatives.dtype}"
        )
    if negatives.size and not -1 <= negatives.min() <= negatives.max() < train.num_items:
        raise InvalidDataError(
            f"negatives must be items in [0, {train.num_items}), or -1 for none; "
            f"got {negatives.min()} to {negatives.max()}"
        )
    sizes = (train.num_users, train.num_items)
    if (held_out.num_users, held_out.num_items) != sizes:
        raise InvalidDataError(
            f"held_out must have the users and items of train, {sizes}; got {held_out!r}"
        )
    rows, _ = np.nonzero(negatives >= 0)
    owners, items = train.users()[rows].astype(np.int64), negatives[negatives >= 0]
    hits = held_out.contains(owners, items)
    pairs = owners[hits] * train.num_items + items[hits]
    drawn = np.bincount(items, minlength=train.num_items)
    size = max(items.size, 1)
    return NegativesSummary(
        num_draws=items.size,
        popularity=float(drawn @ train.item_counts()) / size,
        coverage=float((drawn > 0).mean()),
        seen=float(train.contains(owners, items).sum()) / size,
        false_negatives=float(hits.sum()) / size,
        held_out_drawn=len(np.unique(pairs)) / max(len(held_out), 1),
    )
