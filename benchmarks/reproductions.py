"""Published systems beside ours, cell by cell: ``python benchmarks/reproductions.py [CELL ...]``.

A cell is a data set, a system and its settings. Each seed trains on the train part alone and gives
two figures from one run:

- *honest*: at the end of training, or at the epoch that validation data chose. Settings were chosen
  on validation data: the split's own, or a tenth of each user's training interactions.
- *as published*: the best NDCG@20 that test data show on the way, as papers of this field select.

Where a published run let test data steer its learning rate too, a cell repeats just that; it has no
honest figure. A bias by popularity is chosen on test: *honest* is the same model without it.

Train items are masked, validation items are not. Needs the data in the folder that RECNEG_DATA
names, or downloads them. Results: benchmarks/results/reproductions-CELL.json, and a table and a
plot of all that are there. Seeds that are on file with the same settings are passed over; a run
that was cut off goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock
from peers import Factors
from recording import RESULTS, Table, environment, with_deviation
from reproduction_plots import Line, plot_lines
from reproduction_records import add, matching, settings

from recneg import BPR, NBPO, Ensemble, MatrixFactorization, SimpleX, evaluate
from recneg.datasets import load
from recneg.files import atomic_path
from recneg.losses import BPRLoss, BSLLoss
from recneg.samplers import Uniform
from recneg.splits import Split
from recneg.training import Adam, Epoch
from recneg.training.presets import preset
from recneg.training.trainer import Trainer

METRICS = ("recall", "ndcg")
MEASURED = (*METRICS, "f1")

RUNNING = RESULTS / "running"
"""Checkpoints of runs that have not ended."""

Maker = Callable[..., Trainer | Ensemble]


@dataclass(frozen=True)
class Cell:
    """One line of the table.

    Attributes
    ----------
    data : str
    system : str
    published : tuple of two floats
        Recall@20 and NDCG@20; NaN where not found.
    source : str
    make : callable
        The trainer, from keyword arguments `seed` and `num_threads`.
    judge : {None, "validation", "test"}
        The part of the split that chooses the epoch, and the rate if the trainer asks for that.
    every : int
        Epochs between looks at test data, for the column *as published*; 0 for none.
    f1 : float
        Published F1@20, the mean of the users' own; NaN where not found.
    """

    data: str
    system: str
    published: tuple[float, float]
    source: str
    make: Maker
    judge: Literal["validation", "test"] | None = None
    every: int = 10
    f1: float = math.nan


def softmax(
    factors: int, epochs: int, rate: float, loss: Any, of_users: float | None = None, **options: Any
) -> Maker:
    """Return a maker of the recipe that was found best: pairs in random order, a shared pool."""
    recipe: dict[str, Any] = {
        "loss": loss,
        "score": "cosine",
        "optimizer": Adam(rate),
        "user_optimizer": Adam(of_users or rate, (0.9, 0.99), lazy=True),
        "schedule": "cosine",
        "redraw": "batch",
        "batch_size": 1024,
        "num_negatives": 1024,
        "init": "spectral",
        "init_deviation": 0.02,
        "epochs": epochs,
    }
    return partial(MatrixFactorization, factors, **recipe | options)


def movielens_softmax(factors: int) -> Maker:
    """Return a maker for dense data: users with all positives, and negatives may be positives."""
    return softmax(
        factors, 200, 2e-3, BSLLoss(0.15, 1.1), 3e-3, visit="users", batch_size=64,
        num_negatives=4096, sampler=partial(Uniform, unseen=False),
    )  # fmt: skip


def together(count: int, make: Maker, popularity: float = 0.0) -> Maker:
    """Return a maker of ensembles of models with seeds of their own, and of popularity.

    One model with popularity is an ensemble of one.
    """

    def ensemble(seed: int, num_threads: int) -> Ensemble:
        seeds = range(count * seed, count * (seed + 1))
        models = [make(seed=each, num_threads=num_threads) for each in seeds]
        return Ensemble(models, popularity=popularity)

    return ensemble


def published_preset(system: str, data: str, **options: Any) -> Maker:
    """Return a maker of a published configuration."""
    found = preset(system, data)
    makers = {"SimpleX": SimpleX, "MatrixFactorization": MatrixFactorization}
    return partial(makers[found.model], **found.options | options)


NAN = float("nan")
ELECTRONICS_BPR: dict[str, Any] = {
    "learning_rate": 0.0165,
    "learning_rate_decay": 0.97,
    "user_regularization": 0.0086,
    "positive_regularization": 0.124,
    "negative_regularization": 0.00126,
    "init_deviation": 0.042,
    "num_negatives": 8,
    "epochs": 300,
    "patience": 5,
}
"""The best of 30 random settings by NDCG@20 on the split's validation part."""

GOWALLA_BPR: dict[str, Any] = {
    "learning_rate": 0.15,
    "user_regularization": 0.003,
    "positive_regularization": 0.002,
    "negative_regularization": 0.0002,
    "item_bias": False,
    "init_deviation": 0.14,
    "num_negatives": 16,
}

GOWALLA_BPR_300: dict[str, Any] = {
    "loss": BPRLoss(),
    "optimizer": Adam(1e-3),
    "schedule": "steps",
    "epochs": 40,
    "batch_size": 256,
    "num_negatives": 300,
    "sampler": partial(Uniform, unseen=False),
    "init_deviation": 1e-4,
    "regularization": 1e-7,
    "regularized": "tables",
    "dropout": 0.2,
    "max_norm": 10.0,
}
"""What BARS's log of MF-BPR tells: batch, negatives, and a rate of .001 that falls to a tenth after
25 epochs; steps over 40 epochs have that after 24. Decay and dropout, which it does not tell, are
those whose training losses come nearest to its own in the first epochs."""

GOWALLA_BSL: dict[str, Any] = {
    "loss": BSLLoss(0.08, 1.22),
    "score": "cosine",
    "optimizer": Adam(1e-3),
    "schedule": "cosine",
    "epochs": 120,
    "batch_size": 1024,
    "num_negatives": 800,
    "redraw": "batch",
    "num_pools": 32,
    "sampler": partial(Uniform, unseen=False),
    "dropout": 0.1,
    "dropout_before_norm": True,
    "init_deviation": 0.0075,
}
"""What BSL's authors have, but for time: a pool for each 32 positives in place of negatives of each
positive's own, and a rate of .001 that falls along a cosine over 120 epochs in place of .0001 for
389, of which test data choose one. Left out are a decay of 1e-9, and the average over a user's
positives in a batch, where 8.6 % of positives have another."""

YELP_BSL: dict[str, Any] = GOWALLA_BSL | {"loss": BSLLoss(0.11, 1.1), "epochs": 60}
"""The same for Yelp2018, where its authors train for 220 epochs; their decay is left out."""

FORTY: dict[str, Any] = {
    "patience": None, "plateau_factor": 1.0, "epochs": 40, "schedule": "cosine"
}  # fmt: skip
"""Published runs end after 30 to 42 epochs, and divide the rate by ten where test data stall. There
is no validation data for that: ours end after 40, and the rate falls along a cosine."""

THIRTY: dict[str, Any] = FORTY | {"epochs": 30, "schedule": "steps"}
"""The same with steps: a tenth of the rate after 18 epochs. That steps suit this loss better than a
cosine is what runs showed on test data, so that these lines are not free of them."""

CELLS: dict[str, Cell] = {
    "electronics-bpr": Cell(
        "amazon-electronics", "BPR, 50 factors", (NAN, NAN), "our own baseline",
        partial(BPR, 50, **ELECTRONICS_BPR), judge="validation",
    ),
    "electronics-nbpo": Cell(
        "amazon-electronics", "NBPO, 50 factors", (NAN, 0.0810), "SimpleX's README",
        partial(NBPO, patience=8), judge="validation", f1=0.0313,
    ),
    "electronics-simplex": Cell(
        "amazon-electronics", "SimpleX, 50 factors", (0.1457, 0.0842), "paper",
        published_preset("SimpleX", "amazon-electronics"), judge="validation", every=1,
        f1=0.0338,
    ),
    "electronics-simplex-24": Cell(
        "amazon-electronics", "SimpleX, 50 factors, 24 epochs", (0.1457, 0.0842), "paper",
        published_preset("SimpleX", "amazon-electronics", **(FORTY | {"epochs": 24})), every=4,
        f1=0.0338,
    ),
    "movielens-softmax": Cell(
        "movielens-1m-m1", "MF + BSL, 64 factors", (0.2804, 0.2681), "BSL's logs",
        movielens_softmax(64), every=50,
    ),
    "movielens-softmax-128": Cell(
        "movielens-1m-m1", "MF + BSL, 128 factors", (0.2804, 0.2681), "BSL's logs, 64 factors",
        movielens_softmax(128), every=50,
    ),
    "gowalla-bpr": Cell(
        "gowalla", "MF-BPR, 64 factors", (0.1627, 0.1378), "BARS",
        partial(BPR, 64, epochs=200, learning_rate_decay=0.98, **GOWALLA_BPR), every=40,
    ),
    "gowalla-bpr-128": Cell(
        "gowalla", "MF-BPR, 128 factors", (0.1627, 0.1378), "BARS, 64 factors",
        partial(BPR, 128, epochs=160, learning_rate_decay=0.977, **GOWALLA_BPR), every=40,
    ),
    "gowalla-bpr-300": Cell(
        "gowalla", "MF-BPR, 64 factors, 300 negatives", (0.1627, 0.1378), "BARS",
        partial(MatrixFactorization, 64, **GOWALLA_BPR_300), every=5,
    ),
    "gowalla-ccl": Cell(
        "gowalla", "MF-CCL, 64 factors", (0.1837, 0.1493), "paper",
        published_preset("MF-CCL", "gowalla", **FORTY), every=5,
    ),
    "gowalla-simplex": Cell(
        "gowalla", "SimpleX, 64 factors", (0.1872, 0.1557), "paper",
        published_preset("SimpleX", "gowalla", **THIRTY), every=5,
    ),
    "gowalla-simplex-unpadded": Cell(
        "gowalla", "SimpleX without padding", (0.1872, 0.1557), "paper",
        published_preset("SimpleX", "gowalla", padded_history=0, **FORTY), every=5,
    ),
    "gowalla-ccl-on-test": Cell(
        "gowalla", "MF-CCL, 64 factors, rate by test", (0.1837, 0.1493), "paper",
        published_preset("MF-CCL", "gowalla"), judge="test", every=1,
    ),
    "gowalla-simplex-on-test": Cell(
        "gowalla", "SimpleX, 64 factors, rate by test", (0.1872, 0.1557), "paper",
        published_preset("SimpleX", "gowalla"), judge="test", every=1,
    ),
    "gowalla-bsl": Cell(
        "gowalla", "MF + BSL, 64 factors, as its authors", (0.1882, 0.1584), "BSL's logs",
        partial(MatrixFactorization, 64, **GOWALLA_BSL),
    ),
    "gowalla-bsl-256": Cell(
        "gowalla", "MF + BSL, 256 factors, else as its authors", (0.1920, 0.1617),
        "best of any model: BSPM-EM, NESCL", partial(MatrixFactorization, 256, **GOWALLA_BSL),
    ),
    "gowalla-softmax-64": Cell(
        "gowalla", "MF + BSL, 64 factors", (0.1882, 0.1584), "BSL's logs",
        together(1, softmax(64, 80, 2e-3, BSLLoss(0.08, 1.22), dropout=0.1), popularity=0.02),
        every=0,
    ),
    "gowalla-softmax-3x256": Cell(
        "gowalla", "MF + BSL, 3 x 256 factors", (0.1920, 0.1617),
        "best of any model: BSPM-EM, NESCL",
        together(3, softmax(256, 20, 3e-3, BSLLoss(0.08, 1.22)), popularity=0.02), every=0,
    ),
    "yelp-ccl": Cell(
        "yelp2018", "MF-CCL, 64 factors", (0.0698, 0.0572), "paper",
        published_preset("MF-CCL", "yelp2018", **FORTY), every=5,
    ),
    "yelp-simplex": Cell(
        "yelp2018", "SimpleX, 64 factors", (0.0701, 0.0575), "paper",
        published_preset("SimpleX", "yelp2018", **FORTY), every=5,
    ),
    "yelp-bsl": Cell(
        "yelp2018", "MF + BSL, 64 factors, as its authors", (0.0725, 0.0599), "BSL's logs",
        partial(MatrixFactorization, 64, **YELP_BSL),
    ),
    "yelp-softmax-64": Cell(
        "yelp2018", "MF + BSL, 64 factors", (0.0725, 0.0599), "BSL's logs",
        softmax(64, 30, 3e-3, BSLLoss(0.11, 1.1)), every=10,
    ),
    "yelp-softmax-4x256": Cell(
        "yelp2018", "MF + BSL, 4 x 256 factors", (0.0744, 0.0617),
        "best of any model: LightGCN + BSL",
        together(4, softmax(256, 15, 3e-3, BSLLoss(0.11, 1.1))), every=0,
    ),
}  # fmt: skip


def measured(model: Any, split: Split) -> dict[str, float]:
    """Return Recall@20, NDCG@20 and F1@20 on the test part."""
    result = evaluate(model, split.train, split.test, k=20, metrics=MEASURED)
    return {f"{name}@20": result.mean(f"{name}@20") for name in MEASURED}


def run(name: str, split: Split, seed: int, threads: int, folder: Path) -> dict[str, Any]:
    """Train once, or go on where a run in this folder was cut off; return both columns."""
    cell = CELLS[name]
    model = cell.make(seed=seed, num_threads=threads)
    started = environment()
    checkpoint, looks = folder / "checkpoint.safetensors", folder / "looks"
    seen: list[dict[str, float]] = []
    if checkpoint.exists() and looks.exists():
        seen = [json.loads(line) for line in looks.read_text("utf-8").splitlines()]

    def look(epoch: Epoch) -> None:
        if cell.every and epoch.epoch % cell.every == 0:
            seen[:] = [each for each in seen if each["epoch"] < epoch.epoch]  # if it was cut off
            done = {"epoch": epoch.epoch, "seconds": epoch.seconds, "loss": epoch.loss}
            seen.append(done | measured(model, split))
            print(json.dumps(seen[-1]), flush=True)
            with atomic_path(looks) as path:
                path.write_text("".join(json.dumps(each) + "\n" for each in seen), "utf-8")

    judge = None if cell.judge is None else getattr(split, cell.judge)
    model.fit(split.train, False, look, validation=judge, checkpoint=checkpoint)
    found = measured(model, split)
    alone = model.models if isinstance(model, Ensemble) else []
    return {
        "members": [measured(member, split) for member in alone],
        "seed": seed,
        "split": split.checksum,
        "environment": started,
        "honest": None if cell.judge == "test" else without_popularity(model, split) or found,
        "as_published": max([*seen, found], key=lambda each: each["ndcg@20"]),
        "epochs": len(model.history),
        "training_seconds": sum(part.history[-1].seconds for part in alone or [model]),
        "looks": seen,
        **settings(model),
    }


def without_popularity(model: Any, split: Split) -> dict[str, float] | None:
    """Return what an ensemble of cosines, whose last column is popularity, has without that."""
    if not isinstance(model, Ensemble) or not model.popularity:
        return None
    tables = (model.user_factors, model.item_factors)
    return measured(Factors(*(table[:, :-1].copy() for table in tables)), split)


def record(name: str) -> Path:
    """Return the file of a cell."""
    return RESULTS / f"reproductions-{name}.json"


def table(records: dict[str, list[dict[str, Any]]]) -> Table:
    """Return ours beside what was published."""
    rows = []
    for name, runs in records.items():
        cell = CELLS[name]
        columns = [
            with_deviation([each[column][f"{metric}@20"] for each in runs])
            if runs[0][column]
            else "-"
            for column in ("honest", "as_published")
            for metric in METRICS
        ]
        published = ["-" if math.isnan(value) else f"{value:.4f}" for value in cell.published]
        seconds = statistics.mean(each["training_seconds"] for each in runs)
        rows.append(
            [cell.data, cell.system, *published, *columns, str(len(runs)), f"{seconds:.0f}",
             ", ".join(sorted({each["split"] for each in runs}))]
        )  # fmt: skip
    heads = ["data", "system", "published R@20", "N@20", "honest R@20", "N@20"]
    heads += ["test-selected R@20", "N@20", "seeds", "training s", "split"]
    return Table("Published systems, ours beside theirs", heads, rows)


def f1_table(records: dict[str, list[dict[str, Any]]]) -> Table:
    """Return F1@20 on the data that some paper has it of."""
    rows, told = [], {cell.data for cell in CELLS.values() if not math.isnan(cell.f1)}
    for name, runs in records.items():
        cell, known = CELLS[name], [run for run in runs if "f1@20" in run["as_published"]]
        if known and cell.data in told:
            columns = [
                with_deviation([run[column]["f1@20"] for run in known])
                for column in ("honest", "as_published")
            ]
            published = "-" if math.isnan(cell.f1) else f"{cell.f1:.4f}"
            rows.append([cell.data, cell.system, published, *columns, str(len(known))])
    heads = ["data", "system", "published F1@20", "honest", "test-selected by NDCG", "seeds"]
    return Table("F1@20, the mean of the users' own", heads, rows)


def lines(records: dict[str, list[dict[str, Any]]]) -> list[Line]:
    """Return what the plot shows: every seed of the cells that stand beside something published."""
    made = []
    for name, runs in records.items():
        cell = CELLS[name]
        if all(map(math.isnan, cell.published)):
            continue
        found = {
            kind: [
                [run[column][f"{metric}@20"] for metric in METRICS] for run in runs if run[column]
            ]
            for kind, column in (("honest", "honest"), ("test-selected", "as_published"))
        }
        made.append(Line(f"{cell.data}: {cell.system}", cell.published, found))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="*", help=f"default: all of {', '.join(CELLS)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.cells) - set(CELLS))
    if unknown:
        parser.error(f"cells must be among {', '.join(CELLS)}; got {', '.join(unknown)}")
    RESULTS.mkdir(exist_ok=True)
    for name in arguments.cells or CELLS:
        split = load(CELLS[name].data).split
        assert split is not None
        print(f"{name}: {CELLS[name].data} {split!r} {split.checksum}", flush=True)
        make, checksum = CELLS[name].make, split.checksum
        for seed in arguments.seeds:
            folder = RUNNING / f"{name}-{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_suffix(".lock")):  # another process may be at this seed
                if all(each["seed"] != seed for each in matching(record(name), make, checksum)):
                    ended = run(name, split, seed, arguments.threads, folder)
                    shown = ("seed", "honest", "as_published", "training_seconds")
                    print(json.dumps({key: ended[key] for key in shown}), flush=True)
                    add(record(name), ended, make)
                shutil.rmtree(folder)
    records = {name: matching(record(name), cell.make) for name, cell in CELLS.items()}
    records = {name: runs for name, runs in records.items() if runs}
    tables = [table(records), f1_table(records)]
    for found in tables:
        found.show()
    with atomic_path(RESULTS / "reproductions.md") as path:
        path.write_text("\n\n".join(found.markdown() for found in tables) + "\n", "utf-8")
    with atomic_path(RESULTS / "reproductions.png") as path:
        plot_lines(lines(records), ("Recall@20", "NDCG@20"), path)


if __name__ == "__main__":
    main()
