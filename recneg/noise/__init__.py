"""Votes that were flipped: how likely a pair that is truly wanted was observed as missing."""

from recneg.noise.coefficients import OBJECTIVES, Coefficients, coefficients
from recneg.noise.fitting import fit_flips
from recneg.noise.flips import FlipModel

__all__ = ["OBJECTIVES", "Coefficients", "FlipModel", "coefficients", "fit_flips"]
