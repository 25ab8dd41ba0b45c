"""Times in texts are read exactly where they are whole, and with their fractions where not."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recneg.times import parse_times

MOMENTS = st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1))
EPOCH = datetime(1970, 1, 1)


@given(st.lists(st.tuples(MOMENTS, st.sampled_from(" T"), st.sampled_from(["", "Z"])), min_size=1))
def test_dates_keep_every_microsecond(rows):
    written = [f"{moment.isoformat(separator)}{zone}" for moment, separator, zone in rows]
    found = parse_times(pl.Series(written))
    whole = not any(moment.microsecond for moment, *_ in rows)
    unit = timedelta(seconds=1) if whole else timedelta(microseconds=1)
    assert found.to_physical().to_list() == [(moment - EPOCH) // unit for moment, *_ in rows]
    assert found.dtype == (pl.Int64 if whole else pl.Datetime("us"))


@pytest.mark.parametrize(
    ("texts", "dtype", "expected"),
    [
        (["12", "-5", None], pl.Int64, [12, -5, None]),
        (["9223372036854775807", "soon"], pl.Int64, [2**63 - 1, None]),
        (["9007199254740993", "1e3", "1970-01-02"], pl.Int64, [2**53 + 1, 1000, 86400]),
        (["1970-01-01 00:02", "1970-01-02T00:00:00+02:00"], pl.Int64, [120, 79200]),
        (
            ["1970-01-02 00:00-0130", "1970-01-02T00:00+02", "1970-01-02 00:00:00 +00:00"],
            pl.Int64,
            [91800, 79200, 86400],
        ),
        (["1970-01-01T01:00:00.5+01:00", "1970-01-01"], pl.Datetime("us"), [500_000, 0]),
        (["0.5", "-0.5", "2", "nan", "inf", "1e30"], pl.Float64, [0.5, -0.5, 2, None, None, None]),
        (["1970-01-01 00:00:01.5", "3"], pl.Float64, [1.5, 3]),
        (["1970-01-02", "0.25", ""], pl.Float64, [86400, 0.25, None]),
        (["1969-12-31 23:59:59,25", None, "x"], pl.Datetime("us"), [-750_000, None, None]),
        (["1970-01-01 00:00:00.1234567", "1970-01-01"], pl.Datetime("ns"), [123_456_700, 0]),
        (["1970-01-01T00:00:00.1234567891Z"], pl.Datetime("ns"), [123_456_789]),
        (
            ["1970-01-01 00:00:00.1234567", "3000-01-01"],
            pl.Datetime("us"),
            [123_456, 32_503_680_000 * 10**6],
        ),
        ([None], pl.Int64, [None]),
        ([], pl.Int64, []),
    ],
)
def test_times_of_every_kind(texts, dtype, expected):
    found = parse_times(pl.Series(texts, dtype=pl.String))
    assert found.dtype == dtype
    assert found.to_physical().to_list() == expected


@given(st.lists(st.floats(-1e12, 1e12, allow_nan=False), min_size=1))
def test_numbers_are_the_nearest_floats(numbers):
    found = parse_times(pl.Series([repr(number) for number in numbers])).to_numpy()
    assert np.array_equal(found.astype(np.float64), np.array(numbers))
