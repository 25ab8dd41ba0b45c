"""Evaluation on uniformly drawn test pairs: each user's rated items are ranked, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.evaluation.graded import UNIFORM_METRICS, Lists
from recneg.evaluation.pairs import pair_scores
from recneg.evaluation.result import Evaluation
from recneg.interactions import Interactions

__all__ = ["evaluate_uniform", "rare_items"]

Values = NDArray[np.float64]


def evaluate_uniform(
    model: Any,
    test: Interactions,
    relevance: ArrayLike,
    *,
    k: int | Sequence[int] = 5,
    metrics: Iterable[str] | None = None,
    items: ArrayLike | None = None,
) -> Evaluation:
    """Rank each user's test items among themselves, and measure the lists.

    For data whose test pairs were drawn at random and then rated, such as Coat and Yahoo! R3: what
    is measured there is relevance, not what the users chose to see. Only test items are ranked and
    nothing is masked. Ties go to the smaller item id. With g_r the relevance at rank r:

    - ``ndcg``: ``sum_{r <= k} g_r / log2(r + 1)``, over the same sum for the best order;
    - ``dcg``: that sum itself;
    - ``recall``: ``sum_{r <= k} g_r`` over the sum of all;
    - ``map``: ``sum_{r <= k} g_r Precision@r / min(k, R)``, for relevance of 0 and 1 only;
    - ``rel_mf_dcg``: ``g_1 + sum_{2 <= r <= k} g_r / log2(r)``, which leaves the first *two* ranks
      undiscounted, the DCG in the tables of Saito et al. (WSDM 2020; ICTIR 2020). The recall of
      those tables is ``recall`` for a relevance of 0.001 where it is 0 here.

    Parameters
    ----------
    model : object or callable
        As in `evaluate`.
    test : Interactions
        The pairs that were drawn; their weights are not looked at.
    relevance : array_like of bool or float, shape (num_interactions,)
        Of each test pair, in the order of ``test.indices``: ``test.weights >= 4``, grades, or the
        probability of relevance where it is known. Finite and not negative.
    k : int or sequence of int
        Lengths of the lists.
    metrics : iterable of str, optional
        Names of `UNIFORM_METRICS`. Default: all but ``rel_mf_dcg``, and ``map`` only for relevance
        of 0 and 1.
    items : array_like of bool, shape (num_items,), optional
        Leave all other items out, as `rare_items` says. Default: all items.

    Returns
    -------
    Evaluation
        Users without any relevant test item have no defined ideal; they are among its
        `skipped_users` and stand in no mean.

    Raises
    ------
    InvalidDataError
        For a model or a relevance of another shape, negative or infinite relevance, no user with a
        relevant item, and NaN scores of test pairs, naming the user.
    ValueError
        For k below 1, unknown metrics, and ``map`` of graded relevance.

    Examples
    --------
    >>> test = Interactions.from_arrays([0, 0, 0, 1], [0, 1, 3, 2], weights=[1, 5, 4, 2])
    >>> by_id = lambda users: np.tile(np.arange(4.0), (len(users), 1))
    >>> evaluate_uniform(by_id, test, test.weights >= 4, k=2)
    Evaluation(1 users, 1 skipped without held-out items)
      ndcg@2    1.0000 [nan, nan]
      dcg@2     1.6309 [nan, nan]
      recall@2  1.0000 [nan, nan]
      map@2     1.0000 [nan, nan]
    """
    lengths = sorted({check_count(length, "k") for length in np.atleast_1d(np.asarray(k)).tolist()})
    if not lengths:
        raise ValueError("k must hold at least one length; got none")
    gains = _check_relevance(relevance, len(test))
    names = _check_metrics(metrics, gains)
    if items is not None:
        kept = _check_items(items, test.num_items)[test.indices]
        test, gains = test.select(kept), gains[kept]
    owners = test.users()
    total = np.bincount(owners, gains, minlength=test.num_users)
    if not total.any():
        raise InvalidDataError(
            f"test must hold at least one relevant pair; got {len(test)} pairs, none of them "
            "relevant"
        )
    scores = pair_scores(model, test)
    lists, ideal = (
        Lists(test, owners, gains[np.lexsort((-order, owners))]) for order in (scores, gains)
    )
    users, skipped = np.flatnonzero(total > 0), np.flatnonzero(total == 0)
    values = {
        f"{name}@{length}": UNIFORM_METRICS[name](lists, ideal, length)[users]
        for name in names
        for length in lengths
    }
    return Evaluation(users, skipped, values)


def rare_items(
    train: Interactions, *, at_most: int | None = None, share: float | None = None
) -> NDArray[np.bool_]:
    """Return which items are rare in train, bool of shape (num_items,).

    Parameters
    ----------
    train : Interactions
        The clicks.
    at_most : int, optional
        Rare are items with at most this many clicks.
    share : float, optional
        In (0, 1): rare are items whose clicks do not exceed this quantile over all items. Either
        `at_most` or this.

    Examples
    --------
    >>> train = Interactions.from_arrays([0, 1, 2, 0, 1, 0], [0, 0, 0, 1, 1, 3], num_items=4)
    >>> rare_items(train, at_most=1).tolist()
    [False, False, True, True]
    """
    if (at_most is None) == (share is None):
        raise ValueError(f"give at_most or share, one of them; got {at_most} and {share}")
    counts = train.item_counts()
    if at_most is not None:
        if at_most < 0:
            raise ValueError(f"at_most must not be negative; got {at_most}")
        return np.asarray(counts <= at_most)
    if not 0 < share < 1:  # type: ignore[operator]  # refuses NaN too
        raise ValueError(f"share must lie in (0, 1); got {share}")
    quantile = np.quantile(counts.astype(np.float64), share)  # type: ignore[arg-type]
    return np.asarray(counts <= quantile)


def _check_relevance(relevance: ArrayLike, size: int) -> Values:
    gains = np.asarray(relevance)
    if gains.shape != (size,) or gains.dtype.kind not in "biuf":
        raise InvalidDataError(
            f"relevance must be one number for each test pair, shape ({size},); "
            f"got shape {gains.shape}, dtype {gains.dtype}"
        )
    gains = gains.astype(np.float64)
    wrong = ~((gains >= 0) & (gains < np.inf))
    if wrong.any():
        place = int(np.argmax(wrong))
        raise InvalidDataError(
            f"relevance must be finite and not negative; got {gains[place]} at {place}"
        )
    return gains


def _check_metrics(metrics: Iterable[str] | None, gains: Values) -> list[str]:
    binary = bool(np.isin(gains, (0, 1)).all())
    if metrics is None:
        return ["ndcg", "dcg", "recall", *(["map"] if binary else [])]
    names = list(metrics)
    for name in names:
        if name not in UNIFORM_METRICS:
            raise ValueError(f"metrics must be among {list(UNIFORM_METRICS)}; got {name!r}")
    if "map" in names and not binary:
        value = gains[~np.isin(gains, (0, 1))][0]
        raise ValueError(f"map needs a relevance of 0 or 1; got {value}")
    return names


def _check_items(items: ArrayLike, num_items: int) -> NDArray[np.bool_]:
    mask = np.asarray(items)
    if mask.dtype != np.bool_ or mask.shape != (num_items,):
        raise InvalidDataError(
            f"items must be bool of shape ({num_items},); got {mask.dtype} of {mask.shape}"
        )
    return mask
