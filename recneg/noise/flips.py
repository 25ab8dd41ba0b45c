"""The flip-noise model: a preference, and a chance that the vote for it is missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidDataError
from recneg.frozen import Frozen
from recneg.interactions import check_ids
from recneg.jit import kernel_fast
from recneg.logistic import sigmoid

__all__ = ["FlipModel"]


@kernel_fast
def _logits(
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    user_factors: NDArray[np.float32],
    item_factors: NDArray[np.float32],
    out: NDArray[np.float64],
) -> None:
    for index in range(users.size):
        user, item = np.uint64(users[index]), np.uint64(items[index])
        score = np.float32(0)
        for f in range(user_factors.shape[1]):
            score += user_factors[user, np.uint64(f)] * item_factors[item, np.uint64(f)]
        out[index] = score


@dataclass(frozen=True, eq=False, repr=False)
class FlipModel(Frozen):
    """Preference ``R = sigmoid(U_u . V_i)`` and flip rate ``gamma = sigmoid(P_u . Q_i)``.

    The noise of NBPO (Yu and Qin, SIGIR 2020): a wanted pair is observed as missing with
    probability gamma, an unwanted one never as a vote, so that ``P(y = 1) = (1 - gamma) R`` and
    ``P(y = 0) = 1 - R + gamma R``. Item rankings use R alone. 4 (k + l) bytes a user and an item
    for factors of k and l columns.

    Attributes
    ----------
    user_factors, item_factors : numpy.ndarray of float32, shapes (num_users, k), (num_items, k)
        U and V.
    user_flips, item_flips : numpy.ndarray of float32, shapes (num_users, l), (num_items, l)
        P and Q.

    Examples
    --------
    >>> model = FlipModel([[1.0]], [[0.0], [3.0]], [[1.0]], [[0.0], [-1.0]])
    >>> model.preference(0, [0, 1]).round(3).tolist()
    [0.5, 0.953]
    >>> model.true_negative(0, [0, 1]).round(3).tolist()
    [0.667, 0.156]
    """

    user_factors: NDArray[np.float32]
    item_factors: NDArray[np.float32]
    user_flips: NDArray[np.float32]
    item_flips: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name in ("user_factors", "item_factors", "user_flips", "item_flips"):
            values = np.array(getattr(self, name), np.float32, order="C")
            if values.ndim != 2 or not np.isfinite(values).all():
                raise InvalidDataError(
                    f"{name} must be a finite matrix; got shape {values.shape}"
                    + ("" if values.ndim != 2 else " with values that are not finite")
                )
            object.__setattr__(self, name, values)
        for users, items in (("user_factors", "item_factors"), ("user_flips", "item_flips")):
            columns = getattr(self, users).shape[1], getattr(self, items).shape[1]
            if columns[0] != columns[1]:
                raise InvalidDataError(
                    f"{users} and {items} must have as many columns; got {columns}"
                )
        if (self.num_users, self.num_items) != (len(self.user_flips), len(self.item_flips)):
            raise InvalidDataError(
                f"flips must have {self.num_users} users and {self.num_items} items; "
                f"got {len(self.user_flips)} and {len(self.item_flips)}"
            )
        super().__post_init__()

    def __repr__(self) -> str:
        return f"FlipModel({self.num_users} users, {self.num_items} items)"

    @property
    def num_users(self) -> int:
        """Users are ``0 .. num_users - 1``."""
        return len(self.user_factors)

    @property
    def num_items(self) -> int:
        """Items are ``0 .. num_items - 1``."""
        return len(self.item_factors)

    def preference(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """Return R, the chance that each pair is wanted; indices broadcast."""
        return sigmoid(self._scores(users, items, self.user_factors, self.item_factors))

    def flip(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """Return gamma, the chance that a wanted pair is observed as missing; indices broadcast."""
        return sigmoid(self._scores(users, items, self.user_flips, self.item_flips))

    def true_negative(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """Return ``(1 - R) / (1 - R + gamma R)``, the chance that a missing pair is unwanted."""
        r = self._scores(users, items, self.user_factors, self.item_factors)
        g = self._scores(users, items, self.user_flips, self.item_flips)
        return sigmoid(np.logaddexp(0.0, -g) - r)  # the odds are exp(-r) / gamma

    def _scores(
        self,
        users: ArrayLike,
        items: ArrayLike,
        user_table: NDArray[np.float32],
        item_table: NDArray[np.float32],
    ) -> NDArray[np.float64]:
        u, i = np.broadcast_arrays(
            check_ids(users, "user", self.num_users), check_ids(items, "item", self.num_items)
        )
        out = np.empty(u.shape)
        _logits(u.flatten(), i.flatten(), user_table, item_table, out.reshape(-1))
        return out
