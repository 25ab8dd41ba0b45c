"""Every way of drawing negatives by name, with its law, its paper and its memory."""

from recneg.catalogue.entries import CATALOGUE
from recneg.catalogue.parsing import check_needs, parse_recipe
from recneg.catalogue.recipe import Entry, Material, Memory, Recipe

__all__ = ["CATALOGUE", "Entry", "Material", "Memory", "Recipe", "check_needs", "parse_recipe"]
