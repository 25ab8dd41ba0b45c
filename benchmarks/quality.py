"""Accuracy of BPR implementations after equal tuning: recneg, implicit, Cornac; and most-popular.

Run ``RECNEG_DATA=... python benchmarks/quality.py [--trials 24] [--data movielens-100k:u1 ...]``.

Every system that trains gets the same number of random-search trials, the same number of factors,
and the same validation data. The setting with the best NDCG@20 on validation data is trained anew
with three seeds on the same training data and evaluated once on test data: full catalogue, train
and validation items masked. Where a split has no validation part, a tenth of each user's training
interactions is carved out. The range of each search stands in `systems.py`; each trial of a peer
is evaluated at 20, 50, 100, 200 and 400 iterations (`--stages`) and ends early once 5 % below its
best; each of recneg is evaluated every fifth epoch up to 300, with its own early stopping.
"""

import argparse
import statistics
import time
from collections import defaultdict
from typing import Any

import numpy as np
from peers import PEERS, why_missing
from recording import Table, environment, write
from systems import GIVE_UP, STAGES, PeerSystem, Recneg, Trial

from recneg import Interactions
from recneg.datasets import load
from recneg.evaluation import evaluate, most_popular
from recneg.parallel import set_num_threads
from recneg.splits import Split, carve_validation, given_split

DATA = ["movielens-1m-m1", *(f"movielens-100k:u{number}" for number in range(1, 6))]
METRICS = ("recall@20", "ndcg@20")


def load_split(name: str) -> Split:
    data, _, fold = name.partition(":")
    split = load(data, fold=fold or None, download=False).split
    if split is None:
        raise SystemExit(f"{name} has no given split")
    if len(split.validation):
        return split
    train, validation = carve_validation(split.train, 0.1, key=0)
    return given_split(train, split.test, validation)


def on_test(model: Any, split: Split) -> dict[str, float]:
    result = evaluate(
        model, split.train, split.test, k=20, metrics=["recall", "ndcg"], exclude=split.validation
    )
    return {metric: result.mean(metric) for metric in METRICS}


def tune(system: Any, split: Split, trials: int, seed: int) -> tuple[list[Trial], float]:
    """Return all trials of a random search and the seconds that they took."""
    rng = np.random.default_rng([seed, int(split.checksum, 16), *system.name.encode()])
    started = time.perf_counter()
    done = []
    for number in range(trials):
        begun = time.perf_counter()
        trial = system.trial(system.draw(rng), split.train, split.validation, seed)
        done.append(trial)
        print(
            f"  {system.name} {number + 1}/{trials}: {trial.validation:.4f} at "
            f"{trial.iterations}, {time.perf_counter() - begun:.0f} s {trial.setting}",
            flush=True,
        )
    return done, time.perf_counter() - started


def measure(system: Any, split: Split, options: argparse.Namespace) -> dict[str, Any]:
    """Tune, train with every seed, and evaluate each once on test data."""
    trials, tuning = tune(system, split, options.trials, options.tuning_seed)
    best = max(trials, key=lambda trial: trial.validation)
    tests, seconds = [], []
    for seed in options.seeds:
        started = time.perf_counter()
        model = system.final(best, split.train, seed)
        seconds.append(time.perf_counter() - started)
        tests.append(on_test(model, split))
    print(f"  {system.name} selected {best}; test {tests}", flush=True)
    return {
        "selected": best._asdict(),
        "trials": [trial._asdict() for trial in trials],
        "test": tests,
        "tuning_seconds": tuning,
        "training_seconds": seconds,
    }


def systems(options: argparse.Namespace) -> tuple[list[Any], dict[str, str]]:
    found: list[Any] = [Recneg(options.factors, options.threads)]
    skipped = {}
    for name in PEERS:
        reason = why_missing(name)
        if reason is None:
            found.append(PeerSystem(options.factors, options.threads, name, tuple(options.stages)))
        else:
            skipped[name] = reason
    return found, skipped


def spread(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def tables(results: dict[str, dict[str, Any]]) -> list[Table]:
    """Return a row a system and data set; folds of one data set are averaged."""
    groups: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for name, by_system in results.items():
        for system, found in by_system["systems"].items():
            groups[name.partition(":")[0]][system].append(found)
    made = []
    for data, by_name in groups.items():
        rows = []
        for system, parts in by_name.items():
            cells = []
            for metric in METRICS:
                means = [statistics.mean(t[metric] for t in part["test"]) for part in parts]
                seeds = statistics.mean(spread([t[metric] for t in p["test"]]) for p in parts)
                cells += [f"{statistics.mean(means):.4f}", f"{seeds:.4f}"]
                cells += [f"{spread(means):.4f}" if len(parts) > 1 else "-"]
            trained = [second for part in parts for second in part["training_seconds"]]
            cells += [f"{statistics.mean(part['tuning_seconds'] for part in parts):.0f}"]
            cells += [f"{statistics.mean(trained):.1f}" if trained else "-"]
            rows.append([system, *cells])
        headers = ["system"]
        for metric in METRICS:
            headers += [metric, "sd of seeds", "sd of folds"]
        folds = len(next(iter(by_name.values())))
        title = f"{data}, {folds} folds" if folds > 1 else data
        made.append(Table(title, [*headers, "tuning s", "training s"], rows))
    return made


def popular(train: Interactions, split: Split) -> dict[str, Any]:
    test = on_test(most_popular(train), split)
    return {"test": [test], "tuning_seconds": 0.0, "training_seconds": []}


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--data", nargs="+", default=DATA, help="names, with a fold after a colon")
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--tuning-seed", type=int, default=0)
    parser.add_argument("--stages", type=int, nargs="+", default=STAGES, help="of the peers")
    parser.add_argument("--output", default="quality", help="name of the files in results/")
    options = parser.parse_args()
    set_num_threads(options.threads)
    chosen, skipped = systems(options)
    record: dict[str, Any] = {
        "environment": environment(),
        "settings": vars(options) | {"give_up": GIVE_UP},
        "skipped": skipped,
        "results": {},
    }
    notes = [
        f"{options.trials} trials for each system and split; {options.factors} factors; "
        f"{options.threads} threads; seeds {options.seeds} after tuning with seed "
        f"{options.tuning_seed}.",
        "Selected by NDCG@20 on validation data; train and validation items masked at test.",
        "tuning s: one search on one split; training s: one training of the selected setting.",
        *(f"{name} {reason}" for name, reason in skipped.items()),
    ]
    for name in options.data:
        split = load_split(name)
        print(f"{name}: {split!r}, checksum {split.checksum}", flush=True)
        found: dict[str, Any] = {"most-popular": popular(split.train, split)}
        for system in chosen:
            found[system.name] = measure(system, split, options)
        record["results"][name] = {"checksum": split.checksum, "systems": found}
        write(options.output, record, tables(record["results"]), notes)
    for table in tables(record["results"]):
        table.show()


if __name__ == "__main__":
    main()
