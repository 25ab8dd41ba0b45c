"""Exact, keyed and fast negative sampling for implicit-feedback recommenders.

The flow, one direction::

    interactions -> samplers -> (mining) -> losses -> training -> evaluation -> diagnostics

Everything below is imported when it is first used, so ``import recneg`` is quick and torch is
loaded only by what needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recneg.evaluation import Evaluation, evaluate, evaluate_next_item
    from recneg.interactions import Interactions
    from recneg.keys import Key
    from recneg.samplers import Negatives, Popularity, Sampler, Uniform
    from recneg.sequences import Sequences
    from recneg.training import (
        BPR,
        NBPO,
        TRON,
        UBPR,
        Ensemble,
        MatrixFactorization,
        RelMF,
        SimpleX,
    )

__version__ = "0.1.0"

_HOME = {
    "BPR": "recneg.training",
    "Ensemble": "recneg.training",
    "Evaluation": "recneg.evaluation",
    "Interactions": "recneg.interactions",
    "Key": "recneg.keys",
    "MatrixFactorization": "recneg.training",
    "NBPO": "recneg.training",
    "Negatives": "recneg.samplers",
    "Popularity": "recneg.samplers",
    "RelMF": "recneg.training",
    "Sampler": "recneg.samplers",
    "Sequences": "recneg.sequences",
    "SimpleX": "recneg.training",
    "TRON": "recneg.training",
    "UBPR": "recneg.training",
    "Uniform": "recneg.samplers",
    "evaluate": "recneg.evaluation",
    "evaluate_next_item": "recneg.evaluation",
}

__all__ = [
    "BPR",
    "NBPO",
    "TRON",
    "UBPR",
    "Ensemble",
    "Evaluation",
    "Interactions",
    "Key",
    "MatrixFactorization",
    "Negatives",
    "Popularity",
    "RelMF",
    "Sampler",
    "Sequences",
    "SimpleX",
    "Uniform",
    "evaluate",
    "evaluate_next_item",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'recneg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
