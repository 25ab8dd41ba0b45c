"""Most-popular on public splits, against brute force; needs RECNEG_DATA, a folder of data sets."""

import os
from pathlib import Path

import numpy as np
import pytest

from recneg.evaluation import evaluate, most_popular
from recneg.interactions import Interactions

DATA = os.environ.get("RECNEG_DATA")

pytestmark = pytest.mark.skipif(
    DATA is None, reason="RECNEG_DATA must name a folder of <data set>/interactions.parquet"
)


def read_split(name):
    import polars as pl

    path = Path(DATA) / name / "interactions.parquet"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    frame = pl.read_parquet(path)
    sizes = {"num_users": frame["user"].max() + 1, "num_items": frame["item"].max() + 1}
    return [
        Interactions.from_arrays(rows["user"].to_numpy(), rows["item"].to_numpy(), **sizes)
        for rows in (frame.filter(pl.col("split") == part) for part in ("train", "test"))
    ]


@pytest.mark.parametrize(
    ("name", "recall_range", "ndcg_range"),
    [
        ("movielens1m_m1", (0.10, 0.20), (0.10, 0.20)),
        ("gowalla_m1", (0.03, 0.06), (0.02, 0.05)),
    ],
)
def test_most_popular_equals_brute_force(name, recall_range, ndcg_range):
    train, test = read_split(name)
    result = evaluate(most_popular(train), train, test, k=20)
    assert recall_range[0] < result.mean("recall@20") < recall_range[1]
    assert ndcg_range[0] < result.mean("ndcg@20") < ndcg_range[1]
    counts = train.item_counts()
    discounts = 1 / np.log2(np.arange(20) + 2)
    for place in np.random.default_rng(0).choice(len(result.users), 300, replace=False):
        user = int(result.users[place])
        scores = counts.astype(np.float64)
        scores[train.items_of(user)] = -np.inf
        top = np.argsort(-scores, kind="stable")[:20]
        hits = np.isin(top, test.items_of(user))
        size = len(test.items_of(user))
        assert result.values["recall@20"][place] == pytest.approx(hits.sum() / size)
        ideal = discounts[: min(size, 20)].sum()
        assert result.values["ndcg@20"][place] == pytest.approx(discounts[hits].sum() / ideal)
