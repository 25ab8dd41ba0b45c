"""The checks of `recneg.testing` catch defects like those of real libraries, planted one by one."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from recneg.errors import InvalidDataError, InvalidIdError
from recneg.interactions import Interactions
from recneg.keys import Key, random_integers
from recneg.samplers import Conditional, Mixture, Popularity, Sampler, Uniform
from recneg.testing import check_sampler, contract_interactions
from recneg.training import BPR

Drawn = tuple[NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Planted(Sampler):
    """A correct popularity law for subclasses to spoil."""

    interactions: Interactions
    inner: Sampler = field(init=False)
    unseen: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "inner", Popularity(self.interactions))

    def _draw(self, users, num_negatives, key, rows) -> Drawn:
        return self.inner._draw(users, num_negatives, key, rows)

    def _log_prob(self, users, items):
        return self.inner._log_prob(users, items)

    def _with_log_q(self, users, items) -> Drawn:
        owners = np.broadcast_to(users[:, None], items.shape)
        log_q = np.where(items < 0, -np.inf, self.inner._log_prob(owners, np.maximum(items, 0)))
        return items, log_q.astype(np.float32)


class LeaksPositives(Planted):
    """One draw in 2,000 is not checked against the history (LibRecommender's default)."""

    def _draw(self, users, num_negatives, key, rows):
        items, log_q = self.inner._draw(users, num_negatives, key, rows)
        unchecked = random_integers(key.fold_in(1), 2000, rows)[:, None] == 0
        seen = Popularity(self.interactions, unseen=False)
        leaked, leaked_q = seen._draw(users, num_negatives, key, rows)
        return np.where(unchecked, leaked, items), np.where(unchecked, leaked_q, log_q)


class GivesUp(Planted):
    """After ten tries the last draw stands, seen or not (LensKit, LightFM)."""

    def _draw(self, users, num_negatives, key, rows):
        anything = Popularity(self.interactions, unseen=False)
        items, log_q = anything._draw(users, num_negatives, key, rows)
        for attempt in range(10):
            seen = self.interactions.contains(users[:, None], items)
            again, again_q = anything._draw(users, num_negatives, key.fold_in(attempt), rows)
            items, log_q = np.where(seen, again, items), np.where(seen, again_q, log_q)
        return self._with_log_q(users, items)


class UniformFallback(Planted):
    """After four rejections a uniform unseen item is taken instead of the law's own."""

    def _draw(self, users, num_negatives, key, rows):
        anything = Popularity(self.interactions, unseen=False)
        fallback, _ = Uniform(self.interactions)._draw(users, num_negatives, key, rows)
        items, _ = anything._draw(users, num_negatives, key.fold_in(9), rows)
        for attempt in range(4):
            seen = self.interactions.contains(users[:, None], items)
            again, _ = anything._draw(users, num_negatives, key.fold_in(attempt), rows)
            items = np.where(seen, again, items)
        seen = self.interactions.contains(users[:, None], items)
        return self._with_log_q(users, np.where(seen, fallback, items))


class NeverTheLastItem(Planted):
    """The last item of the catalogue is never drawn: an off-by-one in the range."""

    def _draw(self, users, num_negatives, key, rows):
        items, _ = self.inner._draw(users, num_negatives, key, rows)
        again, _ = self.inner._draw(users, num_negatives, key.fold_in(3), rows)
        return self._with_log_q(users, np.where(items == self.num_items - 2, again, items))


class SortedAndCut(Planted):
    """More items than needed are drawn, sorted and cut: small ids win (recommenders, Merlin)."""

    def _draw(self, users, num_negatives, key, rows):
        items, _ = self.inner._draw(users, num_negatives + 1, key, rows)
        return self._with_log_q(users, np.sort(items, axis=1)[:, :num_negatives])


class OneDrawForAllRows(Planted):
    """All rows of a user share one draw (LensKit without verification)."""

    def _draw(self, users, num_negatives, key, rows):
        return self.inner._draw(users, num_negatives, key, np.zeros_like(rows))


class GlobalState(Planted):
    """Draws come from the global random state (RecBole, PyG)."""

    def _draw(self, users, num_negatives, key, rows):
        return self.inner._draw(users, num_negatives, Key(random.getrandbits(32)), rows)


class RowsOverflow(Planted):
    """Row numbers are cut to 32 bits: rows 2**32 apart draw the same."""

    def _draw(self, users, num_negatives, key, rows):
        return self.inner._draw(users, num_negatives, key, rows & 0xFFFFFFFF)


class PositionInBatch(Planted):
    """The place in the batch is used instead of the row number (RecBole's workers)."""

    def _draw(self, users, num_negatives, key, rows):
        return self.inner._draw(users, num_negatives, key, np.arange(users.size))


class DependsOnWidth(Planted):
    """Asking for more negatives changes the first ones."""

    def _draw(self, users, num_negatives, key, rows):
        return self.inner._draw(users, num_negatives, key.fold_in(num_negatives), rows)


class UnnormalisedLogQ(Planted):
    """The reported q ignores that seen items are excluded (every library that reports one)."""

    def _log_prob(self, users, items):
        everywhere = Popularity(self.interactions, unseen=False)._log_prob(users, items)
        return np.where(self.interactions.contains(users, items), -np.inf, everywhere)


class WrongLastLogQ(Planted):
    """log q of the last item is 0 (RecStudio's popularity sampler)."""

    def _draw(self, users, num_negatives, key, rows):
        items, log_q = self.inner._draw(users, num_negatives, key, rows)
        return items, np.where(items == self.num_items - 1, np.float32(0), log_q)


class AnotherExponent(Planted):
    """Draws follow exponent 0.72 and log q claims 0.75."""

    def _draw(self, users, num_negatives, key, rows):
        items, _ = Popularity(self.interactions, 0.72)._draw(users, num_negatives, key, rows)
        return self._with_log_q(users, items)


class SmoothedCounts(Planted):
    """Counts are smoothed by one in the draws only: never-seen items appear, popular ones fade."""

    def _draw(self, users, num_negatives, key, rows):
        items, _ = self.inner._draw(users, num_negatives, key, rows)
        uniform, _ = Uniform(self.interactions)._draw(users, num_negatives, key.fold_in(2), rows)
        mixed = random_integers(key.fold_in(1), 20, rows)[:, None] == 0
        return self._with_log_q(users, np.where(mixed & (items >= 0), uniform, items))


class DuplicatesShiftRanks(Planted):
    """Rank shifting over a history with duplicates (RecStudio): some items come too often."""

    def _draw(self, users, num_negatives, key, rows):
        items, _ = Uniform(self.interactions)._draw(users, num_negatives, key, rows)
        items = items.copy()
        for row, user in enumerate(users):
            history = np.repeat(self.interactions.items_of(user), 2)
            free = max(self.num_items - len(history), 1)
            rank = random_integers(key, free, rows[row], np.arange(num_negatives))
            offsets = np.maximum.accumulate(history - np.arange(len(history)))
            items[row] = np.where(
                items[row] < 0, -1, rank + np.searchsorted(offsets, rank, side="right")
            )
        return self._with_log_q(users, np.minimum(items, self.num_items - 1))


class Stateful(Planted):
    """A generator inside the sampler moves on: asking again gives other draws."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "generator", np.random.default_rng(0))

    def _draw(self, users, num_negatives, key, rows):
        number = int(self.generator.integers(1 << 30))
        return self.inner._draw(users, num_negatives, key.fold_in(number), rows)


class SilentPositive(Planted):
    """A user who has everything gets item 0 instead of an error (LensKit)."""

    def _draw(self, users, num_negatives, key, rows):
        items, log_q = self.inner._draw(users, num_negatives, key, rows)
        return np.maximum(items, 0), np.where(items < 0, np.float32(0), log_q)


class Flattened(Planted):
    """One flat vector instead of (batch, num_negatives) (RecBole)."""

    def _draw(self, users, num_negatives, key, rows):
        items, log_q = self.inner._draw(users, num_negatives, key, rows)
        return items.reshape(-1, 1), log_q.reshape(-1, 1)


DEFECTS: dict[type[Planted], str] = {
    LeaksPositives: "seen|-inf|do not follow",
    GivesUp: "seen|-inf|nothing to draw|do not follow",
    UniformFallback: "do not follow",
    NeverTheLastItem: "do not follow",
    SortedAndCut: "do not follow|num_negatives",
    OneDrawForAllRows: "do not follow",
    GlobalState: "global random state|drawing again",
    RowsOverflow: "2\\*\\*32 apart",
    PositionInBatch: "changes the draws|not independent|do not follow",
    DependsOnWidth: "num_negatives changes",
    UnnormalisedLogQ: "sum to 1",
    WrongLastLogQ: "differs from log_prob",
    AnotherExponent: "do not follow",
    SmoothedCounts: "do not follow|-inf",
    DuplicatesShiftRanks: "do not follow|seen|-inf",
    Stateful: "drawing again|frozen|unchanged|must not change|num_negatives changes",
    SilentPositive: "nothing to draw",
    Flattened: "shape",
}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_check_sampler_catches(defect: Callable[[Interactions], Sampler]) -> None:
    with pytest.raises((AssertionError, InvalidDataError), match=DEFECTS[defect]):
        check_sampler(defect, draws=1_000_000 if defect is not DuplicatesShiftRanks else 20_000)


def test_the_unspoiled_law_passes() -> None:
    check_sampler(Planted)


@dataclass(frozen=True, eq=False)
class Returns(Sampler):
    """A law whose draws are what it is told."""

    interactions: Interactions
    make: Callable[[int, int], object]

    def _draw(self, users, num_negatives, key, rows):
        return self.make(len(users), num_negatives)

    def _log_prob(self, users, items):
        return np.zeros(items.shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda b, n: (np.full((b, n), 61), np.zeros((b, n))), r"items in \[0, 61\).*got 61 to 61"),
        (lambda b, n: (np.full((b, n), -2), np.zeros((b, n))), "got -2 to -2"),
        (lambda b, n: (np.full((b, n), 4.5), np.zeros((b, n))), "an int and a float array"),
        (lambda b, n: (np.zeros(b, np.int64), np.zeros(b)), "of shape"),
        (lambda b, n: np.zeros((b, n), np.int64), r"must return \(items, log_q\)"),
        (lambda b, n: (np.zeros((b, n), np.int64), None), r"must return \(items, log_q\)"),
    ],
    ids=["too large", "negative", "floats", "flat", "no log q", "None"],
)
def test_wrong_draws_are_an_error_before_any_kernel(
    make: Callable[[int, int], object], message: str
) -> None:
    """In a batch, inside another law, and in training, where they would overwrite memory."""
    law = Returns(contract_interactions(), make)
    for use in (
        lambda: law.sample([2, 3], 3, key=0),
        lambda: Mixture((law, law)).sample([2, 3], 3, key=0),
        lambda: Conditional(law, contract_interactions()).sample([2, 3], 3, key=0),
        lambda: BPR(4, epochs=1, sampler=law).fit(contract_interactions(), False),
    ):
        with pytest.raises((InvalidDataError, InvalidIdError), match=message):
            use()
