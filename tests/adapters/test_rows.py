"""Rows carry their identity, one at a time or many together."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recneg import Interactions
from recneg.adapters.rows import InteractionRows
from recneg.errors import InvalidDataError, InvalidIdError


def make_rows(timestamps: bool = False) -> InteractionRows:
    return InteractionRows(
        Interactions.from_arrays(
            [3, 0, 3, 1, 0],
            [2, 5, 0, 1, 4],
            timestamps=[50, 10, 40, 30, 20] if timestamps else None,
            num_users=5,
        )
    )


def test_what_is_no_interactions_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="must be Interactions; got 'a'"):
        InteractionRows("a")  # type: ignore[arg-type]


def test_samples_in_the_order_of_the_interactions() -> None:
    assert list(make_rows()) == [(0, 0, 4), (1, 0, 5), (2, 1, 1), (3, 3, 0), (4, 3, 2)]
    assert make_rows(timestamps=True)[3] == (3, 3, 0, 40)
    assert all(type(value) is int for value in make_rows(timestamps=True)[np.int32(3)])


@pytest.mark.parametrize(
    "index", [[4, 0], np.array([4, 0], np.int32), torch.tensor([4, 0]), slice(4, None, -4)]
)
@pytest.mark.parametrize("timestamps", [False, True])
def test_many_rows_together(index, timestamps: bool) -> None:
    columns = make_rows(timestamps)[index]
    assert {column.dtype for column in columns} == {np.dtype(np.int64)}
    found = [column.tolist() for column in columns]
    assert found == [[4, 0], [3, 0], [2, 4], [50, 20]][: 3 + timestamps]


def test_an_index_that_is_a_tensor_without_dimensions() -> None:
    assert make_rows()[torch.tensor(2)] == (2, 1, 1)


@given(st.lists(st.integers(0, 4), max_size=8), st.booleans())
def test_a_batch_of_samples_equals_them_one_by_one(indices: list[int], timestamps: bool) -> None:
    rows = make_rows(timestamps)
    assert rows.__getitems__(indices) == [rows[index] for index in indices]


@pytest.mark.parametrize("index", [5, -1])
def test_single_rows_outside(index: int) -> None:
    with pytest.raises(IndexError, match=rf"rows must lie in \[0, 5\); got {index}"):
        make_rows()[index]


@pytest.mark.parametrize("index", [[0, 5], [-1], np.array([0.5]), np.ones(5, bool)])
def test_many_rows_outside(index) -> None:
    with pytest.raises(InvalidIdError, match="row ids must"):
        make_rows()[index]


@pytest.mark.parametrize("index", [1.0, None, "1"])
def test_what_is_no_row(index) -> None:
    rows = InteractionRows(Interactions.from_arrays([0, 1], [0, 1]))
    with pytest.raises(TypeError, match="rows must be integers; got"):
        rows[index]


def test_no_interactions() -> None:
    rows = InteractionRows(Interactions.from_arrays([], [], num_users=3, num_items=2))
    assert len(rows) == 0
    assert list(rows) == []
    assert [column.shape for column in rows[:]] == [(0,)] * 3


def test_pickling() -> None:
    again = pickle.loads(pickle.dumps(make_rows(timestamps=True)))  # noqa: S301
    assert list(again) == list(make_rows(timestamps=True))
