"""Items by the score of their cell in a product quantisation of the item factors."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from recneg.keys import Key
from recneg.samplers.cells import Cells, build_cells, item_weights
from recneg.samplers.codebook import codebook
from recneg.samplers.quantised import QuantisedSampler

__all__ = ["MIDX"]


@dataclass(frozen=True, eq=False)
class MIDX(QuantisedSampler):
    """Items in proportion to ``exp(u0 . c0 + u1 . c1)``, the score of their quantised factors.

    The inverted multi-index (Chen et al., "Fast variational autoencoder with inverted multi-index
    for collaborative filtering", WWW 2022): the factors are split into two halves, each half of an
    item is replaced by the nearest of `codewords` k-means centres, and items with the same two
    centres form a cell. The law is the softmax of the quantised scores, so it comes closer to
    `Softmax` the more codewords there are; with one it is uniform. A cell's mass counts the items
    in it that the user may draw.

    The first draw for a user in a block of rows takes O(codewords ** 2 + codewords * d + h) for h
    interactions, each further one O(log num_items); the catalogue is never enumerated. 4 bytes
    times d a user; 4 bytes times d and 20 more an item; 4 bytes an interaction.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    user_factors : array_like, shape (num_users, d)
    item_factors : array_like, shape (num_items, d)
    codewords : int, default 16
        Centres of each half.
    temperature : float, default 1.0
        Divides the scores; positive and finite.
    weighting : {"uniform", "popularity"}
        Weights of the items in a cell: equal, or their counts in the interactions, where an item
        without any is never drawn.
    seed : int, default 0
        Of the k-means.
    unseen : bool, default True

    Examples
    --------
    >>> import numpy as np
    >>> from recneg import Interactions
    >>> from recneg.samplers import MIDX
    >>> data = Interactions.from_arrays([0, 1], [0, 1], num_items=3)
    >>> law = MIDX(data, [[1.0, 0.0], [0.0, 1.0]], [[0, 9], [0, 9], [np.log(3), 9]], codewords=2)
    >>> np.exp(law.log_prob([[0], [1]], [0, 1, 2]), dtype=float).round(6).tolist()
    [[0.0, 0.25, 0.75], [0.5, 0.0, 0.5]]
    """

    codewords: int = field(default=16, kw_only=True)

    @cached_property
    def _cells(self) -> Cells:
        key = Key(self.seed)
        half = (self.item_factors.shape[1] + 1) // 2
        first, codes = codebook(self.item_factors[:, :half], self.codewords, key.fold_in(0))
        second, others = codebook(self.item_factors[:, half:], self.codewords, key.fold_in(1))
        return build_cells(
            self.interactions,
            self.unseen,
            codes * len(second) + others,
            item_weights(self.interactions, self.weighting),
            first,
            second,
            temperature=self.temperature,
        )
