"""The probability that a user examined an item, in a form that is never users x items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidDataError
from recneg.frozen import Frozen
from recneg.interactions import Interactions, check_ids

__all__ = ["CLIP", "Exposure", "check_clip", "given"]

CLIP = 0.01
"""Smallest propensity by default. Rel-MF's tuned values lie between 0.003 and 0.016."""


@dataclass(frozen=True, eq=False, repr=False)
class Exposure(Frozen):
    """Exposure ``theta_ui = P(user u examined item i)``, at least `clip` and at most 1.

    Build one with `given`, `power_law`, `sar_em` or `dual_learning`. It takes one of three forms:
    an array over items, that times an array over users, or a table users x items that you have
    given; 8 bytes an entry.

    Attributes
    ----------
    items : numpy.ndarray of float64, shape (num_items,), or (num_users, num_items) for a table
    users : numpy.ndarray of float64, shape (num_users,), optional
        Multiplies `items`.
    clip : float
        The bound M from below, in (0, 1]; inverse weights are at most ``1 / clip``.
    """

    items: NDArray[np.float64]
    users: NDArray[np.float64] | None = None
    clip: float = CLIP

    def __post_init__(self) -> None:
        check_clip(self.clip)
        for name, values in (("items", self.items), ("users", self.users)):
            if values is not None:
                object.__setattr__(self, name, _probabilities(values, name))
        if self.items.ndim not in (1, 2):
            raise InvalidDataError(
                "theta must have shape (num_items,) or (num_users, num_items); "
                f"got {self.items.shape}"
            )
        if self.users is not None and (self.users.ndim, self.items.ndim) != (1, 1):
            raise InvalidDataError(
                "factors of theta must be vectors over items and users; "
                f"got shapes {self.items.shape} and {self.users.shape}"
            )
        super().__post_init__()

    def __repr__(self) -> str:
        depends = "users and items" if self.user_dependent else "items"
        return f"Exposure({self.num_items} items, over {depends}, clip={self.clip:.4g})"

    @property
    def num_items(self) -> int:
        """Items are ``0 .. num_items - 1``."""
        return int(self.items.shape[-1])

    @property
    def num_users(self) -> int | None:
        """Number of users, or None where all users are alike."""
        if self.users is not None:
            return len(self.users)
        return len(self.items) if self.items.ndim == 2 else None

    @property
    def user_dependent(self) -> bool:
        """Whether theta differs between users."""
        return self.num_users is not None

    def theta(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """Return theta of user and item indices that broadcast against each other.

        Raises
        ------
        InvalidIdError
            For an index out of range; users are not looked at where all are alike.
        """
        i = check_ids(items, "item", self.num_items)
        if self.num_users is None:
            raw = np.broadcast_to(self.items[i], np.broadcast_shapes(np.shape(users), i.shape))
        else:
            u = check_ids(users, "user", self.num_users)
            raw = self.items[u, i] if self.users is None else self.users[u] * self.items[i]
        return np.maximum(raw, self.clip)

    def check(self, interactions: Interactions) -> None:
        """Raise `InvalidDataError` unless this speaks of the users and items of `interactions`."""
        for what, count, wanted in (
            ("items", self.num_items, interactions.num_items),
            ("users", self.num_users, interactions.num_users),
        ):
            if count is not None and count != wanted:
                raise InvalidDataError(f"exposure must have {wanted} {what}; got {count}")


def given(theta: ArrayLike, *, users: ArrayLike | None = None, clip: float = CLIP) -> Exposure:
    """Return the exposure that you know, or estimated elsewhere.

    Parameters
    ----------
    theta : array_like, shape (num_items,) or (num_users, num_items)
        Probabilities in [0, 1]. The table is for small data: it is kept as it is.
    users : array_like, shape (num_users,), optional
        Probabilities that multiply the item array: ``theta_ui = users[u] * theta[i]``.
    clip : float, default 0.01
        In (0, 1].

    Raises
    ------
    InvalidDataError
        For other shapes, and values that are no probabilities.

    Examples
    --------
    >>> exposure = given([1.0, 0.5, 0.0], users=[0.5, 1.0], clip=0.1)
    >>> exposure.theta([[0], [1]], [0, 1, 2])
    array([[0.5 , 0.25, 0.1 ],
           [1.  , 0.5 , 0.1 ]])
    """
    return Exposure(
        np.asarray(theta, np.float64),
        None if users is None else np.asarray(users, np.float64),
        clip,
    )


def check_clip(clip: float) -> None:
    """Raise ValueError unless `clip` lies in (0, 1]."""
    if not 0 < clip <= 1:  # refuses NaN too
        raise ValueError(f"clip must lie in (0, 1]; got {clip}")


def _probabilities(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.array(values, np.float64)
    wrong = ~((array >= 0) & (array <= 1))
    if wrong.any():
        place = np.unravel_index(int(np.argmax(wrong)), array.shape)
        raise InvalidDataError(
            f"theta must lie in [0, 1]; got {array[place]} at {tuple(map(int, place))} of {name}"
        )
    return array
