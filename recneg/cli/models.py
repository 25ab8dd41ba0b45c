"""``recneg train``, ``evaluate`` and ``recommend``: models on disk and the data they came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from recneg.catalogue import (
    MODELS,
    load_model,
    parse_loss,
    parse_model,
    parse_optimizer,
    parse_recipe,
)
from recneg.catalogue.models import model_options
from recneg.catalogue.parsing import name_of, parse_options
from recneg.checks import check_count
from recneg.cli.factor_job import FactorJob
from recneg.cli.job import Job
from recneg.cli.options import DataOptions, ModelOptions
from recneg.cli.outputs import check_model_file, check_table_file
from recneg.cli.sequence_job import SequenceJob
from recneg.cli.tables import counted, print_table, stdout
from recneg.errors import IntegrityError, InvalidDataError
from recneg.files import atomic_path
from recneg.training import SequenceModel

__all__ = [
    "Choices",
    "check_validation",
    "evaluate_model",
    "make_trainer",
    "recommend_items",
    "train_model",
]


@dataclass(frozen=True)
class Choices:
    """What `recneg train` trains, each by name; None for the model's own."""

    model: str
    sampler: str | None
    loss: str | None
    optimizer: str | None
    preset: bool


def _job(kind: type, options: DataOptions) -> Job:
    return SequenceJob(options) if issubclass(kind, SequenceModel) else FactorJob(options)


def make_trainer(
    choices: Choices, model: ModelOptions, data: DataOptions, num_items: int
) -> Callable[..., Any]:
    """Return the maker of the trainer, which still takes a sampler and mining.

    Raises
    ------
    InvalidDataError
        For what no model has, and for an option both in the model's name and of its own.
    """
    given = {key: value for key, value in asdict(model).items() if value is not None}
    del given["threads"]
    known = model_options(name_of(choices.model, MODELS, "model"))
    twice = sorted(given.keys() & parse_options(choices.model, known).keys())
    if twice:
        option = "--" + twice[0].replace("_", "-")
        raise InvalidDataError(
            f"an option must be given once; got --model {choices.model} and {option}"
        )
    if isinstance(given.get("patience"), str):  # none, as in the model's name
        given["patience"] = None
    return partial(
        parse_model(
            choices.model,
            given,
            loss=None if choices.loss is None else parse_loss(choices.loss, num_items),
            optimizer=None if choices.optimizer is None else parse_optimizer(choices.optimizer),
            dataset=data.data if choices.preset else None,
        ),
        seed=data.seed,
        num_threads=model.threads,
    )


def check_validation(model: Any, split: Any) -> None:
    """Raise `InvalidDataError` if the epoch cannot be chosen: trainers would carve train again."""
    if model.options.patience is not None and not len(split.validation):
        raise InvalidDataError(
            f"choosing the epoch needs validation data; got {split!r} (with --patience none the "
            "last epoch is kept)"
        )


def train_model(
    out: Path, choices: Choices, checkpoint: Path | None, data: DataOptions, model: ModelOptions
) -> None:
    """Train on the train part, choose the epoch on validation, save."""
    check_model_file(out, "model")
    if checkpoint is not None:
        check_model_file(checkpoint, "checkpoint")
        if checkpoint.resolve() == out.resolve():
            raise InvalidDataError(f"model and checkpoint must be two files; got {out} for both")
    law = None if choices.sampler is None else parse_recipe(choices.sampler)
    kind = MODELS[name_of(choices.model, MODELS, "model")].kind
    job = _job(kind, data)
    recipe = {} if law is None else job.recipe(law)
    estimator = make_trainer(choices, model, data, job.num_items)(**recipe)
    check_validation(estimator, job.split)
    job.fit(estimator, checkpoint)
    recorded = asdict(data) | ({"data": str(Path(data.data).resolve())} if _is_file(data) else {})
    estimator.run = {"data": recorded, **asdict(choices), "split": job.split.checksum}
    estimator.save(out)
    last = estimator.history[-1] if estimator.history else None
    console = stdout()
    if job.note:
        console.print(job.note)
    console.print(f"{data.data}: {job.split!r}")
    scores = [epoch.validation for epoch in estimator.history if epoch.validation is not None]
    chosen = ("last", scores[-1:]) if estimator.options.patience is None else ("best", scores)
    best = ""
    if scores:
        best = f", {chosen[0]} validation {job.judged_by(estimator)} {max(chosen[1]):.4f}"
    seconds = 0.0 if last is None else last.seconds
    epochs = counted(len(estimator.history), "epoch")
    if estimator.resumed_epochs:
        console.print(f"went on after epoch {estimator.resumed_epochs} of {checkpoint}")
    console.print(f"{epochs} in {seconds:.2f} s{best}; saved {out}")
    console.print(f"next: recneg evaluate {out}")


def evaluate_model(path: Path, k: list[int], out: Path | None) -> None:
    """Print and perhaps write every metric on test with its confidence interval."""
    if out is not None:
        check_table_file(out)
    model, job = _load(path)
    frame, summary = job.evaluate(model, k)
    rows = [[_cell(value) for value in row] for row in frame.iter_rows()]
    print_table(f"{path.name} on test: {job.split!r}", frame.columns, rows)
    stdout().print(summary)
    if out is not None:
        with atomic_path(out) as temporary:
            frame.write_parquet(temporary)


def recommend_items(path: Path, who: str, n: int) -> None:
    """Print the best items for a user, or after a sequence of the test part."""
    check_count(n, "n")
    model, job = _load(path)
    found = job.recommend(model, who, n)
    titles = job.titles
    rows = []
    for rank, (item, score) in enumerate(zip(found.ids, found.scores, strict=True), 1):
        if item < 0:
            break
        label = item if job.item_ids is None else job.item_ids[item]
        title = [] if titles is None else [str(titles[item])]
        mark = "yes" if int(item) in found.held_out else ""
        rows.append([str(rank), str(label), *title, f"{score:.3f}", mark])
    heads = ["rank", "item", *([] if titles is None else ["title"]), "score", "in test"]
    print_table(found.title, heads, rows, left=() if titles is None else (2,))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _load(path: Path) -> tuple[Any, Job]:
    """Load a model and the very data and split that it was trained with."""
    model = load_model(path)
    if "data" not in model.run:
        raise InvalidDataError(f"{path} must have been saved by recneg train; it names no data")
    options = DataOptions(**model.run["data"])
    if _is_file(options) and not Path(options.data).exists():
        raise InvalidDataError(
            f"the data that {path} was trained with must be where they were; "
            f"{options.data} is not there"
        )
    job = _job(type(model), options)
    if job.split.checksum != model.run["split"]:
        raise IntegrityError(
            f"the data of {options.data} must be those of training, split checksum "
            f"{model.run['split']}; got {job.split.checksum}"
        )
    return model, job


def _is_file(data: DataOptions) -> bool:
    from recneg.datasets import names

    return data.data not in (*names(), "simulated")
