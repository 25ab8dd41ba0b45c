"""A training run between two epochs: factors, history and the best factors so far."""

from __future__ import annotations

import json
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.errors import IntegrityError
from recneg.training.storage import load_tensors, save_tensors

__all__ = ["Epoch", "Factors", "TrainingState", "copied", "with_bias_columns"]


class Epoch(NamedTuple):
    """What is known after an epoch.

    Attributes
    ----------
    epoch : int
        From 1.
    seconds : float
        Training time so far, without evaluation.
    correct : float
        Share of the triples that were ranked correctly before their update: the training AUC.
    loss : float
        Before each update: of `BPR` the mean of ``-ln sigmoid(s_pos - s_neg)``, of the other
        trainers the mean of the loss over the positives, without penalties.
    triples : int
        Pairs of a positive and a negative in this epoch.
    validation : float or None
        What the trainer judges by, on the validation part, where it was computed: of `TRON` its
        `metric` at 20, of the other trainers NDCG@20.
    skipped : int
        Pairs that were passed over, as there was no negative for them.
    """

    epoch: int
    seconds: float
    correct: float
    loss: float
    triples: int
    validation: float | None
    skipped: int = 0


Factors = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""User factors, item factors and item biases; the biases are empty where there are none."""

NAMES = ("users", "items", "biases")


def copied(factors: Factors) -> Factors:
    """Return copies, contiguous whatever the factors are views of."""
    users, items, biases = factors
    return users.copy(), items.copy(), biases.copy()


def with_bias_columns(factors: Factors) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return factors whose inner products are the scores: with biases, a column of ones beside."""
    users, items, biases = factors
    if not biases.size:
        return users, items
    ones = np.ones((len(users), 1), np.float32)
    return np.hstack((users, ones)), np.hstack((items, biases[:, None]))


class TrainingState:
    """Factors, history and the best factors so far: all that a checkpoint holds."""

    def __init__(self, factors: Factors) -> None:
        self.factors = factors
        self.history: list[Epoch] = []
        self.best: Factors | None = None
        self.best_score = -np.inf
        self.evaluations_since_best = 0
        self.followed: Factors | None = None
        """What the current law was rebuilt from, if it follows the model."""
        self.past: list[Factors] = []
        """Factors at the start of the last epochs, if mining asks for them."""
        self.thresholds: NDArray[np.float64] | None = None
        """Of each user, if the loss asks for them."""
        self.moments: dict[str, NDArray[np.float32]] = {}
        """What the optimiser keeps."""
        self.steps = 0
        """Steps of the optimiser so far."""
        self.rate_scale = 1.0
        """Factor on the learning rate, from evaluations without a better score."""

    def judge(self, score: float, plateau: float) -> None:
        """Copy the factors if their validation score is the best so far.

        Else, with a `plateau` below 1, go back to the best ones with that factor on the rate.
        """
        self.evaluations_since_best += 1
        if score > self.best_score:
            self.best_score, self.evaluations_since_best = score, 0
            self.best = copied(self.factors)
        elif plateau < 1 and self.best is not None:
            self.rate_scale *= plateau
            self.factors = copied(self.best)

    def exhausted(self, patience: int | None) -> bool:
        """Tell whether `patience` evaluations have passed without a better score."""
        return patience is not None and self.evaluations_since_best >= patience

    def write(self, path: str | PathLike[str], fingerprint: dict[str, Any]) -> None:
        """Write a checkpoint, atomically; the fingerprint says what it may be resumed with."""
        kept = {"": self.factors, "best_": self.best, "followed_": self.followed}
        kept |= {f"past{number}_": factors for number, factors in enumerate(self.past)}
        tensors: dict[str, NDArray[Any]] = {
            prefix + name: array
            for prefix, factors in kept.items()
            if factors is not None
            for name, array in zip(NAMES, factors, strict=True)
        }
        tensors |= self.moments
        if self.thresholds is not None:
            tensors["thresholds"] = self.thresholds
        progress = {
            "steps": self.steps,
            "rate_scale": self.rate_scale,
            "moments": sorted(self.moments),
            "history": [list(epoch) for epoch in self.history],
            "best_score": None if self.best is None else self.best_score,
            "evaluations_since_best": self.evaluations_since_best,
            "past": len(self.past),
        }
        save_tensors(path, tensors, {"model": "checkpoint", "of": fingerprint, **progress})

    @classmethod
    def read(cls, path: str | PathLike[str], fingerprint: dict[str, Any]) -> TrainingState:
        """Read a checkpoint of the same fingerprint.

        Raises
        ------
        IntegrityError
            If the file is damaged, or of other options, another sampler or other data.
        """
        tensors, manifest = load_tensors(path)
        fingerprint = json.loads(json.dumps(fingerprint))  # tuples come back as lists
        if manifest.get("model") != "checkpoint":
            raise IntegrityError(
                f"{path} must be a checkpoint; it holds a saved {manifest.get('model')}"
            )
        made_of = manifest.get("of")
        if made_of != fingerprint:
            raise IntegrityError(
                f"the checkpoint {path} must be of the same options, sampler and data; "
                f"{', '.join(differences(made_of or {}, fingerprint))} differ "
                "(remove the file to start anew)"
            )

        def stored(prefix: str) -> Factors:
            users, items, biases = (tensors[prefix + name] for name in NAMES)
            return users, items, biases

        state = cls(stored(""))
        state.history = [Epoch(*epoch) for epoch in manifest["history"]]
        state.evaluations_since_best = manifest["evaluations_since_best"]
        if manifest["best_score"] is not None:
            state.best_score = manifest["best_score"]
            state.best = stored("best_")
        if "followed_users" in tensors:
            state.followed = stored("followed_")
        state.past = [stored(f"past{number}_") for number in range(manifest["past"])]
        state.thresholds = tensors.get("thresholds")
        state.moments = {name: tensors[name] for name in manifest["moments"]}
        state.steps, state.rate_scale = manifest["steps"], manifest["rate_scale"]
        return state


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the names whose values are others, each option with both of its values."""
    found = []
    for name, value in now.items():
        other = then.get(name)
        if isinstance(value, dict) and isinstance(other, dict):
            found += [
                f"{part} (then {other.get(part)!r}, now {value.get(part)!r})"
                for part in dict.fromkeys((*value, *other))
                if other.get(part) != value.get(part)
            ]
        elif other != value:
            found.append(name)
    return found
