"""Honest offline evaluation: the full catalogue, seen items masked, means with intervals."""

from recneg.evaluation.comparison import Comparison, compare
from recneg.evaluation.graded import UNIFORM_METRICS
from recneg.evaluation.metrics import CATALOGUE_METRICS, USER_METRICS
from recneg.evaluation.popular import MostPopular, most_popular
from recneg.evaluation.protocol import evaluate
from recneg.evaluation.result import Evaluation
from recneg.evaluation.uniform import evaluate_uniform, rare_items

__all__ = [
    "CATALOGUE_METRICS",
    "UNIFORM_METRICS",
    "USER_METRICS",
    "Comparison",
    "Evaluation",
    "MostPopular",
    "compare",
    "evaluate",
    "evaluate_uniform",
    "most_popular",
    "rare_items",
]
