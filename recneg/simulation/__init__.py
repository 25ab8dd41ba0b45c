r"""Implicit feedback with known truth: relevance, exposure, noise, and what is observed of them.

The model
---------
Every (user, item) pair is independent of every other one given the latent arrays, so that each
probability is known exactly. With user u and item i:

- *Popularity* ``p_i`` follows Zipf's law over a random order of the items; *activity* ``a_u`` is
  log-normal with mean one. User u is shown item i a Poisson(``scale * a_u * p_i``) number of times.
- *Position*: lists have `num_positions` places. A showing of item i lies on one of the places
  ``1 .. m_i``, each equally likely, where ``m_i`` grows with the share of all showings that goes to
  more popular items: popular items stand near the top. Place k is examined with probability
  ``k ** -position_bias``; ``e_i`` is the mean of that over the item's places.
- *Exposure* ``O``: at least one showing was examined. Thinning a Poisson process gives
  ``theta_ui = P(O = 1) = 1 - exp(-scale * a_u * p_i * e_i)``.
- *Relevance* ``R ~ Bernoulli(gamma_ui)`` with ``gamma_ui = sigmoid(bias + user_u . item_i)``, drawn
  once a pair, so that repeated showings agree. It is independent of popularity.
- *Noise*: an exposed relevant item is missed with probability `false_negative_rate`, an exposed
  irrelevant one is clicked with probability `false_positive_rate`.
- *Observed*: ``P(Y = 1) = theta * (gamma * (1 - fn) + (1 - gamma) * fp)``.
"""

from recneg.simulation.rated import RatedTruth, SemiSynthetic, semi_synthetic
from recneg.simulation.truth import Truth
from recneg.simulation.world import Simulation, simulate

__all__ = ["RatedTruth", "SemiSynthetic", "Simulation", "Truth", "semi_synthetic", "simulate"]
