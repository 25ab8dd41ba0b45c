"""What an entry of the catalogue is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.mining import Miner
from recneg.samplers import Sampler
from recneg.training import SamplerLike

__all__ = ["Entry", "Material", "Memory", "Recipe"]


class Material(NamedTuple):
    """What recipes are made from.

    Attributes
    ----------
    train : Interactions
    shown : Interactions, optional
        Impressions or explicit dislikes, of the same users and items.
    """

    train: Interactions
    shown: Interactions | None = None


class Recipe(NamedTuple):
    """Where a trainer's negatives come from: the arguments of these names of `recneg.BPR`."""

    sampler: SamplerLike
    mining: Miner | None = None

    def law(self, name: str) -> Sampler:
        """Return the sampler, if it needs no model, no batch and no mining.

        Raises
        ------
        InvalidDataError
            Otherwise.
        """
        if not isinstance(self.sampler, Sampler) or self.mining is not None:
            raise InvalidDataError(
                f"{name} must be a law of the data alone to be drawn from without a model in "
                "training; it follows a model or a batch"
            )
        return self.sampler


class Memory(NamedTuple):
    """Bytes of a sampler beyond the interactions; `user_factor` and `item_factor` times d."""

    user: float = 0
    item: float = 0
    interaction: float = 0
    user_factor: float = 0
    item_factor: float = 0

    def texts(self) -> tuple[str, str, str]:
        """Return what a user, an item and an interaction take, d standing for the factors."""
        return (
            _linear(self.user, self.user_factor),
            _linear(self.item, self.item_factor),
            _linear(self.interaction, 0),
        )


def _linear(constant: float, slope: float) -> str:
    parts = [f"{slope:g} d"] * (slope > 0) + [f"{constant:g}"] * (constant > 0 or slope == 0)
    return " + ".join(parts)


class Entry(NamedTuple):
    """One way of drawing negatives.

    Attributes
    ----------
    build : callable
        ``build(material, **options) -> Recipe``; its keyword options have a type and a default.
    law : str
        What is drawn.
    paper : str
    memory : Memory
    """

    build: Callable[..., Recipe]
    law: str
    paper: str
    memory: Memory
