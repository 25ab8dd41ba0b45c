"""Recipes of laws: from the data, from the batch, and from the model."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from recneg.catalogue.recipe import Material, Recipe
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.mining import refreshed, resampled_pool
from recneg.noise import fit_flips
from recneg.propensity import power_law
from recneg.samplers import (
    MIDX,
    Adaptive,
    Cluster,
    Conditional,
    Exposed,
    InBatch,
    KernelTree,
    MixedNegative,
    Mixture,
    NoisyLabel,
    PerBatch,
    Popularity,
    Propensity,
    RankAdaptive,
    Sampler,
    Softmax,
    Stratified,
    TimeAware,
    Uniform,
    popularity_cohorts,
)

__all__ = [
    "cluster",
    "conditional",
    "cross_batch",
    "exposed",
    "in_batch",
    "kernel_tree",
    "midx",
    "mixed_negative",
    "mixture",
    "noisy_label",
    "pool",
    "popularity",
    "propensity",
    "rank_adaptive",
    "refreshed_pool",
    "softmax",
    "stratified",
    "time_aware",
    "uniform",
]

Vectors = NDArray[np.float32]

# -- laws of the data ------------------------------------------------------------------------------


def uniform(material: Material, *, unseen: bool = True) -> Recipe:
    """Draw every item alike."""
    return Recipe(Uniform(material.train, unseen=unseen))


def popularity(
    material: Material, *, exponent: float = 0.75, floor: float = 0.0, unseen: bool = True
) -> Recipe:
    """Draw a power of the training count."""
    return Recipe(Popularity(material.train, exponent, floor=floor, unseen=unseen))


def propensity(material: Material, *, exponent: float = 0.5, clip: float = 0.01) -> Recipe:
    """Draw the probability that a missing click is a true negative."""
    exposure = power_law(material.train, exponent, clip=clip)
    return Recipe(Propensity(material.train, exposure))


def noisy_label(
    material: Material,
    *,
    epochs: int = 30,
    regularization: float = 1.0,
    flip_regularization: float = 5.0,
    seed: int = 0,
) -> Recipe:
    """Draw uniformly, thinned by the probability of a true negative under fitted flips."""
    flips = fit_flips(
        material.train, epochs=epochs, regularization=regularization,
        flip_regularization=flip_regularization, key=seed,
    )  # fmt: skip
    return Recipe(NoisyLabel(Uniform(material.train), flips))


def mixture(material: Material, *, uniform: float = 0.5, exponent: float = 0.75) -> Recipe:
    """Draw uniform and popularity."""
    laws = (Uniform(material.train), Popularity(material.train, exponent))
    return Recipe(Mixture(laws, (uniform, 1 - uniform)))


def conditional(material: Material, *, top: float = 0.01) -> Recipe:
    """Draw uniform without the most popular share of the catalogue."""
    train = material.train
    if not 0 <= top < 1:
        raise InvalidDataError(f"top must lie in [0, 1); got {top}")
    items = np.argsort(-train.item_counts(), kind="stable")[: int(top * train.num_items)]
    pairs = np.arange(train.num_users).repeat(items.size), np.tile(items, train.num_users)
    exclude = Interactions.from_arrays(*pairs, num_users=train.num_users, num_items=train.num_items)
    return Recipe(Conditional(Uniform(train), exclude))


def stratified(material: Material, *, cohorts: int = 10) -> Recipe:
    """Draw a cohort of about equal popularity, then any item of it."""
    return Recipe(Stratified(material.train, popularity_cohorts(material.train, cohorts)))


def time_aware(material: Material) -> Recipe:
    """Draw uniform over what existed at the time of the row."""
    return Recipe(TimeAware(material.train))


def exposed(material: Material, *, share: float = 0.5) -> Recipe:
    """Draw what was shown and left, mixed with uniform draws."""
    assert material.shown is not None  # `check_needs` has looked
    laws = (Exposed(material.train, material.shown), Uniform(material.train))
    return Recipe(Mixture(laws, (share, 1 - share)))


# -- laws of the batch -----------------------------------------------------------------------------


def in_batch(material: Material) -> Recipe:
    """Draw the positives of the batch."""
    return Recipe(PerBatch(InBatch))


def cross_batch(material: Material, *, batches: int = 4) -> Recipe:
    """Draw the positives of the last batches."""
    return Recipe(PerBatch(InBatch, batches))


def mixed_negative(material: Material, *, share: float = 0.5) -> Recipe:
    """Draw the positives of the batch, and uniform items."""
    if not 0 <= share < 1:
        raise InvalidDataError(f"share must lie in [0, 1); got {share}")

    return Recipe(PerBatch(partial(_mixed, share=share)))


def _mixed(interactions: Interactions, positives: NDArray[np.int64], *, share: float) -> Sampler:
    return MixedNegative(interactions, positives, round(positives.size * share / (1 - share)))


# -- laws that follow the model --------------------------------------------------------------------


def softmax(material: Material, *, temperature: float = 1.0, every: int = 1) -> Recipe:
    """Draw exactly in proportion to exp(score)."""
    return Recipe(Adaptive(partial(Softmax, temperature=temperature), every))


def rank_adaptive(material: Material, *, mean_rank: float = 0.0, every: int = 1) -> Recipe:
    """Draw a factor that matters to the user, then an item that ranks high on it."""
    return Recipe(Adaptive(partial(RankAdaptive, mean_rank=mean_rank or None), every))


def kernel_tree(material: Material, *, alpha: float = 100.0, every: int = 1) -> Recipe:
    """Draw in proportion to a squared score."""
    return Recipe(Adaptive(partial(KernelTree, alpha=alpha), every))


def midx(
    material: Material, *, codewords: int = 16, temperature: float = 1.0, every: int = 1
) -> Recipe:
    """Draw in proportion to exp(score) of two quantised halves."""
    return Recipe(Adaptive(partial(MIDX, codewords=codewords, temperature=temperature), every))


def cluster(
    material: Material, *, clusters: int = 64, temperature: float = 1.0, every: int = 1
) -> Recipe:
    """Draw in proportion to exp(score) of the item's cluster."""
    return Recipe(Adaptive(partial(Cluster, clusters=clusters, temperature=temperature), every))


def refreshed_pool(
    material: Material, *, top: int = 200, share: float = 0.5, every: int = 1
) -> Recipe:
    """Draw the model's best unseen items, with a uniform part that keeps training stable."""
    return Recipe(Adaptive(partial(_refreshed, top=top, share=share), every))


def _refreshed(
    interactions: Interactions, users: Vectors, items: Vectors, *, top: int, share: float
) -> Sampler:
    laws = (refreshed(interactions, users, items, top=top), Uniform(interactions))
    return Mixture(laws, (share, 1 - share))


def pool(material: Material, *, candidates: int = 200, size: int = 50, every: int = 1) -> Recipe:
    """Draw a pool of each user, resampled by score from uniform candidates."""
    return Recipe(Adaptive(partial(_resampled, candidates=candidates, size=size), every))


def _resampled(
    interactions: Interactions,
    users: Vectors,
    items: Vectors,
    key: Key,
    *,
    candidates: int,
    size: int,
) -> Sampler:
    base = Uniform(interactions)
    return resampled_pool(base, users, items, key=key, num_candidates=candidates, size=size)
