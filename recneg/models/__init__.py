"""Models as torch modules, which trainers fit; imported, and torch with them, when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recneg.models.simplex import SimpleXTower
    from recneg.models.tron import Packing, TRONEncoder, TRONModel

_HOME = {
    "Packing": "recneg.models.tron",
    "SimpleXTower": "recneg.models.simplex",
    "TRONEncoder": "recneg.models.tron",
    "TRONModel": "recneg.models.tron",
}

__all__ = ["Packing", "SimpleXTower", "TRONEncoder", "TRONModel"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'recneg.models' has no attribute {name!r}")
