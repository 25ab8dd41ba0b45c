"""Speed of full-catalogue ranking against implicit's top-k, on random factors, seen items masked.

Run ``python benchmarks/ranking.py [--users 20000 --items 20000 --factors 64 --k 100 --rounds 5]``.
Runs are interleaved, so that a slow spell of the machine falls on both; the median of the ratios
of neighbouring runs is what to quote. implicit is measured as it is called by default, and with
BLAS held to one thread where threadpoolctl is installed, which is what its documentation advises.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from implicit.cpu.topk import topk
from scipy.sparse import csr_matrix

from recneg.interactions import Interactions
from recneg.parallel import get_num_threads
from recneg.retrieval import rank_factors


def one_blas_thread() -> AbstractContextManager[Any] | None:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return None
    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def timed(call: Callable[[], Any], context: AbstractContextManager[Any]) -> tuple[float, Any]:
    with context:
        start = time.perf_counter()
        result = call()
        return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("users", 20000), ("items", 20000), ("factors", 64), ("k", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seen", type=int, default=100, help="seen items of a user")
    parser.add_argument("--rounds", type=int, default=5)
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

    def ours() -> Any:
        return rank_factors(left, right, options.k, seen=seen).items

    def theirs() -> Any:
        return topk(right, left, options.k, filter_query_items=matrix)[0]

    rank_factors(left[:64], right, options.k)  # compile
    print(f"{options}, {get_num_threads()} threads")
    ratios: dict[str, list[float]] = {"default": [], "one BLAS thread": []}
    for _ in range(options.rounds):
        for name, found in ratios.items():
            context = nullcontext() if name == "default" else one_blas_thread()
            if context is None:
                continue
            seconds, items = timed(ours, nullcontext())
            their_seconds, their_items = timed(theirs, context)
            found.append(their_seconds / seconds)
            same = float(np.mean(items == their_items))
            print(
                f"recneg {seconds:.2f} s, implicit ({name}) {their_seconds:.2f} s, "
                f"ratio {found[-1]:.2f}, equal places {same:.5f}"
            )
    for name, found in ratios.items():
        if found:
            print(f"median ratio, implicit ({name}) / recneg: {statistics.median(found):.2f}")


if __name__ == "__main__":
    main()
