"""Ranking metrics of one user's list, from hits alone, and metrics of the catalogue, from counts.

A user metric takes ``hits``, bool of shape (num_users, k), where ``hits[u, i]`` says that the item
at rank i + 1 is relevant, and ``num_relevant``, int of shape (num_users,), at least 1. It returns
float64 of shape (num_users,). Gains are binary. R is the number of relevant items below.

A catalogue metric takes ``counts``, int of shape (num_items,): how many lists hold each item.
A user whose list has no hit gets 0 from every user metric.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CATALOGUE_METRICS",
    "USER_METRICS",
    "average_precision",
    "coverage",
    "f1",
    "gini",
    "hit_rate",
    "mean_popularity",
    "ndcg",
    "precision",
    "recall",
    "reciprocal_rank",
]

Hits = NDArray[np.bool_]
Counts = NDArray[np.int64]
Values = NDArray[np.float64]


def recall(hits: Hits, num_relevant: Counts) -> Values:
    """Recall@k = hits / R: the share of the relevant items that are in the list.

    Divided by R and not by min(k, R), as in trec_eval and in the tables of LightGCN.
    """
    return np.asarray(hits.sum(axis=1) / num_relevant, np.float64)


def precision(hits: Hits, num_relevant: Counts) -> Values:
    """Precision@k = hits / k: the share of the k places that hold a relevant item."""
    return np.asarray(hits.sum(axis=1) / hits.shape[1], np.float64)


def f1(hits: Hits, num_relevant: Counts) -> Values:
    """F1@k = 2 hits / (k + R): the harmonic mean of the user's own precision and recall.

    NBPO's and SimpleX's tables have its mean over users; others take that of the mean precision and
    the mean recall, which is another number.
    """
    return np.asarray(2.0 * hits.sum(axis=1) / (hits.shape[1] + num_relevant), np.float64)


def hit_rate(hits: Hits, num_relevant: Counts) -> Values:
    """Hit rate@k: 1 if any item of the list is relevant, else 0 (trec_eval: success)."""
    return np.asarray(hits.any(axis=1), np.float64)


def ndcg(hits: Hits, num_relevant: Counts) -> Values:
    """NDCG@k = sum_i hit_i / log2(i + 1), over the same sum for an ideal list of min(k, R) hits.

    Järvelin and Kekäläinen (2002), with the discount log2(rank + 1) of Burges et al. (2005).
    """
    discounts = 1.0 / np.log2(np.arange(hits.shape[1]) + 2.0)
    ideal = np.cumsum(discounts)[np.minimum(num_relevant, hits.shape[1]) - 1]
    gains = np.where(hits, discounts, 0.0).sum(axis=1)
    return np.asarray(gains / ideal, np.float64)


def average_precision(hits: Hits, num_relevant: Counts) -> Values:
    """AP@k = sum_i hit_i Precision@i / min(k, R); its mean over users is MAP@k.

    The list can reach 1 for any R, as in the Million Song Dataset Challenge (McFee et al., 2012);
    trec_eval's map_cut divides by R instead.
    """
    ranks = np.arange(1, hits.shape[1] + 1)
    precisions = np.where(hits, np.cumsum(hits, axis=1) / ranks, 0.0)
    return np.asarray(precisions.sum(axis=1) / np.minimum(num_relevant, hits.shape[1]), np.float64)


def reciprocal_rank(hits: Hits, num_relevant: Counts) -> Values:
    """RR@k = 1 / rank of the first relevant item, 0 if none is in the list; its mean is MRR@k."""
    first = 1.0 / (np.argmax(hits, axis=1) + 1.0)
    return np.where(hits.any(axis=1), first, 0.0)


def coverage(counts: Counts) -> float:
    """Coverage@k: the share of the catalogue that is in at least one list (Ge et al., 2010)."""
    return float(np.count_nonzero(counts) / counts.size)


def gini(counts: Counts) -> float:
    """Gini coefficient of the counts over the whole catalogue, 0 when all items are shown alike.

    With counts sorted ascending, G = sum_i (2 i - n - 1) c_i / (n sum_i c_i), which is 1 - 1/n when
    one item takes every place. NaN if nothing was recommended.
    """
    ordered = np.sort(counts).astype(np.float64)
    size = ordered.size
    total = ordered.sum()
    weights = 2.0 * np.arange(1, size + 1) - size - 1.0
    return float(weights @ ordered / (size * total)) if total else float("nan")


def mean_popularity(counts: Counts, popularity: Counts) -> float:
    """Mean training count of the recommended items, over all places of all lists.

    NaN if nothing was recommended.
    """
    total = counts.sum()
    return float(counts.astype(np.float64) @ popularity / total) if total else float("nan")


USER_METRICS: Mapping[str, Callable[[Hits, Counts], Values]] = MappingProxyType(
    {
        "recall": recall,
        "ndcg": ndcg,
        "precision": precision,
        "f1": f1,
        "map": average_precision,
        "mrr": reciprocal_rank,
        "hit_rate": hit_rate,
    }
)
"""User metrics by name: ``f(hits, num_relevant) -> values``."""

CATALOGUE_METRICS: Mapping[str, Callable[[Counts, Counts], float]] = MappingProxyType(
    {
        "coverage": lambda counts, popularity: coverage(counts),
        "gini": lambda counts, popularity: gini(counts),
        "mean_popularity": mean_popularity,
    }
)
"""Catalogue metrics by name: ``f(counts, popularity) -> value``."""
