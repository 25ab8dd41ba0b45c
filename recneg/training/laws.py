"""Where a trainer's negatives come from, as a record that a saved model holds, and back.

A file holds no code. What a class or function of recneg makes of plain values comes back, and so
does a sampler of the very interactions that were trained on: the loaded model makes it anew of what
it is trained on then. A law of one's own comes back where its class is defined. Of anything else
the file tells what it was, and the model draws nothing until that is given again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from recneg import mining, propensity
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.mining import Miner
from recneg.samplers import Adaptive, PerBatch, Sampler
from recneg.samplers.adaptive import described
from recneg.training.descriptions import family

__all__ = ["DRAWN_BY", "PARTS", "NotSaved", "check_parts", "part_record", "rebuilt_part"]

DRAWN_BY = ("sampler", "mining")
"""The attributes of a trainer that say where negatives come from."""

PARTS = (*DRAWN_BY, "propensity")
"""Those, and what they are weighed by."""


class NotSaved(NamedTuple):
    """Stands for what a file could not hold.

    Attributes
    ----------
    text : str
        What it was.
    """

    text: str


def part_record(value: Any, train: Interactions | None = None) -> dict[str, Any] | None:
    """Return what a file holds of a sampler, a miner or a propensity; None for none.

    Parameters
    ----------
    value : object
    train : Interactions, optional
        What was trained on.
    """
    if value is None:
        return None
    text = value.text if isinstance(value, NotSaved) else _text(value)
    return {"text": text, "made": _made(value, train)}


def rebuilt_part(record: Mapping[str, Any] | None) -> Any:
    """Return what `part_record` made a record of, or a `NotSaved`."""
    if record is None:
        return None
    found = None if record["made"] is None else _remade(record["made"])
    return NotSaved(record["text"]) if found is None else found


def check_parts(model: Any, names: Iterable[str] = PARTS, what: str = "model") -> None:
    """Refuse to draw for a loaded model whose file could not hold what draws; `what` names it."""
    for name in names:
        value = getattr(model, name, None)
        if isinstance(value, NotSaved):
            raise InvalidDataError(
                f"{name} must be given again before a loaded model draws or trains, as in "
                f"{what}.{name} = ...; its file could not hold it: {value.text}"
            )


def _text(value: Any) -> str:
    named = isinstance(value, partial) or hasattr(value, "__qualname__")
    return described(value) if named else repr(value)


def _made(value: Any, train: Interactions | None) -> dict[str, Any] | None:
    """Return kind, name and plain options, or None if there is more to it."""
    if type(value) in (Adaptive, PerBatch):
        make = _made(value.make, None)
        often = value.every if isinstance(value, Adaptive) else value.batches
        kind = "adaptive" if isinstance(value, Adaptive) else "per batch"
        return make and {"kind": kind, "make": make, "often": int(often)}
    if type(value) is Miner:
        if value.guide is not None:
            return None
        own = {"num_candidates": value.num_candidates}
        past = {"past_epochs": value.past_epochs} if value.past_epochs else {}
        return _named("miner", value.function, own | past | value.options)
    if isinstance(value, Sampler):
        law: Any = type(value)
        if train is None or value.interactions is not train or not is_dataclass(law):
            return None
        names = [each.name for each in fields(law) if each.init and each.name != "interactions"]
        return _named("function", law, {name: getattr(value, name) for name in names})
    if isinstance(value, partial):
        return None if value.args else _named("function", value.func, value.keywords)
    return _named("function", value, {})


def _named(kind: str, make: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
    found = {name: _plain(value) for name, value in options.items()}
    name = _name(make)
    if _known().get(name) is not make or any(
        value is not None and type(value) not in (bool, int, float, str) for value in found.values()
    ):
        return None
    return {"kind": kind, "name": name, "options": found}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _name(make: Any) -> str:
    return f"{getattr(make, '__module__', '')}.{getattr(make, '__qualname__', '')}"


def _known() -> dict[str, Callable[..., Any]]:
    """Return what may be named: laws, functions of mining, and the estimate of a propensity."""
    laws = family(Sampler)  # type: ignore[type-abstract]
    functions = [getattr(mining, name) for name in mining.__all__ if name.islower()]
    return {_name(each): each for each in (*laws, *functions, propensity.power_law)}


def _remade(made: Mapping[str, Any]) -> Any:
    if made["kind"] in ("adaptive", "per batch"):
        make = _remade(made["make"])
        kind = Adaptive if made["kind"] == "adaptive" else PerBatch
        return None if make is None else kind(make, made["often"])
    make, options = _known().get(made["name"]), made["options"]
    if make is None:
        return None
    if made["kind"] == "miner":
        return Miner(make, **options)
    return partial(make, **options) if options else make
