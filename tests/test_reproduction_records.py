"""The runs of a reproduction on file: none is lost, none counts under other settings."""

import importlib.util
import json
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from recneg import Ensemble, MatrixFactorization, Uniform

FILE = Path(__file__).parent.parent / "benchmarks" / "reproduction_records.py"


@pytest.fixture(scope="module")
def records() -> ModuleType:
    spec = importlib.util.spec_from_file_location(FILE.stem, FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKE = partial(MatrixFactorization, 8, epochs=3)


def run(records: ModuleType, make: Any, seed: int, split: str = "abc", **found: Any) -> dict:
    return {"seed": seed, "split": split} | found | records.settings(make(seed=seed))


def seeds(records: ModuleType, path: Path, make: Any, split: str | None = None) -> list[int]:
    return [each["seed"] for each in records.matching(path, make, split)]


def test_runs_count_under_their_settings_and_split(records: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    assert records.matching(path, MAKE) == []
    others = {
        "option": partial(MatrixFactorization, 8, epochs=4),
        "sampler": partial(MAKE, sampler=partial(Uniform, unseen=False)),
        "together": lambda **options: Ensemble([MAKE(**options)]),
        "popularity": lambda **options: Ensemble([MAKE(**options)], popularity=0.1),
    }
    for seed, make in enumerate(others.values()):
        records.add(path, run(records, make, seed))
    assert seeds(records, path, MAKE) == [2]  # an ensemble of one is that one
    for seed in (9, 5):
        records.add(path, run(records, MAKE, seed))
    records.add(path, run(records, MAKE, 7, split="other"))
    assert seeds(records, path, MAKE) == [2, 5, 7, 9]
    assert seeds(records, path, MAKE, "other") == [7]
    assert seeds(records, path, others["popularity"]) == [3]
    assert len(json.loads(path.read_text())["runs"]) == 7  # those that do not count stay


def test_a_run_replaces_its_own_alone(records: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    for ndcg in (0.1, 0.2):
        records.add(path, run(records, MAKE, 1, ndcg=ndcg))
    records.add(path, run(records, MAKE, 1, split="other", ndcg=0.3))
    assert [each["ndcg"] for each in records.matching(path, MAKE)] == [0.2, 0.3]


def test_an_option_that_came_later_counts_as_its_default(
    records: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "record.json"
    old = run(records, MAKE, 1)
    del old["models"][0]["options"]["num_pools"]
    records.add(path, old)
    assert seeds(records, path, MAKE) == [1]
    assert seeds(records, path, partial(MAKE, redraw="batch", num_pools=4)) == []
    assert old["switches"]["redraw"] == "pair"
