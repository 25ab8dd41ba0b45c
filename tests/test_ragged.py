"""Flat positions equal a plain loop, for empty spans too."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from recneg.ragged import flat_positions


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 4)), max_size=8))
@example([(5, 0), (3, 2), (3, 2), (0, 0)])
def test_flat_positions_equal_a_loop(spans):
    starts, counts = np.array(spans, np.int64).reshape(-1, 2).T
    found = flat_positions(starts, counts)
    assert found.tolist() == [start + i for start, count in spans for i in range(count)]
    assert found.dtype == np.int64
    assert starts.tolist() == [start for start, _ in spans]
