"""BPR on published splits beside the published figure: settings chosen on validation, test once.

The settings below were chosen by NDCG@20 on a tenth of each user's training interactions, over some
thirty settings by hand and at random. Each seed trains on the whole training part for a fixed
number of epochs and is evaluated on test once. Run `python benchmarks/published.py
gowalla-128`; the data come from the folder that RECNEG_DATA names, or are downloaded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from recneg import BPR, evaluate
from recneg.datasets import load
from recneg.files import atomic_path

PUBLISHED = {"gowalla": {"recall@20": 0.1627, "ndcg@20": 0.1378, "source": "BARS, MF-BPR"}}

GOWALLA: dict[str, Any] = {
    "learning_rate": 0.15,
    "user_regularization": 0.003,
    "positive_regularization": 0.002,
    "negative_regularization": 0.0002,
    "item_bias": False,
    "init_deviation": 0.14,
    "num_negatives": 16,
}

SETTINGS: dict[str, dict[str, Any]] = {
    "gowalla-64": GOWALLA | {"factors": 64, "epochs": 200, "learning_rate_decay": 0.98},
    "gowalla-128": GOWALLA | {"factors": 128, "epochs": 160, "learning_rate_decay": 0.977},
}
"""By data set and number of factors; the published figure has 64."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("setting", choices=sorted(SETTINGS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    data = arguments.setting.rsplit("-", 1)[0]
    split = load(data).split
    assert split is not None
    published = PUBLISHED[data]
    runs = []
    for seed in arguments.seeds:
        started = time.perf_counter()
        model = BPR(**SETTINGS[arguments.setting], seed=seed, num_threads=arguments.threads)
        model.fit(split.train)
        result = evaluate(model, split.train, split.test, k=20, metrics=["recall", "ndcg"])
        run = {name: result.mean(name) for name in ("recall@20", "ndcg@20")}
        run |= {"seed": seed, "seconds": time.perf_counter() - started}
        runs.append(run)
        print(json.dumps(run), flush=True)
    for name in ("recall@20", "ndcg@20"):
        values = [run[name] for run in runs]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(
            f"{name}: {statistics.mean(values):.4f} ± {spread:.4f} over {len(values)} seeds; "
            f"published {published[name]:.4f} ({published['source']})"
        )
    record = {
        "data": data,
        "split": split.checksum,
        "settings": SETTINGS[arguments.setting],
        "published": published,
        "runs": runs,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    with atomic_path(arguments.out / f"published-{arguments.setting}.json") as path:
        path.write_text(json.dumps(record, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
