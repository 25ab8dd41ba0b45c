"""The values that options may have, where they are a few words."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from recneg.catalogue.models import MODELS
from recneg.losses.checks import REDUCTIONS
from recneg.losses.psl import ACTIVATIONS
from recneg.noise import OBJECTIVES

__all__ = ["LOSS_CHOICES", "model_choices"]

Choices = dict[str, tuple[str, ...]]

LOSS_CHOICES: Choices = {
    "reduction": REDUCTIONS,
    "variant": ("multi", "reweight"),
    "activation": tuple(ACTIVATIONS),
}
"""By option, of all losses that have it."""

_BESIDE: Choices = {
    "engine": ("auto", "fused", "torch"),
    "local": ("squared", "log"),
    "objective": tuple(OBJECTIVES),
}
"""Of options that are not checked by their type."""

_LESS: dict[str, Choices] = {"simplex": {"redraw": ("pair", "batch", "epoch")}}
"""Of models that do not take all that the type allows."""


def model_choices(name: str) -> Choices:
    """Return the words that each option of a model may be, for the options that are words.

    Parameters
    ----------
    name : str
        In `MODELS`.

    Examples
    --------
    >>> model_choices("mf")["score"]
    ('dot', 'cosine')
    """
    model: Any = MODELS[name].kind()
    fields = type(model.options).model_fields
    typed = {
        option: get_args(field.annotation)
        for option, field in fields.items()
        if get_origin(field.annotation) is Literal
    }
    return _BESIDE | typed | _LESS.get(name, {})
