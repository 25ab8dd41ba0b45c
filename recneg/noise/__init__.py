"""Votes that were flipped: how likely a pair that is truly wanted was observed as missing."""

from recneg.noise.coefficients import OBJECTIVES, Coefficients, coefficients
from recneg.noise.fitting import Sums, Tables, fit_flips, start_tables, vote_epoch
from recneg.noise.flips import FlipModel
from recneg.noise.rates import steady_rate

__all__ = [
    "OBJECTIVES",
    "Coefficients",
    "FlipModel",
    "Sums",
    "Tables",
    "coefficients",
    "fit_flips",
    "start_tables",
    "steady_rate",
    "vote_epoch",
]
