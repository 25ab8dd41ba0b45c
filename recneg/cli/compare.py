"""``recneg compare``: a table of samplers, and files for a report."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from recneg.catalogue import MODELS, Material, Recipe, check_needs, parse_recipe
from recneg.catalogue.parsing import name_of
from recneg.cli.data import load_data, make_split, training_dislikes
from recneg.cli.models import Choices, check_validation, make_trainer
from recneg.cli.options import DataOptions, ModelOptions
from recneg.cli.tables import print_table, stdout
from recneg.diagnostics import Comparison, compare_samplers
from recneg.errors import InvalidDataError
from recneg.files import atomic_path, check_folder
from recneg.interactions import Interactions
from recneg.parallel import get_num_threads
from recneg.progress import progress_bar
from recneg.splits import Split
from recneg.training import SequenceModel
from recneg.training.progress import Report

if TYPE_CHECKING:
    from recneg.training import Epoch
    from recneg.training.trainer import Trainer

__all__ = ["run"]


def run(
    samplers: list[str],
    k: int,
    out: Path | None,
    choices: Choices,
    data: DataOptions,
    model: ModelOptions,
) -> None:
    """Compare, print the table, and write the files if `out` is a folder."""
    makers = {name: parse_recipe(name) for name in samplers}
    if len(makers) != len(samplers):
        raise InvalidDataError(f"samplers must differ; got {' '.join(samplers)}")
    if not makers:
        raise InvalidDataError("there must be at least one sampler; got none")
    if out is not None and find_spec("matplotlib") is None:
        raise InvalidDataError("--out draws a plot, which needs matplotlib: pip install matplotlib")
    if out is not None and out.exists() and not out.is_dir():
        raise InvalidDataError(f"--out must name a folder; {out} is a file")
    if issubclass(MODELS[name_of(choices.model, MODELS, "model")].kind, SequenceModel):
        raise InvalidDataError(f"compare must be given a model of users; got {choices.model}")
    loaded = load_data(data)
    split = make_split(loaded, data)
    shown = training_dislikes(loaded, split, data)
    trainer = make_trainer(choices, model, data, split.train.num_items)
    whole = trainer()
    check_validation(whole, split)
    if loaded.note:
        Console(stderr=True, highlight=False, markup=False).print(loaded.note)
    epochs = whole.options.epochs
    for name in samplers:
        check_needs(name, Material(split.train, shown))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        check_folder(out / "comparison.md")
    with progress_bar() as bar:
        task = bar.add_task("", total=len(makers) * epochs, figures="")
        reports = {
            name: Report(bar, task, name, epochs, before=number * epochs)
            for number, name in enumerate(makers)
        }

        def on_epoch(name: str, epoch: Epoch) -> None:
            reports[name].after(epoch)

        recipes = {name: partial(_made, make, shown) for name, make in makers.items()}
        comparison = compare_samplers(split, recipes, k=k, trainer=trainer, on_epoch=on_epoch)
    print_table(f"{data.data}: {split!r}", _headers(k), _cells(comparison))
    if out is not None:
        configuration = _configuration(samplers, k, data, whole, split)
        write_report(comparison, configuration, out)
        stdout().print(f"wrote {', '.join(sorted(path.name for path in out.iterdir()))} to {out}")


def _made(
    make: Callable[[Material], Recipe], shown: Interactions | None, train: Interactions
) -> Recipe:
    return make(Material(train, shown))


def _headers(k: int) -> list[str]:
    return [
        "sampler",
        f"Recall@{k}\n(95 %)",
        f"NDCG@{k}\n(95 %)",
        "catalogue\ncoverage",
        "negatives'\npopularity",
        "false\nnegatives",
        "triples\na second",
    ]


def _cells(comparison: Comparison) -> list[list[str]]:
    k = comparison.k
    return [
        [
            row["sampler"],
            _with_margin(row, f"recall@{k}"),
            _with_margin(row, f"ndcg@{k}"),
            f"{row[f'coverage@{k}']:.1%}",
            f"{row['negatives popularity']:.1f}",
            f"{row['false negative rate']:.2%}",
            _speed(row["triples per second"]),
        ]
        for row in comparison.table().iter_rows(named=True)
    ]


def _speed(triples_per_second: float) -> str:
    """Return millions a second; a dash where there was no epoch after the first to time."""
    known = triples_per_second == triples_per_second
    return f"{triples_per_second / 1e6:.1f} M" if known else "-"


def _with_margin(row: dict[str, Any], label: str) -> str:
    return f"{row[label]:.4f}±{row[f'{label} high'] - row[label]:.4f}"


def _configuration(
    samplers: list[str], k: int, data: DataOptions, trainer: Trainer, split: Split
) -> dict[str, Any]:
    return {
        "samplers": samplers,
        "k": k,
        "data": asdict(data),
        "trainer": trainer.manifest(),
        "split": {"checksum": split.checksum, "sizes": repr(split)},
        "threads": trainer.num_threads or get_num_threads(),
        "versions": {
            name: version(name) for name in ("recneg", "numpy", "numba", "scipy", "torch", "polars")
        },
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def write_report(comparison: Comparison, configuration: dict[str, Any], out: Path) -> None:
    """Write table, curves, plot and configuration to a folder, each file whole or not at all."""
    from recneg.diagnostics.plots import plot_curves

    for name, frame in (("comparison", comparison.table()), ("curves", comparison.curves())):
        with atomic_path(out / f"{name}.parquet") as path:
            frame.write_parquet(path)
    headers = [header.replace("\n", " ") for header in _headers(comparison.k)]
    lines = [headers, ["---"] + ["---:"] * (len(headers) - 1), *_cells(comparison)]
    with atomic_path(out / "comparison.md") as path:
        path.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines), "utf-8")
    outcomes = comparison.outcomes.items()
    switches = {name: outcome.model.switches() for name, outcome in outcomes}
    with atomic_path(out / "configuration.json") as path:
        path.write_text(
            json.dumps(configuration | {"switches": switches}, indent=2) + "\n", "utf-8"
        )
    with atomic_path(out / "ndcg.png") as path:
        plot_curves(comparison, path)
