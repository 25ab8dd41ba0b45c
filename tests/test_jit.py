"""Compiled kernels: cached between processes, never stale, usable where nothing can be cached."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import recneg

DRAW = (
    "import time, numpy as np; started = time.perf_counter()\n"
    "from recneg.samplers import Uniform; from recneg.interactions import Interactions\n"
    "data = Interactions.from_arrays([0, 1], [0, 1], num_items=1000)\n"
    "items = Uniform(data).sample(np.zeros(500, np.int64), 4, key=3).items\n"
    "print(items.sum(), time.perf_counter() - started)"
)


def draw(home: Path, **environment: str) -> tuple[int, float]:
    inherited = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    ran = subprocess.run(
        [sys.executable, "-B", "-c", DRAW], capture_output=True, text=True, cwd=home,
        env=inherited | {"PYTHONPATH": str(home)} | environment,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    total, seconds = ran.stdout.split()
    return int(total), float(seconds)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Give a copy of the package, to change and to lock."""
    source = Path(recneg.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, tmp_path / "recneg", ignore=ignored)
    return tmp_path


def test_a_change_in_one_file_reaches_kernels_cached_from_another(copy: Path) -> None:
    before, cold = draw(copy)
    again, warm = draw(copy)
    assert again == before
    assert warm < cold  # the second process loads what the first compiled
    keys = copy / "recneg" / "keys.py"
    source = keys.read_text()
    assert "0xD2511F53" in source
    keys.write_text(source.replace("0xD2511F53", "0xD2511F55"))
    time.sleep(0.01)
    changed, _ = draw(copy)
    assert changed != before, "draws.py was cached with the generator of the old keys.py"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_works_where_nothing_can_be_written(copy: Path) -> None:
    """A read-only install without a writable home compiles in every process, and says nothing."""
    before, _ = draw(copy)
    for folder in copy.rglob("__pycache__"):
        shutil.rmtree(folder)
    blocked = copy / "blocked"
    blocked.write_text("a file where folders would have to be made")
    for folder in sorted(copy.rglob("*/"), reverse=True):
        if folder.is_dir():
            (folder / "__pycache__").write_text("no folder")
    again, _ = draw(copy, HOME=str(blocked), XDG_CACHE_HOME=str(blocked / "cache"))
    assert again == before
