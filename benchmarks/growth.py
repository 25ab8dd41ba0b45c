"""Time and memory against interactions, users, items, factors, negatives and threads.

Run ``python benchmarks/growth.py [--parts interactions items]``: some ten minutes, and for 10^8
interactions 8 GB of memory. ``--draw`` only draws the figure again from the results of a run.

Around a middle point (5 million interactions of 50,000 users with 20,000 items, 64 factors, one
thread; for negatives 1 million interactions) one number is varied at a time. Each point is a
process of its own. It makes random data (100 different items a user, popularity falling as
1 / (rank + 20), a user's rows far apart), builds `Interactions`, builds `Uniform` and `Popularity`
and draws two million negatives or more from each (random users, batches of 8,192 rows; four times,
the median of the last three), and trains `BPR` for four epochs (the median of the last three; of
much data for two). All of this has been done on little data before, so that nothing is compiled.
Seconds are those of the processor, so that waiting for a core does not count, but against threads
those of the clock.

Memory is the largest resident set during a step (VmHWM, set back before it) less what was resident
before. Of *building*, before is with the arrays of the input: what counts is the result and all
copies on the way. Of the others, before is without any data: what counts is the interactions, the
sampler's tables, the factors, and all else that the step needs. What must be there is CSR, 8 bytes
a user and 4 an interaction, and in training the factors in float32.
"""

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from figures import new_figure, save_figure
from numpy.typing import NDArray
from recording import RESULTS, Table, environment, write

from recneg import BPR, Interactions, Key, Popularity, Uniform

FIGURE = Path(__file__).parents[1] / "docs" / "images" / "growth.png"

DRAWS, BATCH, REPEATS = 2_000_000, 8192, 3


class Point(NamedTuple):
    """Sizes of one measurement: `negatives` a row are drawn, `pairs` a positive trained on.

    Seconds are of the processor, or with `wall` of the clock.
    """

    interactions: int = 5_000_000
    items: int = 20_000
    factors: int = 64
    negatives: tuple[int, ...] = (1, 64)
    threads: int = 1
    pairs: int = 1
    each: int = 100
    wall: bool = False

    @property
    def users(self) -> int:
        """Users, who have `each` items."""
        return self.interactions // self.each


def points_of(part: str, options: argparse.Namespace) -> list[Point]:
    """Return the points of a part, from small to large."""
    if part == "interactions":
        sizes = [n for e in range(5, 9) for n in (10**e, 3 * 10**e) if n <= options.largest]
        return [Point(interactions=size) for size in sizes]
    if part == "items":
        return [Point(items=10**exponent) for exponent in range(3, 8)]
    if part == "factors":
        return [Point(factors=1 << power, negatives=()) for power in range(3, 10)]
    if part == "negatives":
        return [Point(10**6, negatives=(n,), pairs=n) for n in (1, 2, 4, 8, 16, 64, 256, 1024)]
    if part == "users":
        return [Point(each=each) for each in (200, 100, 20, 10, 5)]
    return [Point(threads=threads, wall=True) for threads in range(1, (os.cpu_count() or 1) + 1)]


PARTS = ("interactions", "users", "items", "factors", "negatives", "threads")


# -- one point, in a process of its own --------------------------------------------------------


def random_data(point: Point, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return users and items of distinct pairs, a user's rows far apart.

    A user's n-th item comes from the n-th of as many equal parts of the distribution function as
    he has items; where two meet, the second takes the next rank. Ranks become items at random.
    """
    rng = np.random.default_rng(seed)
    shift, count = 20.0, point.each
    growth = np.log((point.items + shift) / shift)
    item_of_rank = rng.permutation(point.items)
    items = np.empty((count, point.users), np.int64)
    step = np.arange(count)[:, None]
    for start in range(0, point.users, 1 << 12):
        stop = min(start + (1 << 12), point.users)
        unit = (step + rng.random((count, stop - start), np.float32)) / count
        ranks = (shift * np.expm1(growth * unit)).astype(np.int64)
        ranks = np.maximum.accumulate(ranks - step, axis=0) + step
        ranks = np.minimum(ranks, point.items - count + step)  # those pushed beyond the last one
        items[:, start:stop] = item_of_rank[ranks]
    users = np.tile(rng.permutation(point.users), count)
    return users, items.reshape(-1)


def resident(field: str) -> int:
    """Return a field of /proc/self/status in bytes: VmRSS, or VmHWM, the highest so far."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"/proc/self/status must have {field}; this benchmark needs Linux")


def settle() -> int:
    """Give back what is free, set the peak back, and return what is resident."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return resident("VmRSS")


def clock(point: Point) -> float:
    """Return the seconds that a point is measured in."""
    return time.perf_counter() if point.wall else time.process_time()


def draw_seconds(sampler: Any, negatives: int, batches: NDArray[np.int64], point: Point) -> float:
    """Return the seconds of a draw, from `DRAWS` of them in whole batches."""
    count = max(DRAWS // (BATCH * negatives), 1)
    found = []
    for repeat in range(1 + REPEATS):
        key = Key(repeat)
        started = clock(point)
        for number, users in enumerate(batches[:count]):
            sampler.sample(users, negatives, key=key.fold_in(number))
        found.append((clock(point) - started) / (count * BATCH * negatives))
    return median(found[1:])  # the first one finds cold caches


def epoch_seconds(train: Interactions, point: Point) -> float:
    """Return the seconds of an epoch of BPR: the median of the second to fourth, or the second."""
    stamps: list[float] = []
    epochs = 4 if point.interactions * point.pairs <= 2 * 10**7 else 2
    model = BPR(
        point.factors, epochs=epochs, num_negatives=point.pairs, num_threads=point.threads, seed=0
    )
    model.fit(train, False, lambda _: stamps.append(clock(point)))
    return float(np.median(np.diff(stamps)))


def measure(point: Point) -> dict[str, Any]:
    """Return seconds, nanoseconds a draw, and bytes above what was resident before."""
    found: dict[str, Any] = {"seconds": {}, "nanoseconds": {}, "bytes": {}}
    batches = np.random.default_rng(1).integers(0, point.users, (DRAWS // BATCH, BATCH))
    bare = settle()
    users, items = random_data(point, 0)
    before = settle()
    started = clock(point)
    train = Interactions.from_arrays(users, items, num_users=point.users, num_items=point.items)
    found["seconds"]["building"] = clock(point) - started
    found["bytes"]["building"] = resident("VmHWM") - before
    assert len(train) == point.interactions
    del users, items
    for law in (Uniform, Popularity) if point.negatives else ():
        name = law.__name__.lower()
        settle()
        started = clock(point)
        sampler = law(train)
        found["seconds"][name] = clock(point) - started
        for negatives in point.negatives:
            seconds = draw_seconds(sampler, negatives, batches, point)
            found["nanoseconds"][f"{name}, {negatives}"] = 1e9 * seconds
        found["bytes"][name] = resident("VmHWM") - bare
        del sampler
    if point.pairs <= 64:
        settle()
        found["seconds"]["epoch"] = epoch_seconds(train, point)
        found["bytes"]["training"] = resident("VmHWM") - bare
    csr = 8 * (point.users + 1) + 4 * point.interactions
    found["bytes"]["csr"] = csr
    found["bytes"]["csr and factors"] = csr + 4 * point.factors * (point.users + point.items)
    return found


def run_point(point: Point) -> None:
    """Measure in this process and print JSON."""
    from recneg.parallel import set_num_threads

    set_num_threads(point.threads)
    little = Point(
        300_000, 1_000, point.factors, point.negatives, point.threads, min(point.pairs, 2)
    )
    measure(little)  # compiles, or reads what is compiled
    print(json.dumps(measure(point)))


def in_new_process(point: Point) -> dict[str, Any]:
    command = [sys.executable, __file__, "--point", json.dumps(point)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{point} failed with {done.returncode}:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


# -- all points --------------------------------------------------------------------------------

COLORS = {
    "building": "black",
    "uniform": "tab:blue",
    "popularity": "tab:orange",
    "epoch": "tab:green",
    "training": "tab:green",
    "csr": "0.6",
    "csr and factors": "0.6",
}
DOTS, MANY = {"marker": "o", "markersize": 4}, {"linestyle": ":", "fillstyle": "none"}
LEGEND: dict[str, dict[str, Any]] = {
    "Interactions, being built": {"color": "black", **DOTS},
    "Uniform": {"color": "tab:blue", **DOTS},
    "Popularity": {"color": "tab:orange", **DOTS},
    "BPR": {"color": "tab:green", **DOTS},
    "64 draws a row instead of 1": {"color": "0.3", **DOTS, **MANY},
    "the bytes of CSR and factors": {"color": "0.6"},
    "the bytes of CSR": {"color": "0.6", "linestyle": "--"},
}
LABELS = {
    "interactions": "interactions, 100 a user",
    "users": "users, 5 million interactions",
    "items": "items",
    "factors": "factors",
    "negatives": "negatives of a row or positive",
    "threads": "threads",
}


def curves_of(results: list[dict[str, Any]], part: str, kind: str) -> dict[str, dict[int, float]]:
    """Return the curves of one panel: by name, from what is varied to what was found."""
    curves: dict[str, dict[int, float]] = {}
    for result in results:
        point = Point(*result["point"])
        x = point.pairs if part == "negatives" else getattr(point, part)
        for name, value in result[kind].items():
            law = name.partition(",")[0] if part == "negatives" else name
            curves.setdefault(law, {})[x] = value
    return curves


def style(name: str) -> dict[str, Any]:
    law, _, count = name.partition(", ")
    if law.startswith("csr"):
        return {"color": COLORS[law], "linestyle": "--" if law == "csr" else "-"}
    return {"color": COLORS[law], **DOTS, **(MANY if count == "64" else {})}


def panels_of(part: str) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Return kind, title, unit and curves of each panel of a row."""
    title = "building, and an epoch"
    steps: tuple[str, ...] = ("building", "uniform", "popularity", "epoch")
    memory: tuple[str, ...] = ("building", "uniform", "popularity", "training")
    if part in ("factors", "negatives"):
        title, steps, memory = "an epoch", steps[3:], memory[1:]
    needs = ("csr",) if part == "negatives" else ("csr", "csr and factors")
    unit = "bytes an interaction" if part == "interactions" else "megabytes"
    drawn = ("uniform", "popularity") if part == "negatives" else ("uniform, 1", "popularity, 1")
    return [
        ("seconds", title, "seconds", steps),
        ("nanoseconds", "a draw", "nanoseconds", (*drawn, "uniform, 64", "popularity, 64")),
        ("bytes", "peak memory", unit, (*memory, *needs)),
    ]


def plot(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw small multiples: a row for what is varied, a column for what is measured."""
    rows = [part for part in PARTS if part in found and part != "users"]
    figure = new_figure(11, 2.7 * len(rows))
    grid = figure.subplots(len(rows), 3, squeeze=False)
    for part, line in zip(rows, grid, strict=True):
        for axes, (kind, title, unit, names) in zip(line, panels_of(part), strict=True):
            curves = curves_of(found[part], part, kind)
            if not curves:
                axes.set_axis_off()
                continue
            for name in names:
                curve = curves.get(name, {})
                if unit == "bytes an interaction":  # below, what a batch takes is most of it
                    curve = {x: value / x for x, value in curve.items() if x >= 10**6}
                elif kind == "bytes":
                    curve = {x: value / 1e6 for x, value in curve.items()}
                axes.plot(list(curve), list(curve.values()), **style(name))
            mark(axes, part)
            axes.set_title(f"{title}, by {part}", fontsize=11)
            axes.set_xlabel(LABELS[part])
            axes.set_ylabel(unit)
    draws = [axes for axes in grid[:, 1] if axes.lines]
    low = min(axes.get_ylim()[0] for axes in draws)
    high = max(axes.get_ylim()[1] for axes in draws)
    for axes in draws:
        axes.set_ylim(low, high)
    place_legend(figure, grid)
    figure.get_layout_engine().set(hspace=0.06, wspace=0.04)
    save_figure(figure, path)


def mark(axes: Any, part: str) -> None:
    """Set logarithmic axes with plain numbers where they fit."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_xscale("log")
    axes.set_yscale("log")
    if part in ("factors", "negatives", "threads"):
        axes.set_xticks(sorted({x for line in axes.lines for x in line.get_xdata()}))
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.xaxis.set_minor_locator(NullLocator())
    low, high = axes.get_ylim()
    few = high / low < 200
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(color="0.93")


def place_legend(figure: Any, grid: Any) -> None:
    """Put the one legend into the empty panel, or above all panels if there is none."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **options) for options in LEGEND.values()]
    empty = [axes for line in grid for axes in line if not axes.lines]
    if empty:
        empty[0].legend(handles, LEGEND, loc="center", frameon=False, fontsize=11)
    else:
        figure.legend(handles, LEGEND, loc="outside upper center", ncols=4, frameon=False)


def summary(found: dict[str, list[dict[str, Any]]]) -> list[Table]:
    tables = []
    for part, results in found.items():
        for kind, title, scale in (
            ("seconds", "Seconds", 1.0),
            ("nanoseconds", "Nanoseconds of a draw", 1.0),
            ("bytes", "Peak memory in megabytes", 1e-6),
        ):
            curves = curves_of(results, part, kind)
            if kind == "bytes":
                curves |= ratios(curves)
            rows = []
            for x in dict.fromkeys(x for curve in curves.values() for x in curve):
                row = [f"{x:,}"]
                for name, curve in curves.items():
                    value = curve.get(x)
                    factor = 1.0 if "/" in name else scale
                    row.append("-" if value is None else f"{factor * value:.3g}")
                rows.append(row)
            if rows:
                tables.append(Table(f"{title} by {part}", [part, *curves], rows))
    return tables


def ratios(curves: dict[str, dict[int, float]]) -> dict[str, dict[int, float]]:
    """Return each step's memory by that of what it must hold."""
    needs = {
        "building": "csr",
        "uniform": "csr",
        "popularity": "csr",
        "training": "csr and factors",
    }
    return {
        f"{name} / {need}": {x: value / curves[need][x] for x, value in curves[name].items()}
        for name, need in needs.items()
        if name in curves
    }


def price(found: dict[str, list[dict[str, Any]]]) -> Table:
    """Return bytes for one more interaction, user and item: between the two largest points."""
    rows = []
    for name in ("building", "uniform", "popularity", "training", "csr and factors"):
        one: dict[str, float] = {}
        for part in ("users", "items", "interactions"):
            curve = curves_of(found[part], part, "bytes")[name]
            low, high = sorted(curve)[-2:]
            more = curve[high] - curve[low]
            if part == "interactions":  # which come with users
                more -= one["users"] * (high - low) / Point().each
            one[part] = more / (high - low)
        rows.append([name, *(f"{one[part]:.1f}" for part in ("interactions", "users", "items"))])
    return Table("Bytes at the peak", ["step", "an interaction", "a user", "an item"], rows)


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--largest", type=int, default=10**8, help="most interactions")
    parser.add_argument("--draw", action="store_true", help="draw the figure from results/")
    parser.add_argument("--output", default="growth", help="name of the files in results/")
    parser.add_argument("--figure", type=Path, default=FIGURE)
    parser.add_argument("--point", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        run_point(Point(*json.loads(options.point)))
        return
    if options.draw:
        path = RESULTS / f"{options.output}.json"
        plot(json.loads(path.read_text(encoding="utf-8"))["results"], options.figure)
        return
    settings = {"parts": options.parts, "largest": options.largest, "middle": Point()._asdict()}
    results: dict[str, list[dict[str, Any]]] = {}
    record: dict[str, Any] = {
        "environment": environment(),
        "settings": settings,
        "results": results,
    }
    for part in options.parts:
        for point in points_of(part, options):
            started = time.perf_counter()
            results.setdefault(part, []).append({"point": list(point), **in_new_process(point)})
            print(f"{part}: {point}, {time.perf_counter() - started:.0f} s", flush=True)
    tables = summary(results)
    if {"interactions", "users", "items"} <= results.keys():
        tables.insert(0, price(results))
    for table in tables:
        table.show()
    notes = [
        "uniform, popularity: seconds of building the sampler; memory of interactions, sampler and "
        "drawing. epoch: of BPR, the second. building / csr and so on: the memory of a step by "
        "that of what it must hold.",
        "Differences below some 2 MB are noise.",
    ]
    write(options.output, record, tables, notes)
    plot(results, options.figure)


if __name__ == "__main__":
    main()
