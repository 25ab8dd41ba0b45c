"""Full-catalogue evaluation of a model on held-out interactions, seen items masked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.evaluation.hits import mark_hits, recommendation_counts
from recneg.evaluation.lists import list_maker
from recneg.evaluation.metrics import CATALOGUE_METRICS, USER_METRICS
from recneg.evaluation.result import Evaluation
from recneg.interactions import Interactions, check_interactions
from recneg.retrieval.factors import CHUNK_BYTES

__all__ = ["evaluate"]


def evaluate(
    model: Any,
    train: Interactions,
    test: Interactions,
    *,
    k: int | Sequence[int] = 20,
    metrics: Iterable[str] | None = None,
    exclude: Interactions | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> Evaluation:
    """Rank the whole catalogue for every user with held-out items, and measure the lists.

    Each user's train items are masked. Validation items are *not* masked at test time unless they
    are given as `exclude`; papers differ in this, so a comparison must do the same on both sides.
    Ties go to the smaller item id. Metrics depend on the order of the scores alone.

    Parameters
    ----------
    model : object or callable
        Anything with ``user_factors`` (num_users, d) and ``item_factors`` (num_items, d), whose
        scores are the inner products; or a function of users, int64 (n,), that returns their
        scores, float (n, num_items).
    train, test : Interactions
        In one id space. A test item that is masked for its user cannot be recommended: it does not
        count as relevant, and the number of such pairs is reported.
    k : int or sequence of int
        Lengths of the lists.
    metrics : iterable of str, optional
        Names of `USER_METRICS` and `CATALOGUE_METRICS`. Default: all.
    exclude : Interactions, optional
        More items to mask.
    chunk_bytes : int
        Bound on the score buffer. Changes no result, up to the rounding of BLAS.

    Raises
    ------
    InvalidDataError
        For id spaces that differ, a model of another shape, a test set without any relevant item,
        and NaN scores, naming the user.
    ValueError
        For k below 1 and for unknown metrics.

    Examples
    --------
    >>> from recneg.evaluation import most_popular
    >>> train = Interactions.from_arrays([0, 0, 1, 2], [0, 1, 1, 1], num_items=3)
    >>> test = Interactions.from_arrays([1, 2], [0, 2], num_users=3, num_items=3)
    >>> evaluate(most_popular(train), train, test, k=1, metrics=["recall"])
    Evaluation(2 users, 1 skipped without held-out items)
      recall@1  0.5000 [-0.4800, 1.4800]
    """
    lengths = _lengths(k)
    names = _metric_names(metrics)
    check_interactions(train, "train")
    _check_id_space(train, test, "test")
    if exclude is not None:
        _check_id_space(train, exclude, "exclude")
    masked = train if exclude is None else train.union(exclude)
    hidden = masked.contains(test.users(), test.indices)
    relevant = test.select(~hidden) if hidden.any() else test
    num_relevant = relevant.user_counts()
    users = np.flatnonzero(num_relevant)
    if not users.size:
        raise InvalidDataError(
            "test must hold at least one interaction that is not masked; "
            f"got {len(test)} interactions, {int(hidden.sum())} of them masked"
        )
    rank, at_once = list_maker(model, masked, lengths[-1], chunk_bytes)
    hits = np.empty((len(users), lengths[-1]), np.bool_)
    counts = {length: np.zeros(train.num_items, np.int64) for length in lengths}
    for start in range(0, len(users), at_once):
        part = users[start : start + at_once]
        items = rank(part)
        hits[start : start + len(part)] = mark_hits(items, part, relevant)
        for length in lengths:
            counts[length] += recommendation_counts(items[:, :length], train.num_items)
    popularity = train.item_counts()
    values, catalogue = {}, {}
    for name in names:
        for length in lengths:
            label = f"{name}@{length}"
            if name in USER_METRICS:
                values[label] = USER_METRICS[name](hits[:, :length], num_relevant[users])
            else:
                catalogue[label] = CATALOGUE_METRICS[name](counts[length], popularity)
    skipped = np.flatnonzero(num_relevant == 0)
    return Evaluation(users, skipped, values, catalogue, int(hidden.sum()))


def _lengths(k: int | Sequence[int]) -> list[int]:
    lengths = [k] if isinstance(k, int | np.integer) else list(k)
    if not lengths:
        raise ValueError("k must hold at least one length; got none")
    return sorted({check_count(length, "k") for length in lengths})


def _metric_names(metrics: Iterable[str] | None) -> list[str]:
    known = [*USER_METRICS, *CATALOGUE_METRICS]
    names = known if metrics is None else list(metrics)
    for name in names:
        if name not in known:
            raise ValueError(f"metrics must be among {known}; got {name!r}")
    return names


def _check_id_space(train: Interactions, other: Interactions, what: str) -> None:
    check_interactions(other, what)
    shape, other_shape = (train.num_users, train.num_items), (other.num_users, other.num_items)
    if shape != other_shape:
        raise InvalidDataError(f"{what} must have the shape of train, {shape}; got {other_shape}")
    for name in ("user_ids", "item_ids"):
        ours, theirs = getattr(train, name), getattr(other, name)
        if ours is not None and theirs is not None and not np.array_equal(ours, theirs):
            raise InvalidDataError(f"{what} must share the id space of train; their {name} differ")
