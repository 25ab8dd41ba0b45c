"""The order of events equals that of a stable sort, whatever their clock."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recneg.errors import InvalidDataError
from recneg.event_order import check_times, in_order, order_of

EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(-3, 3)), max_size=12)


@given(EVENTS, st.sampled_from(["int64", "float32", "datetime64[ms]"]), st.booleans())
@example([(0, 2), (1, 1)], "int64", True)
@example([(1, 1), (0, 2)], "int64", True)
@example([(0, 2), (0, 1)], "int64", False)
def test_order_is_that_of_a_stable_sort(events, clock, timed):
    rows, times = np.array(events, np.int64).reshape(-1, 2).T
    keys = events if timed else [row for row, _ in events]
    expected = sorted(range(len(events)), key=keys.__getitem__)
    ready = expected == list(range(len(events)))
    given_times = times.astype(clock) if timed else None
    assert in_order(rows.astype(np.int32), given_times) == ready
    order = order_of(rows, given_times)
    assert order is None if ready else order.tolist() == expected


def test_times_are_checked():
    indptr = np.array([0, 0, 2, 2, 3])
    check_times(indptr, np.array([4, 4, 1]))
    with pytest.raises(InvalidDataError, match="got 3 after 4 in sequence 1"):
        check_times(indptr, np.array([4, 3, 9]))
    with pytest.raises(InvalidDataError, match=r"must be int64 of shape \(3,\); got int64 of \(2,"):
        check_times(indptr, np.array([4, 3]))
    with pytest.raises(InvalidDataError, match="got float64 of"):
        check_times(indptr, np.array([4.0, 4.0, 1.0]))
