"""Trainers: estimators whose loss, sampler and options can each be replaced."""

from recneg.training.bpr import BPR
from recneg.training.factor_model import FactorModel
from recneg.training.negatives import NegativeSource, SamplerLike
from recneg.training.state import Epoch

__all__ = ["BPR", "Epoch", "FactorModel", "NegativeSource", "SamplerLike"]
