"""Mining: selection that looks at scores. Candidates of a sampler in, fewer negatives out.

Mining is not sampling: what depends on the current scores follows no law that could be stated, so
``log_q`` of the result is NaN. The functions work on NumPy arrays and torch tensors alike, on the
device of the scores; `refreshed` and `resampled_pool` return samplers.
"""

from recneg.mining.adaptive_softmax import adaptive_softmax
from recneg.mining.ambiguous import ambiguous
from recneg.mining.bayesian import bayesian
from recneg.mining.guided import guided
from recneg.mining.hardest import hardest
from recneg.mining.importance import importance_resampled, importance_weighted
from recneg.mining.mined import Mined
from recneg.mining.miner import Miner
from recneg.mining.mixed_hard import mixed_hard
from recneg.mining.mixed_margin import mixed_margin
from recneg.mining.mixed_positive import mixed_positive
from recneg.mining.positive_aware import positive_aware
from recneg.mining.refreshed import refreshed
from recneg.mining.resampled_pool import resampled_pool
from recneg.mining.self_adversarial import self_adversarial
from recneg.mining.top_k import top_k
from recneg.mining.variance import variance
from recneg.mining.vectors import MixedVectors
from recneg.mining.violation import until_violation

__all__ = [
    "Mined",
    "Miner",
    "MixedVectors",
    "adaptive_softmax",
    "ambiguous",
    "bayesian",
    "guided",
    "hardest",
    "importance_resampled",
    "importance_weighted",
    "mixed_hard",
    "mixed_margin",
    "mixed_positive",
    "positive_aware",
    "refreshed",
    "resampled_pool",
    "self_adversarial",
    "top_k",
    "until_violation",
    "variance",
]
