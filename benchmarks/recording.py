"""What every benchmark records: the machine, the versions, the settings; as JSON and Markdown."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from recneg.parallel import get_num_threads

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "recneg", "numpy", "scipy", "numba", "torch", "implicit", "cornac", "lenskit", "recbole",
    "lightfm-next", "LibRecommender",
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A titled table of text: the first column holds words, the others numbers."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return the table as Markdown."""
        lines = [
            f"### {self.title}",
            "",
            "| " + " | ".join(self.headers) + " |",
            "|---" + "|---:" * (len(self.headers) - 1) + "|",
        ]
        return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in self.rows)])

    def show(self) -> None:
        """Print the table."""
        table = RichTable(title=self.title, box=box.SIMPLE_HEAD, title_justify="left")
        for number, header in enumerate(self.headers):
            table.add_column(header, justify="right" if number else "left", no_wrap=bool(number))
        for row in self.rows:
            table.add_row(*row)
        console = Console(highlight=False)
        (console if console.is_terminal else Console(highlight=False, width=220)).print(table)


def with_range(values: Sequence[float], digits: int) -> str:
    """Return the median, and the lowest and the highest."""
    low, middle, high = (f"{part(values):.{digits}f}" for part in (min, median, max))
    return f"{middle} [{low} to {high}]"


def with_deviation(values: Sequence[float]) -> str:
    """Return the mean, and the deviation of the seeds if there are several."""
    shown = f"{mean(values):.4f}"
    return shown if len(values) == 1 else f"{shown} ± {stdev(values):.4f}"


def package_version(name: str) -> str | None:
    """Return the installed version, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def environment() -> dict[str, Any]:
    """Describe the machine, the versions and the state of the source tree."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "default_threads": get_num_threads(),
        "load_average_at_start": os.getloadavg(),
        "thread_variables": {k: v for k, v in os.environ.items() if k.endswith("_NUM_THREADS")},
        "versions": {name: package_version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.processor()


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def write(name: str, record: dict[str, Any], tables: Sequence[Table], notes: Sequence[str]) -> None:
    """Write ``results/NAME.json`` and ``results/NAME.md``."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(record, indent=2, default=float)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    facts = record["environment"]
    versions = ", ".join(f"{key} {value or 'absent'}" for key, value in facts["versions"].items())
    parts = [
        f"# {name}",
        f"{facts['processor']}, {facts['cores']} cores, {facts['system']}; "
        f"Python {facts['python']}; {versions}; commit {facts['commit']}; {facts['started']}; "
        f"load average at the start {facts['load_average_at_start'][0]:.1f}.",
        "Settings: `" + json.dumps(record["settings"]) + "`",
        *(table.markdown() for table in tables),
        "\n".join(f"- {note}" for note in notes),
    ]
    (RESULTS / f"{name}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
