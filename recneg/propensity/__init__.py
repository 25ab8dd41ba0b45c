"""How likely a user was to see an item: exposure, estimated or given, and what it corrects.

What is observed is ``Y = O R``: a click needs exposure O and relevance R. An `Exposure` holds
``theta_ui = P(O_ui = 1)``; its constructors read it off popularity, take it from you, or learn it.
The inverse-propensity weights of Rel-MF and UBPR undo it.
"""

from recneg.propensity.dual_learning import PositionBias, dual_learning
from recneg.propensity.exposure import Exposure, given
from recneg.propensity.power_law import power_law
from recneg.propensity.sar_em import SarEm, sar_em
from recneg.propensity.weights import RelevanceWeights, relmf_weights, ubpr_weights

__all__ = [
    "Exposure",
    "PositionBias",
    "RelevanceWeights",
    "SarEm",
    "dual_learning",
    "given",
    "power_law",
    "relmf_weights",
    "sar_em",
    "ubpr_weights",
]
