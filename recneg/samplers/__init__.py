"""Laws q(item | user): one law a file, under one contract.

A sampler is a frozen conditional distribution. It holds no random state; what it draws is a
function of a key, the row's number and the slot, so threads, workers, batch sizes and machines
cannot change it. See `Sampler` for the contract and `recneg.testing.check_sampler` for its tests.
"""

from recneg.samplers.adaptive import Adaptive, PerBatch
from recneg.samplers.base import Negatives, Sampler
from recneg.samplers.cluster import Cluster
from recneg.samplers.conditional import Conditional
from recneg.samplers.cross_batch import CrossBatch
from recneg.samplers.exposed import Exposed
from recneg.samplers.frequency import FrequencyEstimator
from recneg.samplers.in_batch import InBatch
from recneg.samplers.kernel_tree import KernelTree
from recneg.samplers.listed import ListedSampler
from recneg.samplers.midx import MIDX
from recneg.samplers.mixed_negative import MixedNegative
from recneg.samplers.mixture import Mixture
from recneg.samplers.noisy_label import NoisyLabel
from recneg.samplers.pool import Pool
from recneg.samplers.popularity import Popularity
from recneg.samplers.propensity import Propensity
from recneg.samplers.rank_adaptive import RankAdaptive
from recneg.samplers.softmax import Softmax
from recneg.samplers.static import StaticSampler
from recneg.samplers.stratified import Stratified, popularity_cohorts
from recneg.samplers.thinned import ThinnedSampler
from recneg.samplers.time_aware import TimeAware
from recneg.samplers.uniform import Uniform

__all__ = [
    "MIDX",
    "Adaptive",
    "Cluster",
    "Conditional",
    "CrossBatch",
    "Exposed",
    "FrequencyEstimator",
    "InBatch",
    "KernelTree",
    "ListedSampler",
    "MixedNegative",
    "Mixture",
    "Negatives",
    "NoisyLabel",
    "PerBatch",
    "Pool",
    "Popularity",
    "Propensity",
    "RankAdaptive",
    "Sampler",
    "Softmax",
    "StaticSampler",
    "Stratified",
    "ThinnedSampler",
    "TimeAware",
    "Uniform",
    "popularity_cohorts",
]
