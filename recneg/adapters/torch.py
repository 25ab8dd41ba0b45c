"""Negatives inside a PyTorch ``DataLoader``: the same ones in whatever worker a row lands.

A draw depends on (key, epoch, user, row, slot) alone and the row's number travels with the sample,
so workers, start methods, prefetching, shuffling, batch sizes and ranks change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch.utils.data import default_collate, get_worker_info

from recneg.adapters.rows import InteractionRows
from recneg.errors import InvalidDataError, InvalidIdError
from recneg.interactions import check_ids
from recneg.keys import Key, as_key
from recneg.parallel import get_num_threads, set_num_threads
from recneg.samplers import Negatives, Sampler

__all__ = ["InteractionRows", "NegativeBatch", "NegativeCollator", "columns_of"]

_NOT_SET = -1


class NegativeBatch(NamedTuple):
    """What a `NegativeCollator` returns: four CPU tensors.

    Attributes
    ----------
    users, positives : int64, shape (batch,)
    negatives : int64, shape (batch, num_negatives)
        -1 where a user has no admissible item; only with ``exhausted="mask"``.
    log_q : float32, shape (batch, num_negatives)
        Natural logarithm of the probability of each negative under the user's law; -inf where
        there is none.
    """

    users: torch.Tensor
    positives: torch.Tensor
    negatives: torch.Tensor
    log_q: torch.Tensor

    @property
    def items(self) -> torch.Tensor:
        """The negatives under the name that `recneg.mining` knows them by."""
        return self.negatives

    @property
    def mask(self) -> torch.Tensor:
        """Bool, shape (batch, num_negatives): False where there is no negative."""
        return self.negatives >= 0

    def to(self, device: Any, *, non_blocking: bool = False) -> NegativeBatch:
        """Return the batch with every tensor on `device`."""
        return NegativeBatch(*(tensor.to(device, non_blocking=non_blocking) for tensor in self))


def columns_of(batch: Any) -> tuple[Any, ...]:
    """Return (rows, users, positives) or (rows, users, positives, times) of a batch.

    A list holds samples, each a tuple or list of integers or of 0-d tensors; they are put together
    by PyTorch's ``default_collate``. A tuple holds the columns already: a data set returns one for
    a batch of indices, with ``batch_size=None``.

    Raises
    ------
    InvalidDataError
        For samples of another form.
    """
    columns = default_collate(batch) if isinstance(batch, list) else batch
    if not isinstance(columns, (tuple, list)) or len(columns) not in (3, 4):
        sample = batch[0] if isinstance(batch, list) else batch
        raise InvalidDataError(
            "a sample must be a tuple (row, user, positive) or (row, user, positive, time), or "
            f"`columns` must find them; got {sample!r}"
        )
    return tuple(columns)


def _shared_epoch() -> torch.Tensor:
    return torch.tensor(_NOT_SET).share_memory_()


@dataclass(frozen=True, eq=False)
class NegativeCollator:
    """A ``collate_fn`` that draws negatives for the rows of a batch.

    Call `set_epoch` before each pass over the loader, as for PyTorch's ``DistributedSampler``. The
    epoch lies in shared memory, so it also reaches workers that live on from pass to pass
    (``persistent_workers``), however they were started. A change during a pass reaches the workers
    at a moment that depends on timing, as batches are made ahead. Without `set_epoch` the first
    batch is an error; a second pass under the same epoch has the same negatives.

    A worker process draws with one thread. Under ``spawn`` and ``forkserver`` each worker holds a
    copy of the sampler and its interactions; under ``fork`` they share the parent's.

    Parameters
    ----------
    sampler : Sampler
        Frozen: what follows a model's scores cannot reach workers that already run. It is asked
        for one draw here, so that its kernels are compiled before workers start.
    num_negatives : int
        Draws for each row.
    key : int or Key
        The same on every rank. Row r draws under ``Key(key).fold_in(epoch)`` and its number r.
    exhausted : {"error", "mask"}
        What to do for a user who has no admissible item: raise, or mark it in the batch's `mask`.
    columns : callable, optional
        Finds (rows, users, positives[, times]), each of shape (batch,), in what the loader hands
        to a ``collate_fn``. A function of a module, not a lambda, where workers are spawned.
        Default: `columns_of`.

    Raises
    ------
    TypeError, ValueError
        For arguments that the sampler does not take.

    Examples
    --------
    >>> from torch.utils.data import DataLoader
    >>> from recneg import Interactions, Uniform
    >>> data = Interactions.from_arrays([0, 0, 1], [0, 1, 2], num_items=9)
    >>> collate = NegativeCollator(Uniform(data), 4, key=7)
    >>> loader = DataLoader(InteractionRows(data), batch_size=2, shuffle=True, collate_fn=collate)
    >>> for epoch in range(2):
    ...     collate.set_epoch(epoch)
    ...     for users, positives, negatives, log_q in loader:
    ...         pass
    >>> negatives.shape, log_q.dtype
    (torch.Size([1, 4]), torch.float32)
    """

    sampler: Sampler
    num_negatives: int = 1
    key: int | Key = field(kw_only=True)
    exhausted: Literal["error", "mask"] = field(default="error", kw_only=True)
    columns: Callable[[Any], Any] = field(default=columns_of, kw_only=True)
    _epoch: torch.Tensor = field(default_factory=_shared_epoch, init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.sampler, Sampler):
            raise TypeError(f"sampler must be a recneg Sampler; got {self.sampler!r}")
        if self.exhausted not in ("error", "mask"):
            raise ValueError(f"exhausted must be 'error' or 'mask'; got {self.exhausted!r}")
        data = self.sampler.interactions
        user = np.zeros(min(data.num_users, 1), np.int64)
        times = None if data.timestamps is None else user
        self.sampler.sample(
            user, self.num_negatives, key=as_key(self.key), times=times, exhausted="mask"
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._epoch.share_memory_()  # a plain pickle or deep copy carries the number alone

    @property
    def epoch(self) -> int | None:
        """The epoch that batches are drawn for; None before the first `set_epoch`."""
        epoch = int(self._epoch)
        return None if epoch == _NOT_SET else epoch

    def set_epoch(self, epoch: int) -> None:
        """Draw for `epoch`, in ``[0, 2**63)``, from the next pass on; call it before the pass."""
        if isinstance(epoch, bool) or not isinstance(epoch, (int, np.integer)):
            raise TypeError(f"epoch must be an integer; got {epoch!r}")
        if not 0 <= epoch < 1 << 63:
            raise ValueError(f"epoch must lie in [0, 2**63); got {epoch}")
        self._epoch.fill_(int(epoch))

    def draw(self, users: Any, rows: Any, times: Any = None) -> Negatives:
        """Draw for `users` under this epoch, for a ``collate_fn`` of your own.

        Parameters
        ----------
        users, rows : int arrays or tensors, shape (batch,)
            Rows are numbers in ``[0, 2**63 - 1)`` that name the samples, the same in every epoch.
        times : int array, shape (batch,), optional
            When each row happened, for laws that depend on time.

        Returns
        -------
        Negatives
            ``items``, ``log_q`` and ``mask`` of the kind of `users`, (batch, num_negatives).

        Raises
        ------
        RuntimeError
            If `set_epoch` was never called.
        InvalidIdError, NoNegativeError
            As `Sampler.sample`.
        """
        epoch = self.epoch
        if epoch is None:
            raise RuntimeError(
                "set_epoch(epoch) must be called before each pass over the loader; it was never "
                "called, and without it every pass would have the same negatives"
            )
        if get_worker_info() is not None and get_num_threads() > 1:
            set_num_threads(1)  # the workers are the parallelism, as for torch's own threads
        return self.sampler.sample(
            users,
            self.num_negatives,
            key=as_key(self.key).fold_in(epoch),
            rows=rows,
            times=times,
            exhausted=self.exhausted,
        )

    def __call__(self, batch: Any) -> NegativeBatch:
        """Return the rows of `batch` with their negatives.

        Raises
        ------
        InvalidDataError, InvalidIdError
            For samples of another form, and for ids out of range.
        RuntimeError, NoNegativeError
            As `draw`.
        """
        # copies: what the data set holds stays its own, and kernels meet one kind of array
        columns = [np.asarray(column).copy() for column in self.columns(batch)]
        rows, users, positives, *times = columns
        u = check_ids(users, "user", self.sampler.num_users)
        i = check_ids(positives, "positive item", self.sampler.num_items)
        if u.ndim != 1 or u.shape != i.shape:
            raise InvalidIdError(
                "users and positives must be vectors of one length (batch_size=None needs a "
                f"sampler of index lists); got shapes {u.shape} and {i.shape}"
            )
        drawn = self.draw(u, rows, *times)
        return NegativeBatch(*map(torch.from_numpy, (u, i, drawn.items, drawn.log_q)))
