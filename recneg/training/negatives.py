"""Where a run's negatives come from: a law, one that follows the model or the batch, and mining."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.jit import kernel_fast
from recneg.keys import Key
from recneg.mining.miner import GUIDED, Miner
from recneg.parallel import map_blocks
from recneg.retrieval.factors import check_factors
from recneg.samplers import Adaptive, Negatives, PerBatch, Sampler
from recneg.samplers.draws import draw_groups, draw_items
from recneg.samplers.law import Law
from recneg.samplers.static import StaticSampler
from recneg.training.fingerprint import fingerprint
from recneg.training.state import Factors, TrainingState, copied, with_bias_columns

__all__ = ["BATCH_USERS", "Block", "Drawn", "NegativeSource", "SamplerLike"]

BATCH_USERS = 256
"""Users of a block: one task of training, and the batch of the laws that follow a batch."""

SamplerLike = Sampler | Adaptive | PerBatch | Callable[[Interactions], Sampler]

_NO_WEIGHTS = np.empty(0, np.float32)
_NO_ROWS = np.empty(0, np.int64)
_NONE = np.empty((0, 0), np.float32)

LEAN_DRAWS = 1 << 16
"""Draws of one task of the thread pool."""


class Block(NamedTuple):
    """Negatives of all positives of some users, for the fused kernel.

    Attributes
    ----------
    num_rows : int
        Positives.
    num_slots : int
        Negatives a row: those asked for, or as many as mining keeps.
    items : numpy.ndarray of int32, shape (num_rows * num_slots,)
        -1 for none.
    weights : numpy.ndarray of float32, of the shape of items, or empty for ones
    """

    num_rows: int
    num_slots: int
    items: NDArray[np.int32]
    weights: NDArray[np.float32]


class Drawn(NamedTuple):
    """Negatives of some positives or users.

    Attributes
    ----------
    items : numpy.ndarray of int32, shape (m, n)
        -1 for none.
    log_q : numpy.ndarray of float32, of the shape of items, or (0, 0) if it was not asked for
    weights : numpy.ndarray of float32, of the shape of items, or (0, 0) for ones
    """

    items: NDArray[np.int32]
    log_q: NDArray[np.float32]
    weights: NDArray[np.float32]


class NegativeSource:
    """Draws and mines the negatives of one run.

    Parameters
    ----------
    sampler : SamplerLike
    miner : Miner, optional
    train : Interactions
    num_negatives : int
    scoring : callable, optional
        From a run's factors to those whose inner products are its scores. Default: the same.
    """

    def __init__(
        self,
        sampler: SamplerLike,
        miner: Miner | None,
        train: Interactions,
        num_negatives: int,
        scoring: Callable[[Factors], Factors] | None = None,
    ) -> None:
        self.train, self.miner, self.num_negatives = train, miner, num_negatives
        self._scoring = scoring or _as_they_are
        if miner is not None and not isinstance(miner, Miner):
            raise InvalidDataError(
                f"mining must be a Miner, such as Miner(hardest, 8); got {miner!r}"
            )
        self.recipe = _recipe(sampler, train)
        self.sampler = self.recipe if isinstance(self.recipe, Sampler) else None
        self._counts = train.user_counts()
        if self.sampler is not None:
            self._check_exhausted(self.sampler)
        if miner is not None and miner.guide is not None:
            self._guide = _guide_factors(miner.guide, train)

    def __repr__(self) -> str:
        return repr(self.recipe) if self.miner is None else f"{self.miner!r} of {self.recipe!r}"

    @cached_property
    def _owners(self) -> NDArray[np.int32]:
        """The user of each interaction; laws that are data are drawn without."""
        return self.train.users()

    @cached_property
    def _popularity(self) -> NDArray[np.int64]:
        """Training counts, for mining."""
        return self.train.item_counts()

    @property
    def fingerprint(self) -> str:
        """Digest of the law or its recipe, and of the mining with its options and guide."""
        miner = self.miner
        mining = None
        if miner is not None:
            options = (miner.function, miner.num_candidates, miner.options, miner.past_epochs)
            guide = None if miner.guide is None else self._guide
            mining = (*options, guide)
        return fingerprint((self.recipe, mining))

    @property
    def unseen(self) -> bool | None:
        """Whether a user's own items are never drawn; None for a law of a batch or a model."""
        return bool(self.recipe.unseen) if isinstance(self.recipe, Sampler) else None

    def follow(self, state: TrainingState, key: Key) -> None:
        """Make ready for the next epoch: rebuild a law that follows the model, if it is due."""
        number = len(state.history)
        if isinstance(self.recipe, Adaptive):
            every = self.recipe.every
            if number % every == 0 or state.followed is None:
                state.followed = copied(self._scoring(state.factors))
            elif self.sampler is not None:
                return
            users, items = with_bias_columns(state.followed)
            built = key.fold_in(number - number % every)
            first = self.sampler is None
            self.sampler = _check(self.recipe.build(self.train, users, items, built), self.train)
            if first:
                self._check_exhausted(self.sampler)
        if self.miner is not None and self.miner.past_epochs:
            state.past = [*state.past, copied(self._scoring(state.factors))][
                -self.miner.past_epochs :
            ]

    def draw(
        self,
        state: TrainingState,
        order: NDArray[np.int32],
        start: int,
        stop: int,
        draws: Key,
        choices: Key,
    ) -> Block:
        """Return the negatives of the users ``order[start:stop]``."""
        sampler = self._law_of(order, start, stop)
        if sampler.law is not None and self.miner is None:
            users, num_slots = order[start:stop].astype(np.int64), self.num_negatives
            first_rows, counts = self.train.indptr[users], self._counts[users]
            drawn = np.empty(counts.sum() * num_slots, np.int32)
            draw_groups(sampler.law, draws, users, first_rows, counts, num_slots, drawn)
            return Block(int(counts.sum()), num_slots, drawn, _NO_WEIGHTS)
        rows = self.train.rows_of(order[start:stop])
        items, _, weights = self._drawn(sampler, state, rows, draws, choices)
        num_rows, num_slots = items.shape
        drawn = items.astype(np.int32).reshape(-1)
        return Block(num_rows, num_slots, drawn, weights.reshape(-1))

    def of_pairs(
        self,
        state: TrainingState,
        rows: NDArray[np.int64],
        recent: NDArray[np.int64],
        draws: Key,
        choices: Key,
        with_log_q: bool,
    ) -> Drawn:
        """Return the negatives of interactions `rows`, `num_negatives` or what mining keeps.

        `recent` ends with `rows` and goes back as far as a law of several batches may ask for.
        """
        sampler = self._law_of_rows(recent)
        if sampler.law is not None and self.miner is None and not with_log_q:
            owners = self._owners[rows].astype(np.int64)
            return Drawn(self._lean(sampler.law, owners, rows, draws), _NONE, _NONE)
        items, log_q, weights = self._drawn(sampler, state, rows, draws, choices)
        return Drawn(items.astype(np.int32), log_q if with_log_q else _NONE, weights)

    def of_users(
        self,
        users: NDArray[np.int64],
        recent: NDArray[np.int64],
        draws: Key,
        with_log_q: bool,
    ) -> Drawn:
        """Return one set of negatives a user, drawn under the user's number as row; not mined."""
        sampler = self._law_of_rows(recent)
        if sampler.law is not None and not with_log_q:
            return Drawn(self._lean(sampler.law, users, users, draws), _NONE, _NONE)
        items, log_q = sampler.draw_checked(users, self.num_negatives, draws, users, None)
        return Drawn(items.astype(np.int32), log_q if with_log_q else _NONE, _NONE)

    def pools(
        self, numbers: NDArray[np.int64], draws: Key, with_log_q: bool
    ) -> tuple[Drawn, Interactions | None]:
        """Return sets for everybody, one a number, drawn under it as row, and what users may not
        get of them: of a law of unseen items a pool has all, and what its users have seen is to be
        masked.
        """
        sampler = self.sampler
        if not isinstance(sampler, StaticSampler):
            raise InvalidDataError(
                "negatives shared by users need a law that is the same for all, such as Uniform or "
                f"Popularity; got {sampler!r}"
            )
        common = replace(sampler, unseen=False) if sampler.unseen else sampler
        nobody = np.zeros(len(numbers), np.int64)
        items, log_q = common._draw(nobody, self.num_negatives, draws, numbers)
        drawn = Drawn(items.astype(np.int32), log_q if with_log_q else _NONE, _NONE)
        return drawn, sampler.interactions if sampler.unseen else None

    def _lean(
        self, law: Law, users: NDArray[np.int64], rows: NDArray[np.int64], draws: Key
    ) -> NDArray[np.int32]:
        """Draw from a law that is data into 4 bytes an item."""
        out = np.empty((len(users), self.num_negatives), np.int32)
        size = max(1, LEAN_DRAWS // self.num_negatives)

        def draw(start: int, stop: int) -> None:
            draw_items(law, draws, users[start:stop], rows[start:stop], out[start:stop])

        map_blocks(draw, len(users), size)
        return out

    def epoch(self, state: TrainingState, draws: Key, choices: Key) -> NDArray[np.int64]:
        """Return what `draw` gives for all users in their order, (num_interactions, num_slots)."""
        everybody = np.flatnonzero(self._counts).astype(np.int32)
        parts = []
        for start in range(0, everybody.size, BATCH_USERS):
            stop = min(start + BATCH_USERS, everybody.size)
            sampler = self._law_of(everybody, start, stop)
            rows = self.train.rows_of(everybody[start:stop])
            parts.append(self._drawn(sampler, state, rows, draws, choices)[0])
        return np.concatenate(parts)

    def _law_of(self, order: NDArray[np.int32], start: int, stop: int) -> Sampler:
        rows = _NO_ROWS
        if isinstance(self.recipe, PerBatch):
            first = max(0, start - (self.recipe.batches - 1) * BATCH_USERS)
            rows = self.train.rows_of(order[first:stop])
        return self._law_of_rows(rows)

    def _law_of_rows(self, rows: NDArray[np.int64]) -> Sampler:
        if isinstance(self.recipe, PerBatch):
            positives = self.train.indices[rows].astype(np.int64)
            return _check(self.recipe.make(self.train, positives), self.train)
        assert self.sampler is not None
        return self.sampler

    @property
    def batches(self) -> int:
        """How many batches the law looks at: 1, or more for one of several batches."""
        return self.recipe.batches if isinstance(self.recipe, PerBatch) else 1

    def _drawn(
        self,
        sampler: Sampler,
        state: TrainingState,
        rows: NDArray[np.int64],
        draws: Key,
        choices: Key,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        owners = self._owners[rows].astype(np.int64)
        times = None if self.train.timestamps is None else self.train.timestamps[rows]
        count = self.num_negatives if self.miner is None else self.miner.num_candidates
        items, log_q = sampler.draw_checked(owners, count, draws, rows, times)
        if self.miner is None:
            return items, log_q, _NONE
        negatives = Negatives(items, log_q, items >= 0)
        return self._mined(self.miner, state, negatives, owners, rows, choices)

    def _mined(
        self,
        miner: Miner,
        state: TrainingState,
        negatives: Negatives,
        owners: NDArray[np.int64],
        rows: NDArray[np.int64],
        key: Key,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        positives = self.train.indices[rows].astype(np.int64)
        factors = self._scoring(state.factors)
        scores = score_pairs(factors, owners, negatives.items)
        if not np.isfinite(scores).all():
            raise FloatingPointError("scores must be finite; got NaN or infinity")
        offered: dict[str, Any] = {
            "num_negatives": self.num_negatives,
            "positive_scores": score_pairs(factors, owners, positives[:, None])[:, 0],
            "key": key,
            "rows": rows,
            "users": owners,
            "positives": positives,
            "epoch": len(state.history),
            "item_popularity": self._popularity,
            "num_items": self.train.num_items,
        }
        if miner.needs & GUIDED:
            guide = self._guide
            offered["guide_scores"] = score_pairs(guide, owners, negatives.items)
            offered["guide_positive_scores"] = score_pairs(guide, owners, positives[:, None])[:, 0]
        if miner.past_epochs:
            past, own = (
                np.stack([score_pairs(factors, owners, pairs) for factors in state.past], -1)
                for pairs in (negatives.items, positives[:, None])
            )
            offered |= {"past_scores": past, "past_positive_scores": own[:, 0]}
        mined = miner(negatives, scores, **offered)
        weights = _NONE
        if mined.weights is not None:
            weights = np.ascontiguousarray(mined.weights, np.float32)
        log_q = np.asarray(mined.log_q, np.float32)
        return np.where(mined.mask, mined.items, -1), log_q, weights

    def _check_exhausted(self, sampler: Sampler) -> None:
        """Raise `NoNegativeError` for a user with interactions who has nothing to draw."""
        users = np.flatnonzero(self._counts)
        if not sampler.depends_on_time:
            sampler.sample(users, 1, key=0)


def _recipe(sampler: Any, train: Interactions) -> Sampler | Adaptive | PerBatch:
    if not isinstance(sampler, (Sampler, Adaptive, PerBatch)):
        if not callable(sampler):
            raise InvalidDataError(
                "sampler must be a Sampler, an Adaptive, a PerBatch or a function that makes one; "
                f"got {sampler!r}"
            )
        try:
            sampler = sampler(train)
        except TypeError as error:
            raise InvalidDataError(
                "sampler must be made from the interactions alone; wrap a law that follows the "
                f"model in Adaptive, one of a batch in PerBatch, mining in Miner; got {error}"
            ) from error
    return sampler if isinstance(sampler, (Adaptive, PerBatch)) else _check(sampler, train)


def _check(sampler: Any, train: Interactions) -> Sampler:
    """Return what a function made, after checking that it is a sampler of these sizes."""
    if not isinstance(sampler, Sampler):
        raise InvalidDataError(f"a function that makes a sampler must return one; got {sampler!r}")
    if (sampler.num_users, sampler.num_items) != (train.num_users, train.num_items):
        raise InvalidDataError(
            "the sampler must have the users and items of user_items, "
            f"{(train.num_users, train.num_items)}; got {(sampler.num_users, sampler.num_items)}"
        )
    return sampler


def _guide_factors(guide: Any, train: Interactions) -> Factors:
    users, items = check_factors(guide.user_factors, guide.item_factors)
    if (len(users), len(items)) != (train.num_users, train.num_items):
        raise InvalidDataError(
            "the guide must have the users and items of user_items, "
            f"{(train.num_users, train.num_items)}; got {(len(users), len(items))}"
        )
    return users.astype(np.float32), items.astype(np.float32), _NO_WEIGHTS


def _as_they_are(factors: Factors) -> Factors:
    return factors


def score_pairs(
    factors: Factors, users: NDArray[np.int64], items: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the scores of items (batch, n) for users (batch,); 0 for item -1."""
    out = np.zeros(items.shape, np.float32)
    _score(*factors, users, items, out)
    return out


@kernel_fast
def _score(
    user_factors: NDArray[np.float32],
    item_factors: NDArray[np.float32],
    item_biases: NDArray[np.float32],
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    for row in range(items.shape[0]):
        for place in range(items.shape[1]):
            item = items[row, place]
            if item < 0:
                continue
            score = item_biases[item] if item_biases.size > 0 else np.float32(0.0)
            for f in range(user_factors.shape[1]):
                score += user_factors[users[row], f] * item_factors[item, f]
            out[row, place] = score
