"""Public data sets by name: found locally or downloaded, verified against published counts.

>>> from recneg.datasets import load
>>> load("sample", threshold=4.0).interactions
Interactions(671 users, 6170 items, 51568 interactions, density 0.01246)

Each data set has a card, a TOML file in the folder `datasets`, that states its source, checksums,
licence and published counts. `load`, and `load_sequences` for sessions and for histories in the
order of time, look in this order: the folder named by the environment
variable ``RECNEG_DATA``, the cache (``RECNEG_CACHE``, else ``XDG_CACHE_HOME/recneg``, else
``~/.cache/recneg``), the publisher's address.
"""

from recneg.datasets.cards import Card, Counts, card, names
from recneg.datasets.loading import Availability, Dataset, available, load
from recneg.datasets.loading_sequences import SequenceDataset, load_sequences
from recneg.datasets.otto import read_otto

__all__ = [
    "Availability",
    "Card",
    "Counts",
    "Dataset",
    "SequenceDataset",
    "available",
    "card",
    "load",
    "load_sequences",
    "names",
    "read_otto",
]
