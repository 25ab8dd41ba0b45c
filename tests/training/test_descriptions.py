"""Losses and optimisers as records, and back."""

import json
from dataclasses import dataclass

import pytest

from recneg.errors import InvalidDataError
from recneg.losses import BPRLoss, HardContrastiveLoss, Loss
from recneg.training import Adam
from recneg.training.descriptions import described, rebuilt
from recneg.training.optimizers import Optimizer


@dataclass(frozen=True)
class Mine(BPRLoss):
    """A loss of one's own."""

    strength: float = 2.0


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (HardContrastiveLoss(0.3, 0.01, 0.5), Loss),
        (Mine(strength=3.0), Loss),
        (Adam(0.2, (0.5, 0.9)), Optimizer),
    ],
)
def test_back_from_json(value, base) -> None:
    record = described(value)
    assert json.loads(json.dumps(record)) == record
    assert rebuilt(base, record) == value


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(InvalidDataError, match="a Loss of the name Theirs must be defined"):
        rebuilt(Loss, {"name": "Theirs"})
