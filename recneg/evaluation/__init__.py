"""Honest offline evaluation: the full catalogue, seen items masked, means with intervals."""

from recneg.evaluation.comparison import Comparison, compare
from recneg.evaluation.graded import UNIFORM_METRICS
from recneg.evaluation.metrics import CATALOGUE_METRICS, USER_METRICS
from recneg.evaluation.next_item import evaluate_next_item
from recneg.evaluation.next_item_baselines import (
    MostPopularNext,
    Transitions,
    most_popular_next,
    transitions,
)
from recneg.evaluation.next_item_result import RANK_METRICS, NextItemEvaluation
from recneg.evaluation.popular import MostPopular, most_popular
from recneg.evaluation.protocol import evaluate
from recneg.evaluation.result import Evaluation
from recneg.evaluation.uniform import evaluate_uniform, rare_items

__all__ = [
    "CATALOGUE_METRICS",
    "RANK_METRICS",
    "UNIFORM_METRICS",
    "USER_METRICS",
    "Comparison",
    "Evaluation",
    "MostPopular",
    "MostPopularNext",
    "NextItemEvaluation",
    "Transitions",
    "compare",
    "evaluate",
    "evaluate_next_item",
    "evaluate_uniform",
    "most_popular",
    "most_popular_next",
    "rare_items",
    "transitions",
]
