"""The runs of a reproduction on file: one record a cell, to which each seed is added.

A run holds its options, where negatives come from, the switches in which papers differ, the machine
and the checksum of the split. Those of other options, or of an older form, stay on file and do not
count; an option that the record does not know yet counts as its default, so that a new one empties
no record.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from filelock import FileLock

from recneg import Ensemble
from recneg.files import atomic_path
from recneg.training.trainer import Trainer

__all__ = ["add", "matching", "settings"]

PARTS = ("mining", "propensity")
"""What a model may have beside its options; noted where it has."""


def settings(model: Trainer | Ensemble) -> dict[str, Any]:
    """Return what tells one setting from another, as JSON holds it."""
    members = _members(model)
    told = {
        "popularity": model.popularity if isinstance(model, Ensemble) else 0.0,
        "models": [
            {"model": member.name, "options": member.manifest(), "sampler": repr(member.sampler)}
            | {name: repr(getattr(member, name)) for name in PARTS if getattr(member, name, None)}
            for member in members
        ],
        "switches": members[0].switches(),
    }
    return _as_json(told)


def _members(model: Trainer | Ensemble) -> list[Trainer]:
    return model.models if isinstance(model, Ensemble) else [model]


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _same(run: dict[str, Any], model: Trainer | Ensemble) -> bool:
    """Tell whether a run has the settings of a model that has not been fitted yet."""
    now, members, then = settings(model), _members(model), run.get("models", [])
    if run.get("popularity") != now["popularity"] or len(then) != len(members):
        return False
    return all(
        {**told, "options": None} == {**wanted, "options": None}
        and _completed(member, told["options"]) == wanted["options"]
        for member, told, wanted in zip(members, then, now["models"], strict=True)
    )


def _completed(member: Trainer, options: dict[str, Any]) -> dict[str, Any] | None:
    """Return options with the defaults of those that came later; None if some are no longer."""
    kind = type(member)
    try:
        return _as_json(kind._rebuilt(_as_json(kind().manifest()) | options).manifest())
    except (KeyError, TypeError, ValueError):
        return None


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    runs: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["runs"]
    return runs


def matching(path: Path, make: Any, split: str | None = None) -> list[dict[str, Any]]:
    """Return the runs on file, by seed, that have the settings of what `make` makes.

    Parameters
    ----------
    path : Path
        The record; there may be none.
    make : callable
        The model, from keyword arguments `seed` and `num_threads`.
    split : str, optional
        The checksum that the split must have had.
    """
    runs = [
        run
        for run in _read(path)
        if split in (None, run.get("split")) and _same(run, make(seed=run["seed"], num_threads=1))
    ]
    return sorted(runs, key=lambda run: int(run["seed"]))


def add(path: Path, run: dict[str, Any], make: Any) -> None:
    """Add a run of what `make` makes to what is on file by now.

    One of its seed, split and settings gives way to it.
    """
    with FileLock(path.with_suffix(".lock")):
        others = [
            other
            for other in _read(path)
            if (other["seed"], other.get("split")) != (run["seed"], run["split"])
            or not _same(other, make(seed=run["seed"], num_threads=1))
        ]
        with atomic_path(path) as partial:
            partial.write_text(json.dumps({"runs": [*others, run]}, indent=2) + "\n", "utf-8")
