"""Scores -> loss: one family a file, each with the score gradient that the fused engine uses.

A loss takes positive scores (batch,) and negative scores (batch, n), negatives last, and returns
one value a row; the reduction over rows stands outside. Each is a frozen object whose fields are
its hyper-parameters. `score_gradients` is the compiled form of the same formula.
"""

from recneg.losses.base import NEEDS, Loss, Sides
from recneg.losses.bpr import BPRLoss
from recneg.losses.bpr_max import BPRMaxLoss
from recneg.losses.contrastive import DebiasedLoss, HardContrastiveLoss
from recneg.losses.cosine_contrastive import CosineContrastiveLoss
from recneg.losses.gbce import GBCELoss
from recneg.losses.hinge import CMLLoss, WARPLoss
from recneg.losses.kernels import ScoreGradients, score_gradients
from recneg.losses.log_q import log_q_corrected
from recneg.losses.nbpo import NBPOLoss
from recneg.losses.pointwise import LogisticLoss, SquaredLoss
from recneg.losses.psl import PSLLoss
from recneg.losses.relmf import RelMFLoss
from recneg.losses.rows import Rows
from recneg.losses.self_adversarial import SelfAdversarialLoss
from recneg.losses.sl_at_k import SLAtKLoss, top_k_thresholds
from recneg.losses.softmax import BSLLoss, SampledSoftmaxLoss, SoftmaxLoss
from recneg.losses.ubpr import UBPRLoss

__all__ = [
    "NEEDS",
    "BPRLoss",
    "BPRMaxLoss",
    "BSLLoss",
    "CMLLoss",
    "CosineContrastiveLoss",
    "DebiasedLoss",
    "GBCELoss",
    "HardContrastiveLoss",
    "LogisticLoss",
    "Loss",
    "NBPOLoss",
    "PSLLoss",
    "RelMFLoss",
    "Rows",
    "SLAtKLoss",
    "SampledSoftmaxLoss",
    "ScoreGradients",
    "SelfAdversarialLoss",
    "Sides",
    "SoftmaxLoss",
    "SquaredLoss",
    "UBPRLoss",
    "WARPLoss",
    "log_q_corrected",
    "score_gradients",
    "top_k_thresholds",
]
