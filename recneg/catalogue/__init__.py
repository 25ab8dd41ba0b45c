"""Every way of drawing negatives by name, with its law, paper and memory; every trainer by name."""

from recneg.catalogue.entries import CATALOGUE
from recneg.catalogue.models import (
    LOSSES,
    MODELS,
    OPTIMIZERS,
    load_model,
    parse_loss,
    parse_model,
    parse_optimizer,
)
from recneg.catalogue.parsing import check_needs, parse_recipe
from recneg.catalogue.recipe import Entry, Material, Memory, Recipe

__all__ = [
    "CATALOGUE",
    "LOSSES",
    "MODELS",
    "OPTIMIZERS",
    "Entry",
    "Material",
    "Memory",
    "Recipe",
    "check_needs",
    "load_model",
    "parse_loss",
    "parse_model",
    "parse_optimizer",
    "parse_recipe",
]
