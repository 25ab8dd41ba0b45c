"""``recneg samplers`` and ``recneg models``: what there is to draw with and to train."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import Any

from recneg.catalogue import CATALOGUE, LOSSES, MODELS, OPTIMIZERS
from recneg.catalogue.choices import LOSS_CHOICES, model_choices
from recneg.catalogue.models import model_options, optimizer_options, passes_on
from recneg.catalogue.parsing import options_of
from recneg.cli.tables import print_table, stdout

__all__ = ["models", "samplers"]


def samplers() -> None:
    """Print the laws and the mining functions."""
    rows = []
    for name, entry in CATALOGUE.items():
        shown = _options(options_of(name))
        rows.append([name, entry.law, shown, entry.paper, *entry.memory.texts()])
    print_table(
        "samplers",
        [
            "name",
            "law or choice",
            "options",
            "paper",
            "bytes a\nuser",
            "an\nitem",
            "a\npair",
        ],
        rows,
        left=(1, 2, 3),
    )
    stdout().print(
        "Laws are up to a factor, over what the user has not seen. Bytes are beyond the "
        "interactions, d is the number of factors. While training, what follows the model keeps a "
        "copy of it, variance five, and guided its guide; other mining only its candidates.\n"
        "In Python alone: recneg.mining.mixed_hard and mixed_positive, whose negatives are vectors."
    )


def models() -> None:
    """Print the trainers, then the losses and optimisers that some of them can be given."""
    rows = []
    for name, entry in MODELS.items():
        known = model_options(name)
        if passes_on(name):
            known = {key: known[key] for key in known if key not in model_options("mf")}
        options = _options(known, entry.defaults, model_choices(name))
        options += "; those of mf" * passes_on(name)
        rows.append([name, entry.what, options, entry.paper])
    print_table("models", ["name", "what", "options", "paper"], rows, left=(1, 2, 3))
    losses = [
        [name, _options(signature(kind).parameters, {}, LOSS_CHOICES)]
        for name, kind in LOSSES.items()
    ]
    steps = [[name, _options(optimizer_options(name))] for name in OPTIMIZERS]
    for title, rows in (("losses", losses), ("optimisers", steps)):
        print_table(f"{title}, for mf, simplex and tron", ["name", "options"], rows, left=(1,))
    stdout().print(
        "The first or only value is the default; words after a bar may be given in its place."
    )


def _options(
    known: Any,
    defaults: dict[str, Any] | None = None,
    choices: dict[str, tuple[str, ...]] | None = None,
) -> str:
    """Return every option with its default, and what else it may be if that is a few words."""
    own = {o.name: o.default for o in known.values()} | (defaults or {})
    return ", ".join(
        f"{name}={_shown(value, (choices or {}).get(name, ()))}"
        for name, value in own.items()
        if value is not Parameter.empty
    )


def _shown(value: Any, choices: tuple[str, ...]) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return " | ".join([text, *(other for other in choices if other != text)])
