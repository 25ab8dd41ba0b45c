"""Public contract checks: run `check_sampler` on your own law as recneg does on its own.

Statistics are tested with fixed keys, so a check always gives the same answer for the same code.
Each chi-square test rejects at ``ALPHA = 1e-6``; with fewer than a thousand tests the chance that
a correct new law is rejected at all is below one in a thousand, once, when it is written.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidIdError, NoNegativeError
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.losses.checking import LOSS_CHECKS, check_loss
from recneg.parallel import get_num_threads, set_num_threads
from recneg.samplers import Sampler

__all__ = [
    "ALPHA",
    "LOSS_CHECKS",
    "SAMPLER_CHECKS",
    "check_loss",
    "check_sampler",
    "chi_square_p_value",
    "contract_interactions",
]

ALPHA = 1e-6
LOG_Q_TOLERANCE = 2e-5  # a few float32 roundings of a logarithm of size 20

Check = Callable[[Sampler, int], None]


def contract_interactions() -> Interactions:
    """Return the small data set that the checks draw from: 61 items and 12 users.

    Item popularity falls steeply; item 60 belongs to users 1 and 2 alone. User 0 has no history,
    user 1 has everything, user 2 all but two items, user 3 half of the catalogue in blocks, user 4
    the most popular third (most of the weight), user 5 unpopular items, user 6 one item; the
    others fall in between. Rows come unsorted and one in five twice.
    """
    rng = np.random.default_rng(20)
    num_items = 61
    histories: list[NDArray[np.int64]] = [
        np.empty(0, np.int64),
        np.arange(num_items),
        np.setdiff1d(np.arange(num_items), [7, 33]),
        np.flatnonzero(np.arange(num_items) // 5 % 2 == 0),
        np.arange(20),
        np.arange(45, 60),
        np.array([3]),
    ]
    chance = 0.9 / (1 + np.arange(num_items)) ** 0.7
    chance[60] = 0.0
    histories += [np.flatnonzero(rng.random(num_items) < chance) for _ in range(5)]
    users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    items = np.concatenate(histories)
    again = rng.choice(len(items), len(items) // 5, replace=False)
    order = rng.permutation(len(items) + len(again))
    return Interactions.from_arrays(
        np.concatenate((users, users[again]))[order],
        np.concatenate((items, items[again]))[order],
        num_users=len(histories),
        num_items=num_items,
    )


def check_sampler(
    make: Callable[[Interactions], Sampler],
    interactions: Interactions | None = None,
    *,
    draws: int = 1_000_000,
) -> None:
    """Check that a law keeps the contract of `recneg.Sampler`; silent if it does.

    Parameters
    ----------
    make : callable
        Builds the sampler from interactions, for example the class itself.
    interactions : Interactions, optional
        Default: `contract_interactions`, which holds the hard cases. Other data must be small: the
        checks look at the whole law of every user, a table users x items.
    draws : int
        Draws for each distribution test. On the default data 1,000,000 detect a popularity
        exponent that is 0.72 instead of 0.75 with power 0.9995, and a uniform share of 5 % mixed
        in with power above 0.9999; a draw that is impossible is never tolerated.

    Raises
    ------
    AssertionError
        Naming the check, the user and the value.

    Examples
    --------
    >>> from recneg import Uniform
    >>> check_sampler(Uniform, draws=20_000)
    """
    sampler = make(contract_interactions() if interactions is None else interactions)
    for check in SAMPLER_CHECKS.values():
        check(sampler, draws)


def chi_square_p_value(observed: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return Pearson's chi-square p-value; cells are pooled until each expects at least 5.

    An observation where nothing is expected gives 0.

    Parameters
    ----------
    observed, expected : arrays of one shape
        Counts with equal totals.
    """
    from scipy.stats import chi2

    if np.any(observed[expected == 0]):
        return 0.0
    order = np.argsort(expected[expected > 0], kind="stable")
    obs, exp = observed[expected > 0][order], expected[expected > 0][order]
    small = int(np.searchsorted(np.cumsum(exp), 5.0))
    small = max(small, int(np.searchsorted(exp, 5.0)) - 1)
    if 0 < small < len(exp):
        obs = np.concatenate(([obs[: small + 1].sum()], obs[small + 1 :]))
        exp = np.concatenate(([exp[: small + 1].sum()], exp[small + 1 :]))
    if len(exp) < 2:
        return 1.0
    return float(chi2.sf(((obs - exp) ** 2 / exp).sum(), len(exp) - 1))


def _laws(sampler: Sampler) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the users who have something to draw, and their full laws."""
    users = np.arange(sampler.num_users)
    items = np.broadcast_to(np.arange(sampler.num_items), (users.size, sampler.num_items))
    log_q = np.asarray(sampler.log_prob(users, items), np.float64)
    wrong = log_q[np.isnan(log_q) | (log_q > 1e-5)]
    assert not wrong.size, (
        f"log_prob must be a log-probability, -inf for what is never drawn; got {wrong[0]}"
    )
    able = np.isfinite(log_q).any(axis=1)
    assert able.any(), "some user must have an item to draw; none has"
    return users[able], np.exp(log_q[able])


def check_shapes(sampler: Sampler, draws: int) -> None:
    """Three arrays (batch, num_negatives) of int64, float32 and bool, also for sizes 0 and 1."""
    users, _ = _laws(sampler)
    for batch in (users[:0], users[:1], users):
        for num_negatives in (0, 1, 5):
            got = sampler.sample(batch, num_negatives, key=0)
            shape = (len(batch), num_negatives)
            for array, dtype in zip(got, (np.int64, np.float32, np.bool_), strict=True):
                assert array.shape == shape, f"shape must be {shape}; got {array.shape}"
                assert array.dtype == dtype, f"dtype must be {dtype}; got {array.dtype}"
            assert got.mask.all(), "mask must be true where something was drawn"


def check_support(sampler: Sampler, draws: int) -> None:
    """Nothing is drawn that has probability 0, that is out of range, or that the user has seen."""
    users, _ = _laws(sampler)
    items = sampler.sample(users, draws // len(users) + 1, key=1).items
    assert items.min() >= 0, f"items must not be negative; got {items.min()}"
    assert items.max() < sampler.num_items, f"items must be below {sampler.num_items}"
    impossible = np.isneginf(sampler.log_prob(users, items))
    assert not impossible.any(), f"{impossible.sum()} draws have log_prob -inf"
    if sampler.unseen:
        seen = sampler.interactions.contains(users[:, None], items)
        worst = users[np.argmax(seen.sum(axis=1))]
        assert not seen.any(), f"{seen.sum()} of {seen.size} draws were seen, by user {worst} say"


def check_normalised(sampler: Sampler, draws: int) -> None:
    """exp(log_prob) sums to one over all items, for every user who has any."""
    users, laws = _laws(sampler)
    error = np.abs(laws.sum(axis=1) - 1)
    worst = int(error.argmax())
    assert error[worst] < LOG_Q_TOLERANCE, (
        f"probabilities must sum to 1; they sum to {laws[worst].sum()} for user {users[worst]}"
    )


def check_log_q(sampler: Sampler, draws: int) -> None:
    """Log_q of a draw is the law's log_prob of that item."""
    users, _ = _laws(sampler)
    got = sampler.sample(users, 500, key=2)
    error = np.abs(got.log_q - sampler.log_prob(users, got.items))
    assert error.max() < LOG_Q_TOLERANCE, f"log_q differs from log_prob by {error.max()}"


def check_law(sampler: Sampler, draws: int) -> None:
    """Each user's draws follow exp(log_prob): chi-square over rows, and over slots."""
    users, laws = _laws(sampler)
    for number, (user, law) in enumerate(zip(users, laws, strict=True)):
        for rows, slots in ((draws, 1), (draws // 50, 50)):
            key = Key(3).fold_in(number).fold_in(slots)
            items = sampler.sample(np.full(rows, user), slots, key=key).items
            observed = np.bincount(items.ravel(), minlength=sampler.num_items)
            p_value = chi_square_p_value(observed, law / law.sum() * items.size)
            assert p_value > ALPHA, (
                f"the draws of user {user} do not follow log_prob: p = {p_value:.2g} "
                f"in {items.size} draws of {slots} a row"
            )


def check_marginal(sampler: Sampler, draws: int) -> None:
    """In a batch of mixed users the draws follow the mean of the users' laws."""
    users, laws = _laws(sampler)
    batch = np.tile(users, draws // len(users) + 1)
    items = sampler.sample(batch, 1, key=4).items
    expected = laws.sum(axis=0) / laws.sum() * items.size
    p_value = chi_square_p_value(np.bincount(items.ravel(), minlength=sampler.num_items), expected)
    assert p_value > ALPHA, f"the draws of a mixed batch do not follow the mean law: p = {p_value}"


def check_independence(sampler: Sampler, draws: int) -> None:
    """Slots, neighbouring rows, rows 2**32 apart and folded keys give independent draws."""
    users, laws = _laws(sampler)
    pick = int(np.argmin((laws**2).sum(axis=1)))  # the user with the most even law
    batch = np.full(draws // 4, users[pick])
    rows, key = np.arange(batch.size), Key(5)
    base = sampler.sample(batch, 2, key=key, rows=rows).items
    others = {
        "slots 0 and 1": base[:, 1],
        "a row and the next": sampler.sample(batch, 1, key=key, rows=rows + 1).items[:, 0],
        "rows 2**16 apart": sampler.sample(batch, 1, key=key, rows=rows + (1 << 16)).items[:, 0],
        "rows 2**32 apart": sampler.sample(batch, 1, key=key, rows=rows + (1 << 32)).items[:, 0],
        "keys 5 and 6": sampler.sample(batch, 1, key=6, rows=rows).items[:, 0],
        "folded keys": sampler.sample(batch, 1, key=key.fold_in(0), rows=rows).items[:, 0],
    }
    bins = np.minimum((np.cumsum(laws[pick]) - laws[pick] / 2) * 12, 11).astype(np.int64)
    share = np.bincount(bins, weights=laws[pick] / laws[pick].sum(), minlength=12)
    expected = np.outer(share, share) * batch.size
    for name, other in others.items():
        observed = np.bincount(bins[base[:, 0]] * 12 + bins[other], minlength=144)
        p_value = chi_square_p_value(observed, expected.ravel())
        assert p_value > ALPHA, f"{name} are not independent: p = {p_value:.2g}"


def check_keyed(sampler: Sampler, draws: int) -> None:
    """Draw j of row r depends on (key, user, row, j) alone: not on the batch, order or threads."""
    users, _ = _laws(sampler)
    batch = np.tile(users, 40_000 // len(users) + 1)  # large enough for several blocks
    rows = np.arange(batch.size) * 3 + 2**33
    whole = sampler.sample(batch, 3, key=7, rows=rows)

    def agrees(name: str, got: Any, select: Any = slice(None), slots: int = 3) -> None:
        assert np.array_equal(got.items, whole.items[select, :slots]), f"{name} changes the draws"
        assert np.array_equal(got.log_q, whole.log_q[select, :slots]), f"{name} changes log_q"

    agrees("drawing again", sampler.sample(batch, 3, key=7, rows=rows))
    agrees("num_negatives", sampler.sample(batch, 2, key=7, rows=rows), slots=2)
    for part in np.array_split(np.arange(batch.size), 7):
        agrees("the batch", sampler.sample(batch[part], 3, key=7, rows=rows[part]), part)
    order = np.random.default_rng(0).permutation(batch.size)
    agrees("the order", sampler.sample(batch[order], 3, key=7, rows=rows[order]), order)
    plain = sampler.sample(batch, 3, key=7)
    given = sampler.sample(batch, 3, key=7, rows=np.arange(batch.size))
    assert np.array_equal(plain.items, given.items), "default rows must be 0 .. batch - 1"
    with _restored_threads():
        for threads in (1, 2, 5):
            set_num_threads(threads)
            agrees(f"{threads} threads", sampler.sample(batch, 3, key=7, rows=rows))
    other = sampler.sample(batch, 3, key=8, rows=rows).items
    if len(np.unique(whole.items)) > 1:
        assert not np.array_equal(other, whole.items), "another key must give other draws"


@contextmanager
def _restored_threads() -> Iterator[None]:
    before = get_num_threads()
    try:
        yield
    finally:
        set_num_threads(before)


def check_pure(sampler: Sampler, draws: int) -> None:
    """Global random state is neither read nor moved; the sampler itself does not change."""
    users, _ = _laws(sampler)
    before = pickle.dumps(sampler)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = sampler.sample(users, 20, key=9).items
    states = random.getstate(), np.random.get_state()[1].tobytes()  # type: ignore[index] # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    untouched = random.getstate(), np.random.get_state()[1].tobytes()  # type: ignore[index] # noqa: NPY002
    assert states == untouched, "sampling must not move the global random state"
    random.seed(2)
    np.random.seed(2)  # noqa: NPY002
    again = sampler.sample(users, 20, key=9).items
    assert np.array_equal(first, again), "draws must not depend on the global random state"
    assert pickle.dumps(sampler) == before, "sampling must not change the sampler"
    try:
        sampler.interactions = sampler.interactions
    except (AttributeError, TypeError):
        pass
    else:
        raise AssertionError("a sampler must be frozen; an attribute could be set")


def check_pickle(sampler: Sampler, draws: int) -> None:
    """Pickled copies, as worker processes get them, draw the same."""
    users, _ = _laws(sampler)
    copy: Sampler = pickle.loads(pickle.dumps(sampler))  # noqa: S301
    same = np.array_equal(
        sampler.sample(users, 20, key=10).items, copy.sample(users, 20, key=10).items
    )
    assert same, "a pickled copy must draw the same"


def check_torch(sampler: Sampler, draws: int) -> None:
    """Tensors in give tensors out, with the numbers that arrays give."""
    import torch

    users, _ = _laws(sampler)
    arrays = sampler.sample(users, 5, key=11)
    tensors = sampler.sample(torch.from_numpy(users), 5, key=11)
    for array, tensor in zip(arrays, tensors, strict=True):
        assert isinstance(tensor, torch.Tensor), f"tensors must come back; got {type(tensor)}"
        assert np.array_equal(array, tensor.numpy()), "tensors must hold the same numbers"
    log_q = sampler.log_prob(torch.from_numpy(users), tensors.items)
    assert isinstance(log_q, torch.Tensor), f"a tensor must come back; got {type(log_q)}"
    assert np.array_equal(log_q.numpy(), sampler.log_prob(users, arrays.items))


def check_bad_ids(sampler: Sampler, draws: int) -> None:
    """Users that are negative, too large, not integers, or not a vector are refused."""
    for users in ([-1], [sampler.num_users], [2**31], [2**63], [0.5], ["0"], [[0]]):
        try:
            sampler.sample(np.asarray(users), 1, key=0)
        except InvalidIdError:
            continue
        raise AssertionError(f"users {users} must be refused with InvalidIdError")


def check_exhausted(sampler: Sampler, draws: int) -> None:
    """Users without an admissible item are an error that names them, or masked; never a loop."""
    able, _ = _laws(sampler)
    for user in np.setdiff1d(np.arange(sampler.num_users), able):
        batch = np.append(able, user)
        message = ""
        try:
            sampler.sample(batch, 2, key=12)
        except NoNegativeError as error:
            message = str(error)
        assert message, f"user {user} has nothing to draw; there must be an error"
        assert str(user) in message, f"the error must name user {user}; it is: {message}"
        masked = sampler.sample(batch, 2, key=12, exhausted="mask")
        assert not masked.mask[-1].any(), "mask must be false for a user with nothing to draw"
        assert (masked.items[-1] == -1).all(), "item must be -1 for a user with nothing to draw"
        assert np.array_equal(masked.items[:-1], sampler.sample(able, 2, key=12).items)


SAMPLER_CHECKS: dict[str, Check] = {
    "shapes": check_shapes,
    "support": check_support,
    "normalised": check_normalised,
    "log_q": check_log_q,
    "law": check_law,
    "marginal": check_marginal,
    "independence": check_independence,
    "keyed": check_keyed,
    "pure": check_pure,
    "pickle": check_pickle,
    "torch": check_torch,
    "bad_ids": check_bad_ids,
    "exhausted": check_exhausted,
}
