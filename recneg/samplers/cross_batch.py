"""A queue of the positives of earlier batches, as more candidates for the next one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.interactions import check_ids
from recneg.samplers.arrays import numpy_and_back
from recneg.samplers.in_batch import InBatch

__all__ = ["CrossBatch"]


@dataclass(frozen=True, eq=False)
class CrossBatch(InBatch):
    """The positives of the last batches, `capacity` of them, as candidates.

    Wang et al. ("Cross-batch negative sampling for training two-tower recommenders", SIGIR 2021):
    encoders change slowly, so that the vectors of items encoded some batches ago still serve as
    negatives, at no further cost. `push` returns a new sampler with the newest batch at the end of
    the queue and the oldest entries dropped; the sampler itself never changes.

    Laws, `shared` and masks are those of `InBatch`. 24 bytes an entry, and what the vectors take.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    positives : int array, shape (size,), default empty
        The queue, oldest first.
    frequency : numpy.ndarray of float, shape (num_items,), optional
        As in `InBatch`.
    capacity : int, default 8192
        Entries that the queue holds at most.
    vectors : array, shape (size, d), optional
        Embeddings of the entries as they were when pushed, detached; NumPy or torch.

    Examples
    --------
    >>> from recneg import Interactions
    >>> train = Interactions.from_arrays([0, 1, 2], [0, 1, 2], num_items=4)
    >>> queue = CrossBatch(train, capacity=3)
    >>> for batch in ([0, 1], [2, 0]):
    ...     queue = queue.push(batch)
    >>> queue.positives.tolist()
    [1, 2, 0]
    """

    positives: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    capacity: int = field(default=8192, kw_only=True)
    vectors: Any = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self.capacity, "capacity", max(1, self.positives.size))
        if self.vectors is not None and len(self.vectors) != self.positives.size:
            raise InvalidDataError(
                f"vectors must be one for each of the {self.positives.size} entries; "
                f"got {len(self.vectors)}"
            )

    def push(self, positives: Any, vectors: Any = None) -> Self:
        """Return the queue with a batch added at its end.

        Parameters
        ----------
        positives : int array, shape (batch,)
        vectors : array, shape (batch, d), optional
            Their embeddings; needed if the queue holds any, and detached by the caller.
        """
        newest = check_ids(numpy_and_back(positives)[0], "item", self.num_items)
        if newest.ndim != 1:
            raise InvalidDataError(f"positives must be a vector; got shape {newest.shape}")
        items = np.concatenate((self.positives, newest))[-self.capacity :]
        if vectors is None and self.vectors is None:
            return replace(self, positives=items)
        if vectors is None or (self.vectors is None and self.positives.size):
            raise InvalidDataError("either all batches of a queue must have vectors, or none")
        if len(vectors) != len(newest):
            raise InvalidDataError(
                f"vectors must be one for each of {len(newest)} positives; got {len(vectors)}"
            )
        queue = vectors if self.vectors is None else _joined(self.vectors, vectors)
        return replace(self, positives=items, vectors=queue[-self.capacity :])


def _joined(old: Any, new: Any) -> Any:
    import array_api_compat

    return array_api_compat.array_namespace(old, new).concat((old, new))
