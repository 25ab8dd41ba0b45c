"""Every loss keeps the contract: one line a loss, and a meta-test that none is missing."""

import inspect
from collections.abc import Callable

import pytest
from loss_cases import CASES

import recneg.losses
from recneg.losses import Loss
from recneg.losses import kinds as codes
from recneg.losses.checking import LOSS_CHECKS, Check, example_sides


@pytest.mark.parametrize("check", LOSS_CHECKS.values(), ids=LOSS_CHECKS)
@pytest.mark.parametrize("name", CASES)
def test_contract(name: str, check: Check) -> None:
    check(CASES[name].loss, example_sides)


def concrete_losses() -> set[Callable[..., Loss]]:
    return {
        loss
        for _, loss in inspect.getmembers(recneg.losses, inspect.isclass)
        if issubclass(loss, Loss) and not inspect.isabstract(loss)
    }


def test_every_loss_is_in_the_table() -> None:
    assert concrete_losses() - {type(case.loss) for case in CASES.values()} == set()


def test_every_loss_has_a_kernel_and_every_kernel_a_loss() -> None:
    named = {name: getattr(codes, name) for name in codes.__all__ if name != "NUM_PARAMETERS"}
    assert len(set(named.values())) == len(named), "codes must differ"
    kernels = set(named.values()) - {codes.NO_KERNEL}
    assert {loss.kind for loss in concrete_losses()} == kernels
