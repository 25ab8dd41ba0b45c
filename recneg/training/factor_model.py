"""What every factor model can do once it is trained: recommend, find similar items, save, load."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions, check_ids
from recneg.retrieval import rank_factors
from recneg.training.saved_model import SavedModel

__all__ = ["FactorModel", "as_interactions", "most_similar"]


def as_interactions(user_items: Any) -> Interactions:
    """Return `user_items` itself, or the interactions of a SciPy matrix users x items."""
    if isinstance(user_items, Interactions):
        return user_items
    if hasattr(user_items, "tocoo"):
        return Interactions.from_scipy(user_items)
    raise InvalidDataError(
        "user_items must be Interactions or a SciPy sparse matrix, users x items; "
        f"got {type(user_items).__name__}"
    )


class FactorModel(SavedModel):
    """A trained matrix factorization, with the interface that users of ``implicit`` know.

    A score is the inner product of a user's and an item's factors. Where a model has item biases
    they are one more factor, which is 1 for every user.
    """

    _user_factors: NDArray[np.float32]
    _item_factors: NDArray[np.float32]
    _item_biases: NDArray[np.float32]
    _seen: Interactions | None = None

    def _tensors(self) -> dict[str, NDArray[Any]]:
        return {
            "user_factors": self._user_factors,
            "item_factors": self._item_factors,
            "item_biases": self._item_biases,
        }

    def _take_tensors(self, tensors: dict[str, NDArray[Any]]) -> None:
        self._user_factors = tensors["user_factors"]
        self._item_factors = tensors["item_factors"]
        self._item_biases = tensors["item_biases"]

    # -- factors -------------------------------------------------------------------------------

    def _require_fitted(self) -> None:
        if not hasattr(self, "_user_factors"):
            raise RuntimeError(f"{type(self).__name__} must be fitted first: call fit(user_items)")

    @property
    def user_factors(self) -> NDArray[np.float32]:
        """Factors, shape (num_users, factors), or factors + 1 with item biases."""
        self._require_fitted()
        if not self._item_biases.size:
            return self._user_factors
        ones = np.ones((len(self._user_factors), 1), np.float32)
        return np.concatenate((self._user_factors, ones), axis=1)

    @property
    def item_factors(self) -> NDArray[np.float32]:
        """Factors, shape (num_items, factors), or factors + 1 with the biases as last column."""
        self._require_fitted()
        if not self._item_biases.size:
            return self._item_factors
        return np.concatenate((self._item_factors, self._item_biases[:, None]), axis=1)

    # -- what it is for ------------------------------------------------------------------------

    def recommend(
        self,
        userid: Any,
        user_items: Any = None,
        N: int = 10,
        filter_already_liked_items: bool = True,
        filter_items: ArrayLike | None = None,
        items: ArrayLike | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the best items of one user or of several, and their scores.

        Parameters
        ----------
        userid : int or array_like of int, shape (batch,)
            Positions, as the items that come back: ``user_index`` and ``item_ids`` of the
            interactions translate.
        user_items : Interactions or SciPy sparse matrix, optional
            What the users have seen: the interactions of all users, or a matrix of shape
            (1 or batch, num_items), one row for each user asked for. Default: what they had in
            `fit`.
        N : int, default 10
        filter_already_liked_items : bool, default True
            Leave out what the users have seen.
        filter_items : array_like of int, optional
            Further items to leave out.
        items : array_like of int, optional
            Rank only these.

        Returns
        -------
        ids : numpy.ndarray of int32, shape (N,) or (batch, N)
            By score, then by item id; -1 where fewer than N items are left.
        scores : numpy.ndarray of float32, of the same shape
            -inf where the id is -1.
        """
        self._require_fitted()
        users = check_ids(np.atleast_1d(userid), "user", len(self._user_factors))
        check_count(N, "N")
        factors, seen = self._user_factors, None
        rows: NDArray[np.int64] | None = users
        if filter_already_liked_items and user_items is not None:
            seen = as_interactions(user_items)
            if seen.num_items != len(self._item_factors):
                raise InvalidDataError(
                    f"user_items must have the {len(self._item_factors)} items of the model; "
                    f"got {seen!r}"
                )
            if seen is not user_items or seen.num_users != len(factors):  # of these users alone
                factors, rows = factors[users], None
            if seen.num_users != len(factors):
                raise InvalidDataError(
                    f"user_items must have a row for each user asked for, {len(users)}, or be the "
                    f"Interactions of all users; got {seen.num_users} rows"
                )
        elif filter_already_liked_items:
            seen = self._seen
            if seen is None:
                raise InvalidDataError(
                    "a loaded model needs user_items to leave out what users have seen: "
                    "pass the interactions, or filter_already_liked_items=False"
                )
        ids, scores = rank_factors(
            factors,
            self._item_factors,
            N,
            users=rows,
            seen=seen,
            item_biases=self._item_biases if self._item_biases.size else None,
            candidates=items,
            filter_items=filter_items,
        )
        return (ids[0], scores[0]) if np.ndim(userid) == 0 else (ids, scores)

    def similar_items(
        self,
        itemid: Any,
        N: int = 10,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the N items whose factors have the largest cosine to each item's, itself first.

        Returns
        -------
        ids : numpy.ndarray of int32, shape (N,) or (batch, N)
        scores : numpy.ndarray of float32, of the same shape
        """
        self._require_fitted()
        return most_similar(self._item_factors, itemid, N, "item")

    def similar_users(
        self,
        userid: Any,
        N: int = 10,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the N users whose factors have the largest cosine to each user's, itself first."""
        self._require_fitted()
        return most_similar(self._user_factors, userid, N, "user")


def most_similar(
    factors: NDArray[np.float32], which: Any, count: int, what: str
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the rows with the largest cosine to each of `which`, itself first, and the cosines."""
    rows = check_ids(np.atleast_1d(which), what, len(factors))
    norms = np.linalg.norm(factors, axis=1, keepdims=True)
    unit = factors / np.where(norms == 0, 1, norms)
    ids, scores = rank_factors(unit, unit, count, users=rows)
    return (ids[0], scores[0]) if np.ndim(which) == 0 else (ids, scores)
