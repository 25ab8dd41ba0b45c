"""How long the steps of NBPO may be before they overshoot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_count
from recneg.interactions import Interactions

__all__ = ["PUBLISHED_RATE", "steady_rate"]

PUBLISHED_RATE = 0.05
"""Of "nbpo" on Amazon Electronics."""

MOST_DRAWS, MOST_VOTES = 42.0, 60.0
"""Norms to which it is kept: those of Amazon Electronics, 41.3 and 59.98, rounded up."""

ROUNDS = 30
"""Of the power method: the norm is then known to a percent or so."""


def steady_rate(
    interactions: Interactions, *, batch_size: int = 5000, num_negatives: int = 4
) -> float:
    """Return the learning rate of `fit_flips` and `recneg.NBPO` if none is given.

    It is 0.05, as published, or so much less that no step is longer, by this measure, than on
    Amazon Electronics. A batch moves U by ``rate C V`` and V by ``rate C^T U``, its coefficients C
    of users and items all taken at its start. Where scores are far too high, every draw counts -1:
    C is minus D, the draws to be expected, and what U and V have along the leading direction of D
    is multiplied by ``1 - rate |D|``. From ``rate |D| = 2`` on it lands on the other side of 0
    further out than it was, the next step is longer still, and so on to infinity. Where scores are
    far too low the same holds of the votes W, but for flips, which halve their weight sooner or
    later. With m negatives a vote, and b votes of a user in the batch that f items are free to be
    drawn for, ``|D| <= m sqrt(sum over users of b ** 2 / f)``, by the Frobenius norm: nearly equal
    on sparse data, on the safe side on dense data. ``|W|`` is found by the power method.

    On Amazon Electronics the published rate times these norms is 2.1 and 3.0; on MovieLens-1M it
    is 3.7 and 3.6. On random data fits overflow from 2.9 or from 6 on.

    Parameters
    ----------
    interactions : Interactions
        Training votes.
    batch_size, num_negatives : int
        As for `fit_flips`.

    Returns
    -------
    float

    Raises
    ------
    InvalidDataError
        For a `batch_size` or `num_negatives` below 1.

    Examples
    --------
    >>> sparse = Interactions.from_arrays(range(50), range(50))
    >>> steady_rate(sparse)
    0.05
    >>> users, items = np.divmod(np.arange(400), 8)
    >>> dense = Interactions.from_arrays(users, items, num_items=9)
    >>> round(steady_rate(dense), 4)
    0.0093
    """
    check_count(batch_size, "batch_size")
    check_count(num_negatives, "num_negatives")
    users, num_items = interactions.users(), interactions.num_items
    free = num_items - interactions.user_counts()
    share = 1.0
    for start in range(0, len(users), batch_size):
        visited, row, votes = np.unique(
            users[start : start + batch_size], return_inverse=True, return_counts=True
        )
        some = free[visited] > 0  # nothing is drawn for the others, and they learn nothing
        draws = num_negatives * np.sqrt(np.sum(votes[some] ** 2 / free[visited[some]]))
        items = interactions.indices[start : start + batch_size][some[row]]
        longest = num_negatives * _norm(row[some[row]], items, visited.size, num_items)
        share = max(share, float(draws) / MOST_DRAWS, longest / MOST_VOTES)
    return PUBLISHED_RATE / share


def _norm(
    rows: NDArray[np.int64], columns: NDArray[np.int32], num_rows: int, num_columns: int
) -> float:
    """Return the spectral norm of the matrix of zeros that is 1 at these places."""
    if not rows.size:
        return 0.0
    x, norm = np.full(num_columns, num_columns**-0.5), 0.0
    for _ in range(ROUNDS):
        y = np.bincount(rows, x[columns], num_rows)
        z = np.bincount(columns, y[rows], num_columns)
        norm = float(np.sqrt(np.sum(z**2)))
        x = z / norm
    return float(np.sqrt(norm))
