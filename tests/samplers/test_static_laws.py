"""Uniform and popularity laws where peers fail: dense users, duplicates, big ids, new processes."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recneg.errors import InvalidDataError, InvalidIdError, NoNegativeError
from recneg.interactions import Interactions
from recneg.keys import Key, random_integers
from recneg.samplers import Popularity, Uniform
from recneg.testing import chi_square_p_value


@st.composite
def histories(draw: st.DrawFn) -> Interactions:
    """Small data: empty users, users with one free item or none, duplicates, items never seen."""
    num_users = draw(st.integers(1, 5))
    num_items = draw(st.integers(1, 9))
    pairs = draw(
        st.lists(
            st.tuples(st.integers(0, num_users - 1), st.integers(0, num_items - 1)), max_size=40
        )
    )
    users, items = zip(*pairs, strict=True) if pairs else ((), ())
    return Interactions.from_arrays(
        np.array(users, np.int64), np.array(items, np.int64), num_users=num_users,
        num_items=num_items,
    )  # fmt: skip


@given(histories(), st.integers(0, 2**64 - 1))
def test_uniform_is_the_rank_shift_of_its_key(data: Interactions, seed: int) -> None:
    """The r-th free item for r a bounded integer of the key: against a set difference."""
    users = np.flatnonzero(data.user_counts() < data.num_items)
    got = Uniform(data).sample(users, 3, key=seed).items
    for row, user in enumerate(users):
        free = np.setdiff1d(np.arange(data.num_items), data.items_of(user))
        ranks = random_integers(Key(seed), len(free), row, np.arange(3))
        assert got[row].tolist() == free[ranks].tolist()


@given(histories(), st.floats(-2, 3))
def test_popularity_never_draws_the_impossible(data: Interactions, exponent: float) -> None:
    if len(data) == 0 and exponent != 0:
        with pytest.raises(InvalidDataError, match="must not all be zero"):
            Popularity(data, exponent)
        return
    sampler = Popularity(data, exponent)
    users = np.arange(data.num_users)
    got = sampler.sample(users, 20, key=1, exhausted="mask")
    counts = data.item_counts()
    for user in users:
        allowed = set(np.flatnonzero(counts > 0 if exponent else counts >= 0))
        allowed -= set(data.items_of(user).tolist())
        assert set(got.items[user][got.mask[user]].tolist()) <= allowed
        assert got.mask[user].all() == bool(allowed)


def test_law_by_enumeration_of_a_tiny_catalogue() -> None:
    data = Interactions.from_arrays([0, 1, 1, 2, 2, 2], [0, 0, 1, 0, 1, 2], num_items=4)
    popularity = np.exp(Popularity(data, 1.0).log_prob(np.arange(3)[:, None], np.arange(4)[None]))
    assert np.allclose(popularity[0], [0, 2 / 3, 1 / 3, 0])
    assert np.allclose(popularity[1], [0, 0, 1, 0])
    uniform = np.exp(Uniform(data).log_prob(np.arange(3)[:, None], np.arange(4)[None]))
    assert np.allclose(uniform, [[0, 1 / 3, 1 / 3, 1 / 3], [0, 0, 0.5, 0.5], [0, 0, 0, 1]])


@pytest.mark.parametrize("law", [Uniform, Popularity])
def test_one_free_item_of_a_million_is_found_at_once(law: type) -> None:
    """LensKit returns positives here, RecBole and LightGCN loop; see also the contract."""
    size = 1_000_000
    seen = np.delete(np.arange(size), 123_456)
    data = Interactions.from_arrays(
        np.concatenate((np.zeros(size - 1, np.int64), [1, 1])),
        np.concatenate((seen, [5, 123_456])),
        num_items=size,
    )
    sampler = law(data)
    sampler.sample([0, 1], 1, key=0)
    elapsed = {}
    for user in (1, 0):
        started = time.perf_counter()
        items = sampler.sample(np.full(20_000, user), 1, key=3).items
        elapsed[user] = time.perf_counter() - started
    assert (items == 123_456).all()
    assert elapsed[0] < 5  # a linear search would take minutes; it takes milliseconds


def test_heavy_and_light_users_follow_the_exact_conditional_law() -> None:
    """User 0 has seen 99.99 % of the weight: nearly every draw comes from the fallback."""
    rng = np.random.default_rng(0)
    weights = np.concatenate((np.full(50, 4000), rng.integers(1, 30, 60)))
    users = np.concatenate([np.arange(1, 1 + w) for w in weights])
    items = np.repeat(np.arange(110), weights)
    data = Interactions.from_arrays(
        np.concatenate((users, np.zeros(55, np.int64))),
        np.concatenate((items, np.arange(50), [60, 61, 70, 75, 80])),
    )
    sampler = Popularity(data, 2.0)
    assert sampler.law.gap_start[0] >= 0
    items = sampler.sample(np.zeros(2_000_000, np.int64), 1, key=1).items.ravel()
    law = np.exp(sampler.log_prob(0, np.arange(110)).astype(np.float64))
    observed = np.bincount(items, minlength=110)
    assert chi_square_p_value(observed, law * len(items)) > 1e-6


def test_counts_come_from_the_interactions_given_and_nothing_else() -> None:
    train = Interactions.from_arrays([0, 1], [0, 0], num_users=3, num_items=3)
    law = np.exp(Popularity(train, 1.0).log_prob(2, np.arange(3)))
    assert law.tolist() == [1.0, 0.0, 0.0]


def test_duplicate_rows_change_neither_exclusion_nor_counts() -> None:
    once = Interactions.from_arrays([0, 1, 1], [0, 1, 2], num_items=5)
    twice = Interactions.from_arrays([0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 2, 2], num_items=5)
    for law in (Uniform, Popularity):
        users = np.arange(2).repeat(50)
        assert np.array_equal(
            law(once).sample(users, 4, key=0).items, law(twice).sample(users, 4, key=0).items
        )


def test_ids_at_the_edge_of_int32() -> None:
    """users * items is far above 2**31, and the last item is the largest int32."""
    size = 2**31 - 1
    data = Interactions.from_arrays([0, 0, 1], [0, size - 1, size - 2], num_items=size)
    items = Uniform(data).sample(np.repeat([0, 1], 20_000), 1, key=0).items
    assert items.min() >= 0
    assert items.max() > 2**31 * 0.99
    assert not data.contains(np.repeat([0, 1], 20_000)[:, None], items).any()


def test_one_user_one_item() -> None:
    free = Interactions.from_arrays([], [], num_users=1, num_items=1)
    assert Uniform(free).sample([0], 3, key=0).items.tolist() == [[0, 0, 0]]
    assert Uniform(free).sample([0], 3, key=0).log_q.tolist() == [[0.0, 0.0, 0.0]]
    full = Interactions.from_arrays([0], [0])
    with pytest.raises(NoNegativeError, match=r"1 of this batch has none: 0"):
        Uniform(full).sample([0], 1, key=0)


def test_the_first_five_exhausted_users_are_named() -> None:
    data = Interactions.from_arrays(np.arange(8), np.zeros(8, np.int64), num_items=1)
    with pytest.raises(
        NoNegativeError, match="8 of this batch have none: 0, 1, 2, 3, 4, \\.\\.\\."
    ):
        Uniform(data).sample(np.arange(8), 1, key=0)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"num_negatives": -1}, ValueError),
        ({"num_negatives": 2.0}, TypeError),
        ({"num_negatives": 2**31}, ValueError),
        ({"key": -1}, ValueError),
        ({"key": 0.5}, TypeError),
        ({"rows": [0]}, InvalidIdError),
        ({"rows": [0, -1]}, InvalidIdError),
        ({"rows": [0.0, 1.0]}, InvalidIdError),
        ({"exhausted": "skip"}, ValueError),
    ],
)
def test_bad_arguments(change: dict, error: type[Exception]) -> None:
    sampler = Uniform(Interactions.from_arrays([0, 1], [0, 1]))
    with pytest.raises(error, match="got"):
        sampler.sample([0, 1], **({"num_negatives": 1, "key": 0} | change))


@pytest.mark.parametrize("exponent", [np.nan, np.inf])
def test_bad_exponents(exponent: float) -> None:
    with pytest.raises(InvalidDataError, match="exponent must be finite"):
        Popularity(Interactions.from_arrays([0], [0]), exponent)


def test_an_empty_catalogue_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="at least one item"):
        Uniform(Interactions.from_arrays([], [], num_users=1))


GOLDEN = {
    "Uniform": "0b69946277c63df4",
    "Popularity": "141f09508ecbc617",
}
SCRIPT = """
import hashlib, json, numpy as np
from recneg import Popularity, Uniform
from recneg.testing import contract_interactions
data = contract_interactions()
users = np.tile([0, 2, 3, 4, 5, 6], 2000)
digests = {}
for law in (Uniform, Popularity):
    items = law(data).sample(users, 7, key=2026).items
    digests[law.__name__] = hashlib.sha256(items.tobytes()).hexdigest()[:16]
print(json.dumps(digests))
"""


def test_a_new_process_draws_the_golden_negatives() -> None:
    """Bits are promised for a stream version: on any machine, in any process, on any threads."""
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == GOLDEN
