"""What a command needs of data and of the kind of model that is trained on them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from recneg.catalogue import Material, Recipe

__all__ = ["Job", "Listed", "raw_id"]


class Listed(NamedTuple):
    """A list of recommendations: a title, item indices, their scores, and what is in test."""

    title: str
    ids: NDArray[np.int32]
    scores: NDArray[np.float32]
    held_out: set[int]


class Job(ABC):
    """Data, loaded and split as the options say, and what is done with a model on them."""

    split: Any
    note: str | None
    titles: NDArray[Any] | None
    num_items: int
    item_ids: NDArray[Any] | None

    @abstractmethod
    def recipe(self, make: Callable[[Material], Recipe]) -> dict[str, Any]:
        """Return the arguments for a trainer that draw as told."""

    @abstractmethod
    def fit(self, model: Any, checkpoint: str | PathLike[str] | None) -> None:
        """Train on train; validation chooses the epoch."""

    @abstractmethod
    def judged_by(self, model: Any) -> str:
        """Return what validation is measured by."""

    @abstractmethod
    def evaluate(self, model: Any, k: list[int]) -> tuple[pl.DataFrame, str]:
        """Return metrics on test, and who or what was left out."""

    @abstractmethod
    def recommend(self, model: Any, who: str, n: int) -> Listed:
        """Return the best items that are new to a user, or that come next in a sequence."""


def raw_id(text: str, ids: NDArray[Any] | None, what: str) -> Any:
    """Return an id as the data have it: an integer, or the text itself."""
    if ids is not None and ids.dtype.kind not in "iu":
        return text
    if not re.fullmatch(r"-?[0-9]+", text):
        raise InvalidDataError(f"{what} ids of these data are integers; got {text!r}")
    return int(text)
