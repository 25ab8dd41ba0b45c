"""The systems of the quality comparison: what each searches, one trial, and the final training."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from peers import PEERS, Factors, cornac_data

from recneg import BPR, Interactions
from recneg.evaluation import evaluate

STAGES = (20, 50, 100, 200, 400)
"""Iterations at which a peer's trial is evaluated on validation data, by default."""

GIVE_UP = 0.95
"""A peer's trial stops at the first stage that is worse than this share of its best one."""

Setting = dict[str, Any]


class Trial(NamedTuple):
    """A setting, the iterations that were best on validation data, and NDCG@20 there."""

    setting: Setting
    iterations: int
    validation: float


def ndcg(model: Any, train: Interactions, held_out: Interactions) -> float:
    return evaluate(model, train, held_out, k=20, metrics=["ndcg"]).mean("ndcg@20")


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


@dataclass(frozen=True)
class Recneg:
    """`recneg.BPR` with its own early stopping."""

    factors: int
    num_threads: int
    name: str = "recneg"

    def draw(self, rng: np.random.Generator) -> Setting:
        """Draw a setting from the search space."""
        return {
            "learning_rate": log_uniform(rng, 0.02, 0.3),
            "user_regularization": log_uniform(rng, 0.001, 0.1),
            "positive_regularization": log_uniform(rng, 0.001, 0.1),
            "negative_regularization": log_uniform(rng, 0.0003, 0.1),
            "item_bias": bool(rng.integers(2)),
            "init_deviation": log_uniform(rng, 0.01, 0.2),
            "num_negatives": int(rng.choice([1, 2, 4])),
            "learning_rate_decay": float(rng.choice([1.0, 0.99, 0.97])),
        }

    def _model(self, setting: Setting, seed: int, **more: Any) -> BPR:
        return BPR(self.factors, seed=seed, num_threads=self.num_threads, **setting, **more)

    def trial(
        self, setting: Setting, train: Interactions, validation: Interactions, seed: int
    ) -> Trial:
        """Train with one setting; a diverged one scores 0."""
        model = self._model(setting, seed, epochs=300, evaluate_every=5, patience=5)
        try:
            model.fit(train, show_progress=False, validation=validation)
        except FloatingPointError:
            return Trial(setting, 0, 0.0)
        scores = {e.epoch: e.validation for e in model.history if e.validation is not None}
        best = max(scores, key=lambda epoch: scores[epoch])
        return Trial(setting, best, scores[best])

    def final(self, trial: Trial, train: Interactions, seed: int) -> Any:
        """Train anew, for as long as was best on validation data."""
        model = self._model(trial.setting, seed, epochs=trial.iterations)
        return model.fit(train, show_progress=False)


@dataclass(frozen=True)
class PeerSystem:
    """A peer: iterations are chosen from `stages` in every trial."""

    factors: int
    num_threads: int
    name: str
    stages: tuple[int, ...] = STAGES

    def draw(self, rng: np.random.Generator) -> Setting:
        """Draw a setting from the search space."""
        if self.name == "implicit":
            return {
                "learning_rate": log_uniform(rng, 0.003, 0.3),
                "regularization": log_uniform(rng, 0.0003, 0.1),
            }
        return {
            "learning_rate": log_uniform(rng, 0.001, 0.3),
            "regularization": log_uniform(rng, 0.0003, 0.1),
            "item_bias": bool(rng.integers(2)),
        }

    def _model(self, setting: Setting, train: Interactions, seed: int) -> Any:
        more = {"data": cornac_data(train)} if self.name == "cornac" else {}
        return PEERS[self.name](
            train,
            factors=self.factors,
            seed=seed,
            num_threads=self.num_threads,
            **setting,
            **more,
        )

    def trial(
        self, setting: Setting, train: Interactions, validation: Interactions, seed: int
    ) -> Trial:
        """Train with one setting; a diverged one scores 0."""
        model = self._model(setting, train, seed)
        best, done = Trial(setting, 0, 0.0), 0
        for stage in self.stages:
            try:
                model.advance(stage - done)
            except Exception as error:  # implicit raises its own error for NaN factors
                if "NaN" not in str(error):
                    raise
                break
            done = stage
            factors = model.factors()
            if not all(np.isfinite(part).all() for part in factors):
                break
            score = ndcg(factors, train, validation)
            if score > best.validation:
                best = Trial(setting, stage, score)
            elif score < GIVE_UP * best.validation:
                break
        return best

    def final(self, trial: Trial, train: Interactions, seed: int) -> Factors:
        """Train anew, for as long as was best on validation data."""
        model = self._model(trial.setting, train, seed)
        model.advance(trial.iterations)
        return model.factors()
