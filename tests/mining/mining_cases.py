"""Every mining function with options, as one call and one oracle: what the properties run over."""

from collections.abc import Callable
from inspect import signature
from typing import Any, NamedTuple

import mining_oracles as oracles
from mining_oracles import Batch, Row

from recneg import mining
from recneg.mining import Mined


class Case(NamedTuple):
    function: Callable[..., Mined]
    options: dict[str, Any]
    places: Callable[[Row, int], list[int]] | None = None
    weights: Callable[[Row], list[float]] | None = None
    ordered: bool = True  # whether permuting the candidates may change nothing

    def __call__(self, batch: Batch, count: int, **view: Any) -> Mined:
        negatives, scores, known = batch.arguments(**view)
        return self.call(negatives, scores, known, count, batch)

    def call(self, negatives: Any, scores: Any, known: Any, count: int, batch: Batch) -> Mined:
        offered = {**known, "num_negatives": count, "key": batch.key, "num_items": 1000}
        wanted = signature(self.function).parameters
        given = {name: value for name, value in offered.items() if name in wanted}
        return self.function(negatives, scores, **{**given, **self.options})


def _popularity(batch: Batch) -> list[float]:
    return [float(count) for count in batch.known["item_popularity"]]


CHOOSING: dict[str, Case] = {
    "hardest": Case(mining.hardest, {}, oracles.hardest),
    "hardest among 5": Case(
        mining.hardest, {"among": 5}, lambda row, k: oracles.hardest_among(row, k, 5)
    ),
    "top_k": Case(mining.top_k, {}, oracles.hardest),
    "top_k without hits": Case(
        mining.top_k, {"mask_accidental_hits": True}, oracles.top_k_without_hits
    ),
    "ambiguous": Case(
        mining.ambiguous,
        {"a": 0.7, "b": 0.3},
        lambda row, k: oracles.ambiguous(row, k, 0.7, 0.3, None),
    ),
    "ambiguous among 4": Case(
        mining.ambiguous, {"among": 4}, lambda row, k: oracles.ambiguous(row, k, 0.5, 0.0, 4)
    ),
    "positive_aware, margin": Case(
        mining.positive_aware,
        {"margin": 0.05},
        lambda row, k: oracles.positive_aware(row, k, lambda s: s - 0.05),
    ),
    "positive_aware, percentage": Case(
        mining.positive_aware,
        {"percentage": 0.9},
        lambda row, k: oracles.positive_aware(row, k, lambda s: s * 0.9),
    ),
    "guided": Case(
        mining.guided, {}, lambda row, k: oracles.guided(row, k, lambda g: g), ordered=False
    ),
    "guided, relative": Case(
        mining.guided,
        {"margin": 0.1, "margin_kind": "relative"},
        lambda row, k: oracles.guided(row, k, lambda g: g * (1 - 0.1)),
        ordered=False,
    ),
    "variance": Case(
        mining.variance,
        {"epoch": 20, "warm_up": 50},
        lambda row, k: oracles.variance(row, k, 5.0, 20, 50),
    ),
    "importance_resampled": Case(
        mining.importance_resampled,
        {"temperature": 0.7},
        lambda row, k: oracles.resampled(row, k, 0.7),
    ),
}

WEIGHING: dict[str, Case] = {
    "self_adversarial": Case(
        mining.self_adversarial,
        {"alpha": 1.5},
        weights=lambda row: oracles.weights(row, lambda j: 1.5 * row["scores"][j]),
    ),
    "importance_weighted": Case(
        mining.importance_weighted,
        {"temperature": 0.5},
        weights=lambda row: oracles.weights(
            row, lambda j: row["scores"][j] / 0.5 - row["log_q"][j]
        ),
    ),
    "adaptive_softmax": Case(
        mining.adaptive_softmax,
        {"rho": 0.3},
        weights=lambda row: oracles.adaptive_weights(row, 0.3),
    ),
}

OTHERS: dict[str, Case] = {
    "bayesian": Case(mining.bayesian, {}),
    "mixed_margin": Case(mining.mixed_margin, {}),
    "until_violation": Case(mining.until_violation, {}, ordered=False),
}

ALL = CHOOSING | WEIGHING | OTHERS
