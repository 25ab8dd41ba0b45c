"""Training data of the speed benchmarks, by name."""

from typing import NamedTuple

from recneg import Interactions
from recneg.datasets import load
from recneg.simulation import simulate
from recneg.splits import given_split

SYNTHETIC = {"synth-5m": (50_000, 20_000, 5_000_000)}
"""Name to users, items and expected interactions of `recneg.simulation.simulate` with key 0."""


class Training(NamedTuple):
    """Training interactions, and the checksum of the split that they belong to."""

    interactions: Interactions
    checksum: str


def load_training(name: str) -> Training:
    if name in SYNTHETIC:
        data = simulate(*SYNTHETIC[name]).interactions
        return Training(data, given_split(data, data.select(data.users() < 0)).checksum)
    split = load(name, download=False).split
    if split is None:
        raise SystemExit(f"{name} has no given split")
    return Training(split.train, split.checksum)
