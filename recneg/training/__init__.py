"""Trainers: estimators whose loss, sampler and options can each be replaced."""

from recneg.training.bpr import BPR
from recneg.training.debiased import UBPR, RelMF
from recneg.training.ensemble import Ensemble
from recneg.training.factor_model import FactorModel
from recneg.training.matrix_factorization import MatrixFactorization
from recneg.training.nbpo import NBPO
from recneg.training.negatives import NegativeSource, SamplerLike
from recneg.training.optimizers import SGD, Adagrad, Adam, Optimizer
from recneg.training.presets import PRESETS, Preset, preset
from recneg.training.sequence_model import SequenceModel
from recneg.training.sides import Thresholds
from recneg.training.simplex import SimpleX
from recneg.training.state import Epoch
from recneg.training.tron import TRON

__all__ = [
    "BPR",
    "NBPO",
    "PRESETS",
    "SGD",
    "TRON",
    "UBPR",
    "Adagrad",
    "Adam",
    "Ensemble",
    "Epoch",
    "FactorModel",
    "MatrixFactorization",
    "NegativeSource",
    "Optimizer",
    "Preset",
    "RelMF",
    "SamplerLike",
    "SequenceModel",
    "SimpleX",
    "Thresholds",
    "preset",
]
