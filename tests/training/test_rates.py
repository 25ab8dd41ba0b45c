"""Schedules of the learning rate against those of torch, and what shortens gradients."""

import pytest
import torch

from recneg.training.rates import rate_factor, shrink_factor


def by_torch(epochs: int, make: type, *options: object) -> list[float]:
    """The rate of each epoch under a scheduler of torch, from 1."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler, rates = make(optimizer, *options), []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("epochs", [1, 2, 5, 10, 30, 40])
def test_schedules_are_those_of_torch(epochs: int) -> None:
    expected = {
        "constant": [1.0] * epochs,
        "cosine": by_torch(epochs, torch.optim.lr_scheduler.CosineAnnealingLR, epochs),
        "steps": by_torch(
            epochs,
            torch.optim.lr_scheduler.MultiStepLR,
            [round(0.6 * epochs), round(0.9 * epochs)],
        ),
    }
    for name, rates in expected.items():
        ours = [rate_factor(name, 1.0, epoch, 0.0, epochs) for epoch in range(epochs)]
        assert ours == pytest.approx(rates, abs=1e-12), name


def test_only_the_cosine_falls_within_an_epoch() -> None:
    for name in ("constant", "steps"):
        assert rate_factor(name, 1.0, 3, 0.9, 10) == rate_factor(name, 1.0, 3, 0.0, 10)
    assert rate_factor("cosine", 1.0, 3, 0.9, 10) < rate_factor("cosine", 1.0, 3, 0.0, 10)
    assert rate_factor("cosine", 1.0, 9, 1.0, 10) == pytest.approx(0.0, abs=1e-12)


def test_decay_multiplies_every_schedule() -> None:
    for name in ("constant", "cosine", "steps"):
        plain, decayed = (rate_factor(name, decay, 4, 0.5, 9) for decay in (1.0, 0.5))
        assert decayed == pytest.approx(plain / 16)


def test_long_gradients_are_shortened_as_by_torch() -> None:
    for length, longest in ((3.0, 2.0), (1.0, 2.0), (0.0, 2.0)):
        weight = torch.zeros(4, dtype=torch.float64, requires_grad=True)
        weight.grad = torch.full((4,), length / 2, dtype=torch.float64)
        torch.nn.utils.clip_grad_norm_([weight], longest)
        ours = length / 2 * shrink_factor(length**2, longest)
        assert ours == pytest.approx(weight.grad[0].item())
    assert shrink_factor(1e12, None) == 1.0
