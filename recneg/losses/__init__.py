"""Scores -> loss: one family a file, each with the score gradient that the fused engine uses.

A loss takes positive scores (batch,) and negative scores (batch, n), negatives last, and returns
one value a row; the reduction stands outside.
"""

from recneg.losses.bpr import bpr

__all__ = ["bpr"]
