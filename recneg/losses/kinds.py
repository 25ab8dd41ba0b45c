"""Codes by which compiled engines know the losses.

A loss reaches a kernel as its code and a few floats, because a compiled function that is passed as
an argument would defeat Numba's cache.
"""

__all__ = [
    "BPR",
    "BPR_MAX",
    "BSL",
    "CML",
    "CONTRASTIVE",
    "COSINE_CONTRASTIVE",
    "FLIPS",
    "GBCE",
    "LOGISTIC",
    "NO_KERNEL",
    "NUM_PARAMETERS",
    "PSL",
    "REL_MF",
    "SAMPLED_SOFTMAX",
    "SELF_ADVERSARIAL",
    "SL_AT_K",
    "SOFTMAX",
    "SQUARED",
    "UBPR",
    "WARP",
]

NO_KERNEL = -1
"""Of a loss that runs in torch alone."""

BPR, LOGISTIC, SQUARED, GBCE, SELF_ADVERSARIAL = 0, 1, 2, 3, 4
FLIPS, REL_MF, UBPR, COSINE_CONTRASTIVE, BPR_MAX = 5, 6, 7, 8, 9
SAMPLED_SOFTMAX, SOFTMAX, BSL, SL_AT_K, PSL, CONTRASTIVE = 10, 11, 12, 13, 14, 15
WARP, CML = 16, 17

NUM_PARAMETERS = 4
"""Every loss has as many, so that a kernel is compiled once for all of them."""
