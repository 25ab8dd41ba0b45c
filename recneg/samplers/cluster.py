"""Items by the score of the centre of their cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from recneg.keys import Key
from recneg.samplers.cells import Cells, build_cells, item_weights
from recneg.samplers.codebook import codebook
from recneg.samplers.quantised import QuantisedSampler

__all__ = ["Cluster"]


@dataclass(frozen=True, eq=False)
class Cluster(QuantisedSampler):
    """Items in proportion to ``exp(u . c)``, c being the k-means centre of the item's factors.

    The cluster-based proposal of PRIS (Lian, Liu & Chen, "Personalized ranking with importance
    sampling", WWW 2020). A cluster's mass counts the items in it that the user may draw. One
    codebook where `MIDX` has two: cheaper for few clusters, coarser for many.

    The first draw for a user in a block of rows takes O(clusters * d + h) for h interactions, each
    further one O(log num_items). 4 bytes times d a user; 4 bytes times d and 20 more an item; 4
    bytes an interaction.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    user_factors : array_like, shape (num_users, d)
    item_factors : array_like, shape (num_items, d)
    clusters : int, default 64
    temperature : float, default 1.0
        Divides the scores; positive and finite.
    weighting : {"uniform", "popularity"}
        Weights of the items in a cluster: equal, or their counts in the interactions, where an item
        without any is never drawn.
    seed : int, default 0
        Of the k-means.
    unseen : bool, default True

    Examples
    --------
    >>> import numpy as np
    >>> from recneg import Interactions
    >>> from recneg.samplers import Cluster
    >>> data = Interactions.from_arrays([0, 1], [0, 1], num_items=4)
    >>> law = Cluster(data, [[1.0], [0.0]], [[0.0], [0.0], [np.log(3)], [0.0]], clusters=2)
    >>> np.exp(law.log_prob(0, [0, 1, 2, 3]), dtype=float).round(6).tolist()
    [0.0, 0.2, 0.6, 0.2]
    """

    clusters: int = field(default=64, kw_only=True)

    @cached_property
    def _cells(self) -> Cells:
        centres, codes = codebook(self.item_factors, self.clusters, Key(self.seed))
        return build_cells(
            self.interactions,
            self.unseen,
            codes,
            item_weights(self.interactions, self.weighting),
            centres,
            np.zeros((1, 0)),
            temperature=self.temperature,
        )
