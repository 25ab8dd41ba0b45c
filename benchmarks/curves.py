"""NDCG@20 against processor time from a cold start, every system at its best setting.

Run ``RECNEG_DATA=... python benchmarks/curves.py [--data movielens-1m gowalla]``.

One thread, 64 factors. The clock is the processor time of the process from the call of ``fit`` on,
with all that it prepares, starts of factors included; imports, compilation (a fit of small random
data beforehand; of LensKit and RecBole an epoch of another model), the sparse matrix or data set
that a library takes, and evaluation do not count.

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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from curve_plots import draw, tables
from curve_systems import OURS, SYSTEMS, System
from peers import Factors, why_missing
from recording import RESULTS, environment, write
from timed_training import Look, Point

from recneg import Interactions, evaluate
from recneg.datasets import load
from recneg.keys import Key, random_bits
from recneg.splits import Split, carve_validation, given_split, random_split

MARKS = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0)
TRIED = 10.0
"""Trials end here; a run that was best at this length is trained on at the marks after it."""
EVALUATED = 6000
IMAGE = Path(__file__).parents[1] / "docs" / "images" / "curves.png"


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
            write(options.output, record, tables(record["results"], MARKS), notes)
    if options.only_trials:
        return
    for table in tables(record["results"], MARKS):
        table.show()
    draw(record["results"], MARKS, options.image)


if __name__ == "__main__":
    main()
