"""Trainers: estimators whose loss, sampler and options can each be replaced."""

from recneg.training.bpr import BPR
from recneg.training.factor_model import FactorModel
from recneg.training.matrix_factorization import MatrixFactorization
from recneg.training.negatives import NegativeSource, SamplerLike
from recneg.training.optimizers import SGD, Adagrad, Adam, Optimizer
from recneg.training.sides import Thresholds
from recneg.training.state import Epoch

__all__ = [
    "BPR",
    "SGD",
    "Adagrad",
    "Adam",
    "Epoch",
    "FactorModel",
    "MatrixFactorization",
    "NegativeSource",
    "Optimizer",
    "SamplerLike",
    "Thresholds",
]
