"""``recneg samplers``: what there is to draw with."""

from __future__ import annotations

from recneg.catalogue import CATALOGUE
from recneg.catalogue.parsing import options_of
from recneg.cli.tables import print_table, stdout

__all__ = ["run"]


def run() -> None:
    """Print the catalogue."""
    rows = []
    for name, entry in CATALOGUE.items():
        options = ", ".join(f"{o.name}={_shown(o.default)}" for o in options_of(name).values())
        rows.append([name, entry.law, options, entry.paper, *entry.memory.texts()])
    print_table(
        "samplers",
        [
            "name",
            "law or choice",
            "options",
            "paper",
            "bytes a\nuser",
            "an\nitem",
            "an inter-\naction",
        ],
        rows,
        left=(1, 2, 3),
    )
    stdout().print(
        "Laws are up to a factor, over what the user has not seen. Bytes are beyond the "
        "interactions, d is the number of factors. While training, what follows the model keeps a\n"
        "copy of it, variance five, and guided its guide; other mining only its candidates.\n"
        "In Python alone: recneg.mining.mixed_hard and mixed_positive, whose negatives are vectors."
    )


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
