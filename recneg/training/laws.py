"""Where a trainer's negatives come from, as a record that a saved model holds, and back.

A file holds no code. What recneg's own classes and plain values make comes back; of anything else,
a sampler of given interactions too, the file tells what it was, and the model draws nothing until
that is given again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from recneg import mining, propensity
from recneg.errors import InvalidDataError
from recneg.mining import Miner
from recneg.samplers import Adaptive, PerBatch, Sampler
from recneg.samplers.adaptive import described
from recneg.training.descriptions import family

__all__ = ["PARTS", "NotSaved", "check_parts", "part_record", "rebuilt_part"]

PARTS = ("sampler", "mining", "propensity")
"""The attributes of a trainer that say where negatives come from, and what they stand for."""


class NotSaved(NamedTuple):
    """Stands for what a file could not hold.

    Attributes
    ----------
    text : str
        What it was.
    """

    text: str


def part_record(value: Any) -> dict[str, Any] | None:
    """Return what a file holds of a sampler, a miner or a propensity; None for none."""
    if value is None:
        return None
    text = value.text if isinstance(value, NotSaved) else _text(value)
    return {"text": text, "made": _made(value)}


def rebuilt_part(record: Mapping[str, Any] | None) -> Any:
    """Return what `part_record` made a record of, or a `NotSaved`."""
    if record is None:
        return None
    found = None if record["made"] is None else _remade(record["made"])
    return NotSaved(record["text"]) if found is None else found


def check_parts(model: Any) -> None:
    """Refuse to draw for a loaded model whose file could not hold where negatives come from."""
    for name in PARTS:
        value = getattr(model, name, None)
        if isinstance(value, NotSaved):
            raise InvalidDataError(
                f"{name} must be given again before a loaded model draws or trains, as in "
                f"model.{name} = ...; its file could not hold it: {value.text}"
            )


def _text(value: Any) -> str:
    named = isinstance(value, partial) or hasattr(value, "__qualname__")
    return described(value) if named else repr(value)


def _made(value: Any) -> dict[str, Any] | None:
    """Return a name and plain options, or None if there is more to it."""
    if isinstance(value, Sampler):
        return None
    if isinstance(value, (Adaptive, PerBatch)):
        made = _made(value.make)
        often = (
            {"every": value.every} if isinstance(value, Adaptive) else {"batches": value.batches}
        )
        return made and {"name": type(value).__name__, "make": made, **often}
    if isinstance(value, Miner):
        if value.guide is not None:
            return None
        past = {"past_epochs": value.past_epochs} if value.past_epochs else {}
        return _with_options(
            value.function, {"num_candidates": value.num_candidates} | past | value.options
        )
    if isinstance(value, partial):
        return None if value.args else _with_options(value.func, value.keywords)
    return _with_options(value, {})


def _with_options(make: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
    plain = all(
        value is None or type(value) in (bool, int, float, str) for value in options.values()
    )
    name = getattr(make, "__name__", "")
    if not plain or _known().get(name) is not make:
        return None
    return {"name": name, **options}


def _known() -> dict[str, Callable[..., Any]]:
    """Return what may be named: laws, functions of mining, and the estimate of a propensity."""
    made: dict[str, Callable[..., Any]] = {
        kind.__name__: kind
        for kind in family(Sampler)  # type: ignore[type-abstract]
    }
    made |= {name: getattr(mining, name) for name in mining.__all__ if name.islower()}
    return made | {"power_law": propensity.power_law}


def _remade(made: Mapping[str, Any]) -> Any:
    options = {name: value for name, value in made.items() if name != "name"}
    if made["name"] in ("Adaptive", "PerBatch"):
        inner = _remade(options.pop("make"))
        kind = Adaptive if made["name"] == "Adaptive" else PerBatch
        return inner and kind(inner, **options)
    make = _known().get(made["name"])
    if make is None:
        return None
    if "num_candidates" in options:
        return Miner(make, **options)
    return partial(make, **options) if options else make
