"""Items in proportion to the exponential of their score: the full softmax, exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_number
from recneg.jit import kernel
from recneg.keys import Key, word
from recneg.samplers.factors import (
    FactorSampler,
    first_above,
    unit_float,
    within_float32,
)

__all__ = ["Softmax"]

U = np.uint64  # indices of this type spare Numba's check for negative ones


class Model(NamedTuple):
    """The law as the kernels take it; `columns` are the item factors, shape (d, num_items)."""

    user_factors: NDArray[np.float32]
    columns: NDArray[np.float32]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    unseen: bool
    temperature: float


@dataclass(frozen=True, eq=False)
class Softmax(FactorSampler):
    """Items in proportion to ``exp(score / temperature)``, over each user's unseen items.

    The law that every sampled softmax aims at, with the gradient of the full softmax in expectation
    (Bengio & Senecal, "Adaptive importance sampling to accelerate training of a neural
    probabilistic language model", IEEE TNN 2008). A temperature near 0 gives the top item, a large
    one the uniform law.

    For moderate catalogues: the first draw for a user in a block of rows takes O(num_items * d),
    each further one O(log num_items). 4 bytes times d a user and an item; while drawing, 16 bytes
    an item a thread.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    user_factors : array_like, shape (num_users, d)
    item_factors : array_like, shape (num_items, d)
    temperature : float, default 1.0
        Positive and finite.
    unseen : bool, default True

    Examples
    --------
    >>> import numpy as np
    >>> from recneg import Interactions
    >>> from recneg.samplers import Softmax
    >>> data = Interactions.from_arrays([0, 1], [0, 1], num_items=3)
    >>> law = Softmax(data, [[1.0], [0.0]], [[5.0], [0.0], [np.log(3)]])
    >>> np.exp(law.log_prob([[0], [1]], [0, 1, 2]), dtype=float).round(6).tolist()
    [[0.0, 0.25, 0.75], [0.5, 0.0, 0.5]]
    """

    _item_order: ClassVar[Literal["C", "F"]] = "F"  # a user's scores grow factor by factor

    temperature: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self.temperature, "temperature", "positive")

    def _draw(
        self, users: NDArray[np.int64], num_negatives: int, key: Key, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        items = np.empty((users.size, num_negatives), np.int64)
        log_q = np.empty((users.size, num_negatives), np.float32)
        _draw_rows(
            self._model(), *key.words, users, rows, np.argsort(users, kind="stable"), items, log_q
        )
        return items, log_q

    def _log_prob(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        u, out = users.flatten(), np.empty(items.size)
        _log_probs(self._model(), u, items.flatten(), np.argsort(u, kind="stable"), out)
        return within_float32(out.reshape(items.shape))

    def _model(self) -> Model:
        data = self.interactions
        return Model(
            self.user_factors, self.item_factors.T, data.indptr, data.indices,
            self.unseen, float(self.temperature),
        )  # fmt: skip


@kernel
def _tabulate(
    model: Model,
    user: Any,
    exponents: NDArray[np.float64],
    running: NDArray[np.float64],
) -> Any:
    """Fill a user's exponents, at most 0, and their running masses; return the log of the total.

    An item that may not be drawn has the exponent -inf. Without any other, the result is -inf.
    """
    user_factors, columns, indptr, indices, unseen, temperature = model
    num_items = exponents.size
    for item in range(num_items):
        exponents[U(item)] = 0.0
    for f in range(columns.shape[0]):
        factor = np.float64(user_factors[user, f])
        for item in range(num_items):
            exponents[U(item)] += factor * np.float64(columns[U(f), U(item)])
    if unseen:
        for position in range(indptr[user], indptr[user + 1]):
            exponents[U(indices[position])] = -np.inf
    peak = -np.inf
    for item in range(num_items):
        peak = max(peak, exponents[U(item)])
    if peak == -np.inf:
        return -np.inf
    total = 0.0
    for item in range(num_items):
        # shifted before it is divided: no temperature can make it overflow
        exponents[U(item)] = (exponents[U(item)] - peak) / temperature
        total += np.exp(exponents[U(item)])
        running[U(item)] = total
    return np.log(total)


@kernel
def _draw_rows(
    model: Model,
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    rows: NDArray[np.int64],
    order: NDArray[np.int64],
    items: NDArray[np.int64],
    log_q: NDArray[np.float32],
) -> None:
    """Fill `items` and `log_q`; rows of one user stand together in `order` and share its table."""
    num_items = model.columns.shape[1]
    exponents, running = np.empty(num_items), np.empty(num_items)
    current, log_total = np.int64(-1), -np.inf
    for r in order:
        if users[r] != current:
            current = users[r]
            log_total = _tabulate(model, current, exponents, running)
        for slot in range(items.shape[1]):
            if log_total == -np.inf:
                items[r, slot], log_q[r, slot] = -1, -np.inf
                continue
            target = unit_float(word(k0, k1, rows[r], slot, 0)) * running[num_items - 1]
            item = first_above(running, target)
            items[r, slot] = item
            log_q[r, slot] = exponents[item] - log_total


@kernel
def _log_probs(
    model: Model,
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    order: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Fill `out` with log q of the pairs; those of one user stand together in `order`."""
    num_items = model.columns.shape[1]
    exponents, running = np.empty(num_items), np.empty(num_items)
    current, log_total = np.int64(-1), -np.inf
    for r in order:
        if users[r] != current:
            current = users[r]
            log_total = _tabulate(model, current, exponents, running)
        out[r] = -np.inf if log_total == -np.inf else exponents[items[r]] - log_total
