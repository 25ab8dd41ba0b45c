"""Checks of single numbers that callers give: whole ones, and those of a range."""

from __future__ import annotations

from typing import Any, Literal

from recneg.errors import InvalidDataError

__all__ = ["check_count", "check_number"]

WANTED = {
    "any": "finite",
    "not negative": "finite and not negative",
    "positive": "positive and finite",
}


def check_count(value: Any, name: str, least: int = 1) -> int:
    """Return `value` after checking that it is an integer, a NumPy one too, of at least `least`.

    Examples
    --------
    >>> check_count(2.0, "num_negatives")
    Traceback (most recent call last):
    recneg.errors.InvalidDataError: num_negatives must be an integer of at least 1; got 2.0
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise InvalidDataError(f"{name} must be an integer of at least {least}; got {value!r}")
    return int(value)


def check_number(
    value: Any, name: str, kind: Literal["any", "not negative", "positive"] = "any"
) -> float:
    """Return `value` as a float after checking that it is finite and of this sign.

    Examples
    --------
    >>> check_number(0, "margin"), check_number(1e-3, "learning_rate", "positive")
    (0.0, 0.001)
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    low = number > 0 if kind == "positive" else number >= 0 or kind == "any"
    if not (low and abs(number) < float("inf")):  # refuses NaN too
        raise InvalidDataError(f"{name} must be {WANTED[kind]}; got {value!r}")
    return number
