"""The runs of a reproduction on file: none is lost, none counts under other settings."""

import importlib.util
import json
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from recneg import Ensemble, MatrixFactorization, Uniform
from recneg.mining import Miner, hardest

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
        records.add(path, run(records, make, seed), make)
    assert seeds(records, path, MAKE) == [2]  # an ensemble of one is that one
    for seed in (9, 5):
        records.add(path, run(records, MAKE, seed), MAKE)
    records.add(path, run(records, MAKE, 7, split="other"), MAKE)
    assert seeds(records, path, MAKE) == [2, 5, 7, 9]
    assert seeds(records, path, MAKE, "other") == [7]
    assert seeds(records, path, others["popularity"]) == [3]
    assert len(json.loads(path.read_text())["runs"]) == 7  # those that do not count stay


def test_a_run_replaces_its_own_alone(records: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    for ndcg in (0.1, 0.2):
        records.add(path, run(records, MAKE, 1, ndcg=ndcg), MAKE)
    records.add(path, run(records, MAKE, 1, split="other", ndcg=0.3), MAKE)
    assert [each["ndcg"] for each in records.matching(path, MAKE)] == [0.2, 0.3]


def test_an_option_that_came_later_counts_as_its_default(
    records: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "record.json"
    old = run(records, MAKE, 1, ndcg=0.1)
    options = old["models"][0]["options"]
    del options["num_pools"], options["optimizer"]["learning_rate"]
    records.add(path, old, MAKE)
    assert seeds(records, path, MAKE) == [1]
    assert seeds(records, path, partial(MAKE, redraw="batch", num_pools=4)) == []
    records.add(path, run(records, MAKE, 1, ndcg=0.2), MAKE)
    assert [each["ndcg"] for each in records.matching(path, MAKE)] == [0.2]


def test_what_does_not_count_stays(records: ModuleType, tmp_path: Path) -> None:
    """A record of an older form, an option that is gone, mining."""
    path = tmp_path / "record.json"
    gone = run(records, MAKE, 1)
    gone["models"][0]["options"]["colour"] = "red"
    mined = partial(MAKE, mining=Miner(hardest, 8))
    path.write_text(json.dumps({"runs": [{"seed": 1, "model": "MatrixFactorization()"}, gone]}))
    records.add(path, run(records, mined, 1), mined)
    assert seeds(records, path, MAKE) == []
    assert seeds(records, path, mined) == [1]
    records.add(path, run(records, MAKE, 1), MAKE)
    assert seeds(records, path, MAKE) == [1]
    assert len(json.loads(path.read_text())["runs"]) == 4
