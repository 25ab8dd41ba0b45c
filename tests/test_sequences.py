"""Sequences: the order of events is kept from any source, parts are exact, bad input refused."""

import copy
import gzip
import pickle
import tracemalloc
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recneg.errors import InvalidDataError, InvalidIdError
from recneg.ids import ID_LIMIT
from recneg.interactions import Interactions
from recneg.sequences import Sequences, check_sequences

ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 8), st.integers(-3, 3)), max_size=40
)  # repeated items, equal times, sequences and items without rows


def build(rows, *, timed=True):
    sequences, items, times = np.array(rows, np.int64).reshape(-1, 3).T
    return Sequences.from_arrays(
        sequences, items, timestamps=times if timed else None, num_sequences=7, num_items=9
    )


def in_order(rows, *, timed=True):
    """The events of each sequence, by a plain loop."""
    result = [[] for _ in range(7)]
    for row in rows:
        result[row[0]].append(row)
    if timed:
        result = [sorted(events, key=lambda row: row[2]) for events in result]
    return result


def items_of_all(data):
    return [data.items_of(row).tolist() for row in range(len(data))]


# -- what is kept ----------------------------------------------------------------------------------


@given(ROWS, st.booleans())
@example([], True)
@example([(0, 0, 0)], False)
@example([(6, 8, 1), (6, 8, 0), (6, 8, 0)], True)
def test_from_arrays_equals_a_loop(rows, timed):
    data, expected = build(rows, timed=timed), in_order(rows, timed=timed)
    assert items_of_all(data) == [[row[1] for row in events] for events in expected]
    assert (data.num_sequences, data.num_items, data.num_events) == (7, 9, len(rows))
    assert data.lengths().tolist() == [len(events) for events in expected]
    assert data.item_counts().tolist() == [sum(row[1] == i for row in rows) for i in range(9)]
    assert data.owners().tolist() == [row[0] for events in expected for row in events]
    if timed:
        times = [row[2] for events in expected for row in events]
        assert data.timestamps.tolist() == times
        last = [events[-1][2] if events else np.iinfo(np.int64).min for events in expected]
        assert data.last_times().tolist() == last
    assert [array.dtype for array in (data.indptr, data.items)] == [np.int64, np.int32]


@given(ROWS, st.integers(0, 5), st.lists(st.booleans(), min_size=7, max_size=7))
def test_parts_equal_slices(rows, number, marks):
    data, expected = build(rows), in_order(rows)
    keep = np.array(marks)
    cases = [
        (data.latest(number), [events[max(len(events) - number, 0) :] for events in expected]),
        (
            data.without_last(number),
            [events[: max(len(events) - number, 0)] for events in expected],
        ),
        (data.select(keep), [events for events, mark in zip(expected, marks, strict=True) if mark]),
    ]
    for part, wanted in cases:
        assert items_of_all(part) == [[row[1] for row in events] for events in wanted]
        assert part.timestamps.tolist() == [row[2] for events in wanted for row in events]
        assert part.num_items == 9
    middle = data.between(number, 6)
    assert items_of_all(middle) == [[row[1] for row in events] for events in expected[number:6]]
    assert np.shares_memory(middle.items, data.items) or not middle.num_events
    assert data.without_times().items.tolist() == data.items.tolist()
    assert data.without_times().timestamps is None
    even = data.items % 2 == 0
    wanted = [[row[1] for row in events if row[1] % 2 == 0] for events in expected]
    assert items_of_all(data.select_events(even)) == wanted
    chosen = [5, 0, 5, 2]
    events = data.events_of(chosen)
    assert data.items[events].tolist() == [row[1] for s in chosen for row in expected[s]]
    assert data.events_of([]).size == 0


def cut_by_hand(events, length):
    """Windows from the end, each of which begins with the event that the one before ends with."""
    windows = []
    while len(events) > length:
        windows.append(events[-length:])
        events = events[: len(events) - length + 1]
    return [events, *reversed(windows)]


@given(ROWS, st.integers(2, 6))
def test_windows_are_cut_from_the_end(rows, length):
    data, expected = build(rows), in_order(rows)
    found = data.windows(length)
    wanted = [window for events in expected for window in cut_by_hand(events, length)]
    assert items_of_all(found) == [[row[1] for row in window] for window in wanted]
    assert found.timestamps.tolist() == [row[2] for window in wanted for row in window]
    assert (found.num_items, found.sequence_ids) == (9, None)
    pairs = [
        [pair for events in each for pair in pairwise(events)]
        for each in (items_of_all(found), items_of_all(data))
    ]
    assert pairs[0] == pairs[1]  # what follows what, each once and in order


def test_parts_keep_raw_ids():
    frame = pl.DataFrame({"sequence": ["b", "a", "c"], "item": [30, 10, 10]})
    data = Sequences.from_polars(frame)
    part = data.select(np.array([False, True, True]))
    assert part.sequence_ids.tolist() == ["b", "c"]
    assert part.item_ids.tolist() == [10, 30]
    assert part.to_polars().rows() == [("b", 30), ("c", 10)]
    assert data.between(1, 3).to_polars().rows() == part.to_polars().rows()
    assert data.sequence_index(["c", "a"]).tolist() == [2, 0]
    assert data.item_index([30]).tolist() == [1]


@given(ROWS)
def test_interactions_are_the_distinct_items_at_their_last_time(rows):
    data = build(rows)
    expected = Interactions.from_arrays(
        *np.array(rows, np.int64).reshape(-1, 3).T[:2],
        timestamps=np.array(rows, np.int64).reshape(-1, 3)[:, 2],
        num_users=7,
        num_items=9,
    )
    found = data.to_interactions()
    assert found.to_polars().rows() == expected.to_polars().rows()
    assert found.num_duplicates == expected.num_duplicates


@given(ROWS)
def test_from_interactions_orders_by_time_then_item(rows):
    sequences, items, times = np.array(rows, np.int64).reshape(-1, 3).T
    source = Interactions.from_arrays(sequences, items, timestamps=times, num_users=7, num_items=9)
    data = Sequences.from_interactions(source)
    latest = {}
    for sequence, item, time in rows:
        latest[sequence, item] = max(time, latest.get((sequence, item), time))
    wanted = sorted((s, time, item) for (s, item), time in latest.items())
    assert data.items.tolist() == [item for _, _, item in wanted]
    assert data.timestamps.tolist() == [time for _, time, _ in wanted]


@settings(max_examples=30)
@given(rows=ROWS.filter(bool))
@example(rows=[(3, 3, 1)])
def test_every_constructor_agrees(tmp_path_factory, rows):
    frame = pl.DataFrame(rows, schema=["session", "item", "timestamp"], orient="row")
    names = {"sequence": "session", "item": "item", "timestamp": "timestamp"}
    expected = Sequences.from_polars(frame, **names).to_polars().rows()
    folder = tmp_path_factory.mktemp("files")
    frame.write_csv(folder / "a.csv")
    frame.write_parquet(folder / "a.parquet")
    (folder / "a.csv.gz").write_bytes(gzip.compress((folder / "a.csv").read_bytes()))
    found = [Sequences.from_file(folder / f"a.{kind}") for kind in ("csv", "parquet", "csv.gz")]
    found.append(Sequences.from_polars(frame.lazy(), **names))
    found.append(Sequences.from_pandas(pd.DataFrame(frame.to_dict(as_series=False)), **names))
    assert all(data.to_polars().rows() == expected for data in found)
    untimed = Sequences.from_polars(frame, sequence="session")
    assert untimed.timestamps is None
    lines = [
        " ".join(map(str, [raw, *events["item"]])) for (raw,), events in frame.group_by("session")
    ]
    (folder / "a.txt").write_text("\n".join(lines))
    by_line = Sequences.from_file(folder / "a.txt", layout="lines")
    assert by_line.to_polars().rows() == untimed.to_polars().rows()


def test_dates_order_events(tmp_path):
    (tmp_path / "a.csv").write_text(
        "session_id,item_id,time\n1,5,2014-04-07T10:54:09.868Z\n1,6,2014-04-07T10:51:09.277Z\n"
    )
    data = Sequences.from_file(tmp_path / "a.csv")
    assert data.item_ids[data.items_of(0)].tolist() == [6, 5]
    assert data.timestamps.tolist() == [1396867869, 1396868049]


# -- lines -----------------------------------------------------------------------------------------


def test_lines_may_be_blank_empty_and_unsorted(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"7 40 20  40\r\n\n3\n5\t20\n")
    data = Sequences.from_file(path, layout="lines")
    assert data.sequence_ids.tolist() == [3, 5, 7]
    assert items_of_all(data) == [[], [0], [1, 0, 1]]
    assert data.item_ids.tolist() == [20, 40]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lines_end_as_on_any_system(tmp_path, mark, end):
    (tmp_path / "a.txt").write_bytes(f"{mark}1 2{end}{end}3 4 2{end}".encode())
    data = Sequences.from_file(tmp_path / "a.txt", layout="lines")
    assert data.to_polars().rows() == [(1, 2), (3, 4), (3, 2)]


def test_lines_of_labels(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress("b é x\x01\na x\n".encode()))
    data = Sequences.from_file(path, layout="lines", ids="string")
    assert data.to_polars().rows() == [("a", "x"), ("b", "é"), ("b", "x\x01")]


@pytest.mark.parametrize("row", [("x" * 10_000, "7"), ("7", "x" * 10_000)])
def test_one_long_label_costs_no_room_in_the_others(tmp_path, row):
    lines = [f"s{index} {index} 7" for index in range(2000)]
    (tmp_path / "a.txt").write_text("\n".join([*lines, " ".join(row)]))
    tracemalloc.start()
    data = Sequences.from_file(tmp_path / "a.txt", layout="lines", ids="string")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6  # in arrays as wide as that label, 80 MB
    sequence = data.sequence_index([row[0]])[0]
    assert data.items_of(sequence).tolist() == data.item_index([row[1]]).tolist()
    kept = pickle.loads(pickle.dumps(data.select(np.arange(2001) == sequence)))  # noqa: S301
    assert kept.to_polars().rows() == [row]
    assert data.to_interactions().to_polars().sort("user", "item").rows() == sorted(
        {(word, item) for word, *items in map(str.split, [*lines, " ".join(row)]) for item in items}
    )


def test_one_long_label_costs_no_room_in_other_rows(tmp_path):
    rows = [f"{index},{index % 9}" for index in range(2000)]
    (tmp_path / "a.csv").write_text("\n".join(["session,item", *rows, f"5,{'x' * 10_000}", ""]))
    tracemalloc.start()
    data = Sequences.from_file(tmp_path / "a.csv", ids="string")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6  # in arrays as wide as that label, 80 MB
    row = data.sequence_index(["5"])[0]
    assert data.items_of(row).tolist() == data.item_index(["5", "x" * 10_000]).tolist()


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("1 2\n\n2 x\n", InvalidIdError, r"a\.txt, line 3: .*got 'x'"),
        ("1 2\n2 -1\n", InvalidIdError, r"line 2: .*got '-1'"),
        ("1 2 9223372036854775808\n", InvalidIdError, r"line 1: .*got '9223372036854775808'"),
        (
            "1 2\n3 4\n1 5\n",
            InvalidDataError,
            r"one line a sequence; .*1.* has two, lines \[1, 3\]",
        ),
        (" \n", InvalidDataError, "at least one line"),
        ("1 2\n3 \x01\n", InvalidIdError, r"line 2: ids must be integers .*got '\\x01'"),
        ("1 2\r\n3 \xff", InvalidDataError, r"a\.txt, line 2: text must be UTF-8; got byte 0xff"),
        ("\xef\xbb\xbf\xe9", InvalidDataError, "line 1: text must be UTF-8; got byte 0xe9"),
    ],
)
def test_lines_are_refused(tmp_path, text, error, message):
    (tmp_path / "a.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(error, match=message):
        Sequences.from_file(tmp_path / "a.txt", layout="lines")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        Sequences.from_file(tmp_path / "absent", layout="lines")
    (tmp_path / "a.gz").write_bytes(b"1 2\n")
    with pytest.raises(InvalidDataError, match="must be a gzip file"):
        Sequences.from_file(tmp_path / "a.gz", layout="lines")
    with pytest.raises(ValueError, match="layout must be 'events' or 'lines'; got 'rows'"):
        Sequences.from_file(tmp_path / "a.gz", layout="rows")
    with pytest.raises(ValueError, match="lines have no columns; got 'session'"):
        Sequences.from_file(tmp_path / "a.gz", layout="lines", sequence="session")


# -- edges and refusals ----------------------------------------------------------------------------


def test_empty():
    data = Sequences.from_arrays([], [])
    assert (len(data), data.num_items, data.num_events) == (0, 0, 0)
    assert (
        len(data.windows(2)) == len(data.latest(3)) == len(data.select(np.zeros(0, np.bool_))) == 0
    )
    hollow = Sequences.from_arrays([], [], num_sequences=3, num_items=2, timestamps=[])
    assert hollow.lengths().tolist() == [0, 0, 0]
    assert hollow.without_last().to_interactions().num_users == 3
    with pytest.raises(InvalidDataError, match="at least one row"):
        Sequences.from_polars(pl.DataFrame({"sequence": [], "item": []}))


def test_ids_at_the_edge_of_int32():
    data = Sequences.from_arrays([0, 0], [ID_LIMIT - 1, 0])
    assert data.items.tolist() == [ID_LIMIT - 1, 0]
    assert data.num_items == ID_LIMIT
    assert data.to_interactions().indices.tolist() == [0, ID_LIMIT - 1]
    with pytest.raises(InvalidIdError, match=r"item ids must lie in .* got 2147483647"):
        Sequences.from_arrays([0], [ID_LIMIT])
    frame = pl.DataFrame({"sequence": [2**63 - 1, 2**40], "item": [2**62, 2**62]})
    assert Sequences.from_polars(frame).sequence_ids.tolist() == [2**40, 2**63 - 1]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"items": [-1, 0]}, InvalidIdError, "item ids must lie in .*got -1 at position 0"),
        ({"sequences": [0, -2]}, InvalidIdError, "sequence ids must lie in .*got -2 at position 1"),
        ({"items": [0.5, 1.0]}, InvalidIdError, "item ids must be integers"),
        ({"items": [0]}, InvalidDataError, r"vectors of one length; got shapes \(2,\) and \(1,\)"),
        ({"timestamps": [1]}, InvalidDataError, r"timestamps must have shape \(2,\)"),
        ({"timestamps": [1, np.nan]}, InvalidDataError, "timestamps must be finite"),
        ({"num_items": 1}, InvalidIdError, r"item ids must lie in \[0, 1\); got 1"),
        ({"num_sequences": 2**31}, InvalidDataError, "num_sequences must lie in"),
        ({"item_ids": np.array([2, 1])}, InvalidDataError, "item_ids must be strictly increasing"),
    ],
)
def test_arrays_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        Sequences.from_arrays(**{"sequences": [0, 1], "items": [0, 1]} | change)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (([0, 2], [1, 1], 2, [5, 4]), "not descend inside a sequence; got 4 after 5 in sequence 0"),
        (([0, 0, 1, 3], [1, 1, 0], 2, [9, 2, 1]), "got 1 after 2 in sequence 2"),
        (([0, 1], [1, 1], 2), r"run from 0 to the number of events, 2; got the ends \[0, 1\]"),
        (([0, 2, 1, 2], [1, 1], 2), "indptr must not decrease; got 1 after 2 in sequence 1"),
        (([0, 3], [1, 0, 2], 2), r"item ids must lie in \[0, 2\); got 2 at position 2"),
    ],
)
def test_the_parts_of_the_class_are_checked(fields, message):
    indptr, items, num_items, *times = fields
    with pytest.raises(InvalidDataError, match=message):
        Sequences(
            np.array(indptr, np.int64),
            np.array(items, np.int32),
            num_items,
            *(np.array(each, np.int64) for each in times),
        )


def test_times_may_fall_between_sequences():
    data = Sequences(np.array([0, 0, 1, 1, 2]), np.array([1, 1], np.int32), 2, np.array([5, 4]))
    assert data.last_times()[[1, 3]].tolist() == [5, 4]


def test_frames_are_refused():
    frame = pl.DataFrame({"sequence": [1], "item": [-3]})
    with pytest.raises(InvalidIdError, match="'item' must not be negative; row 0 is -3"):
        Sequences.from_polars(frame)
    with pytest.raises(InvalidDataError, match="column 'time' must be present"):
        Sequences.from_polars(frame, timestamp="time")
    with pytest.raises(InvalidDataError, match="the interactions have none"):
        Sequences.from_interactions(Interactions.from_arrays([0], [0]))
    with pytest.raises(InvalidDataError, match=r"x must be Sequences .*got list"):
        check_sequences([], "x")


def test_numbers_and_masks_are_checked():
    data = Sequences.from_arrays([0, 0], [0, 1])
    for call in (data.latest, data.without_last):
        with pytest.raises(ValueError, match="must be an integer of at least 0; got -1"):
            call(-1)
    with pytest.raises(InvalidDataError, match="length must be an integer of at least 2; got 1"):
        data.windows(1)
    with pytest.raises(InvalidDataError, match=r"keep must be bool of shape \(1,\)"):
        data.select(np.array([1]))
    with pytest.raises(InvalidDataError, match=r"keep must be bool of shape \(2,\)"):
        data.select_events(np.array([True]))
    with pytest.raises(InvalidIdError, match=r"sequence ids must lie in \[0, 1\); got 1"):
        data.items_of(1)
    with pytest.raises(InvalidDataError, match=r"sequence must be one index; got \[0, 0\]"):
        data.items_of([0, 0])
    with pytest.raises(InvalidDataError, match=r"keep must be bool of shape \(1,\); got int64"):
        data.select([1])
    with pytest.raises(InvalidDataError, match=r"keep must be bool of shape \(2,\); got bool"):
        data.select_events(True)
    with pytest.raises(InvalidDataError, match="start must not be beyond stop; got 1 and 0"):
        data.between(1, 0)
    with pytest.raises(InvalidIdError, match=r"must lie in \[0, 2\); got 2"):
        data.between(0, 2)
    with pytest.raises(InvalidDataError, match="need timestamps"):
        data.last_times()


@pytest.mark.parametrize("number", [9, 2**63 - 1, 2**70])
def test_numbers_may_be_beyond_all_events(number):
    data = Sequences.from_arrays([0, 0, 1, 1, 1], [0, 1, 2, 0, 1])
    for part in (data.latest(number), data.windows(number)):
        assert items_of_all(part) == [[0, 1], [2, 0, 1]]
    assert items_of_all(data.without_last(number)) == [[], []]


def test_masks_may_be_lists():
    data = Sequences.from_arrays([0, 0, 1], [0, 1, 2])
    assert items_of_all(data.select([False, True])) == [[2]]
    assert items_of_all(data.select_events([True, False, True])) == [[0], [2]]


def test_nothing_can_be_changed():
    data = build([(0, 1, 2), (0, 3, 1)])
    copied = pickle.loads(pickle.dumps(data))  # noqa: S301
    for same in (data, copied, copy.deepcopy(data)):
        assert same.items.tolist() == [3, 1]
        with pytest.raises(ValueError, match="read-only"):
            same.items[0] = 0


def test_parts_keep_the_ids_of_their_sequences() -> None:
    data = Sequences.from_arrays([0, 0, 1, 2, 2, 3], [0, 1, 2, 3, 0, 1])
    assert data.select(np.array([False, False, True, True])).sequence_index([2, 3]).tolist() == [
        0,
        1,
    ]
    assert data.select(np.array([True, False, True, False])).sequence_index([2]).tolist() == [1]
    assert data.between(1, 3).select(np.array([False, True])).sequence_index([2]).tolist() == [0]
    assert data.between(0, 2).sequence_ids is None
    with pytest.raises(InvalidIdError):
        data.between(1, 3).sequence_index([0])


DATES = ["2014-04-07T10:54:09.868", "2014-04-07T10:54:09.277", "1969-12-31T23:59:59.75"]
SECONDS = [-1, 1396868049, 1396868049]


@pytest.mark.parametrize(
    ("times", "kept"),
    [
        ([0.9, 0.5, 0.1], [0, 0, 0]),
        ([0.5, 0.25, -0.25], [-1, 0, 0]),
        (np.array(DATES, "datetime64[ms]"), SECONDS),
        (np.array(DATES, "datetime64[ns]"), SECONDS),
        (np.array([2, 1, 0], "datetime64[ns]"), [0, 0, 0]),
        (np.array(["1970-01-03", "1970-01-02", "1970-01-01"], "datetime64[D]"), [0, 86400, 172800]),
        ([2**63 - 1, 2**63 - 2, -(2**63)], [-(2**63), 2**63 - 2, 2**63 - 1]),
        (np.array([2, 1, 0], np.uint64), [0, 1, 2]),
    ],
)
def test_fractions_of_a_second_order_events(times, kept) -> None:
    data = Sequences.from_arrays([0, 0, 0], [1, 2, 3], timestamps=times)
    assert data.items.tolist() == [3, 2, 1]
    assert data.timestamps is not None
    assert data.timestamps.tolist() == kept
    assert data.timestamps.dtype == np.int64


@pytest.mark.parametrize(
    "written",
    [
        DATES,
        [f"{date}Z" for date in DATES],
        ["1396868049.868", "1396868049.277", "-0.25"],
        ["2014-04-07T10:54:09.868", "1396868049.277", "-0.25"],
        ["2014-04-07 10:54:09.2770002", "2014-04-07 10:54:09.2770001", "1969-12-31 23:59:59.75"],
    ],
)
def test_fractions_of_a_second_in_files_order_events(tmp_path, written) -> None:
    rows = [f"1,{item},{time}" for item, time in zip((1, 2, 3), written, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["session,item,time", *rows, ""]))
    data = Sequences.from_file(tmp_path / "a.csv")
    assert data.to_polars().rows() == list(zip((1, 1, 1), (3, 2, 1), SECONDS, strict=True))


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_fractions_of_a_second_in_frames_order_events(tmp_path, unit) -> None:
    times = np.array(DATES, f"datetime64[{unit}]")
    frame = pl.DataFrame({"session": [1, 1, 1], "item": [1, 2, 3], "time": times})
    frame.write_parquet(tmp_path / "a.parquet")
    names = {"sequence": "session", "item": "item", "timestamp": "time"}
    aware = pd.DataFrame(frame.to_dict(as_series=False))
    aware["time"] = aware["time"].dt.tz_localize("UTC").dt.tz_convert("Europe/Paris")
    for data in (
        Sequences.from_polars(frame, **names),
        Sequences.from_polars(frame.lazy(), **names),
        Sequences.from_pandas(pd.DataFrame(frame.to_dict(as_series=False)), **names),
        Sequences.from_pandas(aware, **names),
        Sequences.from_file(tmp_path / "a.parquet"),
    ):
        assert data.to_polars().rows() == list(zip((1, 1, 1), (3, 2, 1), SECONDS, strict=True))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (np.array(["NaT", "2014-04-07"], "datetime64[s]"), "numbers; got NaT at position 0"),
        ([1.0, 2.0**63], r"finite int64 numbers; got 9.22\d*e\+18 at position 1"),
        (np.array([2**63, 0], np.uint64), "finite int64 numbers; got 9223372036854775808"),
        (["2014-04-07", "2014-04-08"], "timestamps must be numbers; got dtype <U10"),
    ],
)
def test_times_that_do_not_fit_are_refused(times, message):
    with pytest.raises(InvalidDataError, match=message):
        Sequences.from_arrays([0, 0], [0, 1], timestamps=times)
