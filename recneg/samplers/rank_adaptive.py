"""Items that rank high in one factor of the model: adaptive oversampling for BPR."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_number
from recneg.jit import kernel
from recneg.keys import Key, word
from recneg.parallel import map_tasks
from recneg.samplers.factors import FactorSampler, unit_float, within_float32

__all__ = ["RankAdaptive"]

U = np.uint64  # indices of this type spare Numba's check for negative ones


class Ranks(NamedTuple):
    """The law as the kernels take it.

    Attributes
    ----------
    user_factors : numpy.ndarray of float32, shape (num_users, d)
    spread : numpy.ndarray of float64, shape (d,)
        Standard deviation of each factor over items.
    order : numpy.ndarray of int32, shape (d, num_items)
        Items by each factor, descending.
    places : numpy.ndarray of int32, shape (num_items, d)
        Where each item stands in each order.
    indptr, indices : numpy.ndarray of int64 and int32
        Sorted items of each user.
    unseen : bool
    mean_rank : float
    """

    user_factors: NDArray[np.float32]
    spread: NDArray[np.float64]
    order: NDArray[np.int32]
    places: NDArray[np.int32]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    unseen: bool
    mean_rank: float


@dataclass(frozen=True, eq=False)
class RankAdaptive(FactorSampler):
    """A factor by its weight for the user, then an unseen item by its rank in that factor.

    Adaptive oversampling, context-dependent (Rendle & Freudenthaler, "Improving pairwise learning
    for item recommendation from implicit feedback", WSDM 2014): factor f with probability
    proportional to ``|w_uf| * sd_f``, the spread of the factor over items; then the rank r = 0, 1,
    ... with probability proportional to ``exp(-r / mean_rank)``, cut off at the number of items
    that the user may draw; then the r-th of these in the order of the factor, from the top if
    ``w_uf > 0`` and else from the bottom. The order is descending, ties by item id. A user to whom
    every factor has weight 0 takes each with the same probability.

    Log q sums over the factors that could have led to the item. A draw takes O(h * (d + log h)) for
    a user with h interactions, whatever the number of items. 4 bytes times d a user; 12 times d an
    item.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    user_factors : array_like, shape (num_users, d)
    item_factors : array_like, shape (num_items, d)
    mean_rank : float, optional
        In items, positive and finite. Default: ``0.05 * num_items``, or 1 if that is less.
    unseen : bool, default True

    Examples
    --------
    >>> import numpy as np
    >>> from recneg import Interactions
    >>> from recneg.samplers import RankAdaptive
    >>> data = Interactions.from_arrays([0, 1], [0, 1], num_items=3)
    >>> law = RankAdaptive(data, [[1.0], [-1.0]], [[3.0], [2.0], [1.0]], mean_rank=1 / np.log(3))
    >>> np.exp(law.log_prob([[0], [1]], [0, 1, 2]), dtype=float).round(6).tolist()
    [[0.0, 0.75, 0.25], [0.25, 0.0, 0.75]]
    """

    mean_rank: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        mean = max(1.0, 0.05 * self.num_items) if self.mean_rank is None else float(self.mean_rank)
        check_number(mean, "mean_rank", "positive")
        object.__setattr__(self, "mean_rank", mean)
        _ = self._ranks

    @cached_property
    def _ranks(self) -> Ranks:
        factors = self.item_factors
        spread = factors.std(axis=0, dtype=np.float64)
        order = np.empty(factors.shape[::-1], np.int32)
        places = np.empty(factors.shape, np.int32)

        def rank(f: int) -> None:
            order[f] = np.argsort(-factors[:, f], kind="stable")
            places[order[f], f] = np.arange(self.num_items, dtype=np.int32)

        map_tasks(rank, factors.shape[1])
        assert self.mean_rank is not None
        return Ranks(
            self.user_factors, spread, order, places, self.interactions.indptr,
            self.interactions.indices, self.unseen, self.mean_rank,
        )  # fmt: skip

    def _draw(
        self, users: NDArray[np.int64], num_negatives: int, key: Key, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        items = np.empty((users.size, num_negatives), np.int64)
        log_q = np.empty((users.size, num_negatives), np.float32)
        _draw_rows(self._ranks, *key.words, users, rows, items, log_q)
        return items, log_q

    def _log_prob(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        out = np.empty(items.size)
        _log_probs(self._ranks, users.flatten(), items.flatten(), out)
        out[self.interactions.contains(users, items).ravel() & self.unseen] = -np.inf
        return within_float32(out.reshape(items.shape))


@kernel
def _factor_shares(
    user_factors: NDArray[np.float32],
    spread: NDArray[np.float64],
    user: Any,
    running: NDArray[np.float64],
    log_share: NDArray[np.float64],
) -> None:
    """Fill the running weights of the factors for a user, and the logarithms of their shares."""
    total, largest = 0.0, 0.0
    for f in range(spread.size):
        largest = max(largest, abs(np.float64(user_factors[user, f])) * spread[f])
    for f in range(spread.size):
        weight = 1.0
        if largest > 0:
            weight = abs(np.float64(user_factors[user, f])) * spread[f] / largest
        total += weight
        running[f] = total
        log_share[f] = np.log(weight)
    for f in range(spread.size):
        log_share[f] -= np.log(total)


@kernel
def _log_q(
    user_factors: NDArray[np.float32],
    places: NDArray[np.int32],
    indices: NDArray[np.int32],
    begin: Any,
    end: Any,
    mean_rank: float,
    user: Any,
    item: Any,
    log_share: NDArray[np.float64],
    above: NDArray[np.int32],
) -> Any:
    """Return log q of an item that the user may draw; `above` is scratch, one entry a factor."""
    num_factors = log_share.size
    free = places.shape[0] - (end - begin)
    for f in range(num_factors):
        above[U(f)] = 0
    for position in range(begin, end):
        seen = U(indices[U(position)])
        for f in range(num_factors):
            above[U(f)] += np.int32(places[seen, U(f)] < places[U(item), U(f)])
    peak, total = -np.inf, 0.0
    for f in range(num_factors):  # a log-sum-exp in one pass
        rank = places[U(item), U(f)] - above[U(f)]
        if not user_factors[user, f] > 0:
            rank = free - 1 - rank
        term = log_share[U(f)] - rank / mean_rank
        if term > peak:
            total = total * np.exp(peak - term) + 1.0
            peak = term
        elif term > -np.inf:
            total += np.exp(term - peak)
    log_norm = np.log(-np.expm1(-1.0 / mean_rank)) - np.log(-np.expm1(-free / mean_rank))
    return peak + np.log(total) + log_norm


@kernel
def _free_place(taken: NDArray[np.int32], rank: Any) -> Any:
    """Return the place in an order of its `rank`-th item whose place is not in `taken`."""
    low, high = rank, rank + taken.size
    while low < high:  # each place that is not above the middle needs a free item of its own
        middle = (low + high) >> 1
        count = 0
        for position in range(taken.size):
            count += taken[U(position)] <= middle
        if middle - count < rank:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _draw_rows(
    ranks: Ranks,
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    rows: NDArray[np.int64],
    items: NDArray[np.int64],
    log_q: NDArray[np.float32],
) -> None:
    user_factors, spread, order, places, indptr, indices, unseen, mean_rank = ranks
    num_factors, num_items = order.shape
    running, log_share = np.empty(num_factors), np.empty(num_factors)
    above = np.empty(num_factors, np.int32)
    taken = np.empty(0, np.int32)
    current, begin, end = np.int64(-1), np.int64(0), np.int64(0)
    for r in range(users.size):
        user = users[r]
        if user != current:
            current = user
            _factor_shares(user_factors, spread, user, running, log_share)
            if unseen:
                begin, end = indptr[user], indptr[user + 1]
            if taken.size < end - begin:
                taken = np.empty(2 * (end - begin), np.int32)
        free = num_items - (end - begin)
        for slot in range(items.shape[1]):
            if free == 0:
                items[r, slot], log_q[r, slot] = -1, -np.inf
                continue
            target = unit_float(word(k0, k1, rows[r], slot, 0)) * running[num_factors - 1]
            f = 0
            while running[f] <= target:
                f += 1
            unit = unit_float(word(k0, k1, rows[r], slot, 1))
            rank = min(
                np.int64(-mean_rank * np.log1p(unit * np.expm1(-free / mean_rank))), free - 1
            )
            if not user_factors[user, f] > 0:
                rank = free - 1 - rank
            for position in range(end - begin):
                taken[position] = places[indices[begin + position], f]
            item = order[f, _free_place(taken[: end - begin], rank)]
            items[r, slot] = item
            log_q[r, slot] = _log_q(
                user_factors, places, indices, begin, end, mean_rank, user, item, log_share, above
            )


@kernel
def _log_probs(
    ranks: Ranks,
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Fill `out` with log q of the pairs, of which those that were seen have no meaning."""
    user_factors, spread, _, places, indptr, indices, unseen, mean_rank = ranks
    running, log_share = np.empty(spread.size), np.empty(spread.size)
    above = np.empty(spread.size, np.int32)
    current, begin, end = np.int64(-1), np.int64(0), np.int64(0)
    for r in range(users.size):
        if users[r] != current:
            current = users[r]
            _factor_shares(user_factors, spread, current, running, log_share)
            if unseen:
                begin, end = indptr[current], indptr[current + 1]
        out[r] = _log_q(
            user_factors, places, indices, begin, end, mean_rank, current, items[r],
            log_share, above,
        )  # fmt: skip
