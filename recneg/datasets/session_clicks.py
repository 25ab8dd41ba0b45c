"""From a log of clicks to the sessions of the SR-GNN form: old ones to train, the newest to test.

The steps and their order are those of the public preprocessing of SR-GNN (Wu et al., AAAI 2019),
which follows GRU4Rec (Hidasi et al., ICLR 2016); most tables of session models rest on it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.datasets.parsed import PART_CODES

__all__ = ["SessionClicks", "prepare_clicks"]

DAY = 86_400


class SessionClicks(NamedTuple):
    """What is kept of a log, session after session, train before test, the oldest first.

    Attributes
    ----------
    rows : numpy.ndarray of int64, shape (num_events,)
        Places in the log.
    users : numpy.ndarray of int32, shape (num_events,)
        Sessions, numbered in the order of time.
    parts : numpy.ndarray of uint8, shape (num_events,)
    """

    rows: NDArray[np.int64]
    users: NDArray[np.int32]
    parts: NDArray[np.uint8]


def prepare_clicks(
    sessions: NDArray[np.int64],
    items: NDArray[np.int64],
    dates: NDArray[np.int64],
    *,
    order: NDArray[np.int64] | None = None,
    test_days: int,
    newest: int = 1,
    least_support: int = 5,
    least_length: int = 2,
) -> SessionClicks:
    """Filter and split a log.

    In turn: sessions shorter than `least_length` go; items with fewer than `least_support` clicks
    go; sessions that became too short go; a session has the date of its last row; those dated less
    than `test_days` before the latest are held out, those dated exactly then are in neither part;
    items that train lacks go from test, and sessions that became too short.

    Parameters
    ----------
    sessions, items, dates : numpy.ndarray of int64, shape (n,)
        A row a click; dates in seconds.
    order : numpy.ndarray of int64, shape (n,), optional
        What orders the clicks of a session. Default: the rows.
    test_days : int
    newest : int
        Keep the training sessions that hold the last ``1 / newest`` of all training prefixes.
    least_support, least_length : int

    Returns
    -------
    SessionClicks
    """
    _, first, codes = np.unique(sessions, return_index=True, return_inverse=True)
    codes = np.argsort(np.argsort(first))[codes]  # by first row
    items = np.unique(items, return_inverse=True)[1]
    rows = np.argsort(codes, kind="stable") if order is None else np.lexsort((order, codes))
    date_of = np.empty(first.size, np.int64)
    date_of[codes] = dates  # of several rows the last one stays
    rows = _long(rows, codes, least_length)
    support = np.bincount(items[rows], minlength=1)
    rows = _long(rows[support[items[rows]] >= least_support], codes, least_length)
    if not rows.size:
        return SessionClicks(rows, np.empty(0, np.int32), np.empty(0, np.uint8))
    boundary = date_of[codes[rows]].max() - test_days * DAY
    train = rows[date_of[codes[rows]] < boundary]
    test = rows[date_of[codes[rows]] > boundary]
    known = np.zeros(support.size, np.bool_)
    known[items[train]] = True
    test = _long(test[known[items[test]]], codes, least_length)
    train, test = (_by_date(part, codes, date_of) for part in (train, test))
    train = _newest(train, codes, newest)
    rows = np.concatenate((train, test))
    starts = np.concatenate(([True], codes[rows][1:] != codes[rows][:-1]))[: rows.size]
    parts = np.full(rows.size, PART_CODES["train"], np.uint8)
    parts[train.size :] = PART_CODES["test"]
    return SessionClicks(rows, (np.cumsum(starts) - 1).astype(np.int32), parts)


def _long(
    rows: NDArray[np.int64], codes: NDArray[np.int64], least_length: int
) -> NDArray[np.int64]:
    """Keep the rows of sessions that have enough of them."""
    owners = codes[rows]
    return rows[np.bincount(owners, minlength=1)[owners] >= least_length]


def _by_date(
    rows: NDArray[np.int64], codes: NDArray[np.int64], date_of: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Bring whole sessions into the order of their dates; equal ones keep their order."""
    return rows[np.lexsort((codes[rows], date_of[codes[rows]]))]


def _newest(rows: NDArray[np.int64], codes: NDArray[np.int64], newest: int) -> NDArray[np.int64]:
    """Keep the last sessions, as many as hold the wanted share of the prefixes."""
    if newest == 1 or not rows.size:
        return rows
    later = np.concatenate(([False], codes[rows][1:] == codes[rows][:-1]))
    prefixes = np.cumsum(later)
    wanted = max(int(prefixes[-1]) // newest, 1)
    inside = int(np.searchsorted(prefixes, prefixes[-1] - wanted, side="right"))
    start = int(np.flatnonzero(~later[: inside + 1])[-1])
    return rows[start:]
