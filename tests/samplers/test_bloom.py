"""The bits of excluded items: hits are those of a search, and few others are looked up."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recneg.samplers import bloom
from recneg.samplers.bloom import bloom_of, find_hits

EDGE = 2**31 - 1

histories = st.lists(
    st.sets(st.integers(0, 40) | st.integers(EDGE - 40, EDGE), max_size=60), min_size=1, max_size=5
)


def ragged(sets: list[set[int]]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    indptr = np.cumsum([0, *map(len, sets)]).astype(np.int64)
    items = [item for each in sets for item in sorted(each)]
    return indptr, np.array(items, np.int32)


@given(histories, st.data())
def test_hits_are_those_of_a_search(sets: list[set[int]], data: st.DataObject) -> None:
    """In groups of any number of rows, also none, of any users, also twice."""
    indptr, indices = ragged(sets)
    bits = bloom_of(indptr, indices)
    assert bits.nbytes <= 2 * len(indices) + 8 * len(sets)
    pairs = st.tuples(st.integers(0, len(sets) - 1), st.integers(0, 3))
    groups = data.draw(st.lists(pairs, max_size=6))
    users, counts = np.array(groups, np.int64).reshape(-1, 2).T.copy()
    total = 2 * int(counts.sum())
    near = st.sampled_from(sorted({-1, *indices.tolist()})) | st.integers(-1, 41)
    drawn = data.draw(st.lists(near | st.integers(EDGE - 41, EDGE), min_size=total, max_size=total))
    items = np.array(drawn, np.int32)
    hits, owners = np.full(total, -7), np.full(total, -7)
    found = find_hits(bits, indptr, indices, users, counts, 2, items, hits, owners)
    groups_of = np.repeat(np.arange(len(users)), 2 * counts)
    wanted = [
        place for place, item in enumerate(drawn)
        if item < 0 or item in sets[users[groups_of[place]]]
    ]  # fmt: skip
    assert hits[:found].tolist() == wanted
    assert owners[:found].tolist() == groups_of[wanted].tolist()


def test_few_items_that_nobody_has_seen_are_looked_up() -> None:
    """About one in a hundred at sixteen bits an item, whatever the numbers of the items."""
    rng = np.random.default_rng(0)
    for step in (1, 64, 4096, 99_991):
        sets = [set((step * rng.choice(20_000, 100, False)).tolist()) for _ in range(50)]
        indptr, indices = ragged(sets)
        bits = bloom_of(indptr, indices)
        other = (step * np.arange(20_000) % EDGE).astype(np.int32)
        looked_up, met = 0, 0
        for user, seen in enumerate(sets):
            items = other[~np.isin(other, sorted(seen))]
            start, words = bloom.words_of.py_func(indptr, user)
            with np.errstate(over="ignore"):
                mixed = bloom.spread.py_func(items.astype(np.uint32))
            word = bits[start + bloom.word_at.py_func(mixed, words).astype(np.int64)]
            wanted = bloom.bits_at.py_func(mixed)
            looked_up += ((word & wanted) == wanted).sum()
            met += items.size
        assert looked_up / met < 0.012
