"""The arrays of interactions and of sequences are checked by one function, in the same words."""

import numpy as np
import pytest

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
