"""Recipes of mining: uniform candidates, of which the scores of the current model keep some."""

from __future__ import annotations

from recneg.catalogue.recipe import Material, Recipe
from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.mining import (
    Miner,
    adaptive_softmax,
    ambiguous,
    bayesian,
    guided,
    hardest,
    importance_resampled,
    importance_weighted,
    mixed_margin,
    positive_aware,
    self_adversarial,
    top_k,
    until_violation,
    variance,
)
from recneg.samplers import Uniform
from recneg.training import BPR

__all__ = [
    "adaptive_softmax_of",
    "ambiguous_of",
    "bayesian_of",
    "guided_of",
    "hardest_of",
    "importance_resampled_of",
    "importance_weighted_of",
    "mixed_margin_of",
    "positive_aware_of",
    "self_adversarial_of",
    "top_k_of",
    "until_violation_of",
    "variance_of",
]


def hardest_of(material: Material, *, candidates: int = 8, among: int = 0) -> Recipe:
    """Draw the highest-scored candidate, or any of the `among` highest."""
    if among > candidates:
        raise InvalidDataError(f"among must not exceed candidates, {candidates}; got {among}")
    return Recipe(Uniform(material.train), Miner(hardest, candidates, among=among or None))


def top_k_of(material: Material, *, candidates: int = 32, keep: int = 4) -> Recipe:
    """Draw the `keep` highest-scored candidates."""
    return Recipe(Uniform(material.train), Miner(top_k, candidates, num_negatives=keep))


def until_violation_of(material: Material, *, candidates: int = 10, margin: float = 1.0) -> Recipe:
    """Draw the first candidate that violates the margin, weighed by the rank that it tells of."""
    return Recipe(Uniform(material.train), Miner(until_violation, candidates, margin=margin))


def ambiguous_of(
    material: Material, *, candidates: int = 16, a: float = 0.5, b: float = 0.0
) -> Recipe:
    """Draw a candidate that scores about as high as the positive."""
    return Recipe(Uniform(material.train), Miner(ambiguous, candidates, a=a, b=b))


def positive_aware_of(
    material: Material, *, candidates: int = 8, margin: float = 0.05, percentage: float = 0.0
) -> Recipe:
    """Draw the highest candidate that stays clearly below the positive."""
    if percentage and margin != 0.05:
        raise InvalidDataError(
            f"positive_aware takes margin or percentage, not both; got {margin} and {percentage}"
        )
    if percentage:
        miner = Miner(positive_aware, candidates, percentage=percentage)
    else:
        miner = Miner(positive_aware, candidates, margin=margin)
    return Recipe(Uniform(material.train), miner)


def guided_of(
    material: Material, *, candidates: int = 4, margin: float = 0.0, epochs: int = 30
) -> Recipe:
    """Draw candidates that a guide, trained beforehand, does not put above the positive."""
    check_count(epochs, "epochs of the guide")
    guide = BPR(32, epochs=epochs, num_threads=1).fit(material.train, show_progress=False)
    miner = Miner(guided, candidates, guide=guide, margin=margin)
    return Recipe(Uniform(material.train), miner)


def self_adversarial_of(material: Material, *, candidates: int = 8, alpha: float = 1.0) -> Recipe:
    """Draw candidates and weigh all by softmax(alpha score)."""
    return Recipe(Uniform(material.train), Miner(self_adversarial, candidates, alpha=alpha))


def importance_weighted_of(
    material: Material, *, candidates: int = 8, temperature: float = 1.0
) -> Recipe:
    """Draw candidates and weigh all by softmax(score / temperature - log q)."""
    miner = Miner(importance_weighted, candidates, temperature=temperature)
    return Recipe(Uniform(material.train), miner)


def importance_resampled_of(
    material: Material, *, candidates: int = 16, temperature: float = 1.0
) -> Recipe:
    """Draw a candidate redrawn in proportion to exp(score / temperature) / q."""
    miner = Miner(importance_resampled, candidates, temperature=temperature)
    return Recipe(Uniform(material.train), miner)


def adaptive_softmax_of(material: Material, *, candidates: int = 16, rho: float = 0.5) -> Recipe:
    """Draw candidates and weigh all by a softmax whose temperature follows their losses."""
    return Recipe(Uniform(material.train), Miner(adaptive_softmax, candidates, rho=rho))


def variance_of(
    material: Material, *, candidates: int = 8, alpha: float = 5.0, warm_up: int = 50
) -> Recipe:
    """Draw the candidate of the highest score plus its deviation over the last epochs."""
    miner = Miner(variance, candidates, alpha=alpha, warm_up=warm_up)
    return Recipe(Uniform(material.train), miner)


def bayesian_of(material: Material, *, candidates: int = 5, trade_off: float = 5.0) -> Recipe:
    """Draw the candidate of the least Bayesian risk."""
    return Recipe(Uniform(material.train), Miner(bayesian, candidates, trade_off=trade_off))


def mixed_margin_of(material: Material, *, candidates: int = 4) -> Recipe:
    """Draw the highest-scored candidate with part of the positive mixed into it."""
    return Recipe(Uniform(material.train), Miner(mixed_margin, candidates))
