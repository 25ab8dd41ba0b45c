"""Texts to times, at a resolution that orders them rightly."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["parse_times"]

OFFSET = r"(\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?) ?([+-])(\d\d):?(\d\d)?$"
"""A time of day and how far its zone is ahead of UTC: the time, the sign, hours and minutes."""

NANOSECOND_RANGE = (-9_223_372_036, 9_223_372_035)
"""Seconds since 1970 whose nanoseconds fit int64: the years 1678 to 2261."""


def parse_times(text: pl.Series) -> pl.Series:
    """Read integers, decimal numbers and ISO dates, which may be mixed.

    Of a date such as ``2014-04-07``, ``2014-04-07 10:51`` or ``2014-04-07T10:51:09.277+02:00`` what
    follows the ninth decimal of the seconds is ignored. It is UTC, unless an offset says otherwise.

    Parameters
    ----------
    text : polars.Series of String

    Returns
    -------
    polars.Series
        Null where the text is no time. Int64 if all are whole: the numbers, and the seconds of
        dates since 1970. Datetime if all are dates, some with fractions: to the nanosecond between
        1678 and 2261, else to the microsecond. Else Float64, dates again as seconds.

    Examples
    --------
    >>> import polars as pl
    >>> parse_times(pl.Series(["1970-01-02", "12.0", "soon"])).to_list()
    [86400, 12, None]
    >>> parse_times(pl.Series(["1970-01-02", "12.5"])).to_list()
    [86400.0, 12.5]
    """
    import polars as pl

    integers = text.cast(pl.Int64, strict=False)  # exact where a float is not
    if integers.null_count() == text.null_count():
        return integers
    hours, minutes = (pl.col("text").str.extract(OFFSET, group).cast(pl.Int64) for group in (3, 4))
    ahead = pl.col("text").str.extract(OFFSET, 2) == "+"
    offset = (hours * 3600 + minutes.fill_null(0) * 60) * pl.when(ahead).then(1).otherwise(-1)
    day = pl.col("text").str.replace(OFFSET, "$1").str.slice(0, 19).str.replace("T", " ")
    dates = pl.coalesce(
        (day + rest).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
        for rest in ("", " 00:00:00", ":00")
    )
    decimals = pl.col("text").str.extract(r"^.{19}[.,](\d{1,9})").str.pad_end(9, "0")
    table = pl.select(text=text, integer=integers).with_columns(
        number=pl.when(pl.col("integer").is_null()).then(
            pl.col("text").cast(pl.Float64, strict=False)
        ),
        second=pl.when(pl.col("integer").is_null()).then(dates.dt.epoch("s") - offset.fill_null(0)),
    )
    table = table.with_columns(
        nanosecond=pl.when(pl.col("second").is_not_null()).then(
            decimals.cast(pl.Int64).fill_null(0)
        ),
        whole=pl.coalesce(
            "integer", "second", pl.col("number").floor().cast(pl.Int64, strict=False)
        ),
    )
    whole, second, nanosecond = (table[name] for name in ("whole", "second", "nanosecond"))
    broken = bool((table["number"] > whole).any())
    if not broken and not (nanosecond > 0).any():
        return whole
    if broken or whole.null_count() < second.null_count():
        floats = pl.coalesce(pl.col("second") + pl.col("nanosecond") * 1e-9, "number", "integer")
        return table.select(pl.when(pl.col("whole").is_not_null()).then(floats)).to_series()
    if (nanosecond % 1000 > 0).any() and second.drop_nulls().is_between(*NANOSECOND_RANGE).all():
        return (second * 1_000_000_000 + nanosecond).cast(pl.Datetime("ns"))
    return (second * 1_000_000 + nanosecond // 1000).cast(pl.Datetime("us"))
