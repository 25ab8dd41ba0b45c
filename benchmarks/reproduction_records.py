"""The runs of a reproduction on file: one record a cell, to which each seed is added.

A run holds its options, where negatives come from, the switches in which papers differ, the machine
and the checksum of the split. Those of other options stay on file and do not count; an option that
the record does not know yet counts as its default, so that a new one empties no record.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recneg import Ensemble
from recneg.files import atomic_path
from recneg.training.trainer import Trainer

__all__ = ["add", "matching", "settings"]


def settings(model: Trainer | Ensemble) -> dict[str, Any]:
    """Return what tells one setting from another, as JSON holds it."""
    members = model.models if isinstance(model, Ensemble) else [model]
    told = {
        "popularity": model.popularity if isinstance(model, Ensemble) else 0.0,
        "models": [
            {"model": member.name, "options": member.manifest(), "sampler": repr(member.sampler)}
            for member in members
        ],
        "switches": members[0].switches(),
    }
    found: dict[str, Any] = json.loads(json.dumps(told))
    return found


def _same(run: dict[str, Any], model: Trainer | Ensemble) -> bool:
    """Tell whether a run has the settings of a model that has not been fitted yet."""
    now = settings(model)
    members = model.models if isinstance(model, Ensemble) else [model]
    if run.get("popularity") != now["popularity"] or len(run["models"]) != len(members):
        return False
    for member, then, wanted in zip(members, run["models"], now["models"], strict=True):
        defaults = json.loads(json.dumps(type(member)().manifest()))
        if {**wanted, "options": None} != {**then, "options": None}:
            return False
        if defaults | then["options"] != wanted["options"]:
            return False
    return True


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
        if split in (None, run["split"]) and _same(run, make(seed=run["seed"], num_threads=1))
    ]
    return sorted(runs, key=lambda run: int(run["seed"]))


def add(path: Path, run: dict[str, Any]) -> None:
    """Add a run to what is on file by now; one of its seed and settings gives way to it."""
    told = ("seed", "split", "popularity", "models")
    others = [other for other in _read(path) if any(other[key] != run[key] for key in told)]
    with atomic_path(path) as partial:
        partial.write_text(json.dumps({"runs": [*others, run]}, indent=2) + "\n", "utf-8")
