"""Seconds until something happens in a new process: import, help, a negative, a trained model.

Run ``python benchmarks/cold_start.py [--rounds 5]``.

Every measurement is the wall time of a whole process, Python's own start and end included, with the
bytecode of all packages on disk, as after `pip install`. A round starts with a compilation cache
that is empty (``NUMBA_CACHE_DIR`` is a new folder); the rows called "later" come after it in the
same round, with what it left there. `recneg train` is the command of the README on the bundled
sample, with its default of all threads, reading, splitting, 100 epochs and saving included.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from recording import Table, environment, with_range, write

COMMAND = str(Path(sys.executable).with_name("recneg"))

NEGATIVE = """
from recneg import Interactions, {law}
train = Interactions.from_arrays([0, 0, 1, 2], [0, 2, 1, 1], num_items=5)
print({law}(train).sample([0, 1, 2], num_negatives=2, key=7).items)
"""

TRAIN = [COMMAND, "train", "model.safetensors", "--data", "sample"]


class Start(NamedTuple):
    """A command, whether it compiles, and the most seconds that it is to take."""

    command: list[str]
    compiles: bool
    target: float
    later: float


STARTS = {
    "import recneg": Start([sys.executable, "-c", "import recneg"], False, 0.3, 0.3),
    "recneg --help": Start([COMMAND, "--help"], False, 0.3, 0.3),
    **{
        f"a first negative, {law.lower()}": Start(
            [sys.executable, "-c", NEGATIVE.format(law=law)], True, 5.0, 1.0
        )
        for law in ("Uniform", "Popularity")
    },
    "recneg train": Start([*TRAIN, "--sampler", "popularity:exponent=0.5"], True, 10.0, 10.0),
}


def run(command: list[str], folder: str, cache: str) -> tuple[float, float]:
    """Return wall and processor seconds of a command in `folder`; an error if it fails."""
    variables = {**os.environ, "NUMBA_CACHE_DIR": cache}
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    seconds, after = time.perf_counter() - started, os.times()
    worked = after.children_user + after.children_system
    worked -= before.children_user + before.children_system
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return seconds, worked


def measure(rounds: int) -> dict[str, dict[str, Any]]:
    """Return target and seconds of each row: of `STARTS`, and of their later processes."""
    rows: dict[str, dict[str, Any]] = {}

    def note(name: str, target: float, found: tuple[float, float]) -> None:
        row = rows.setdefault(name, {"target": target, "seconds": [], "processor_seconds": []})
        row["seconds"].append(found[0])
        row["processor_seconds"].append(found[1])

    for number in range(rounds):
        for name, start in STARTS.items():
            with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
                first = run(start.command, folder, cache)
                if not start.compiles:
                    note(name, start.target, first)
                    continue
                note(f"{name}, empty compilation cache", start.target, first)
                later = run(start.command, folder, cache)
                note(f"{name}, later process", start.later, later)
        print(f"round {number + 1} of {rounds}", flush=True)
    return rows


def summary(rows: dict[str, dict[str, Any]]) -> Table:
    cells = []
    for name, row in rows.items():
        seconds = row["seconds"]
        cells.append(
            [
                name,
                with_range(seconds, 2),
                f"{row['target']:g}",
                "yes" if median(seconds) < row["target"] else "no",
                f"{median(row['processor_seconds']):.2f}",
            ]
        )
    headers = ["what", "seconds", "target", "met by the median", "processor seconds"]
    return Table("Cold start", headers, cells)


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", default="cold-start", help="name of the files in results/")
    options = parser.parse_args()
    run([COMMAND, "--help"], ".", tempfile.gettempdir())  # bytecode, and the disk's own cache
    record: dict[str, Any] = {"environment": environment(), "settings": vars(options)}
    record["results"] = measure(options.rounds)
    table = summary(record["results"])
    table.show()
    notes = [
        "seconds: wall time of a new process, median [lowest to highest] over the rounds.",
        "processor seconds: of all threads. Where one thread works and they are far below the wall "
        "time, other processes had the cores.",
        "later process: the same command with the compilation cache that the row above left.",
    ]
    write(options.output, record, [table], notes)


if __name__ == "__main__":
    main()
