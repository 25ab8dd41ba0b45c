"""Laws q(item | user): one law a file, under one contract.

A sampler is a frozen conditional distribution. It holds no random state; what it draws is a
function of a key, the row's number and the slot, so threads, workers, batch sizes and machines
cannot change it. See `Sampler` for the contract and `recneg.testing.check_sampler` for its tests.
"""

from recneg.samplers.base import Negatives, Sampler
from recneg.samplers.popularity import Popularity
from recneg.samplers.static import StaticSampler
from recneg.samplers.uniform import Uniform

__all__ = ["Negatives", "Popularity", "Sampler", "StaticSampler", "Uniform"]
