"""The arrays of interactions and sequences: one check for both, and pairs made into rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recneg import csr
from recneg.csr import check_csr, check_rows
from recneg.errors import InvalidDataError, InvalidIdError

INTERACTIONS = {"field": "indices", "entry": "interaction", "row": "user"}
SEQUENCES = {"field": "items", "entry": "event", "row": "sequence"}


@pytest.mark.parametrize("names", [INTERACTIONS, SEQUENCES])
@pytest.mark.parametrize(
    ("indptr", "items", "error", "message"),
    [
        (np.array([0, 1], np.int32), np.zeros(1, np.int32), InvalidDataError,
         "indptr must be int64 and {field} int32; got int32 and int32"),
        (np.array([0, 1]), np.zeros((1, 1), np.int32), InvalidDataError,
         "indptr and {field} must be vectors; got shapes (2,) and (1, 1)"),
        (np.zeros(0, np.int64), np.zeros(0, np.int32), InvalidDataError,
         "indptr must run from 0 to the number of {entry}s, 0; got the ends []"),
        (np.array([1, 2]), np.zeros(1, np.int32), InvalidDataError,
         "indptr must run from 0 to the number of {entry}s, 1; got the ends [1, 2]"),
        (np.array([0, 2, 1, 2]), np.zeros(2, np.int32), InvalidDataError,
         "indptr must not decrease; got 1 after 2 in {row} 1"),
        (np.array([0, 3]), np.array([0, 4, 5], np.int32), InvalidIdError,
         "item ids must lie in [0, 5); got 5 at position 2"),
        (np.array([0, 2]), np.array([0, -1], np.int32), InvalidIdError,
         "item ids must lie in [0, 5); got -1 at position 1"),
    ],
)  # fmt: skip
def test_rows_are_refused_in_the_same_words(names, indptr, items, error, message):
    with pytest.raises(error) as caught:
        check_rows(indptr, items, 5, **names)
    assert str(caught.value) == message.format(**names)


def test_rows_may_be_empty_and_repeat_items():
    check_rows(np.array([0, 0, 2, 2]), np.array([4, 4], np.int32), 5, **SEQUENCES)
    check_rows(np.array([0]), np.zeros(0, np.int32), 0, **SEQUENCES)


@pytest.mark.parametrize(
    ("items", "got"), [([1, 4, 4], "4 after 4 in user 3"), ([2, 3, 0], "0 after 3 in user 3")]
)
def test_users_have_sorted_unique_items(items, got):
    indptr = np.array([0, 0, 1, 1, 3])
    with pytest.raises(InvalidDataError, match=f"strictly increasing inside each user; got {got}"):
        check_csr(indptr, np.array(items, np.int32), 5)
    check_csr(indptr, np.array([4, 0, 1], np.int32), 5)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9), st.integers(0, 5)), max_size=60),
    st.integers(1, 12),
)
def test_blocks_of_pairs_are_merged_as_all_at_once(
    rows: list[tuple[int, int, int]], at_once: int
) -> None:
    users, items, values = np.array(rows, np.int64).reshape(-1, 3).T
    weights, times = values.astype(np.float32), values * 10 - 20
    pairs, merged, latest = csr.merge(users * 10 + items, weights, times)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csr, "MERGED_AT_ONCE", at_once)
        found = csr.rows_of_pairs(users.copy(), items.copy(), 8, 10, weights, times.copy())
    indptr, indices, kept, of_times = found
    np.testing.assert_array_equal(np.repeat(np.arange(8), np.diff(indptr)) * 10 + indices, pairs)
    np.testing.assert_array_equal(kept, merged)
    np.testing.assert_array_equal(of_times, latest)
    assert (indptr.dtype, indices.dtype) == (np.int64, np.int32)
