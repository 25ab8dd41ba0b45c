"""What every trained sequence model can do: vectors, recommendations, similar items, files."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import InvalidDataError
from recneg.ids import check_ids
from recneg.retrieval import rank_factors
from recneg.sequences import Sequences, check_sequences
from recneg.training.factor_model import most_similar
from recneg.training.saved_model import SavedModel
from recneg.training.tables import Matrix

__all__ = ["SequenceModel"]


class SequenceModel(SavedModel):
    """A trained model that scores the next item by inner products with a session's vector."""

    @abstractmethod
    def _vectors(self, sequences: Sequences, last: bool) -> Matrix:
        """Return vectors after each event, or after the last of each sequence."""

    @property
    @abstractmethod
    def _scored(self) -> tuple[Matrix, NDArray[np.float32]]:
        """The factors of the items, and their biases or none."""

    @property
    @abstractmethod
    def _num_items(self) -> int: ...

    # -- vectors -------------------------------------------------------------------------------

    def _require_fitted(self) -> None:
        if not self._fitted:
            raise RuntimeError(f"{type(self).__name__} must be fitted first: call fit(sequences)")

    @property
    @abstractmethod
    def _fitted(self) -> bool: ...

    @property
    def item_factors(self) -> Matrix:
        """What the next item is scored by, shape (num_items, factors)."""
        self._require_fitted()
        return self._scored[0]

    @property
    def item_biases(self) -> NDArray[np.float32]:
        """Added to the scores, shape (num_items,); empty without biases."""
        self._require_fitted()
        return self._scored[1]

    def next_item_vectors(self, sequences: Sequences) -> Matrix:
        """Return the vector after each event, whose products with `item_factors` are scores.

        The vector of an event depends on it and the ``max_length - 1`` events before it.

        Returns
        -------
        numpy.ndarray of float32, shape (num_events, factors)
        """
        return self._vectors(self._checked(sequences), last=False)

    def session_vectors(self, sequences: Sequences) -> Matrix:
        """Return the vector after the last event of each sequence; zeros for empty ones.

        Returns
        -------
        numpy.ndarray of float32, shape (num_sequences, factors)
        """
        return self._vectors(self._checked(sequences), last=True)

    def _checked(self, sequences: Any) -> Sequences:
        self._require_fitted()
        found, items = check_sequences(sequences, "sequences"), self._num_items
        if found.num_items != items:
            raise InvalidDataError(
                f"the sequences must have the {items} items of the model; got {found.num_items}"
            )
        return found

    # -- what it is for ------------------------------------------------------------------------

    def recommend(
        self,
        sessions: Sequences | ArrayLike,
        N: int = 10,
        filter_already_seen_items: bool = False,
        filter_items: ArrayLike | None = None,
        items: ArrayLike | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the best next items of one session or of several, and their scores.

        Parameters
        ----------
        sessions : Sequences, or array_like of int, shape (num_events,)
            Or the items of one session, the oldest first.
        N : int, default 10
        filter_already_seen_items : bool, default False
            Leave out what the session has: where people do not come back to items.
        filter_items : array_like of int, optional
            Further items to leave out.
        items : array_like of int, optional
            Rank only these.

        Returns
        -------
        ids : numpy.ndarray of int32, shape (N,) or (num_sequences, N)
            By score, then by item id; -1 where fewer than N items are left.
        scores : numpy.ndarray of float32, of the same shape
            -inf where the id is -1.

        Raises
        ------
        InvalidDataError
            For an empty session: there is nothing to go by.
        """
        self._require_fitted()
        factors, biases = self._scored
        one = not isinstance(sessions, Sequences)
        if not isinstance(sessions, Sequences) and np.ndim(sessions) != 1:
            raise InvalidDataError(
                "sessions must be Sequences, or the items of one session; "
                f"got {np.ndim(sessions)} dimensions"
            )
        if isinstance(sessions, Sequences):
            data = self._checked(sessions)
        else:
            events = check_ids(sessions, "item", len(factors)).reshape(-1)
            data = Sequences.from_arrays(
                np.zeros(events.size, np.int64), events, num_sequences=1, num_items=len(factors)
            )
        empty = np.flatnonzero(data.lengths() == 0)
        if empty.size:
            raise InvalidDataError(f"every session must have an event; session {empty[0]} has none")
        ids, scores = rank_factors(
            self._vectors(data, last=True),
            factors,
            N,
            seen=data.to_interactions() if filter_already_seen_items else None,
            item_biases=biases if biases.size else None,
            candidates=items,
            filter_items=filter_items,
        )
        return (ids[0], scores[0]) if one else (ids, scores)

    def similar_items(
        self, itemid: ArrayLike, N: int = 10
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the N items whose factors have the largest cosine to each item's, itself first.

        Returns
        -------
        ids : numpy.ndarray of int32, shape (N,) or (batch, N)
        scores : numpy.ndarray of float32, of the same shape
        """
        return most_similar(self.item_factors, itemid, N, "item")
