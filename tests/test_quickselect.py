"""The k-th largest against a sort."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recneg.quickselect import kth_largest

finite = st.floats(-10, 10, width=32).map(lambda value: round(value, 1))  # with ties


@given(st.lists(finite | st.sampled_from([np.inf, -np.inf]), min_size=1, max_size=40), st.data())
def test_the_kth_largest_is_that_of_a_sort(values: list[float], data: st.DataObject) -> None:
    given_values = np.array(values, np.float32)
    size = data.draw(st.integers(1, len(values)))
    k = data.draw(st.integers(1, size))
    scratch = given_values.copy()
    assert kth_largest(scratch, size, k) == np.sort(given_values[:size])[::-1][k - 1]
    assert np.array_equal(np.sort(scratch[:size]), np.sort(given_values[:size]))
    assert np.array_equal(scratch[size:], given_values[size:])
