"""Is one model better than another for the same users: paired differences and their error."""

import math
from dataclasses import dataclass

import numpy as np

from recneg.errors import InvalidDataError
from recneg.evaluation.result import Evaluation, check_level

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """Mean of a's value minus b's, user by user.

    Attributes
    ----------
    name : str
    difference : float
    low, high : float
        Confidence interval of the mean difference.
    p_value : float
        Two-sided, of the hypothesis that the mean difference is zero.
    num_users : int
    level : float
    """

    name: str
    difference: float
    low: float
    high: float
    p_value: float
    num_users: int
    level: float = 0.95


def compare(a: Evaluation, b: Evaluation, name: str, *, level: float = 0.95) -> Comparison:
    """Compare two models on the same users by the paired t test.

    Differences of one user's values cancel what makes that user easy or hard, so this sees much
    smaller effects than two separate intervals do. It treats users as a sample and each model as
    fixed: what other seeds of the training would give needs several runs. Who tests many models or
    metrics must correct the p-values for it.

    Parameters
    ----------
    a, b : Evaluation
        Of the same users.
    name : str
        A user metric, such as ``"ndcg@20"``.
    level : float
        In (0, 1).

    Raises
    ------
    InvalidDataError
        If the users differ, or there are fewer than two.
    ValueError
        If one evaluation lacks the metric.
    """
    from scipy.special import stdtr, stdtrit

    check_level(level)
    left, right = a.per_user_values(name), b.per_user_values(name)
    if not np.array_equal(a.users, b.users):
        raise InvalidDataError(
            "both evaluations must hold the same users; "
            f"got {len(a.users)} and {len(b.users)} users that are not the same"
        )
    size = left.size
    if size < 2:
        raise InvalidDataError(f"a paired comparison needs at least 2 users; got {size}")
    differences = left - right
    mean = float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(size)
    if error > 0:
        p_value = float(2 * stdtr(size - 1, -abs(mean) / error))
    else:  # the same difference for every user
        p_value = 1.0 if mean == 0 else 0.0
    margin = float(stdtrit(size - 1, 0.5 + level / 2)) * error
    return Comparison(name, mean, mean - margin, mean + margin, p_value, size, level)
