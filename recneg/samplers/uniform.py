"""The uniform law: every admissible item alike."""

from __future__ import annotations

from dataclasses import dataclass

from recneg.samplers.law import Law, uniform_law
from recneg.samplers.static import StaticSampler

__all__ = ["Uniform"]


@dataclass(frozen=True, eq=False)
class Uniform(StaticSampler):
    """Uniform over the items that a user has not interacted with, or over all items.

    The negatives of BPR (Rendle et al., UAI 2009) with ``unseen=True``, those of SimpleX (Mao et
    al., CIKM 2021) with ``unseen=False``. A draw is one random rank and one look at the user's
    history: never a rejection, whatever the user has seen. 2 bytes an interaction, 9 a
    user, and 8 an item of the longest history.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    unseen : bool, default True

    Examples
    --------
    >>> from recneg import Interactions, Uniform
    >>> data = Interactions.from_arrays([0, 0, 1], [0, 2, 1], num_items=4)
    >>> Uniform(data).sample([0, 1], 3, key=0).items
    array([[3, 3, 3],
           [2, 0, 3]])
    """

    def _build(self) -> Law:
        return uniform_law(self.interactions, self.unseen)
