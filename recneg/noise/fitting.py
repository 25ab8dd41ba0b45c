"""NBPO's training loop: preference and flip rates, learned together from votes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_count, check_number
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.jit import kernel, kernel_fast
from recneg.keys import Key, as_key, below, random_floats
from recneg.noise.coefficients import BPO, OBJECTIVES, pair_coefficients
from recneg.noise.flips import FlipModel
from recneg.noise.rates import steady_rate

__all__ = ["Sums", "Tables", "fit_flips", "start_tables", "vote_epoch"]

RATE_DECAY = 0.99

Table = NDArray[np.float32]
Tables = tuple[Table, Table, Table, Table]
"""U, V, P and Q: preference of users and items, then flips."""


class Sums(NamedTuple):
    """Of an epoch.

    Attributes
    ----------
    loss : float
        Minus the log-likelihood of the votes and of the sampled missing ones.
    correct, pairs, skipped : float
        Draws that were ranked below their vote, all, and those that there were none for.
    """

    loss: float
    correct: float
    pairs: float
    skipped: float


def fit_flips(
    interactions: Interactions,
    *,
    objective: str = "nbpo",
    factors: int = 50,
    epochs: int = 200,
    batch_size: int = 5000,
    num_negatives: int = 4,
    learning_rate: float | None = None,
    regularization: float = 1.0,
    flip_regularization: float = 5.0,
    key: int | Key = 0,
) -> FlipModel:
    """Fit preference and flip rates by the published updates of NBPO (Yu and Qin, SIGIR 2020).

    Batches take the interactions in their order, by user and item. Each pair meets `num_negatives`
    fresh uniform draws of items that the user has not voted for, and counts once for each. All
    `coefficients` of a batch are summed at its start; then every table takes one step, with its
    L2 decay on all rows. The rate falls by 1 % an epoch, before it. Serial, the same for a key on
    every run. Time is epochs x interactions x draws x factors, and users plus items for every
    batch; memory 8 * factors bytes a user and an item, in training twice that.

    Preference and flips are told apart by this start (flip rates near 0.002) and by their penalties
    alone: a flip rate is a weight, not a measured share of lost votes. The published penalty of 5
    shrinks P and Q so fast that on small data all flip rates become 0.5; see
    ``docs/methods/noisy-label.md``.

    Parameters
    ----------
    interactions : Interactions
        Training votes.
    objective : {"nbpo", "nbpo-o", "nbpo-s", "bpo"}
        See `recneg.noise.coefficients`. "bpo" has no flips: P and Q only decay, towards 0.5.
    factors : int, default 50
        Columns of all four tables.
    epochs, batch_size, num_negatives : int
        200, 5000 and 4 as published.
    learning_rate : float, optional
        By default `steady_rate`: 0.05, or less on denser data than Amazon Electronics.
    regularization, flip_regularization : float
        With a rate of 0.05 those published for "nbpo" on Amazon Electronics; on MovieLens-1M the
        three are 0.02, 0.5 and 1. For "nbpo-o" 0.005, 1, 0.5 and 0.001, 1, 5; for "nbpo-s" 0.002,
        0.05, 0.01 and 0.002, 0.05, 0.02.
    key : int or Key
        Of the tables at the start and of the draws.

    Returns
    -------
    FlipModel

    Raises
    ------
    FloatingPointError
        If the factors leave the finite numbers: the learning rate is too high.

    Examples
    --------
    >>> data = Interactions.from_arrays([0, 0, 1, 2], [0, 1, 1, 3], num_items=5)
    >>> fit_flips(data, factors=4, epochs=2)
    FlipModel(3 users, 5 items)
    """
    if objective not in OBJECTIVES:
        raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}; got {objective!r}")
    for name, count in (("factors", factors), ("batch_size", batch_size),
                        ("num_negatives", num_negatives)):  # fmt: skip
        check_count(count, name)
    if learning_rate is not None:
        check_number(learning_rate, "learning_rate", "positive")
    for name, decay in (("regularization", regularization),
                        ("flip_regularization", flip_regularization)):  # fmt: skip
        check_number(decay, name, "not negative")
    check_count(epochs, "epochs", 0)
    if not interactions.num_interactions:
        raise InvalidDataError("flips are learned from votes; got no interactions")
    tables = start_tables(interactions, factors, as_key(key).fold_in(0))
    draws = as_key(key).fold_in(1)
    rate = learning_rate
    if rate is None:
        rate = steady_rate(interactions, batch_size=batch_size, num_negatives=num_negatives)
    first = rate
    for epoch in range(epochs):
        rate *= RATE_DECAY
        vote_epoch(
            interactions, tables, objective, draws.fold_in(epoch), batch_size, num_negatives, rate,
            regularization, flip_regularization,
        )  # fmt: skip
    if not all(np.isfinite(table).all() for table in tables):
        raise FloatingPointError(
            f"learning_rate must be small enough for {epochs} epochs to stay finite; "
            f"got {first:g}: choose a smaller one, or fewer epochs"
        )
    return FlipModel(*tables)


def start_tables(interactions: Interactions, factors: int, key: Key) -> Tables:
    """Return U, V, P and Q at the start: uniform on [0, 1), [0, 5) and (-5, 0], over sqrt(k)."""
    found = []
    for number, scale in enumerate((1.0, 1.0, 5.0, -5.0)):
        rows = np.arange(interactions.num_items if number % 2 else interactions.num_users)
        unit = random_floats(key.fold_in(number), rows[:, None], np.arange(factors))
        found.append((unit * scale / np.sqrt(factors)).astype(np.float32))
    return found[0], found[1], found[2], found[3]


def vote_epoch(
    interactions: Interactions,
    tables: Tables,
    objective: str,
    draws: Key,
    batch_size: int,
    num_negatives: int,
    rate: float,
    regularization: float,
    flip_regularization: float,
    tell: Callable[[float], None] = lambda share: None,
) -> Sums:
    """Visit every vote once, in place; `fit_flips` says how. `tell` what share of it is over."""
    u, v, p, q = (np.zeros_like(table) for table in tables)
    steps: Tables = (u, v, p, q)
    users = interactions.users()
    total = np.zeros(4)
    for start in range(0, len(interactions), batch_size):
        stop = min(start + batch_size, len(interactions))
        total += _collect(
            OBJECTIVES[objective], start, stop, num_negatives, users, interactions.indptr,
            interactions.indices, interactions.num_items, *draws.words, tables, steps,
        )  # fmt: skip
        for number, (table, step) in enumerate(zip(tables, steps, strict=True)):
            decay = regularization if number < 2 else flip_regularization
            _move(rate, decay, table.reshape(-1), step.reshape(-1))
        tell(stop / len(interactions))
    return Sums(*(float(value) for value in total))


@kernel
def _draw_unseen(
    k0: np.uint32,
    k1: np.uint32,
    row: int,
    slot: int,
    num_items: int,
    begin: int,
    end: int,
    indices: NDArray[np.int32],
) -> int:
    """Return a uniform item outside ``indices[begin:end]``, by rank shifting; there must be one."""
    free = num_items - (end - begin)
    rank = below(k0, k1, row, slot, free)
    low, high = begin, end
    while low < high:  # how many voted items have at most `rank` free ones below them
        middle = (low + high) >> 1
        if indices[middle] - (middle - begin) <= rank:
            low = middle + 1
        else:
            high = middle
    return int(rank + (low - begin))


@kernel_fast
def _collect(
    objective: int,
    start: int,
    stop: int,
    num_negatives: int,
    users: NDArray[np.int32],
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    num_items: int,
    k0: np.uint32,
    k1: np.uint32,
    tables: Tables,
    steps: Tables,
) -> tuple[float, float, float, float]:
    """Add up the gradients of a batch of interactions in `steps`, all at the same factors."""
    loss, correct, pairs, skipped = 0.0, 0.0, 0.0, 0.0
    for row in range(start, stop):
        u, i = users[row], indices[row]
        begin, end = indptr[u], indptr[u + 1]
        if end - begin == num_items:  # nothing to compare with
            skipped += num_negatives
            continue
        r_i, g_i = _dot(tables[0], tables[1], u, i), _dot(tables[2], tables[3], u, i)
        for slot in range(num_negatives):
            j = _draw_unseen(k0, k1, row, slot, num_items, begin, end, indices)
            r_j, g_j = _dot(tables[0], tables[1], u, j), _dot(tables[2], tables[3], u, j)
            found = pair_coefficients(objective, r_i, g_i, r_j, g_j)
            loss += _surprise(objective, r_i, g_i, r_j, g_j)
            correct += r_j < r_i
            pairs += 1
            _add(tables[0], tables[1], steps[0], steps[1], u, i, found[0])
            _add(tables[0], tables[1], steps[0], steps[1], u, j, found[2])
            if objective != BPO:
                _add(tables[2], tables[3], steps[2], steps[3], u, i, found[1])
                _add(tables[2], tables[3], steps[2], steps[3], u, j, found[3])
    return loss, correct, pairs, skipped


@kernel
def _surprise(objective: int, r_i: float, g_i: float, r_j: float, g_j: float) -> float:
    """Return minus the log-likelihood of a vote and a missing one."""
    like, dislike = 1.0 / (1.0 + np.exp(-r_j)), 1.0 / (1.0 + np.exp(r_j))
    vote = np.log1p(np.exp(-abs(r_i))) + max(-r_i, 0.0)
    if objective == BPO:
        return float(vote - np.log(max(dislike, 1e-300)))
    vote += np.log1p(np.exp(-abs(g_i))) + max(g_i, 0.0)
    return float(vote - np.log(max(dislike + like / (1.0 + np.exp(-g_j)), 1e-300)))


@kernel_fast
def _dot(user_table: Table, item_table: Table, user: int, item: int) -> float:
    score = np.float32(0)
    for f in range(user_table.shape[1]):
        score += user_table[user, f] * item_table[item, f]
    return float(score)


@kernel_fast
def _add(
    user_table: Table,
    item_table: Table,
    user_step: Table,
    item_step: Table,
    user: int,
    item: int,
    coefficient: float,
) -> None:
    c = np.float32(coefficient)
    for f in range(user_table.shape[1]):
        user_step[user, f] += c * item_table[item, f]
        item_step[item, f] += c * user_table[user, f]


@kernel
def _move(rate: float, decay: float, table: NDArray[np.float32], step: NDArray[np.float32]) -> None:
    """Take one step uphill with decay, and clear the sum."""
    for index in range(table.size):
        table[index] += rate * (step[index] - decay * table[index])
        step[index] = 0
