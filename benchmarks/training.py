"""Positives a second in an epoch of BPR: recneg and other libraries.

Run ``RECNEG_DATA=... python benchmarks/training.py [--data movielens-1m-m1 synth-5m gowalla]
[--peers implicit cornac]``.

All train with the same factors. recneg, implicit, Cornac, LibRecommender's kernel and plain torch
have the same learning rate, decay and item bias; LightFM has its own Adagrad; LensKit and RecBole,
which move whole tables by Adam after a batch of 8,192 or 2,048 positives and have no bias, have
their own default rates and decays. An epoch is one visit of every positive, or as many draws of
positives with replacement as there are positives (implicit, Cornac), which skip the triple when the
negative turns out to be seen; the expected share of that is computed and shown. The first epoch of
every run is left out, compilation with it. Epochs are timed between their callbacks (of RecBole
one, as they are long); those of Cornac, which has none, by the difference of runs of 1 and of
``1 + epochs`` iterations. Sides take turns in every round. Data sets of a library's own kind are
made beforehand.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from os import environ
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from lenskit_peer import LensKitBPR, lenskit_data
from librecommender_peer import LibRecommenderBPR
from lightfm_peer import LightFM
from loading import load_training
from peers import CornacBPR, ImplicitBPR, Peer, cornac_data, why_missing
from recbole_peer import RecBoleBPR, recbole_data
from recording import Table, environment, with_range, write
from torch_peer import TorchBPR

from recneg import BPR, Interactions

LEARNING_RATE, REGULARIZATION = 0.05, 0.01


def cornac_csr(train: Interactions) -> Any:
    data = cornac_data(train)
    _ = data[2].csr_matrix  # built once, outside of the clock
    return data


class OwnBPR:
    """`recneg.BPR` behind the interface of `peers`, but that every call trains anew."""

    def __init__(self, train: Interactions, **options: Any) -> None:
        self._train, self._options = train, options

    def advance(self, iterations: int, callback: Callable[..., None] | None = None) -> None:
        """Train; `callback` is called after each epoch."""
        BPR(epochs=iterations, **self._options).fit(self._train, False, callback)


class Side(NamedTuple):
    """A trainer, what it imports, whether it takes our rate and decay, and how it is timed."""

    trainer: type[Any]
    module: str
    shared: bool = True
    data: Callable[[Interactions], Any] | None = None
    epochs: int | None = None
    callback: bool = True


SIDES: dict[str, Side] = {
    "recneg": Side(OwnBPR, "recneg"),
    "implicit": Side(ImplicitBPR, "implicit"),
    "cornac": Side(CornacBPR, "cornac", data=cornac_csr, callback=False),
    "librecommender": Side(LibRecommenderBPR, "libreco"),
    "torch": Side(TorchBPR, "torch"),
    "lightfm": Side(LightFM, "lightfm", shared=False),
    "lenskit": Side(LensKitBPR, "lenskit.flexmf", shared=False, data=lenskit_data),
    "recbole": Side(RecBoleBPR, "recbole.trainer", shared=False, data=recbole_data, epochs=1),
}

FIRST_FIT = """
import time
started = time.perf_counter()
from recneg import BPR, Interactions
imported = time.perf_counter()
data = Interactions.from_arrays([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 2, 3])
BPR(64, epochs=1, num_threads=1).fit(data, show_progress=False)
print(imported - started, time.perf_counter() - imported)
"""


def first_fit() -> dict[str, list[float]]:
    """Return the seconds of importing recneg and of a first tiny fit, in new processes."""
    found = {}
    with tempfile.TemporaryDirectory() as cache:
        for state in ("empty compilation cache", "filled compilation cache"):
            done = subprocess.run(
                [sys.executable, "-c", FIRST_FIT],
                capture_output=True,
                text=True,
                check=True,
                env={**environ, "NUMBA_CACHE_DIR": cache},
            )
            found[state] = [float(part) for part in done.stdout.split()]
    return found


class Trainers:
    """Seconds an epoch of each side on one data set."""

    def __init__(self, train: Interactions, epochs: int, names: list[str]) -> None:
        self.train, self.epochs = train, epochs
        data_of = {name: SIDES[name].data for name in names}
        self._data = {name: data(train) for name, data in data_of.items() if data}

    def seconds(self, name: str, factors: int, threads: int, seed: int) -> float:
        """Train one side; return the seconds of an epoch."""
        size = {"factors": factors, "num_threads": threads, "seed": seed}
        shared = {"learning_rate": LEARNING_RATE, "regularization": REGULARIZATION}
        side = SIDES[name]
        options: dict[str, Any] = size | (shared if side.shared else {})
        if side.data:
            options["data"] = self._data[name]
        make = partial(side.trainer, self.train, **options)
        return (self._between if side.callback else self._apart)(make, side.epochs or self.epochs)

    def _between(self, make: Callable[[], Peer], epochs: int) -> float:
        """Time epochs between callbacks."""
        stamps: list[float] = []
        make().advance(1 + epochs, lambda *_: stamps.append(time.perf_counter()))
        return (stamps[-1] - stamps[0]) / epochs

    def _apart(self, make: Callable[[], Peer], epochs: int) -> float:
        """Time two runs and take their difference."""
        seconds = []
        for iterations in (1, 1 + epochs):
            model = make()
            started = time.perf_counter()
            model.advance(iterations)
            seconds.append(time.perf_counter() - started)
        return (seconds[1] - seconds[0]) / epochs

    def skipped(self) -> dict[str, float]:
        """Return the expected share of triples that a side skips because of a seen negative."""
        share = self.train.user_counts() / len(self.train)
        popularity = self.train.item_counts() / len(self.train)
        seen = np.bincount(self.train.users(), popularity[self.train.indices], self.train.num_users)
        known = np.count_nonzero(popularity)
        return {
            "implicit": float(share @ seen),
            "cornac": float(share @ self.train.user_counts() / known),
        }


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--data", nargs="+", default=["movielens-1m-m1", "synth-5m", "gowalla"])
    parser.add_argument("--factors", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--epochs", type=int, default=3, help="measured in each run, after one")
    parser.add_argument("--rounds", type=int, default=5)
    ours, *peers = SIDES
    parser.add_argument("--peers", nargs="*", choices=peers, default=peers, help="to run")
    parser.add_argument("--output", default="training", help="name of the files in results/")
    options = parser.parse_args()
    reasons = {name: why_missing(SIDES[name].module) for name in (ours, *options.peers)}
    skipped = {name: reason for name, reason in reasons.items() if reason}
    names = [name for name in reasons if name not in skipped]
    compiled = first_fit()
    settings = {"learning_rate": LEARNING_RATE, "regularization": REGULARIZATION}
    record: dict[str, Any] = {
        "environment": environment(),
        "settings": vars(options) | settings | {"seeds": "round number"},
        "skipped": skipped,
        "first_fit_seconds": compiled,
        "checksums": {},
        "results": [],
    }
    notes = [
        "Million positives a second: median [lowest to highest] over the rounds; recneg / side: "
        "the ratio, likewise; skipped: expected share of triples without an update; "
        "cores got: processor time over wall time of each side. Where that is far below the number "
        "of threads, other processes had the cores, and the row says nothing about threads.",
        *(
            f"recneg with an {state}: import {imported:.2f} s, first fit of a tiny data set "
            f"{fitted:.2f} s."
            if state.startswith("empty")
            else f"With a {state}: {imported:.2f} s and {fitted:.2f} s."
            for state, (imported, fitted) in compiled.items()
        ),
        *(f"{name} {reason}" for name, reason in skipped.items()),
    ]
    for data in options.data:
        train, record["checksums"][data] = load_training(data)
        print(f"{data}: {train!r}, checksum {record['checksums'][data]}", flush=True)
        trainers = Trainers(train, options.epochs, names)
        for factors, threads in itertools.product(options.factors, options.threads):
            seconds: dict[str, list[float]] = {name: [] for name in names}
            cores: dict[str, list[float]] = {name: [] for name in names}
            for number, name in itertools.product(range(options.rounds), names):
                processor, clock = time.process_time(), time.perf_counter()
                seconds[name].append(trainers.seconds(name, factors, threads, number))
                processor = time.process_time() - processor
                cores[name].append(processor / (time.perf_counter() - clock))
            rates = {name: [len(train) / one for one in found] for name, found in seconds.items()}
            what = {"data": data, "factors": factors, "threads": threads, "rates": rates}
            record["results"].append(what | {"cores": cores, "skipped": trainers.skipped()})
            medians = {name: f"{median(found) / 1e6:.2f}" for name, found in rates.items()}
            print(f"  {factors} factors, {threads} threads: {medians} M/s", flush=True)
            write(options.output, record, [summary(record["results"], names)], notes)
    summary(record["results"], names).show()
    print("\n".join(notes))


def summary(results: list[dict[str, Any]], names: list[str]) -> Table:
    rows, skip = [], [name for name in names if name in results[0]["skipped"]]
    for result in results:
        row = [f"{result['data']}, {result['factors']} factors", str(result["threads"])]
        for name in names:
            found = [rate / 1e6 for rate in result["rates"][name]]
            row.append(with_range(found, 2))
        for name in names[1:]:
            pairs = zip(result["rates"]["recneg"], result["rates"][name], strict=True)
            row.append(with_range([ours / theirs for ours, theirs in pairs], 2))
        row.append(" / ".join(f"{median(result['cores'][name]):.1f}" for name in names))
        rows.append([*row, *(f"{result['skipped'][name]:.1%}" for name in skip)])
    headers = ["data", "threads", *names, *(f"recneg / {name}" for name in names[1:])]
    headers += ["cores got", *(f"{name} skipped" for name in skip)]
    return Table("Positives, millions a second", headers, rows)


if __name__ == "__main__":
    main()
