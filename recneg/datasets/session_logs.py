"""The publishers' logs of sessions: read, verified, filtered and split as their card says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recneg.datasets.checking import check_counts, check_found
from recneg.datasets.otto import scan_otto
from recneg.datasets.parsed import PART_CODES
from recneg.datasets.session_clicks import prepare_clicks
from recneg.errors import IntegrityError

if TYPE_CHECKING:
    import polars as pl

    from recneg.datasets.cards import Counts, Sessions

__all__ = ["parse_sessions"]


def parse_sessions(sessions: Sessions, counts: Counts, places: dict[str, Path]) -> pl.DataFrame:
    """Return the rows ``user, item, timestamp, part`` of a log, the events of a session in order.

    Raises
    ------
    IntegrityError
        If a file is not in its format, or does not give the published counts.
    """
    import polars as pl

    path = places[sessions.train]
    try:
        if sessions.test is not None:
            return _given(path, places[sessions.test], counts)
        log = _diginetica(path) if sessions.format == "diginetica" else _yoochoose(path)
    except pl.exceptions.PolarsError as error:
        first = str(error).splitlines()[0]
        raise IntegrityError(f"{path} must be in the format {sessions.format!r}: {first}") from None
    if log.height == 0 or log.null_count().sum_horizontal().item():
        raise IntegrityError(f"{path} must have clicks, and a value in every column")
    kept = prepare_clicks(
        *(log[name].to_numpy() for name in ("user", "item", "date")),
        order=log["order"].to_numpy() if "order" in log.columns else None,
        test_days=sessions.test_days or 0,
        newest=sessions.newest,
    )
    rows = log.select("item", "timestamp")[kept.rows].select(
        pl.Series("user", kept.users), "item", "timestamp", pl.Series("part", kept.parts)
    )
    check_counts(rows, counts, str(path), parts=True)
    return rows


def _diginetica(path: Path) -> pl.DataFrame:
    """Read ``sessionId;userId;itemId;timeframe;eventdate``; only days are dated.

    The timeframe, in milliseconds, runs from the start of a session; it is put on top of the day
    of the session's last row.
    """
    import polars as pl

    table = pl.scan_csv(path, separator=";", infer_schema=False)
    columns = table.collect_schema().names()
    plain = {name.lower().replace("_", ""): name for name in columns}
    wanted = ("sessionid", "itemid", "timeframe", "eventdate")
    missing = [name for name in wanted if name not in plain]
    if missing:
        raise IntegrityError(f"{path} must have the columns {missing}; got {columns}")
    session, item, timeframe, day = (pl.col(plain[name]) for name in wanted)
    date = day.str.to_date("%Y-%m-%d").cast(pl.Datetime("us")).dt.epoch("s")
    return table.select(
        session.cast(pl.Int64).alias("user"),
        item.cast(pl.Int64).alias("item"),
        date.alias("date"),
        timeframe.cast(pl.Int64).alias("order"),
        (date.last().over(session) + timeframe.cast(pl.Int64) // 1000).alias("timestamp"),
    ).collect()


def _yoochoose(path: Path) -> pl.DataFrame:
    """Read ``session,time,item,category``, without a header, the clicks of a session in order."""
    import polars as pl

    names = ["session", "time", "item", "category"]
    table = pl.scan_csv(path, has_header=False, new_columns=names, infer_schema=False)
    first = table.head(1).collect()
    if first.height and not (first["session"][0] or "").isdigit():
        table = table.slice(1)  # some copies have a header
    seconds = pl.col("time").str.slice(0, 19).str.to_datetime("%Y-%m-%dT%H:%M:%S").dt.epoch("s")
    return table.select(
        pl.col("session").cast(pl.Int64).alias("user"),
        pl.col("item").cast(pl.Int64),
        seconds.alias("date"),
        seconds.alias("timestamp"),
    ).collect(engine="streaming")


def _given(train: Path, test: Path, counts: Counts) -> pl.DataFrame:
    """Read OTTO's two files: the clicks of sessions that have at least two.

    The published sessions and items are those of all events, clicks or not.
    """
    import polars as pl

    frames = []
    sessions, clicks, items = 0, {}, []
    for part, path in (("train", train), ("test", test)):
        whole = scan_otto(path)
        items.append(whole.select(pl.col("item").unique()).collect(engine="streaming"))
        sessions += whole.select(pl.col("user").n_unique()).collect(engine="streaming").item()
        rows = scan_otto(path, ("clicks",)).drop("type").collect(engine="streaming")
        clicks[part] = rows.height
        # a session's events stand on one line, so equal neighbours are the session
        runs = rows["user"].rle_id()
        lengths = runs.value_counts(sort=False).sort(runs.name)["count"]
        code = pl.lit(PART_CODES[part], pl.UInt8).alias("part")
        frames.append(rows.filter(lengths.gather(runs) >= 2).with_columns(code))
    found = {"users": sessions, "items": pl.concat(items)["item"].n_unique()} | clicks
    found["interactions"] = sum(clicks.values())
    check_found(found, counts, f"{train} and {test.name}")
    return pl.concat(frames)
