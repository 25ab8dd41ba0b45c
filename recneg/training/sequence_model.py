"""What every trained sequence model can do: vectors, recommendations, similar items, files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.errors import IntegrityError, InvalidDataError
from recneg.files import check_folder
from recneg.ids import check_ids
from recneg.retrieval import rank_factors
from recneg.sequences import Sequences, check_sequences
from recneg.training.storage import load_tensors, save_tensors
from recneg.training.tables import Matrix

__all__ = ["SequenceModel"]


class SequenceModel(ABC):
    """A trained model that scores the next item by inner products with a session's vector."""

    name: ClassVar[str]
    """What the saved file calls the model."""

    run: dict[str, Any]
    """Notes to keep with the model, JSON-serialisable: the data and the split, say."""

    @abstractmethod
    def manifest(self) -> dict[str, Any]:
        """Return the options, as keyword arguments of the class."""

    @classmethod
    @abstractmethod
    def _rebuilt(cls, options: dict[str, Any]) -> Self:
        """Return an unfitted model from what `manifest` gave, as JSON has it."""

    @abstractmethod
    def _tensors(self) -> dict[str, NDArray[Any]]:
        """Return what is to be saved."""

    @abstractmethod
    def _take_tensors(self, tensors: dict[str, NDArray[Any]]) -> None:
        """Take back what `_tensors` gave."""

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
        factors = self.item_factors
        rows = check_ids(np.atleast_1d(itemid), "item", len(factors))
        norms = np.linalg.norm(factors, axis=1, keepdims=True)
        unit = factors / np.where(norms == 0, 1, norms)
        ids, scores = rank_factors(unit, unit, N, users=rows)
        return (ids[0], scores[0]) if np.ndim(itemid) == 0 else (ids, scores)

    # -- files ---------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """Save weights, options and `run` as one safetensors file, atomically."""
        self._require_fitted()
        check_folder(path)
        record = {"model": self.name, "options": self.manifest(), "run": self.run}
        save_tensors(path, self._tensors(), record)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Load a model that `save` wrote.

        Raises
        ------
        FileNotFoundError
        IntegrityError
            If the file is damaged or holds another model.
        """
        tensors, manifest = load_tensors(path)
        if manifest.get("model") != cls.name:
            raise IntegrityError(f"{path} must hold a {cls.name}; got {manifest.get('model')!r}")
        model = cls._rebuilt(manifest["options"])
        model._take_tensors(tensors)
        model.run = manifest["run"]
        return model
