"""The checks are tested too: defects are planted one by one, and each must be caught."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from recneg.errors import InvalidDataError
from recneg.losses import Loss, Rows, Sides, kinds
from recneg.losses.checking import LOSS_CHECKS, check_loss, example_sides
from recneg.losses.rows import log_sigmoid


@dataclass(frozen=True)
class Correct(Loss):
    """A loss that somebody writes, for torch alone."""

    weighted: ClassVar[bool] = True

    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows.mean(-log_sigmoid(-rows.gaps))


@dataclass(frozen=True)
class Reduced(Correct):
    def _losses(self, rows: Rows) -> torch.Tensor:
        return super()._losses(rows).mean()


@dataclass(frozen=True)
class Single(Correct):
    def _losses(self, rows: Rows) -> torch.Tensor:
        return super()._losses(rows).float()


@dataclass(frozen=True)
class Overflowing(Correct):
    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows.mean((1 + rows.gaps.exp()).log())


@dataclass(frozen=True)
class FirstOnly(Correct):
    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows.mean(-log_sigmoid(-rows.gaps) * (rows.gaps == rows.gaps[..., :1]))


@dataclass(frozen=True)
class AcrossRows(Correct):
    def _losses(self, rows: Rows) -> torch.Tensor:
        losses = super()._losses(rows)
        return losses - losses.mean() if losses.numel() else losses


@dataclass(frozen=True)
class Detached(Correct):
    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows.mean(-log_sigmoid(-rows.gaps) * rows.negative.sigmoid().detach())


@dataclass(frozen=True)
class CountsMasked(Correct):
    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows.total(-log_sigmoid(-rows.gaps)) / rows.negative.shape[-1]


@dataclass(frozen=True)
class LooksAtMasked(Correct):
    def _losses(self, rows: Rows) -> torch.Tensor:
        return (-log_sigmoid(-rows.gaps)).mean(-1)


@dataclass(frozen=True)
class IgnoresWeights(Correct):
    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows._replace(weights=None).mean(-log_sigmoid(-rows.gaps))


@dataclass(frozen=True)
class TakesWeights(Correct):
    weighted: ClassVar[bool] = False

    def _check(self, *arguments: Any) -> None:
        pass


@dataclass(frozen=True)
class SidesUnasked(Correct):
    @property
    def needs(self) -> str:
        return "flips"

    def _check(self, *arguments: Any) -> None:
        pass


@dataclass
class Mutable(Loss):
    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows.mean(-log_sigmoid(-rows.gaps))


@dataclass(frozen=True)
class WrongKernel(Correct):
    """The sum where torch has the mean."""

    kind: ClassVar[int] = kinds.BPR

    def _parameters(self) -> tuple[float, ...]:
        return (0.0,)


@dataclass(frozen=True)
class SlightlyWrongKernel(Correct):
    """A temperature that differs in the ninth digit."""

    kind: ClassVar[int] = kinds.SAMPLED_SOFTMAX
    weighted: ClassVar[bool] = False

    def _parameters(self) -> tuple[float, ...]:
        return (1.0 + 1e-8,)

    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows.compared(-log_sigmoid(-rows.log_sum_exp(rows.gaps)))


@dataclass(frozen=True)
class CutSoftplus(Correct):
    """Torch's default, which cuts the softplus off at 20."""

    kind: ClassVar[int] = kinds.BPR

    def _parameters(self) -> tuple[float, ...]:
        return (1.0,)

    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows.mean(torch.nn.functional.softplus(rows.gaps))


class NoFields(Loss):
    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows.mean(-log_sigmoid(-rows.gaps))


DEFECTS: dict[str, tuple[Loss, str]] = {
    "reduced over rows": (Reduced(), "shape"),
    "another dtype": (Single(), "shape"),
    "overflow": (Overflowing(), "finite"),
    "order": (FirstOnly(), "permutation"),
    "rows mixed": (AcrossRows(), "rows"),
    "a detached factor": (Detached(), "finite_differences"),
    "masked counted": (CountsMasked(), "mask"),
    "masked looked at": (LooksAtMasked(), "mask"),
    "weights ignored": (IgnoresWeights(), "weights"),
    "weights swallowed": (TakesWeights(), "weights"),
    "sides not asked for": (SidesUnasked(), "sides"),
    "mutable": (Mutable(), "frozen"),
    "no dataclass": (NoFields(), "frozen"),
    "another kernel": (WrongKernel(), "gradient"),
    "a kernel slightly off": (SlightlyWrongKernel(), "gradient"),
    "a softplus cut off": (CutSoftplus(), "gradient"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_defects_are_caught(name: str) -> None:
    loss, check = DEFECTS[name]
    with pytest.raises((AssertionError, RuntimeError)):
        LOSS_CHECKS[check](loss, example_sides)


def test_a_correct_loss_passes() -> None:
    check_loss(Correct())


def test_own_side_values() -> None:
    """A loss may need what recneg does not know; its checks then make it."""

    def prices(needs: str, rng: np.random.Generator, batch: int, n: int) -> Sides:
        assert needs == "prices"
        return Sides(rng.random(batch), rng.random((batch, n)))

    check_loss(Priced(), prices)


@dataclass(frozen=True)
class Priced(Loss):
    @property
    def needs(self) -> str:
        return "prices"

    def _losses(self, rows: Rows) -> torch.Tensor:
        if rows.negative_side is None or rows.positive_side is None:
            raise InvalidDataError("sides must hold prices; got none")
        return rows.positive_side * rows.mean(-rows.negative_side * log_sigmoid(-rows.gaps))
