"""The noisy-label law: a missing vote is drawn the more, the surer it was not lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import check_ids
from recneg.noise import FlipModel
from recneg.samplers.arrays import numpy_and_back
from recneg.samplers.base import Negatives
from recneg.samplers.thinned import ThinnedSampler

__all__ = ["NoisyLabel", "NoisyLabelWeights"]


class NoisyLabelWeights(NamedTuple):
    """Loss weights of a batch; see `NoisyLabel.weights`. Constants: no gradient flows through them.

    Attributes
    ----------
    positive : float32, shape (batch,)
        Of the positive as a positive: ``1 - gamma_ui``.
    negative : float32, shape (batch, num_negatives)
        Of each negative as a negative: 1, or 0 where masked.
    negative_as_positive : float32, shape (batch, num_negatives)
        Of each negative as a positive: ``gamma_uj``, or 0 where masked.
    """

    positive: Any
    negative: Any
    negative_as_positive: Any


@dataclass(frozen=True, eq=False)
class NoisyLabel(ThinnedSampler):
    """A base law thinned by the chance that a missing vote is truly negative.

    With the preference R and the flip rate gamma of a `recneg.noise.FlipModel`, a pair without a
    vote is unwanted with probability ``a = (1 - R) / (1 - R + gamma R)``, and ``q(j | u)`` is
    proportional to ``q0(j | u) a(u, j)``. Items that the user rather wants, and whose vote was
    likely lost, are drawn less. The noise is that of NBPO (Yu and Qin, SIGIR 2020), which itself
    draws from the base and weighs: see `weights`. The derivation stands in
    ``docs/methods/noisy-label.md``.

    8 bytes a user, besides the base and the flips; users x items time at construction unless
    ``normalise="estimate"``, which is explained in `ThinnedSampler`.

    Parameters
    ----------
    base : Sampler
        The law that is thinned: `Uniform`, say. Its interactions are those of this law.
    flips : FlipModel
        `recneg.noise.fit_flips` of the same interactions, or your own.
    normalise : {"exact", "estimate"}
    num_estimate : int, default 4096

    Examples
    --------
    >>> import numpy as np
    >>> from recneg import Interactions, Uniform
    >>> data = Interactions.from_arrays([0], [2], num_items=3)
    >>> flips = FlipModel([[1.0]], [[0.0], [3.0], [3.0]], [[1.0]], [[0.0], [-1.0], [0.0]])
    >>> law = NoisyLabel(Uniform(data), flips)
    >>> [round(float(q), 2) for q in np.exp(law.log_prob(0, [0, 1, 2]))]
    [0.81, 0.19, 0.0]
    """

    flips: FlipModel

    def __post_init__(self) -> None:
        shape = self.base.num_users, self.base.num_items
        if (self.flips.num_users, self.flips.num_items) != shape:
            raise InvalidDataError(
                f"flips must have {shape[0]} users and {shape[1]} items; "
                f"got {self.flips.num_users} and {self.flips.num_items}"
            )
        super().__post_init__()

    def _acceptance(
        self, users: NDArray[np.int64], items: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        return self.flips.true_negative(users, items)

    def weights(self, users: Any, positives: Any, negatives: Negatives) -> NoisyLabelWeights:
        """Return NBPO's weights for negatives that were drawn from `base`.

        NBPO raises, with ``sg`` for what is held constant, ::

            sg[1 - gamma_i] ln R_i + ln(1 - R_j) + sg[gamma_j] ln R_j

        over its preference scores: a positive counts for less the likelier its like is lost, and a
        draw counts as a negative and also, with its flip rate, as a positive. Multiply the three
        losses of your scorer by these weights. (What trains the flips, ``sg[R_i] ln(1 - gamma_i) +
        sg[R_j] ln gamma_j``, is in `recneg.noise.fit_flips`.) Draws of this law itself are already
        thinned: to weigh them as well would count the noise twice.

        Parameters
        ----------
        users, positives : int array, shape (batch,)
            NumPy or torch.
        negatives : Negatives
            ``base.sample(users, ...)``.

        Returns
        -------
        NoisyLabelWeights
            Arrays of the kind of `users`, on its device.
        """
        array, back = numpy_and_back(users)
        u = check_ids(array, "user", self.num_users)
        i = check_ids(numpy_and_back(positives)[0], "item", self.num_items)
        j = numpy_and_back(negatives.items)[0]
        if u.ndim != 1 or i.shape != u.shape or j.ndim != 2 or len(j) != len(u):
            raise InvalidDataError(
                "users and positives must have shape (batch,) and negatives (batch, n); "
                f"got {u.shape}, {i.shape} and {j.shape}"
            )
        drawn = j >= 0
        flip = self.flips.flip(u[:, None], np.maximum(j, 0))
        return NoisyLabelWeights(
            back((1 - self.flips.flip(u, i)).astype(np.float32)),
            back(drawn.astype(np.float32)),
            back(np.where(drawn, flip, 0.0).astype(np.float32)),
        )
