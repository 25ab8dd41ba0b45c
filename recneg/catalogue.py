"""Samplers by name, for the command line and configuration files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.samplers.base import Sampler
from recneg.samplers.popularity import Popularity
from recneg.samplers.uniform import Uniform

__all__ = ["SAMPLERS", "parse_sampler"]

SAMPLERS: dict[str, type[Sampler]] = {"uniform": Uniform, "popularity": Popularity}


def parse_sampler(text: str) -> Callable[[Interactions], Sampler]:
    """Return the builder of a sampler written as ``name`` or ``name:option=value,option=value``.

    Raises
    ------
    InvalidDataError
        For an unknown name or option, or a value of the wrong type, listing what is known.

    Examples
    --------
    >>> data = Interactions.from_arrays([0, 1], [0, 1])
    >>> parse_sampler("popularity:exponent=0.5,unseen=false")(data).exponent
    0.5
    """
    name, _, rest = text.strip().partition(":")
    if name not in SAMPLERS:
        raise InvalidDataError(f"a sampler must be one of {', '.join(SAMPLERS)}; got {name!r}")
    law = SAMPLERS[name]
    kinds = {
        field.name: field.type
        for field in fields(law)  # type: ignore[arg-type]
        if field.name != "interactions"
    }
    options: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        option, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or option not in kinds:
            raise InvalidDataError(
                f"options of {name} must be written as option=value, of {', '.join(kinds)}; "
                f"got {part!r}"
            )
        options[option] = _value(value, str(kinds[option]), f"{name}:{option}")
    return partial(law, **options)


def _value(text: str, kind: str, what: str) -> Any:
    if kind == "bool":
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise InvalidDataError(f"{what} must be true or false; got {text!r}")
    try:
        return {"float": float, "int": int}[kind](text)
    except ValueError:
        raise InvalidDataError(f"{what} must be a {kind}; got {text!r}") from None
