"""Users ranked a second over the whole catalogue, seen items masked: recneg and implicit's top-k.

Run ``python benchmarks/ranking.py [--users 138000 --items 27000 --factors 64 --k 100]``.

Factors are random. Sides take turns in every round, so that a slow spell of the machine falls on
both; the ratio is that of one round. implicit is measured as it is called by default, and with BLAS
held to one thread where threadpoolctl is installed, which is what its documentation advises.
"""

import argparse
import itertools
import time
from contextlib import nullcontext
from statistics import median
from typing import Any

import numpy as np
from peers import why_missing
from recording import Table, environment, with_range, write
from scipy.sparse import csr_matrix

from recneg.interactions import Interactions
from recneg.parallel import set_num_threads
from recneg.retrieval import rank_factors

DEFAULT, ONE_THREAD = "implicit", "implicit, one BLAS thread"


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    sizes = (("users", 138_000), ("items", 27_000), ("factors", 64), ("k", 100), ("rounds", 5))
    for name, default in sizes:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seen", type=int, default=100, help="seen items of a user")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--output", default="ranking", help="name of the files in results/")
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    left = rng.standard_normal((options.users, options.factors), dtype=np.float32)
    right = rng.standard_normal((options.items, options.factors), dtype=np.float32)
    seen = Interactions.from_arrays(
        np.repeat(np.arange(options.users), options.seen),
        rng.integers(0, options.items, options.users * options.seen),
        num_users=options.users,
        num_items=options.items,
    )
    matrix = csr_matrix(seen.to_scipy(), dtype=np.float32)
    contexts: dict[str, Any] = {}
    skipped = {name: reason for name in ("implicit",) if (reason := why_missing(name))}
    if not skipped:
        contexts[DEFAULT] = nullcontext
        reason = why_missing("threadpoolctl")
        if reason is None:
            from threadpoolctl import threadpool_limits

            contexts[ONE_THREAD] = lambda: threadpool_limits(1)
        else:
            skipped[ONE_THREAD] = reason
    names = ["recneg", *contexts]

    def ranked(name: str, threads: int) -> Any:
        if name == "recneg":
            return rank_factors(left, right, options.k, seen=seen).items
        from implicit.cpu.topk import topk

        with contexts[name]():
            return topk(right, left, options.k, filter_query_items=matrix, num_threads=threads)[0]

    rank_factors(left[:64], right, options.k)  # compiles
    record: dict[str, Any] = {
        "environment": environment(),
        "settings": vars(options),
        "skipped": skipped,
        "results": [],
    }
    notes = [
        "Thousand users a second: median [lowest to highest] over the rounds; recneg / side: "
        "median [lowest to highest] over the rounds of the ratio of one round.",
        "equal places: the share of list places that hold the same item as recneg's.",
        *(f"{name} {reason}" for name, reason in skipped.items()),
    ]
    for threads in options.threads:
        set_num_threads(threads)
        rates: dict[str, list[float]] = {name: [] for name in names}
        equal: dict[str, float] = {}
        ours: Any = None
        for _, name in itertools.product(range(options.rounds), names):
            started = time.perf_counter()
            items = ranked(name, threads)
            rates[name].append(options.users / (time.perf_counter() - started))
            if name == "recneg":
                ours = items
            equal[name] = float(np.mean(items == ours))
        record["results"].append({"threads": threads, "rates": rates, "equal": equal})
        medians = {name: f"{median(found) / 1e3:.1f}" for name, found in rates.items()}
        print(f"{threads} threads: {medians} thousand users a second", flush=True)
        write(options.output, record, [summary(record["results"], names)], notes)
    summary(record["results"], names).show()


def summary(results: list[dict[str, Any]], names: list[str]) -> Table:
    rows = []
    for result in results:
        rates = result["rates"]
        row = [str(result["threads"])]
        row += [with_range([rate / 1e3 for rate in rates[name]], 2) for name in names]
        for name in names[1:]:
            pairs = zip(rates["recneg"], rates[name], strict=True)
            row += [
                with_range([mine / theirs for mine, theirs in pairs], 2),
                f"{result['equal'][name]:.5f}",
            ]
        rows.append(row)
    headers = ["threads", *names]
    for name in names[1:]:
        headers += [f"recneg / {name}", "equal places"]
    return Table("Thousand users ranked a second", headers, rows)


if __name__ == "__main__":
    main()
