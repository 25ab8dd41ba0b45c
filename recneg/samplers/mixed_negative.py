"""In-batch negatives mixed with uniform ones from the whole catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.keys import Key, random_integers
from recneg.samplers.base import Negatives, Sampler
from recneg.samplers.frequency import log_frequency
from recneg.samplers.in_batch import InBatch, shared_by_rows
from recneg.samplers.mixture import Mixture
from recneg.samplers.uniform import Uniform

__all__ = ["MixedNegative"]

MOST = 1.5
"""The largest sum of frequencies of one draw that an estimate of them may have."""


@dataclass(frozen=True, eq=False)
class MixedNegative(Sampler):
    """The B positives of a batch and B' items drawn uniformly from the catalogue.

    Yang et al. ("Mixed negative sampling for learning two-tower neural networks in
    recommendations", WWW 2020): items without interactions never come up in a batch, and a model
    trained on in-batch negatives alone has no opinion of them. The uniform part supplies them.

    `sample` draws from the mixture of `InBatch` with weight B and `Uniform` with weight B', over
    what each user has not seen; its log q is exact given the batch. `shared` returns all B + B'
    candidates for all rows with the mixture's correction
    ``Q(j) = (B * p_j + B' / N) / (B + B')``, p_j the frequency of the item.

    24 bytes a positive of the batch, besides the uniform law.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    positives : int array, shape (size,)
        The positive items of the batch.
    num_uniform : int, optional
        B'. Default: as many as there are positives.
    frequency : numpy.ndarray of float, shape (num_items,), optional
        As in `InBatch`; here it must be of one draw, not of a whole batch.
    """

    unseen: ClassVar[bool] = True

    interactions: Interactions
    positives: NDArray[np.int64]
    num_uniform: int | None = None
    frequency: NDArray[np.float64] | None = None
    _parts: Mixture = field(init=False, repr=False)

    def __post_init__(self) -> None:
        batch = InBatch(self.interactions, self.positives, self.frequency)
        uniform = batch.positives.size if self.num_uniform is None else self.num_uniform
        check_count(uniform, "num_uniform", 0)
        if uniform + batch.positives.size == 0:
            raise InvalidDataError("num_uniform must not be 0 where the batch is empty; got 0")
        parts = Mixture((batch, Uniform(self.interactions)), (batch.positives.size, uniform))
        total = 0.0 if batch.frequency is None else float(np.sum(batch.frequency))
        if total > MOST:
            raise InvalidDataError(
                "frequency must be of one draw, so that all items have about 1 together; got a sum "
                f"of {total:.3g} (FrequencyEstimator.probability(items, batch_size) is)"
            )
        object.__setattr__(self, "positives", batch.positives)
        object.__setattr__(self, "num_uniform", int(uniform))
        object.__setattr__(self, "frequency", batch.frequency)
        object.__setattr__(self, "_parts", parts)

    def shared(self, users: Any, *, key: int | Key) -> Negatives:
        """Return the batch and the uniform items as candidates of each row.

        Parameters
        ----------
        users : int array, shape (batch,)
            NumPy or torch.
        key : int or Key
            Of the uniform items, which all rows share.

        Returns
        -------
        Negatives
            Each of shape (batch, B + B'): the positives, then the uniform items; `mask` is false
            where the user has seen the item, and `log_q` is the mixture's correction, the same for
            all users and not renormalised for the mask.
        """
        size, extra = self.positives.size, int(self.num_uniform or 0)
        drawn = random_integers(key, self.num_items, 0, np.arange(extra))
        pool = np.concatenate((self.positives, drawn))
        share = np.exp(log_frequency(self.interactions, pool, self.frequency).astype(np.float64))
        log_q = np.log((size * share + extra / self.num_items) / (size + extra))
        return shared_by_rows(self.interactions, users, pool, log_q.astype(np.float32))

    def _draw(
        self, users: NDArray[np.int64], num_negatives: int, key: Key, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return self._parts._draw(users, num_negatives, key, rows)

    def _log_prob(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._parts._log_prob(users, items)
