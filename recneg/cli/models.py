"""``recneg train``, ``evaluate`` and ``recommend``: models on disk and the data they came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recneg.catalogue import (
    MODELS,
    Material,
    load_model,
    parse_loss,
    parse_model,
    parse_optimizer,
    parse_recipe,
)
from recneg.catalogue.parsing import name_of
from recneg.cli.data import LoadedData, load_data, make_split, training_dislikes
from recneg.cli.options import DataOptions, ModelOptions
from recneg.cli.tables import print_table, stdout
from recneg.errors import IntegrityError, InvalidDataError
from recneg.evaluation import evaluate
from recneg.files import atomic_path, check_folder
from recneg.interactions import Interactions
from recneg.splits import Split
from recneg.training.trainer import Trainer

__all__ = [
    "Choices",
    "evaluate_model",
    "given_options",
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


def given_options(model: ModelOptions) -> dict[str, Any]:
    """Return the options that were given, as keyword arguments of a trainer."""
    given = {key: value for key, value in asdict(model).items() if value is not None}
    del given["threads"]
    if given.get("patience") == 0:
        given["patience"] = None
    return given


def make_trainer(
    choices: Choices, model: ModelOptions, data: DataOptions, train: Interactions
) -> Callable[..., Trainer]:
    """Return the maker of the trainer, which still takes a sampler and mining."""
    return partial(
        parse_model(
            choices.model,
            given_options(model),
            loss=None if choices.loss is None else parse_loss(choices.loss, train),
            optimizer=None if choices.optimizer is None else parse_optimizer(choices.optimizer),
            dataset=data.data if choices.preset else None,
        ),
        seed=data.seed,
        num_threads=model.threads,
    )


def train_model(
    out: Path, choices: Choices, checkpoint: Path | None, data: DataOptions, model: ModelOptions
) -> None:
    """Train on the train part, choose the epoch on validation, save."""
    check_folder(out)
    law = None if choices.sampler is None else parse_recipe(choices.sampler)
    name_of(choices.model, MODELS, "model")
    loaded = load_data(data)
    split = make_split(loaded, data)
    recipe = {}
    if law is not None:
        recipe = law(Material(split.train, training_dislikes(loaded, split, data)))._asdict()
    estimator = make_trainer(choices, model, data, split.train)(**recipe)
    validation = split.validation if len(split.validation) else None
    estimator.fit(split.train, validation=validation, checkpoint=checkpoint)
    recorded = asdict(data) | ({"data": str(Path(data.data).resolve())} if _is_file(data) else {})
    estimator.run = {"data": recorded, **asdict(choices), "split": split.checksum}
    estimator.save(out)
    last = estimator.history[-1] if estimator.history else None
    console = stdout()
    if loaded.note:
        console.print(loaded.note)
    console.print(f"{data.data}: {split!r}")
    scores = [epoch.validation for epoch in estimator.history if epoch.validation is not None]
    best = f", best validation NDCG@20 {max(scores):.4f}" if scores else ""
    seconds = 0.0 if last is None else last.seconds
    if estimator.resumed_epochs:
        console.print(f"went on after epoch {estimator.resumed_epochs} of {checkpoint}")
    console.print(f"{len(estimator.history)} epochs in {seconds:.2f} s{best}; saved {out}")
    console.print(f"next: recneg evaluate {out}")


def evaluate_model(path: Path, k: list[int], out: Path | None) -> None:
    """Print and perhaps write every metric on test with its confidence interval."""
    if out is not None:
        check_folder(out)
    model, _, split = _load(path)
    result = evaluate(model, split.train, split.test, k=k, exclude=split.validation)
    frame = result.to_polars()
    rows = [[_cell(value) for value in row] for row in frame.iter_rows()]
    print_table(f"{path.name} on test: {split!r}", frame.columns, rows)
    stdout().print(
        f"{len(result.users)} users; {len(result.skipped_users)} without test items are left out"
    )
    if out is not None:
        with atomic_path(out) as temporary:
            frame.write_parquet(temporary)


def recommend_items(path: Path, user: str, n: int) -> None:
    """Print the best items that the user has in neither train nor validation."""
    if n < 1:
        raise InvalidDataError(f"n must be at least 1; got {n}")
    model, loaded, split = _load(path)
    known = split.train.user_ids
    raw: Any = user
    if known is None or known.dtype.kind in "iu":
        if not user.lstrip("-").isdigit():
            raise InvalidDataError(f"user ids of these data are integers; got {user!r}")
        raw = int(user)
    index = int(split.train.user_index([raw])[0])
    seen = np.concatenate((split.train.items_of(index), split.validation.items_of(index)))
    ids, scores = model.recommend(index, N=n, filter_already_liked_items=False, filter_items=seen)
    held_out = set(split.test.items_of(index).tolist())
    rows = []
    for rank, (item, score) in enumerate(zip(ids.tolist(), scores.tolist(), strict=True), 1):
        if item < 0:
            break
        label = item if split.train.item_ids is None else split.train.item_ids[item]
        title = [] if loaded.titles is None else [str(loaded.titles[item])]
        mark = "yes" if item in held_out else ""
        rows.append([str(rank), str(label), *title, f"{score:.3f}", mark])
    print_table(
        f"user {user}, who has {len(seen)} items in train and validation",
        ["rank", "item", *([] if loaded.titles is None else ["title"]), "score", "in test"],
        rows,
        left=() if loaded.titles is None else (2,),
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _load(path: Path) -> tuple[Trainer, LoadedData, Split]:
    """Load a model and the very data and split that it was trained with."""
    model = load_model(path)
    if "data" not in model.run:
        raise InvalidDataError(f"{path} must have been saved by recneg train; it names no data")
    options = DataOptions(**model.run["data"])
    loaded = load_data(options)
    split = make_split(loaded, options)
    if split.checksum != model.run["split"]:
        raise IntegrityError(
            f"the data of {options.data} must be those of training, split checksum "
            f"{model.run['split']}; got {split.checksum}"
        )
    return model, loaded, split


def _is_file(data: DataOptions) -> bool:
    from recneg.datasets import names

    return data.data not in (*names(), "simulated")
