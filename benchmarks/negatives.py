"""The sides of the sampling benchmark: functions of users and a count that return negatives.

Each side holds its own random state or call number, so that no call repeats another.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from recbole_peer import recbole_data

from recneg import Interactions, Key, Popularity, Uniform

EXPONENT = 0.75


class Side:
    """Draws ``(len(rows), count)`` items; the translation of own numbers is not measured."""

    def rows(self, users: NDArray[np.int64]) -> NDArray[Any]:
        """Return what a call takes for these users."""
        return users

    def items(self, drawn: NDArray[Any]) -> NDArray[Any]:
        """Return the items that a call has drawn."""
        return drawn


class Recneg(Side):
    """recneg's samplers; they also compute the log-probability of each draw."""

    def __init__(self, train: Interactions, law: str) -> None:
        self._sampler = Uniform(train) if law == "uniform" else Popularity(train, EXPONENT)
        self._calls = 0

    def __call__(self, users: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """Draw under a key of its own."""
        self._calls += 1
        return self._sampler.sample(users, count, key=Key(0).fold_in(self._calls)).items


class NumpyRejection(Side):
    """A vectorised loop: draw all, look the pairs up in one sorted array, redraw what was seen.

    Rows are drawn in the order of users, so that consecutive searches fall close together, which
    is two to three times as fast as in the order given; pair keys take 32 bits where they fit.
    """

    def __init__(self, train: Interactions, law: str) -> None:
        wide = train.num_users * train.num_items >= 1 << 32
        self._type: Any = np.uint64 if wide else np.uint32
        self._num_items = train.num_items
        owners = train.users().astype(self._type)
        self._seen = owners * self._type(train.num_items) + train.indices.astype(self._type)
        self._cumulative = None
        if law != "uniform":
            counts = train.item_counts().astype(np.float64)
            weights = np.where(counts > 0, counts**EXPONENT, 0.0)
            self._cumulative = np.cumsum(weights / weights.sum())
        self._rng = np.random.default_rng(0)

    def _draw(self, size: int) -> NDArray[Any]:
        if self._cumulative is None:
            return self._rng.integers(0, self._num_items, size, dtype=self._type)
        found = np.searchsorted(self._cumulative, self._rng.random(size), side="right")
        return np.minimum(found, self._num_items - 1).astype(self._type)

    def _rejected(self, rows: NDArray[Any], items: NDArray[Any]) -> NDArray[np.bool_]:
        pairs = rows + items
        places = np.searchsorted(self._seen, pairs)
        places[places == len(self._seen)] = 0
        return self._seen[places] == pairs

    def __call__(self, users: NDArray[np.int64], count: int) -> NDArray[Any]:
        """Draw until no item is seen."""
        order = np.argsort(users)
        rows = np.repeat(users[order].astype(self._type) * self._type(self._num_items), count)
        items = self._draw(rows.size)
        wrong = np.flatnonzero(self._rejected(rows, items))
        while wrong.size:
            items[wrong] = self._draw(wrong.size)
            wrong = wrong[self._rejected(rows[wrong], items[wrong])]
        out = np.empty((len(users), count), self._type)
        out[order] = items.reshape(-1, count)
        return out


class LensKit(Side):
    """`sample_negatives` of LensKit's interaction matrix.

    Its popularity law has exponent 1, and after ten attempts it returns what it has, seen or not.
    """

    def __init__(self, train: Interactions, law: str) -> None:
        import pandas as pd
        from lenskit.data import from_interactions_df

        frame = pd.DataFrame({"user_id": train.users(), "item_id": train.indices})
        data = from_interactions_df(frame)
        self._matrix = data.interactions().matrix()
        self._rows = np.full(train.num_users, -1, np.int32)
        self._rows[data.users.ids()] = np.arange(data.user_count)
        self._items = np.asarray(data.items.ids())
        self._law: Any = law
        self._rng = np.random.default_rng(0)

    def rows(self, users: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return LensKit's row numbers of users."""
        return self._rows[users]

    def items(self, drawn: NDArray[np.int32]) -> NDArray[Any]:
        """Return our items of LensKit's columns."""
        return self._items[drawn]

    def __call__(self, users: NDArray[np.int64], count: int) -> NDArray[Any]:
        """Draw, in LensKit's own numbers: `rows` in, columns out."""
        return self._matrix.sample_negatives(users, weighting=self._law, n=count, rng=self._rng)


class RecBole(Side):
    """RecBole's `Sampler`: Python looks up every draw in the set of what its user has seen.

    It draws from NumPy's global generator, and loops as long as anything is seen.
    """

    def __init__(self, train: Interactions, law: str) -> None:
        users, self._items, _, self._sampler = recbole_data(train, law, EXPONENT)
        self._rows = np.zeros(train.num_users, np.int64)
        self._rows[users] = np.arange(1, len(users) + 1)  # 0 is padding

    def rows(self, users: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return RecBole's numbers of users."""
        return self._rows[users]

    def items(self, drawn: NDArray[np.int64]) -> NDArray[Any]:
        """Return our items of RecBole's numbers."""
        return self._items[drawn - 1]

    def __call__(self, users: NDArray[np.int64], count: int) -> NDArray[Any]:
        """Draw, in RecBole's own numbers, into one column a draw of a row."""
        drawn: NDArray[Any] = self._sampler.sample_by_user_ids(users, None, count).numpy()
        return drawn.reshape(count, len(users)).T


SIDES: dict[str, type[Any]] = {
    "recneg": Recneg,
    "numpy": NumpyRejection,
    "lenskit": LensKit,
    "recbole": RecBole,
}
