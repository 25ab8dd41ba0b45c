"""The package as users meet it: its surface, what an import costs, and what the wheel holds."""

import importlib
import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import recneg

ROOT = Path(__file__).parents[1]


def test_every_name_of_all_exists() -> None:
    for name in recneg.__all__:
        assert getattr(recneg, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        recneg.nothing  # noqa: B018


def modules() -> list[str]:
    found = pkgutil.walk_packages(recneg.__path__, "recneg.")
    return [module.name for module in found]


@pytest.mark.parametrize("name", modules())
def test_every_module_states_its_surface(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} must have a docstring"
    for public in module.__all__:
        assert hasattr(module, public), f"{name}.{public} must exist"


@pytest.mark.parametrize(
    "name", ["recneg", "recneg.samplers", "recneg.training", "recneg.datasets"]
)
def test_import_does_not_bring_torch(name: str) -> None:
    code = f"import {name}, sys; assert 'torch' not in sys.modules and 'polars' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_wheel_ships_the_cards_and_the_sample(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for card in (ROOT / "datasets").rglob("*"):
        if card.is_file():
            assert f"recneg/datasets/cards/{card.relative_to(ROOT / 'datasets')}" in names
    assert "recneg/py.typed" in names
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)
