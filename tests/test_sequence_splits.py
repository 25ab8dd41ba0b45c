"""Splits of sequences: the newest stay out of train, the last events are held out, ids agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recneg.errors import InvalidDataError
from recneg.sequence_splits import (
    SequenceSplit,
    carve_newest,
    given_sequence_split,
    leave_last_sequences,
    newest_sequences,
)
from recneg.sequences import Sequences

ROWS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(-5, 20)), min_size=1, max_size=50
)


def build(rows, *, timed=True):
    sequences, items, times = np.array(rows, np.int64).reshape(-1, 3).T
    return Sequences.from_arrays(
        sequences, items, timestamps=times if timed else None, num_sequences=10, num_items=6
    )


@given(ROWS, st.floats(0, 1))
def test_the_newest_share_ends_last(rows, share):
    data = build(rows)
    newest = newest_sequences(data, share)
    assert newest.sum() == int(10 * share + 0.5)
    last = data.last_times()
    older, newer = np.flatnonzero(~newest), np.flatnonzero(newest)
    for row in newer:
        assert all((last[other], other) < (last[row], row) for other in older)


@given(ROWS, st.integers(0, 30))
def test_the_newest_seconds_are_counted_back_from_the_last_event(rows, seconds):
    data = build(rows)
    newest = newest_sequences(data, seconds=seconds)
    end = max(time for _, _, time in rows)
    for row in range(10):
        times = [time for sequence, _, time in rows if sequence == row]
        assert newest[row] == (bool(times) and max(times) > end - seconds)


def test_without_times_the_rows_are_in_order():
    data = build([(row, 0, 0) for row in range(10)], timed=False)
    assert np.flatnonzero(newest_sequences(data, 0.25)).tolist() == [7, 8, 9]
    with pytest.raises(InvalidDataError, match="the sequences have none"):
        newest_sequences(data, seconds=3)


def test_carving_keeps_the_items_and_loses_no_sequence():
    data = build([(row, row % 6, 10 - row) for row in range(10)])
    train, validation = carve_newest(data)
    assert (len(train), len(validation)) == (9, 1)
    assert validation.items.tolist() == [0]
    train, validation = carve_newest(data, seconds=4)
    assert validation.items.tolist() == [0, 1, 2, 3]
    assert train.num_items == validation.num_items == 6
    assert train.item_counts()[4:].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"share": 1.0}, InvalidDataError, "must leave something to train on; got 10 of 10"),
        ({"share": -0.1}, ValueError, r"share must lie in \[0, 1\]; got -0.1"),
        ({"share": float("nan")}, ValueError, r"share must lie in \[0, 1\]; got nan"),
        ({"seconds": -1}, InvalidDataError, "seconds must be finite and not negative; got -1"),
        ({"seconds": np.nan}, InvalidDataError, "seconds must be finite and not negative; got nan"),
        ({"share": 0.1, "seconds": 1}, ValueError, "one of share and seconds must be given"),
    ],
)
def test_carving_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        carve_newest(build([(row, 0, row) for row in range(10)]), **arguments)


def test_an_empty_set_has_no_newest():
    nothing = Sequences.from_arrays([], [], timestamps=[])
    assert newest_sequences(nothing, seconds=1).tolist() == []
    assert newest_sequences(nothing, 0.5).tolist() == []


@given(ROWS)
def test_the_last_events_are_held_out(rows):
    data = build(rows)
    split = leave_last_sequences(data)
    assert split.targets == "last"
    for row in range(10):
        items = data.items_of(row).tolist()
        parts = [part.items_of(row).tolist() for part in split]
        assert parts == [items[:-2], items[:-1], items]


def test_parts_share_their_items():
    data = Sequences.from_arrays([0, 1], [0, 1], item_ids=np.array([5, 7]))
    other = Sequences.from_arrays([0, 1], [0, 1], item_ids=np.array([5, 8]))
    bare = Sequences.from_arrays([0, 1], [0, 1])
    for wrong in (other, bare):
        with pytest.raises(InvalidDataError, match="item_ids differ"):
            given_sequence_split(data, wrong)
    with pytest.raises(InvalidDataError, match="one set of items; got 2 and 3"):
        given_sequence_split(data, Sequences.from_arrays([0], [2]))
    with pytest.raises(InvalidDataError, match="targets must be 'every' or 'last'; got 'first'"):
        SequenceSplit(data, data, data, "first")


def test_a_given_split_needs_no_validation():
    data = Sequences.from_arrays([0, 0, 1], [0, 1, 1])
    split = given_sequence_split(data, data)
    assert [len(part) for part in split] == [2, 0, 2]
    assert split.targets == "every"
    assert split.validation.num_items == 2


def test_the_checksum_tells_splits_apart():
    data = Sequences.from_arrays([0, 0, 1], [0, 1, 1])
    again = Sequences.from_arrays([1, 0, 0], [1, 0, 1])
    other = Sequences.from_arrays([0, 1, 1], [0, 1, 1])
    one = given_sequence_split(data, data).checksum
    assert one == given_sequence_split(again, data).checksum
    assert one != given_sequence_split(other, data).checksum
    assert one != given_sequence_split(data, data, targets="last").checksum
