"""The order of events: row after row, and by time inside each row."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.ragged import first_inside

__all__ = ["check_times", "in_order", "order_of"]


def in_order(rows: NDArray[Any], times: NDArray[Any] | None) -> bool:
    """Tell whether events stand row after row, the oldest first; it takes two bytes an event.

    Parameters
    ----------
    rows : numpy.ndarray of int, shape (num_events,)
        The sequence of each event.
    times : numpy.ndarray of int, float or datetime64, shape (num_events,), optional
    """
    if times is not None:
        forward = times[1:] >= times[:-1]
        forward |= rows[1:] > rows[:-1]
        if not forward.all():
            return False
    return bool(np.all(rows[1:] >= rows[:-1]))


def order_of(rows: NDArray[Any], times: NDArray[Any] | None) -> NDArray[np.int64] | None:
    """Return the stable order by row and time, or None where the events stand in it.

    Parameters
    ----------
    rows, times
        As in `in_order`.

    Returns
    -------
    numpy.ndarray of int64, shape (num_events,), or None
    """
    if in_order(rows, times):
        return None
    return np.lexsort((rows,) if times is None else (times, rows))


def check_times(indptr: NDArray[np.int64], timestamps: NDArray[Any]) -> None:
    """Raise `InvalidDataError` unless each event has a time, and none is older than the one before.

    Parameters
    ----------
    indptr : numpy.ndarray of int64, shape (num_sequences + 1,)
    timestamps : numpy.ndarray of int64, shape (num_events,)
    """
    if timestamps.dtype != np.int64 or timestamps.shape != (indptr[-1],):
        raise InvalidDataError(
            f"timestamps must be int64 of shape ({indptr[-1]},); "
            f"got {timestamps.dtype} of {timestamps.shape}"
        )
    fall = first_inside(indptr, timestamps[1:] < timestamps[:-1])
    if fall is not None:
        sequence, event = fall
        raise InvalidDataError(
            "timestamps must not descend inside a sequence; got "
            f"{timestamps[event]} after {timestamps[event - 1]} in sequence {sequence}"
        )
