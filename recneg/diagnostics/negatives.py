"""What a sampler really draws for a training set: popularity, coverage, false negatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.samplers import Sampler

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
    sampler: Sampler,
    train: Interactions,
    held_out: Interactions,
    *,
    num_negatives: int = 1,
    key: int | Key = 0,
) -> NegativesSummary:
    """Draw negatives for every training interaction, as one epoch of training does, and count.

    Parameters
    ----------
    sampler : Sampler
    train : Interactions
        Each interaction is one row; its position is the row number, so that under a trainer's key
        of an epoch these are that epoch's negatives.
    held_out : Interactions
        Positives that the sampler knows nothing of.
    num_negatives : int
    key : int or Key
    """
    users = train.users()
    items = sampler.sample(users, num_negatives, key=key).items
    owners = np.broadcast_to(users[:, None], items.shape)
    hits = held_out.contains(owners, items)
    pairs = owners[hits].astype(np.int64) * train.num_items + items[hits]
    drawn = np.bincount(items.ravel(), minlength=train.num_items)
    size = max(items.size, 1)
    return NegativesSummary(
        num_draws=items.size,
        popularity=float(drawn @ train.item_counts()) / size,
        coverage=float((drawn > 0).mean()),
        seen=float(train.contains(owners, items).sum()) / size,
        false_negatives=float(hits.sum()) / size,
        held_out_drawn=len(np.unique(pairs)) / max(len(held_out), 1),
    )
