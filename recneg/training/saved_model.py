"""How models are kept: weights, options and notes in one safetensors file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from os import PathLike
from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from recneg.errors import IntegrityError
from recneg.files import check_folder
from recneg.training.storage import load_tensors, save_tensors

__all__ = ["SavedModel"]


class SavedModel(ABC):
    """A model that can be saved and loaded; never by pickle."""

    name: ClassVar[str]
    """What the saved file calls the model."""

    run: dict[str, Any]
    """Notes to keep with the model, JSON-serialisable: the data and the split, say."""

    @abstractmethod
    def manifest(self) -> dict[str, Any]:
        """Return the options, as keyword arguments of the class."""

    @classmethod
    def _rebuilt(cls, options: dict[str, Any]) -> Self:
        """Return an unfitted model from what `manifest` gave, as JSON has it."""
        return cls(**options)

    def description(self) -> dict[str, Any]:
        """Return what makes the model again, as JSON can hold it: the options, and what is beside.

        Trainers add where negatives came from, and the switches in which papers differ.
        """
        return {"options": self.manifest()}

    @classmethod
    def _described(cls, description: dict[str, Any]) -> Self:
        """Return an unfitted model from what `description` gave, as JSON has it."""
        return cls._rebuilt(description["options"])

    @abstractmethod
    def _require_fitted(self) -> None:
        """Raise `RuntimeError` if there is nothing to save."""

    @abstractmethod
    def _tensors(self) -> dict[str, NDArray[Any]]:
        """Return what is to be saved."""

    @abstractmethod
    def _take_tensors(self, tensors: dict[str, NDArray[Any]]) -> None:
        """Take back what `_tensors` gave."""

    def save(self, path: str | PathLike[str]) -> None:
        """Save weights, options and `run` as one safetensors file, atomically."""
        self._require_fitted()
        check_folder(path)
        record = {"model": self.name, **self.description(), "run": self.run}
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
        model = cls._described(manifest)
        model._take_tensors(tensors)
        model.run = manifest["run"]
        return model
