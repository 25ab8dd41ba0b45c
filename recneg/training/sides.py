"""What a loss needs beside scores, for the pairs of a batch: inverse propensities, thresholds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.keys import Key, random_integers
from recneg.losses import BPRLoss, Loss, top_k_thresholds
from recneg.propensity import Exposure, power_law, relmf_weights
from recneg.training.state import TrainingState

__all__ = ["NO_SIDE", "NO_SIDES", "ExposureLike", "SideValues", "Thresholds"]

NO_SIDE = np.empty(0)
NO_SIDES = np.empty((0, 0))

ExposureLike = Exposure | Callable[[Interactions], Exposure]

USERS_AT_ONCE = 128


@dataclass(frozen=True)
class Thresholds:
    """When and how the thresholds of SL@K are estimated (Yang et al., KDD 2025).

    Parameters
    ----------
    k : int, default 20
    num_samples : int, default 1000
        Uniform items a user; at least k.
    every : int, default 5
        Epochs between estimates.
    """

    k: int = 20
    num_samples: int = 1000
    every: int = 5

    def __post_init__(self) -> None:
        for name, least in (("k", 1), ("num_samples", self.k), ("every", 1)):
            check_count(getattr(self, name), name, least)


class SideValues:
    """Side values of a run's batches, by what the loss needs.

    Parameters
    ----------
    loss : Loss
    train : Interactions
    propensity : Exposure or callable, optional
        For losses that need propensities. Default: `power_law`, clipped as the loss says. Any
        other is at least its own `clip` as well.
    thresholds : Thresholds
        For losses that need thresholds.
    """

    def __init__(
        self,
        loss: Loss,
        train: Interactions,
        propensity: ExposureLike | None,
        thresholds: Thresholds,
    ) -> None:
        self.train, self.thresholds = train, thresholds
        self.needs, self._clip = loss.needs, getattr(loss, "clip", None)
        self._by_user = NO_SIDE
        self.exposure: Exposure | None = None
        if self.needs == "flips":
            raise InvalidDataError(
                f"{loss} needs flip scores, which are learned beside it: use recneg.NBPO"
            )
        if self.needs == "propensity":
            bound = sys.float_info.min if self._clip is None else self._clip
            source = propensity or partial(power_law, clip=bound)
            self.exposure = source if isinstance(source, Exposure) else source(train)
            self.exposure.check(train)
        elif propensity is not None:
            raise InvalidDataError(f"propensity is for losses that need it; got it for {loss}")

    @classmethod
    def nothing(cls, train: Interactions) -> SideValues:
        """Return what a loss of scores alone has: no values."""
        return cls(BPRLoss(), train, None, Thresholds())

    def follow(
        self,
        state: TrainingState,
        users: NDArray[np.float32],
        items: NDArray[np.float32],
        key: Key,
    ) -> None:
        """Make ready for the next epoch: estimate thresholds, if they are due.

        The state keeps them, so that a resumed run has those that it was trained with.
        """
        if self.needs != "thresholds":
            return
        epoch = len(state.history)
        if state.thresholds is None or epoch % self.thresholds.every == 0:
            state.thresholds = self._estimated(users, items, key.fold_in(epoch))
        self._by_user = state.thresholds

    def _estimated(
        self, users: NDArray[np.float32], items: NDArray[np.float32], key: Key
    ) -> NDArray[np.float64]:
        """Return the score that each user needs for the first k ranks, (num_users,)."""
        chosen = self.thresholds
        counts = self.train.user_counts()
        by_user = np.zeros(len(users))
        everybody = np.flatnonzero(counts)
        for start in range(0, len(everybody), USERS_AT_ONCE):
            part = everybody[start : start + USERS_AT_ONCE]
            draws = random_integers(key, len(items), part[:, None], np.arange(chosen.num_samples))
            scores = (items[draws] @ users[part][:, :, None])[:, :, 0]
            own = np.full((len(part), counts[part].max()), -np.inf, np.float32)
            filled = np.arange(own.shape[1]) < counts[part][:, None]
            rows = self.train.rows_of(part)
            owners = np.repeat(part, counts[part])
            own[filled] = np.einsum("pd,pd->p", users[owners], items[self.train.indices[rows]])
            by_user[part] = top_k_thresholds(own, scores, chosen.k, positive_mask=filled)
        return by_user

    def of(
        self, users: NDArray[np.int64], positives: NDArray[np.int32], negatives: NDArray[np.int32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the values of positives (batch,) and of their negatives (batch, n)."""
        if self.needs == "thresholds":
            return self._by_user[users], NO_SIDES
        if self.exposure is None:
            return NO_SIDE, NO_SIDES
        there = np.maximum(negatives, 0).astype(np.int64)
        owners = np.broadcast_to(users[:, None], there.shape)
        clicked = self.train.contains(owners, there)
        theta = self.exposure.theta(owners, there)
        own = relmf_weights(np.ones(len(users)), self.exposure.theta(users, positives), self._clip)
        return own.relevant, relmf_weights(clicked, theta, self._clip).relevant
