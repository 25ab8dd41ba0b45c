"""Negatives a second, and how many of them are seen positives: recneg, other libraries, plain C.

Run ``RECNEG_DATA=... python benchmarks/sampling.py [--data synth-5m movielens-1m-m1]``.

Batches hold the users of the training positives in random order, as in training. Sides take turns
in every round, so that a slow spell of the machine falls on all of them; the ratio is the median
over rounds of the rates of one round. recneg also computes each draw's log-probability. NumPy is a
vectorised rejection loop and, like the samplers of LensKit and RecBole, runs on one thread whatever
is set. LensKit's popularity law has exponent 1, that of the others 0.75. The loops in C return
items alone, without log-probabilities, checks or keys: what is left of their speed is what recneg's
contract costs.
"""

import argparse
import itertools
import time
from statistics import mean, median
from typing import Any

import numpy as np
from ceilings import CEILINGS, EXACT_CEILINGS, why_not_compiled
from loading import load_training
from negatives import EXPONENT, SIDES, Side
from numpy.typing import NDArray
from peers import why_missing
from recording import Table, environment, with_range, write

from recneg import Interactions
from recneg.parallel import set_num_threads

LAWS = ("uniform", "popularity")


def batches_of(train: Interactions, size: int, most: int, seed: int) -> list[NDArray[np.int64]]:
    users = np.random.default_rng(seed).permutation(train.users()).astype(np.int64)
    whole = min(len(users) // size, most)
    return list(users[: whole * size].reshape(whole, size))


def rate(
    side: Any, batches: list[Any], count: int, seconds: float, position: int
) -> tuple[float, float]:
    """Return draws a second and cores at work, over whole calls of at least `seconds` together."""
    drawn, processor, started = 0, time.process_time(), time.perf_counter()
    for batch in itertools.islice(itertools.cycle(batches), position, None):
        drawn += side(batch, count).size
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            return drawn / elapsed, (time.process_time() - processor) / elapsed
    raise AssertionError("unreachable")


def leaked(side: Side, train: Interactions, users: list[NDArray[np.int64]], count: int) -> float:
    """Return the share of draws that the user has in train."""
    shares = []
    for batch in users:
        items = side.items(side(side.rows(batch), count))  # type: ignore[operator]
        shares.append(float(train.contains(batch[:, None], items.astype(np.int64)).mean()))
    return mean(shares)


def measure(
    train: Interactions, sides: dict[str, Any], count: int, options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    users = batches_of(train, options.batch, 200, options.seed)
    batches = {name: [side.rows(batch) for batch in users] for name, side in sides.items()}
    checked = max(1, options.checked // (count * options.batch))
    found: dict[str, dict[str, Any]] = {
        name: {"rates": [], "cores": [], "leaked": leaked(side, train, users[:checked], count)}
        for name, side in sides.items()
    }  # which also compiles
    for number in range(options.rounds):
        for name, side in sides.items():
            position = number * 37 % len(users)
            speed, cores = rate(side, batches[name], count, options.seconds, position)
            found[name]["rates"].append(speed)
            found[name]["cores"].append(cores)
    return found


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--data", nargs="+", default=["synth-5m", "movielens-1m-m1"])
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 64], help="negatives a row")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="of one side in one round")
    parser.add_argument("--checked", type=int, default=2_000_000, help="draws looked up in train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default="sampling", help="name of the files in results/")
    options = parser.parse_args()
    needs = {"lenskit": "lenskit", "recbole": "recbole.sampler"}
    skipped = {name: reason for name, module in needs.items() if (reason := why_missing(module))}
    if (reason := why_not_compiled()) is not None:
        skipped |= dict.fromkeys(CEILINGS, reason)
    every = SIDES | CEILINGS
    names = [name for name in every if name not in skipped]
    record: dict[str, Any] = {
        "environment": environment(),
        "settings": vars(options) | {"exponent": EXPONENT},
        "skipped": skipped,
        "checksums": {},
        "results": [],
    }
    for data in options.data:
        train, checksum = load_training(data)
        record["checksums"][data] = checksum
        print(f"{data}: {train!r}, checksum {checksum}", flush=True)
        for law in LAWS:
            sides = {name: every[name](train, law) for name in names}
            for count, threads in itertools.product(options.counts, options.threads):
                set_num_threads(threads)
                found = measure(train, sides, count, options)
                what = {"data": data, "law": law, "negatives": count, "threads": threads}
                record["results"].append(what | {"sides": found})
                medians = {n: f"{median(f['rates']) / 1e6:.1f}" for n, f in found.items()}
                print(f"  {law}, {count} a row, {threads} threads: {medians} M/s", flush=True)
    tables = [speeds(record["results"], names), leaks(record["results"], names)]
    for table in tables:
        table.show()
    notes = [
        "Million negatives a second: median [lowest to highest] over the rounds.",
        "recneg / side: the ratio of the two rates, likewise; exact C is the faster of "
        "the two loops that exclude.",
        "NumPy, LensKit and RecBole run on one thread in every row.",
        "cores got: processor time over wall time. Where that is far below the number of threads, "
        "other processes had the cores, or the batch is too small to be split.",
        f"popularity: exponent {EXPONENT}, LensKit's 1.",
        *(f"{name} {reason}" for name, reason in skipped.items()),
    ]
    write(options.output, record, tables, notes)


def speeds(results: list[dict[str, Any]], names: list[str]) -> Table:
    peers = [name for name in names[1:] if name not in CEILINGS]
    exact = [name for name in names if name in EXACT_CEILINGS]
    rows = []
    for result in results:
        rates = {name: result["sides"][name]["rates"] for name in names}
        row = [f"{result['data']}, {result['law']}, {result['negatives']} a row"]
        row.append(str(result["threads"]))
        row += [with_range([speed / 1e6 for speed in rates[name]], 1) for name in names]
        sides = [rates[name] for name in peers]
        if exact:
            sides.append([max(each) for each in zip(*(rates[name] for name in exact), strict=True)])
        for theirs in sides:
            pairs = zip(rates["recneg"], theirs, strict=True)
            row.append(with_range([ours / other for ours, other in pairs], 2))
        row.append(f"{median(result['sides']['recneg']['cores']):.1f}")
        rows.append(row)
    headers = ["data, law", "threads", *names, *(f"recneg / {name}" for name in peers)]
    headers += ["recneg / exact C"] * bool(exact) + ["cores got by recneg"]
    return Table("Negatives, millions a second", headers, rows)


def leaks(results: list[dict[str, Any]], names: list[str]) -> Table:
    rows = {}
    for result in results:
        what = f"{result['data']}, {result['law']}, {result['negatives']} a row"
        rows[what] = [f"{result['sides'][name]['leaked']:.2g}" for name in names]
    title = "Share of draws that are positives of the user in train"
    return Table(title, ["data, law", *names], [[what, *cells] for what, cells in rows.items()])


if __name__ == "__main__":
    main()
