"""The window counts what a loop counts, at every edge; asking for memory changes nothing."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recneg.intrinsics import WINDOW, count_in_window, prefetch
from recneg.jit import kernel

edge = st.sampled_from([0, 1, 2**31 - 2, 2**31 - 1])


@kernel
def count(held: NDArray[np.int32], start: int, first: int, end: int, rank: int) -> np.int64:
    return count_in_window(held, start, np.int32(first), np.int32(end), np.int32(rank))


@kernel
def asked(numbers: NDArray[np.int32], at: int) -> np.int64:
    prefetch(numbers, at)
    return numbers[0]


@given(
    st.lists(st.integers(0, 60) | edge, min_size=WINDOW, max_size=30),
    st.data(),
    st.integers(-WINDOW, 20),
    st.integers(0, 30),
    st.integers(-1, 70) | edge,
)
def test_counts_are_those_of_a_loop(
    row: list[int], data: st.DataObject, first: int, end: int, rank: int
) -> None:
    held = np.array(sorted(row), np.int32)
    start = data.draw(st.integers(0, len(row) - WINDOW))
    wanted = 0
    for lane in range(WINDOW):
        place = first + lane
        low = int(held[start + lane]) - place <= rank
        wanted += place < 0 or (place < end and low)
    assert count(held, start, first, end, rank) == wanted


def test_any_address_may_be_asked_for() -> None:
    numbers = np.arange(5, dtype=np.int32)
    assert [asked(numbers, at) for at in (0, 4, 10**6, -(10**6))] == [0] * 4
