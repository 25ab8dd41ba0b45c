"""Checks of the hyper-parameters of losses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["REDUCTIONS", "check_between", "check_choice"]

REDUCTIONS = ("mean", "sum")


def check_choice(value: Any, name: str, choices: Iterable[str] = REDUCTIONS) -> None:
    """Refuse a value that is not one of `choices`."""
    known = tuple(choices)
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")


def check_between(value: float, name: str, low: float, high: float = float("inf")) -> None:
    """Refuse a value that is not in ``[low, high)``."""
    if not low <= float(value) < high:
        bound = f"at least {low:g}" if high == float("inf") else f"in [{low:g}, {high:g})"
        raise ValueError(f"{name} must be {bound} and finite; got {value}")
