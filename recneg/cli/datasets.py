"""``recneg datasets``: what there is, and what is at hand."""

from __future__ import annotations

from recneg.cli.data import SIMULATED
from recneg.cli.tables import print_table, stdout
from recneg.datasets import available

__all__ = ["run"]


def run() -> None:
    """Print one line a data set."""
    rows = [
        [
            entry.name,
            f"{entry.counts.users:,}",
            f"{entry.counts.items:,}",
            f"{entry.counts.interactions:,}",
            "yes" if entry.at_hand else "no",
            entry.title,
        ]
        for entry in available()
    ]
    sizes = [f"{size:,}" for size in SIMULATED.values()]
    rows.append(["simulated", *sizes, "yes", "A world with known truth"])
    headers = ["name", "users", "items", "interactions", "at hand", "title"]
    print_table("", headers, rows, left=(5,))
    stdout().print(
        "What is not at hand is downloaded when first used, or read from the folder that the "
        "environment variable RECNEG_DATA names. Some publishers of sessions want people to sign "
        "in: loading then says which file to put where."
    )
