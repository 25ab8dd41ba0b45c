"""``recneg sample``: negatives for a file of interactions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recneg.catalogue import Material, parse_recipe
from recneg.checks import check_count
from recneg.cli.data import column, load_data
from recneg.cli.options import SourceOptions
from recneg.cli.outputs import check_table_file
from recneg.cli.tables import counted, stdout
from recneg.csr import check_values
from recneg.files import atomic_path
from recneg.interactions import Interactions
from recneg.reading import read_interactions

__all__ = ["run"]


def run(
    out: Path,
    sampler: str,
    num_negatives: int,
    exhausted: Literal["error", "mask"],
    data: SourceOptions,
) -> None:
    """Draw for every row and write Parquet: row, user, item, log_q."""
    import polars as pl

    check_count(num_negatives, "num_negatives")
    check_table_file(out)
    make = parse_recipe(sampler)
    loaded = load_data(data)
    interactions = loaded.interactions
    law = make(Material(interactions, loaded.dislikes)).law(sampler)
    rows, users, times = _rows(data, interactions)
    negatives = law.sample(
        users, num_negatives, key=data.seed, rows=rows, times=times, exhausted=exhausted
    )
    drawn = negatives.mask.reshape(-1)
    items = negatives.items.reshape(-1)[drawn]
    owners = np.repeat(users, num_negatives)[drawn]
    frame = pl.DataFrame(
        {
            "row": np.repeat(rows, num_negatives)[drawn],
            "user": owners if interactions.user_ids is None else interactions.user_ids[owners],
            "item": items if interactions.item_ids is None else interactions.item_ids[items],
            "log_q": negatives.log_q.reshape(-1)[drawn],
        }
    )
    with atomic_path(out) as path:
        frame.write_parquet(path)
    stdout().print(
        f"wrote {counted(frame.height, 'negative')} for {counted(len(rows), 'row')} to {out}; "
        f"{interactions!r}"
    )


def _rows(
    data: SourceOptions, interactions: Interactions
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64] | None]:
    """Return row numbers, users and times: those of the file, or of the sorted interactions."""
    path = Path(data.data)
    if not path.is_file():
        users = interactions.users().astype(np.int64)
        return np.arange(len(interactions)), users, interactions.timestamps
    names: dict[str, Any]
    frame, names = read_interactions(
        path, user=data.user, item=data.item, weight=column(data.weight),
        timestamp=column(data.timestamp), ids=data.ids,
    )  # fmt: skip
    rows = np.arange(frame.height)
    if data.threshold is not None:
        rows = rows[frame[names["weight"]].to_numpy() >= data.threshold]
    users = interactions.user_index(frame[names["user"]].to_numpy()[rows])
    if not names.get("timestamp"):
        return rows, users, None
    times = frame[names["timestamp"]].to_numpy()[rows]
    return rows, users, check_values(times, rows.size, "timestamps", np.int64)
