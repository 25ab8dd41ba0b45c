"""``recneg train``, ``evaluate`` and ``recommend``: models on disk and the data they came from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from recneg.catalogue import Material, parse_recipe
from recneg.cli.data import LoadedData, load_data, make_split, training_dislikes
from recneg.cli.options import DataOptions, ModelOptions
from recneg.cli.tables import print_table, stdout
from recneg.errors import IntegrityError, InvalidDataError
from recneg.evaluation import evaluate
from recneg.files import atomic_path, check_folder
from recneg.splits import Split
from recneg.training import BPR

__all__ = ["evaluate_model", "recommend_items", "train_model", "trainer_options"]


def trainer_options(model: ModelOptions, seed: int) -> dict[str, Any]:
    """Return the keyword arguments of `recneg.BPR`."""
    return {
        "factors": model.factors,
        "epochs": model.epochs,
        "learning_rate": model.learning_rate,
        "regularization": model.regularization,
        "item_bias": model.item_bias,
        "patience": model.patience or None,
        "evaluate_every": model.evaluate_every,
        "num_threads": model.threads,
        "seed": seed,
    }


def train_model(
    out: Path, sampler: str, checkpoint: Path | None, data: DataOptions, model: ModelOptions
) -> None:
    """Train on the train part, choose the epoch on validation, save."""
    check_folder(out)
    make = parse_recipe(sampler)
    loaded = load_data(data)
    split = make_split(loaded, data)
    recipe = make(Material(split.train, training_dislikes(loaded, split, data)))
    estimator = BPR(**trainer_options(model, data.seed), **recipe._asdict())
    validation = split.validation if len(split.validation) else None
    estimator.fit(split.train, validation=validation, checkpoint=checkpoint)
    recorded = asdict(data) | ({"data": str(Path(data.data).resolve())} if _is_file(data) else {})
    estimator.run = {"data": recorded, "sampler": sampler, "split": split.checksum}
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


def _load(path: Path) -> tuple[BPR, LoadedData, Split]:
    """Load a model and the very data and split that it was trained with."""
    model = BPR.load(path)
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
