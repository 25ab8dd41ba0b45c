"""Flat positions and neighbours inside rows equal plain loops, for empty rows too."""

from itertools import pairwise

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from recneg.ragged import first_inside, flat_positions

LENGTHS = st.lists(st.integers(0, 3), min_size=1, max_size=8)


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 4)), max_size=8))
@example([(5, 0), (3, 2), (3, 2), (0, 0)])
def test_flat_positions_equal_a_loop(spans):
    starts, counts = np.array(spans, np.int64).reshape(-1, 2).T
    found = flat_positions(starts, counts)
    assert found.tolist() == [start + i for start, count in spans for i in range(count)]
    assert found.dtype == np.int64
    assert starts.tolist() == [start for start, _ in spans]


@given(LENGTHS, st.data())
@example([0, 1, 0, 0, 1, 0], None)
def test_first_inside_equals_a_loop(lengths, data):
    indptr = np.cumsum([0, *lengths])
    size = max(int(indptr[-1]) - 1, 0)
    flags = st.lists(st.booleans(), min_size=size, max_size=size)
    marks = [True] * size if data is None else data.draw(flags)
    expected = None
    for row, (start, stop) in enumerate(pairwise(indptr)):
        for second in range(start + 1, stop):
            if expected is None and marks[second - 1]:
                expected = row, second
    assert first_inside(indptr, np.array(marks, np.bool_)) == expected
