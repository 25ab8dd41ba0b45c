"""``name:option=value,option=value`` -> a name and typed options, and the recipes made of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from inspect import Parameter, signature
from typing import Any

from recneg.catalogue.entries import CATALOGUE
from recneg.catalogue.recipe import Material, Recipe
from recneg.errors import InvalidDataError, did_you_mean, with_article

__all__ = ["check_needs", "name_of", "options_of", "parse_options", "parse_recipe"]

TYPES: dict[str, Callable[[str], Any]] = {"float": float, "int": int, "str": str}


def name_of(text: str, known: Collection[str], what: str) -> str:
    """Return the name that `text` begins with, which must be one of the known.

    Raises
    ------
    InvalidDataError
        Listing them.
    """
    name = text.partition(":")[0].strip().replace("-", "_")
    if name not in known:
        hint = did_you_mean(name, known)
        raise InvalidDataError(
            f"{with_article(what)} must be one of {', '.join(known)}; got {name!r}{hint}"
        )
    return name


def parse_options(text: str, known: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return the options in `text`, as the annotations of the known parameters have them.

    Raises
    ------
    InvalidDataError
        For an unknown option or a value of the wrong type, listing what is known.
    """
    name, _, rest = (part.strip() for part in text.partition(":"))
    options: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        option, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or option not in known:
            raise InvalidDataError(
                f"options of {name} must be written as option=value, of "
                f"{', '.join(known) or 'none'}; got {part!r}{did_you_mean(option, known)}"
            )
        if option in options:
            raise InvalidDataError(f"an option must be given once; got {option} twice in {text!r}")
        options[option] = _value(value, str(known[option].annotation), f"{name}:{option}")
    return options


def parse_recipe(text: str) -> Callable[[Material], Recipe]:
    """Return the maker of the recipe that `text` names.

    Raises
    ------
    InvalidDataError
        For an unknown name or option, or a value of the wrong type, listing what is known.

    Examples
    --------
    >>> from recneg import Interactions
    >>> data = Interactions.from_arrays([0, 1], [0, 1])
    >>> parse_recipe("popularity:exponent=0.5,unseen=false")(Material(data)).sampler.exponent
    0.5
    >>> parse_recipe("hardest:candidates=16")(Material(data)).mining
    Miner(hardest, 16)
    """
    name = name_of(text, CATALOGUE, "sampler")
    options = parse_options(text, options_of(name))

    def make(material: Material) -> Recipe:
        check_needs(name, material)
        return CATALOGUE[name].build(material, **options)

    return make


def check_needs(text: str, material: Material) -> None:
    """Raise `InvalidDataError` if the recipe needs data that are not there; makes nothing."""
    name = text.partition(":")[0].strip().replace("-", "_")
    if name == "exposed" and material.shown is None:
        raise InvalidDataError(
            "exposed must have impressions or dislikes: data with ratings below a threshold "
            "(--threshold, or Material(train, shown) in Python); got none"
        )
    if name == "time_aware" and material.train.timestamps is None:
        raise InvalidDataError("time_aware must have interactions with timestamps; got none")


def options_of(name: str) -> dict[str, Parameter]:
    """Return the options of an entry by name, each with its type and default."""
    parameters = signature(CATALOGUE[name].build).parameters.values()
    return {option.name: option for option in parameters if option.kind is Parameter.KEYWORD_ONLY}


def _value(text: str, kind: str, what: str) -> Any:
    kind, *others = kind.split(" | ")
    if "None" in others and text.lower() == "none":
        return None
    words = [each.split("'")[1] for each in others if each.startswith("Literal['")]
    if text in words:
        return text
    if kind == "bool":
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise InvalidDataError(f"{what} must be true or false; got {text!r}")
    try:
        return TYPES[kind](text)
    except ValueError:
        wanted = " or ".join((with_article(kind), *words))
        raise InvalidDataError(f"{what} must be {wanted}; got {text!r}") from None
