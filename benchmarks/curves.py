"""NDCG@20 against processor time from a cold start, every system at its best setting.

Run ``RECNEG_DATA=... python benchmarks/curves.py [--data movielens-1m gowalla]``.

One thread, 64 factors. The clock is the processor time of the process from the call of ``fit`` on,
with all that it prepares, starts of factors included; imports, compilation (a fit of small random
data beforehand), the sparse matrix or data set that a library takes, and evaluation do not count.

recneg's softmax is trained anew for every mark, because its learning rate may fall to 0 at the end
of a run: for as many epochs as fit into the seconds of the mark by the run for the mark before it,
and first by one of two epochs, which does not count. All others are looked at on their way, after
the last iteration before each mark.

Settings, and for each mark the setting and the length no longer than it, are chosen by NDCG@20 on a
tenth of each user's training interactions; then the chosen ones train on the whole training part
and are evaluated on test once, train items masked, against all items. Where a data set has more
than 6,000 users, 6,000 drawn by a key are evaluated. A trial of the others ends at a mark from 5
seconds on that brought less than half a percent over those before it; no trial is longer than 10
seconds, and what was best at that length is trained for 20 and 40 as well. Trials that are on file
with the same settings are not made again; ``--only-trials`` makes them alone.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from figures import new_figure, save_figure
from peers import CornacBPR, Factors, ImplicitBPR, cornac_data, why_missing
from recording import RESULTS, Table, environment, write

from recneg import BPR, Interactions, MatrixFactorization, evaluate
from recneg.datasets import load
from recneg.keys import Key, random_bits
from recneg.losses import BSLLoss
from recneg.samplers import Uniform
from recneg.splits import Split, carve_validation, given_split, random_split
from recneg.training import Adagrad

FACTORS = 64
MARKS = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0)
TRIED = 10.0
"""Trials end here; a run that was best at this length is trained on at the marks after it."""
SLACK = 1.3
"""A look is taken where an iteration of this many times the last one's seconds passes a mark."""
EVALUATED = 6000
IMAGE = Path(__file__).parents[1] / "docs" / "images" / "curves.png"

Setting = dict[str, Any]
Look = Callable[[Any], float]


class Point(NamedTuple):
    """A look at a model: at which mark, after which seconds and iterations, and NDCG@20."""

    mark: float
    seconds: float
    iterations: int
    ndcg: float


class EnoughError(Exception):
    """Ends a training from inside a callback."""


class Clock:
    """Processor seconds since its making, without those of looks; looks before marks.

    Parameters
    ----------
    marks : tuple of float
    look : callable
        From a model to NDCG@20.
    gives_up : bool
        Whether to end where a mark from 5 seconds on brought little.
    """

    def __init__(self, marks: tuple[float, ...], look: Look, gives_up: bool) -> None:
        self.left, self._look, self._gives_up = list(marks), look, gives_up
        self.points: list[Point] = []
        self.outside, self.iterations = 0.0, 0
        self.pace, self._last = 0.0, 0.0
        self.started = time.process_time()

    def seconds(self) -> float:
        """Return the processor seconds that count."""
        return time.process_time() - self.started - self.outside

    def after(self, iterations: int, model: Callable[[], Any]) -> None:
        """Look if one more iteration would pass the next mark; raise `EnoughError` at the end."""
        paused, now = time.process_time(), self.seconds()
        self.iterations += iterations
        self.pace, self._last = (now - self._last) / iterations, now
        while self.left and now > self.left[0]:
            self.left.pop(0)  # an iteration took longer than from mark to mark
        passed = [mark for mark in self.left if now + SLACK * self.pace > mark]
        if passed:
            score = self._look(model())
            before = max((point.ndcg for point in self.points), default=0.0)
            self.points += [Point(mark, now, self.iterations, score) for mark in passed]
            self.left = self.left[len(passed) :]
            if self._gives_up and passed[-1] >= 5 and score < 1.005 * before:
                raise EnoughError
        self.outside += time.process_time() - paused
        if not self.left:
            raise EnoughError


def runs(
    make: Callable[..., Any],
    train: Interactions,
    marks: tuple[float, ...],
    look: Look,
    gives_up: bool,
) -> Iterator[Point]:
    """Train anew for every mark; `make` takes the number of epochs."""
    make(1).fit(small(), False)
    stamps = [time.process_time()]
    make(0).fit(train, False)
    stamps.append(time.process_time())
    make(2).fit(train, False)
    start, two = np.diff([*stamps, time.process_time()])
    pace, done = max((two - start) / 2, 1e-3), 0
    for mark in marks:
        epochs = int((0.97 * mark - start) / pace)
        if epochs <= done:
            continue
        done, model = epochs, make(epochs)
        started = time.process_time()
        model.fit(train, False)
        seconds = time.process_time() - started
        pace = (seconds - start) / epochs
        yield Point(mark, seconds, epochs, look(model))


def stages(
    advance: Callable[[Interactions, Clock], None],
    train: Interactions,
    marks: tuple[float, ...],
    look: Look,
    gives_up: bool,
) -> Iterator[Point]:
    """Train once, with a clock that looks on the way."""
    clock = Clock(marks, look, gives_up)
    try:
        advance(train, clock)
    except EnoughError:
        pass
    except Exception as error:  # each library has an error of its own for factors that overflow
        if "NaN" not in str(error) and not isinstance(error, FloatingPointError):
            raise
    yield from clock.points


def softmax(setting: Setting, seed: int) -> Any:
    """Return recneg's softmax: users with all positives, a shared pool, a spectral start."""
    of = dict(setting)
    options: dict[str, Any] = {
        "loss": BSLLoss(of.pop("temperature"), of.pop("exponent")),
        "optimizer": Adagrad(of.pop("rate"), rowwise=of.pop("rowwise")),
        "user_optimizer": Adagrad(of.pop("user_rate"), rowwise=True),
        "sampler": partial(Uniform, unseen=of.pop("unseen")),
    }

    def make(epochs: int) -> MatrixFactorization:
        return MatrixFactorization(
            FACTORS, score="cosine", visit="users", redraw="batch", init="spectral",
            init_deviation=0.02, epochs=epochs, seed=seed, num_threads=1,
            **options, **of,
        )  # fmt: skip

    return partial(runs, make)


def bpr(setting: Setting, seed: int) -> Any:
    """Return `recneg.BPR`."""

    def advance(train: Interactions, clock: Clock) -> None:
        model = BPR(FACTORS, epochs=100_000, seed=seed, num_threads=1, **setting)
        model.fit(train, False, lambda _: clock.after(1, lambda: model))

    BPR(FACTORS, epochs=1, num_threads=1, **setting).fit(small(), False)
    return partial(stages, advance)


def als(setting: Setting, seed: int) -> Any:
    """Return `implicit.als.AlternatingLeastSquares` on the CPU."""
    from implicit.cpu.als import AlternatingLeastSquares

    def advance(train: Interactions, clock: Clock) -> None:
        model = AlternatingLeastSquares(
            FACTORS, iterations=100_000, random_state=seed, num_threads=1, **setting
        )

        def step(*_: Any) -> None:
            clock.after(1, lambda: Factors(model.user_factors, model.item_factors))

        matrix = train.to_scipy()
        clock.started = time.process_time()
        model.fit(matrix, show_progress=False, callback=step)

    return partial(stages, advance)


def implicit_bpr(setting: Setting, seed: int) -> Any:
    """Return implicit's BPR."""

    def advance(train: Interactions, clock: Clock) -> None:
        model = ImplicitBPR(train, factors=FACTORS, seed=seed, num_threads=1, **setting)
        clock.started = time.process_time()
        model.advance(100_000, lambda *_: clock.after(1, model.factors))

    return partial(stages, advance)


def cornac_bpr(setting: Setting, seed: int) -> Any:
    """Return Cornac's BPR, which has no callback and goes on in stages."""

    def advance(train: Interactions, clock: Clock) -> None:
        data = cornac_data(train)
        model = CornacBPR(train, factors=FACTORS, seed=seed, num_threads=1, data=data, **setting)
        clock.started = time.process_time()
        model.advance(1)
        clock.after(1, model.factors)
        while True:
            ahead = max(1, int((clock.left[0] - clock.seconds()) / clock.pace))
            model.advance(ahead)
            clock.after(ahead, model.factors)

    return partial(stages, advance)


class System(NamedTuple):
    """What trains, its package, the settings by data set, and whether each mark is a run anew."""

    train: Callable[[Setting, int], Any]
    package: str
    settings: dict[str, list[Setting]]
    anew: bool = False


def over(name: str, values: list[Any], **common: Any) -> list[Setting]:
    return [{name: value, **common} for value in values]


SYSTEMS: dict[str, System] = {
    "recneg, softmax": System(softmax, "recneg", {
        "movielens-1m": [
            {"temperature": 0.16, "exponent": 1.2, "user_rate": 0.012, "rate": 0.0018,
             "rowwise": False, "unseen": True, "batch_size": 128, "num_negatives": 1024,
             "schedule": "cosine"},
            {"temperature": 0.14, "exponent": 1.2, "user_rate": 0.02, "rate": 0.0018,
             "rowwise": False, "unseen": True, "batch_size": 128, "num_negatives": 1024,
             "schedule": "cosine"},
        ],
        "gowalla": [
            {"temperature": temperature, "exponent": exponent, "user_rate": 0.0092, "rate": 0.0061,
             "rowwise": True, "unseen": True, "batch_size": 512, "num_negatives": 2048,
             "schedule": "constant"}
            for temperature, exponent in ((0.073, 1.0), (0.1, 1.22))
        ],
    }, anew=True),
    "recneg, BPR": System(bpr, "recneg", {
        "movielens-1m": over(
            "learning_rate", [0.08, 0.15], user_regularization=0.008,
            positive_regularization=0.006, negative_regularization=0.01, item_bias=False,
            learning_rate_decay=0.99,
        ),
        "gowalla": over(
            "learning_rate", [0.15, 0.3], user_regularization=0.003,
            positive_regularization=0.002, negative_regularization=0.0002, item_bias=False,
            learning_rate_decay=0.99, num_negatives=4,
        ),
    }),
    "implicit, ALS": System(als, "implicit", {
        "movielens-1m": [
            {"regularization": regularization, "alpha": alpha}
            for regularization, alpha in ((10.0, 1.0), (30.0, 3.0), (60.0, 6.0), (100.0, 10.0))
        ],
        "gowalla": [
            {"regularization": regularization, "alpha": alpha}
            for regularization, alpha in ((10.0, 3.0), (30.0, 10.0), (60.0, 10.0), (100.0, 20.0))
        ],
    }),
    "implicit, BPR": System(implicit_bpr, "implicit", {
        "movielens-1m": over("learning_rate", [0.01, 0.03], regularization=0.001),
        "gowalla": over("learning_rate", [0.05, 0.1], regularization=0.003),
    }),
    "Cornac, BPR": System(cornac_bpr, "cornac", {
        "movielens-1m": over("learning_rate", [0.05, 0.1], regularization=0.01),
        "gowalla": over("learning_rate", [0.1, 0.2], regularization=0.005),
    }),
}  # fmt: skip


def small() -> Interactions:
    """Return random data to compile with."""
    rng = np.random.default_rng(0)
    return Interactions.from_arrays(np.repeat(np.arange(200), 8), rng.integers(0, 300, 1600))


def load_split(name: str) -> Split:
    """Return the data set's split, or a fifth of each user's interactions as test."""
    data = load(name, download=False)
    if data.split is not None:
        return given_split(data.split.train, data.split.test)
    return random_split(data.interactions, test=0.2, validation=0.0, key=0)


def some_users(held_out: Interactions) -> Interactions:
    users = np.unique(held_out.users())
    drawn = users[np.argsort(random_bits(Key(0), users))[:EVALUATED]]
    return held_out.select(np.isin(held_out.users(), drawn))


def looker(train: Interactions, held_out: Interactions) -> Look:
    held_out = some_users(held_out)

    def look(model: Any) -> float:
        if isinstance(model, Factors) and not all(np.isfinite(part).all() for part in model):
            return 0.0
        return evaluate(model, train, held_out, k=20, metrics=["ndcg"]).mean("ndcg@20")

    return look


class Choice(NamedTuple):
    """For a mark: the setting, and the length of its run that was best on validation data."""

    mark: float
    setting: int
    length: float


def choices(trials: list[list[Point]]) -> list[Choice]:
    """Choose for every mark among all settings and lengths up to it."""
    found: list[Choice] = []
    for mark in MARKS:
        if mark > TRIED and found:
            length = mark if found[-1].length >= TRIED else found[-1].length
            found.append(Choice(mark, found[-1].setting, length))
            continue
        known = [
            (point.ndcg, Choice(mark, number, point.mark))
            for number, points in enumerate(trials)
            for point in points
            if point.mark <= mark
        ]
        if known:
            found.append(max(known, key=lambda each: each[0])[1])
    return found


def tried(system: System, name: str, split: Split, seed: int) -> list[list[Point]]:
    """Return the points of each setting on validation data."""
    train, validation = carve_validation(split.train, 0.1, key=0)
    look, trials = looker(train, validation), []
    marks = tuple(mark for mark in MARKS if mark <= TRIED)
    for setting in system.settings[name]:
        points = list(system.train(setting, seed)(train, marks, look, True))
        trials.append(points)
        print(f"    {setting}: {shown(points)}", flush=True)
    return trials


def tested(
    system: System, name: str, split: Split, seed: int, trials: list[list[Point]]
) -> list[dict[str, Any]]:
    """Train what trials chose on the whole training part, and look at test at those marks."""
    chosen, look = choices(trials), looker(split.train, split.test)
    curve: dict[tuple[int, float], Point] = {}
    for number in sorted({choice.setting for choice in chosen}):
        lengths = {each.length for each in chosen if each.setting == number}
        marks = tuple(
            mark for mark in MARKS if mark in lengths or (not system.anew and mark < max(lengths))
        )
        setting = system.settings[name][number]
        for point in system.train(setting, seed)(split.train, marks, look, False):
            curve[number, point.mark] = point
    print(f"    test: {shown(list(curve.values()))}", flush=True)
    test = []
    for each in chosen:  # on more data an iteration may pass a mark that it did not pass in trials
        known = [mark for number, mark in curve if number == each.setting and mark <= each.length]
        if known:
            point = curve[each.setting, max(known)]
            test.append({"at": each.mark, "setting": each.setting, **point._asdict()})
    return test


def earlier(output: str, seed: int) -> dict[str, Any]:
    """Return the results of an earlier call at the same marks and seed; empty if there is none."""
    path = RESULTS / f"{output}.json"
    record = json.loads(path.read_text("utf-8")) if path.exists() else {}
    wanted = {"marks": list(MARKS), "seed": seed}
    same = bool(record) and wanted.items() <= record["settings"].items()
    results: dict[str, Any] = record["results"] if same else {}
    return results


def on_file(
    results: dict[str, Any], checksum: str, name: str, label: str
) -> list[list[Point]] | None:
    """Return the earlier trials of the same settings on the same split, if there are any."""
    data = results.get(name, {"checksum": None})
    found = data["systems"].get(label) if data["checksum"] == checksum else None
    if found is None or found["settings"] != SYSTEMS[label].settings[name]:
        return None
    return [[Point(**point) for point in points] for points in found["trials"]]


def shown(points: list[Point]) -> str:
    return ", ".join(f"{point.ndcg:.4f} at {point.seconds:.2f} s" for point in points)


Curve = list[tuple[float, float]]


def curve_of(found: dict[str, Any]) -> Curve:
    """Return seconds and NDCG@20 on test of what was chosen, by seconds."""
    return sorted({(point["seconds"], point["ndcg"]) for point in found["test"]})


def ahead_from(ours: Curve, theirs: Curve) -> float:
    """Return the seconds from which on `ours` has more than `theirs` at every moment; or inf."""
    since = math.inf
    for number in reversed(range(len(ours))):
        until = ours[number + 1][0] if number + 1 < len(ours) else math.inf
        if any(second < until and score >= ours[number][1] for second, score in theirs):
            break
        since = ours[number][0]
    return since


def tables(results: dict[str, Any]) -> list[Table]:
    made = []
    for name, by_system in results.items():
        rows = []
        for system, found in by_system["systems"].items():
            at = {point["at"]: point for point in found["test"]}
            cells = [f"{at[mark]['ndcg']:.4f}" if mark in at else "-" for mark in MARKS]
            since = ahead_from(curve_of(by_system["systems"][OURS]), curve_of(found))
            ahead = "-" if system == OURS else "never" if since == math.inf else f"{since:.1f} s"
            rows.append([system, *cells, ahead])
        heads = ["system", *(f"{mark:g} s" for mark in MARKS), f"{OURS} ahead from"]
        made.append(Table(f"{name}: NDCG@20 on test", heads, rows))
    return made


OURS = next(iter(SYSTEMS))


COLOURS = ("tab:red", "tab:orange", "tab:blue", "tab:green", "tab:purple")


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw a panel a data set: a dot for each look, a dotted line between runs made anew."""
    figure = new_figure(10, 4.4)
    parts = figure.subplots(1, len(results), squeeze=False)[0]
    for axes, (name, by_system) in zip(parts, results.items(), strict=True):
        for colour, (label, system) in zip(COLOURS, SYSTEMS.items(), strict=True):
            found = by_system["systems"].get(label)
            curve = curve_of(found) if found else []
            if not curve:
                continue
            seconds, scores = zip(*curve, strict=True)
            more = "; a dot is a run of that length" if system.anew else ""
            axes.plot(
                seconds, scores, color=colour, label=label + more, marker="o",
                markersize=5 if system.anew else 3, linestyle=":" if system.anew else "-",
                zorder=4 if system.anew else 2,
            )  # fmt: skip
            end = (seconds[-1], max(MARKS[-1], seconds[-1]))  # no longer run was better in trials
            axes.plot(end, [scores[-1]] * 2, color=colour, linewidth=0.7, zorder=1)
        axes.set_xscale("log")
        axes.set_xticks(MARKS, [f"{mark:g}" for mark in MARKS])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set_title(name)
        axes.set_xlabel("seconds of one processor from a cold start")
        axes.grid(color="0.93")
        axes.set_axisbelow(True)
    parts[0].set_ylabel("NDCG@20 on test")
    parts[0].legend(loc="lower right", fontsize=8)
    save_figure(figure, path)


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--data", nargs="+", default=["movielens-1m", "gowalla"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only-trials", action="store_true", help="without a look at test")
    parser.add_argument("--output", default="curves", help="name of the files in results/")
    parser.add_argument("--image", type=Path, default=IMAGE)
    options = parser.parse_args()
    skipped = {
        name: reason for name, system in SYSTEMS.items() if (reason := why_missing(system.package))
    }
    record: dict[str, Any] = {
        "environment": environment(),
        "settings": {**vars(options), "image": options.image.name, "marks": MARKS},
        "skipped": skipped,
        "results": {},
    }
    before = earlier(options.output, options.seed)
    record["results"] = dict(before)  # of data sets that are not asked for
    notes = [
        "Processor seconds of one thread from a cold start. At each mark: the test figure of the "
        "setting and the length up to that mark that were best on validation data.",
        f"ahead from: the seconds from which on {OURS} is better at every moment, its points "
        "holding until the next one.",
        *(f"{name} {reason}" for name, reason in skipped.items()),
    ]
    for name in options.data:
        split = load_split(name)
        print(f"{name}: {split!r}, checksum {split.checksum}", flush=True)
        found: dict[str, Any] = {}
        record["results"][name] = {"checksum": split.checksum, "systems": found}
        for label, system in SYSTEMS.items():
            if label in skipped:
                continue
            print(f"  {label}", flush=True)
            trials = on_file(before, split.checksum, name, label) or tried(
                system, name, split, options.seed
            )
            test = []
            if not options.only_trials:
                test = tested(system, name, split, options.seed, trials)
            found[label] = {
                "settings": system.settings[name],
                "trials": [[point._asdict() for point in points] for points in trials],
                "test": test,
            }
            write(options.output, record, tables(record["results"]), notes)
    if options.only_trials:
        return
    for table in tables(record["results"]):
        table.show()
    draw(record["results"], options.image)


if __name__ == "__main__":
    main()
