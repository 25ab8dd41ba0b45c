"""The directory of excluded items counts what a search through all of them counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recneg import Interactions, Popularity, Uniform
from recneg.samplers.directory import count_excluded, directory_of

histories = st.integers(1, 300).flatmap(
    lambda n: st.tuples(
        st.just(n), st.lists(st.sets(st.integers(0, n - 1), max_size=n), min_size=1, max_size=5)
    )
)


def ragged(sets: list[set[int]]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    indptr = np.cumsum([0, *map(len, sets)]).astype(np.int64)
    items = [item for each in sets for item in sorted(each)]
    return indptr, np.array(items, np.int32)


def counted(n: int, sets: list[set[int]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return what the directory counts and what a search does, for every rank of every user."""
    indptr, indices = ragged(sets)
    directory = directory_of(n, indptr, indices)
    assert directory.before.nbytes == 4 * (len(indices) // 2 + 2 * len(sets))
    found, wanted = [], []
    for user, items in enumerate(sets):
        held = np.array(sorted(items), np.int64) - np.arange(len(items))
        ranks = np.arange(-1, n - len(items), dtype=np.int32)
        places = np.empty(ranks.size, np.int32)
        count_excluded(
            indptr, indices, *directory, np.array([user]), np.array([1]), ranks.size, ranks, places
        )
        found.append(places[1:])
        wanted.append(np.searchsorted(held, ranks[1:], side="right"))
    return np.concatenate(found), np.concatenate(wanted).astype(np.int32)


@given(histories)
def test_counts_are_those_of_a_search(history: tuple[int, list[set[int]]]) -> None:
    n, sets = history
    if any(sets):
        found, wanted = counted(n, sets)
        np.testing.assert_array_equal(found, wanted)


def test_items_side_by_side() -> None:
    """All that a user has seen may lie in one bucket of many."""
    sets = [set(range(400, 500)), {0}, set(range(9_000, 9_900)), set(range(9_999)), set()]
    found, wanted = counted(10_000, sets)
    np.testing.assert_array_equal(found, wanted)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=8))
def test_groups_follow_one_another(groups: list[tuple[int, int]]) -> None:
    """Groups of any number of rows, also none, of any users, also twice."""
    sets = [set(range(0, 90, 3)), set(), {5, 6, 7}, set(range(40, 80)), {0, 99}]
    indptr, indices = ragged(sets)
    users, counts = np.array(groups, np.int64).reshape(-1, 2).T
    owners = np.repeat(users, counts * 2)
    limits = np.array([100 - len(each) for each in sets])
    ranks = (np.arange(owners.size) * 7919 % limits[owners]).astype(np.int32)
    places = np.empty(ranks.size, np.int32)
    count_excluded(
        indptr, indices, *directory_of(100, indptr, indices), users.copy(), counts.copy(), 2,
        ranks, places,
    )  # fmt: skip
    for owner, rank, place in zip(owners, ranks, places, strict=True):
        held = np.array(sorted(sets[owner]), np.int64)
        assert place == np.searchsorted(held - np.arange(held.size), rank, side="right")


@pytest.mark.parametrize("law", [Uniform, Popularity])
def test_few_draws_a_row_are_the_first_of_many(law: type[Uniform]) -> None:
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 50, 6000), np.sort(rng.integers(0, 400, 6000) ** 2 // 400)
    sampler = law(Interactions.from_arrays(users, items, num_users=60, num_items=400))
    batch = rng.integers(0, 60, 3000)
    many = sampler.sample(batch, 9, key=5)
    for count in range(1, 9):
        few = sampler.sample(batch, count, key=5)
        np.testing.assert_array_equal(few.items, many.items[:, :count])
        np.testing.assert_array_equal(few.log_q, many.log_q[:, :count])
