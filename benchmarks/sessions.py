"""TRON beside the losses it was compared with, on sessions: ``python benchmarks/sessions.py WHAT``.

- ``cost``: seconds and memory of a step against the size of the pool, with and without top-k;
- ``orderings``: losses and negatives on the newest quarter of the training sessions;
- ``headline``: all training sessions, cosines, beside published figures;
- ``movielens``: gSASRec's protocol on MovieLens 1M, the last event of each user.

Epochs are chosen on validation data: the newest tenth of the training sessions, or each user's
last event but one. Test data are looked at once, at the end of a run. ``headline`` trains once more
on all of the training sessions for as many epochs as validation chose.

A run is a data set, a system and a seed; its record is results/sessions-WHAT-DATA-SYSTEM-SEED.json.
Runs that have one are passed over, and an interrupted run goes on from its last epoch.
``--systems NAME --seeds 1`` runs a single one; without runs to do, the table is made anew.
Needs the data in the folder that RECNEG_DATA names, or downloads them.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from recording import RESULTS, Table, environment, with_deviation, write
from session_plots import plot_cost, plot_curve, plot_orderings

from recneg.datasets import load_sequences
from recneg.evaluation import NextItemEvaluation, evaluate_next_item
from recneg.files import atomic_path
from recneg.losses import BPRMaxLoss, GBCELoss, LogisticLoss, SampledSoftmaxLoss
from recneg.sequence_splits import SequenceSplit, carve_newest, newest_sequences
from recneg.sequences import Sequences
from recneg.training import TRON, Adam, Epoch

Options = dict[str, Any]

IMAGES = Path(__file__).parents[1] / "docs" / "images"

PUBLISHED = {  # Recall@20, MRR@20
    "diginetica": {"SR-GNN": (0.5073, 0.1759)},
    "yoochoose-1-64": {"SR-GNN": (0.7057, 0.3094)},
    "movielens-1m": {"SASRec": (0.2392, 0.1259), "gSASRec": (0.3003, 0.1726)},  # Recall, NDCG@10
}

NO_TOP: Options = {"top_k": 0}
COSINE: Options = {
    "score": "cosine", "loss": SampledSoftmaxLoss(0.1), "optimizer": Adam(1e-3, lazy=True)
}  # fmt: skip
SYSTEMS: dict[str, Options] = {
    "bce-1": NO_TOP | {
        "loss": LogisticLoss(), "num_negatives": 1, "num_in_batch": 0, "redraw": "event"
    },
    "bce-512": NO_TOP | {"loss": LogisticLoss(), "num_negatives": 512, "num_in_batch": 16},
    "bce-8192": NO_TOP | {"loss": LogisticLoss()},
    "bpr-max": NO_TOP | {"loss": BPRMaxLoss(0.1)},
    "softmax": NO_TOP,
    "softmax-log-q": NO_TOP | {"log_q_correction": True},
    "tron-l": {},
    "tron-xl": {"num_negatives": 16384},
    "tron-l-keep": {"accidental_hits": "keep"},
    "tron-l-log-q": {"log_q_correction": True},
    "tron-l-cosine": COSINE,
    "softmax-cosine": NO_TOP | COSINE,
}  # fmt: skip
"""Negatives are 8,192 uniform ones and 127 of other sessions, if nothing else is said."""

COMMON: dict[str, Options] = {
    "diginetica": {"dropout": 0.5, "epochs": 30, "patience": 3},
    "yoochoose-1-64": {"dropout": 0.5, "epochs": 30, "patience": 3},
}

ML_GSASREC: Options = {
    "factors": 128, "max_length": 200, "dropout": 0.5, "optimizer": Adam(1e-3), "metric": "ndcg",
    "num_in_batch": 0, "top_k": 0, "tied": False, "accidental_hits": "keep", "epochs": 2000,
    "patience": 20, "evaluate_every": 10, "precision": "float32",
}  # fmt: skip


IN_WINDOWS = ("catalogue-24-windows",)
"""Systems that learn from all events; the others from the last 200 of each user."""


def movielens_systems(num_items: int) -> dict[str, Options]:
    """Return the systems of ``movielens``; gBCE knows the number of items."""
    gbce = GBCELoss(num_items, 0.75)
    softmax = ML_GSASREC | {"num_negatives": 512, "accidental_hits": "target"}
    catalogue = softmax | {
        "dropout": 0.2, "epochs": 30, "schedule": "cosine", "patience": None, "evaluate_every": 5,
        "score": "cosine", "loss": SampledSoftmaxLoss(0.1), "tied": True, "num_negatives": "all",
    }  # fmt: skip
    return {
        "gsasrec": ML_GSASREC | {"loss": gbce, "num_negatives": 256, "redraw": "event"},
        "gsasrec-shared": ML_GSASREC | {"loss": gbce, "num_negatives": 1024},
        "sasrec": ML_GSASREC | {
            "loss": LogisticLoss(), "num_negatives": 1, "redraw": "event", "tied": True
        },
        "softmax": softmax,
        "softmax-60": softmax | {
            "dropout": 0.2, "epochs": 60, "schedule": "cosine", "patience": None
        },
        "catalogue-30": catalogue,
        "catalogue-24-windows": catalogue | {"dropout": 0.3, "epochs": 24, "evaluate_every": 4},
    }  # fmt: skip


class Protocol(NamedTuple):
    """How a trained model is judged."""

    targets: str = "every"
    exclude_seen: bool = False
    k: int = 20
    metrics: tuple[str, str] = ("recall", "mrr")

    def judge(self, model: TRON, test: Sequences, train: Sequences) -> NextItemEvaluation:
        """Evaluate on test data."""
        metrics = dict.fromkeys((*self.metrics, "ndcg"))
        return evaluate_next_item(
            model, test, k=self.k, metrics=metrics, targets=self.targets,
            exclude_seen=self.exclude_seen, train=train,
        )  # fmt: skip


class OutOfTime(Exception):
    """Ends a run whose hours are over."""


def trained(
    options: Options,
    train: Sequences,
    validation: Sequences | None,
    protocol: Protocol,
    scratch: Path,
    hours: float,
) -> tuple[TRON, list[Epoch]]:
    """Fit, going on from `scratch`; return the best model on validation data, and the curve.

    It ends at the first evaluation after `hours`, which count on from an earlier run.
    """
    best = scratch.with_suffix(".best")
    curve: list[Epoch] = []

    def note(epoch: Epoch) -> None:
        curve[:] = model.history
        print(json.dumps(epoch._asdict()), flush=True)
        if epoch.validation is not None:
            scores = [each.validation for each in curve if each.validation is not None]
            if epoch.validation == max(scores):
                model.save(best)
            if epoch.seconds > 3600 * hours:
                raise OutOfTime

    model = TRON(**options)
    try:
        model.fit(
            train, False, note, validation=validation, targets=protocol.targets,
            exclude_seen=protocol.exclude_seen, checkpoint=scratch,
        )  # fmt: skip
        curve[:] = model.history
    except OutOfTime:
        model = TRON.load(best)
    best.unlink(missing_ok=True)
    return model, curve


def epoch_seconds(curve: list[Epoch]) -> float:
    """Return the median seconds of an epoch; the first one compiles."""
    ends = [epoch.seconds for epoch in curve]
    steps = np.diff(ends) if len(ends) > 1 else ends
    return float(np.median(steps))


def run(
    what: str,
    data: str,
    system: str,
    seed: int,
    options: Options,
    parts: SequenceSplit,
    protocol: Protocol,
    hours: float,
    refit: bool,
) -> None:
    """Make one run, unless its record is there, and write the record."""
    name = f"sessions-{what}-{data}-{system}-{seed}"
    path = RESULTS / f"{name}.json"
    if path.exists():
        return
    print(f"{name}: {parts!r} {parts.checksum}", flush=True)
    options = options | {"seed": seed}
    scratch = RESULTS / f"{name}.safetensors"
    started = environment()
    model, curve = trained(options, parts.train, parts.validation, protocol, scratch, hours)
    scores = [(epoch.validation, -epoch.epoch) for epoch in curve if epoch.validation is not None]
    chosen = -max(scores)[1]
    result = protocol.judge(model, parts.test, parts.train)
    record: dict[str, Any] = {
        "environment": started,
        "split": parts.checksum,
        "seed": seed,
        "test": {each: result.mean(each) for each in result.names},
        "unseen_targets": result.num_unseen_targets,
        "events": len(result.events),
        "chosen_epoch": chosen,
        "hours_allowed": hours if np.isfinite(hours) else None,
        "epoch_seconds": epoch_seconds(curve),
        "training_seconds": curve[-1].seconds,
        "curve": [epoch._asdict() for epoch in curve],
        "model": repr(model),
    }
    if refit:
        everything = joined(parts.train, parts.validation)
        again = RESULTS / f"{name}-all.safetensors"
        last = options | {"epochs": chosen, "patience": None}
        model, curve = trained(last, everything, None, protocol, again, np.inf)
        result = protocol.judge(model, parts.test, everything)
        record["refit"] = {each: result.mean(each) for each in result.names}
        record["refit_seconds"] = curve[-1].seconds
        again.unlink()
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(record, indent=2, default=float) + "\n", "utf-8")
    scratch.unlink(missing_ok=True)
    print(json.dumps({key: record[key] for key in ("test", "chosen_epoch", "epoch_seconds")}))


def joined(older: Sequences, newer: Sequences) -> Sequences:
    """Return the sequences of both, the newer ones last."""
    owners = np.concatenate((older.owners(), newer.owners() + np.int32(len(older))))
    return Sequences.from_arrays(
        owners, np.concatenate((older.items, newer.items)),
        num_sequences=len(older) + len(newer), num_items=older.num_items,
    )  # fmt: skip


def session_parts(data: str, share: float) -> SequenceSplit:
    """Return the newest share of the training sessions, cut for validation, and all of test."""
    split = load_sequences(data).split
    train = split.train
    if share < 1:
        train = train.select(newest_sequences(train, share))
    older, newest = carve_newest(train, 0.1)
    return SequenceSplit(older, newest, split.test, split.targets)


def tabulate(what: str, title: str, names: list[str], settings: Options) -> None:
    """Write one table of all records of a benchmark that are there."""
    rows, every = [], {}
    for data, lines in PUBLISHED.items():
        found: dict[str, list[dict[str, Any]]] = {}
        for path in sorted(RESULTS.glob(f"sessions-{what}-{data}-*.json")):
            system = path.stem.removeprefix(f"sessions-{what}-{data}-").rpartition("-")[0]
            found.setdefault(system, []).append(json.loads(path.read_text("utf-8")))
        if not found:
            continue
        every |= {f"{data} {system}": runs for system, runs in found.items()}
        if what != "orderings":
            rows += [[data, f"{name}, published", *map(str, values), "", "", "", ""]
                     for name, values in lines.items()]  # fmt: skip
        base = found.get("softmax", [])
        for system, runs in found.items():
            seconds = statistics.mean(each["epoch_seconds"] for each in runs)
            ratio = ""
            if base:
                ratio = f"{seconds / statistics.mean(each['epoch_seconds'] for each in base):.2f}"
            shown = [each.get("refit", each["test"]) for each in runs]
            rows.append(
                [data, system, *(with_deviation([each[name] for each in shown]) for name in names),
                 str(round(statistics.mean(each["chosen_epoch"] for each in runs))),
                 f"{seconds:.0f}", ratio, str(len(runs))]
            )  # fmt: skip
        if what == "orderings":
            plot_orderings(found, names[0], IMAGES / f"session-losses-{data}.png")
        elif what == "movielens":
            ndcg = {name: values[1] for name, values in lines.items()}
            plot_curve(found, ndcg, "ndcg@10", IMAGES / "session-movielens.png")
    heads = ["data", "system", *names, "epochs", "s an epoch", "of softmax's", "seeds"]
    found_table = Table(title, heads, rows)
    found_table.show()
    record = {"environment": environment(), "settings": settings, "results": every}
    write(f"sessions-{what}", record, [found_table], ["mean ± deviation over seeds"])


def compare(what: str, share: float, options: argparse.Namespace) -> None:
    """Run ``orderings`` or ``headline``."""
    for data in options.data or list(COMMON):
        parts: Callable[[], SequenceSplit] = partial(session_parts, data, share)
        cut = None
        default = list(SYSTEMS) if what == "orderings" else ["tron-l-cosine"]
        for system in options.systems or default:
            for seed in options.seeds:
                if (RESULTS / f"sessions-{what}-{data}-{system}-{seed}.json").exists():
                    continue
                cut = cut or parts()
                how = COMMON[data] | SYSTEMS[system] | changed(options)
                run(what, data, system, seed, how, cut, Protocol(), options.hours,
                    refit=what == "headline")  # fmt: skip
    title = "The newest quarter of the training sessions" if share < 1 else "All training sessions"
    tabulate(what, title, ["recall@20", "mrr@20"], vars(options))


def movielens(options: argparse.Namespace) -> None:
    """Run ``movielens``."""
    split = load_sequences("movielens-1m").split
    systems = movielens_systems(split.train.num_items)
    protocol = Protocol("last", True, 10, ("recall", "ndcg"))
    for system in options.systems or ["gsasrec"]:
        parts = split
        if system in IN_WINDOWS:
            parts = replace(split, train=split.train.windows(ML_GSASREC["max_length"] + 1))
        for seed in options.seeds:
            how = systems[system] | changed(options)
            run("movielens", "movielens-1m", system, seed, how, parts, protocol, options.hours,
                refit=False)  # fmt: skip
    tabulate("movielens", "MovieLens 1M, last event", ["recall@10", "ndcg@10"], vars(options))


def changed(options: argparse.Namespace) -> Options:
    """Return the options of TRON that the command line states."""
    every = {"num_threads": options.threads, "precision": options.precision}
    for text in options.set:
        name, _, value = text.partition("=")
        every[name] = json.loads(value)
    return every


# -- cost -----------------------------------------------------------------------------------------


def step_cost(how: Options, precision: str, threads: int) -> dict[str, float]:
    """Return seconds a step, and MiB at the peak, of what a pool adds to a tiny one."""
    train = load_sequences("diginetica").split.train
    train = train.select(newest_sequences(train, 6400 / len(train)))
    how = {"precision": precision, "num_threads": threads, "dropout": 0.2, "epochs": 2} | how

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    few = {"num_negatives": 16, "top_k": min(how.get("top_k", 8), 8), "epochs": 1}
    TRON(**how | few).fit(train, False)
    before = peak()
    model = TRON(**how).fit(train, False)
    seconds = model.history[1].seconds - model.history[0].seconds
    return {"seconds": seconds / 50, "peak": peak(), "added": peak() - before}


def cost(options: argparse.Namespace) -> None:
    """Run ``cost``, each cell in a process of its own, in turns."""
    started, results = environment(), {}
    cells = {
        f"{pool} top {top_k}": f"dict(num_negatives={pool}, top_k={top_k})"
        for pool in options.pools
        for top_k in (0, 100)
    }
    cells |= {system: f"sessions.SYSTEMS[{system!r}]" for system in options.systems or SYSTEMS}
    for turn in range(options.turns):
        for name, how in cells.items():
            code = (
                "import json, sessions; print(json.dumps(sessions.step_cost("
                f"{how}, {options.precision!r}, {options.threads})))"
            )
            found = subprocess.run(
                [sys.executable, "-c", code], cwd=Path(__file__).parent, check=True,
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            results.setdefault(name, []).append(json.loads(found.stdout))
            print(turn, name, results[name][-1], flush=True)

    def least(name: str, value: str) -> float:
        return max(0.0, min(each[value] for each in results[name]))

    sides = {"all": 0, "top 100": 100}
    lines = {
        label: {
            side: [scale * least(f"{pool} top {top_k}", value) for pool in options.pools]
            for side, top_k in sides.items()
        }
        for label, value, scale in (("ms a step", "seconds", 1000), ("MiB added", "added", 1))
    }
    times, memory = lines.values()
    rows = [
        [f"{pool:,}", f"{plain:.0f}", f"{top:.0f}", f"{plain / top:.2f}", f"{more:.0f}",
         f"{few:.0f}"]
        for pool, plain, top, more, few in zip(
            options.pools, *times.values(), *memory.values(), strict=True
        )
    ]  # fmt: skip
    heads = ["pool", "ms a step, all", "ms, top 100", "ratio", "MiB added, all", "top 100"]
    pools = Table("A step of 128 sessions of Diginetica, 200 factors", heads, rows)
    whole = least("softmax", "seconds") if "softmax" in results else float("nan")
    rows = [
        [name, f"{1000 * least(name, 'seconds'):.0f}", f"{least(name, 'seconds') / whole:.2f}"]
        for name in options.systems or SYSTEMS
    ]
    systems = Table("The same by system", ["system", "ms a step", "of softmax's"], rows)
    for table in (pools, systems):
        table.show()
    record = {"environment": started, "settings": vars(options), "results": results}
    notes = [f"fastest of {options.turns} turns; memory beyond that of a pool of 16"]
    write("sessions-cost", record, [pools, systems], notes)
    plot_cost(options.pools, lines, IMAGES / "session-cost.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["cost", "orderings", "headline", "movielens"])
    parser.add_argument("--data", nargs="*", choices=list(COMMON))
    parser.add_argument("--systems", nargs="*", help=f"among {', '.join(SYSTEMS)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--hours", type=float, default=np.inf, help="for each run")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--set", nargs="*", default=[], help="options of TRON, as name=JSON")
    parser.add_argument("--pools", type=int, nargs="+", default=[2**n for n in range(10, 17)])
    parser.add_argument("--turns", type=int, default=2)
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    if options.what == "cost":
        cost(options)
    elif options.what == "movielens":
        movielens(options)
    else:
        compare(options.what, 0.25 if options.what == "orderings" else 1.0, options)


if __name__ == "__main__":
    main()
