"""Losses and optimisers as records that a saved model or a checkpoint holds, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, TypeVar

from recneg.errors import InvalidDataError

__all__ = ["described", "family", "rebuilt"]

Kind = TypeVar("Kind")


def described(value: Any) -> dict[str, Any]:
    """Return the class name and fields of a frozen dataclass, as JSON has them."""
    fields = {
        name: list(field) if isinstance(field, tuple) else field
        for name, field in asdict(value).items()
    }
    return {"name": type(value).__name__, **fields}


def rebuilt(base: type[Kind], description: dict[str, Any]) -> Kind:
    """Return the object that `described` made a record of.

    Parameters
    ----------
    base : type
        Its class or a base of that. No code is imported by name: a class of your own must be
        defined before.

    Raises
    ------
    InvalidDataError
        If no class of that name is known.
    """
    values = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in description.items()
        if name != "name"
    }
    for kind in family(base):
        if kind.__name__ == description["name"]:
            return kind(**values)
    raise InvalidDataError(
        f"a {base.__name__} of the name {description['name']} must be defined before what was "
        "made with it is loaded; there is none"
    )


def family(base: type[Kind]) -> list[type[Kind]]:
    """Return a class and all that inherit from it."""
    return [base, *(kind for child in base.__subclasses__() for kind in family(child))]
