"""The contract of losses as checks: run `check_loss` on your own loss as recneg does on its own.

Scores come from fixed seeds, random ones and ones of size 1e4, so that a check always gives the
same answer for the same code.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.losses.base import Loss, Sides
from recneg.losses.kernels import ScoreGradients, score_gradients
from recneg.losses.kinds import NO_KERNEL

__all__ = ["LOSS_CHECKS", "SCORE_SIZE", "check_loss", "example_sides"]

SCORE_SIZE = 1e4
"""Losses and gradients are finite for scores up to this size."""

TOLERANCE = 1e-10
STEP = 1e-6  # of finite differences: errors of either kind stay below 1e-7

MakeSides = Callable[[str, np.random.Generator, int, int], Sides]
Check = Callable[[Loss, MakeSides], None]


def example_sides(needs: str, rng: np.random.Generator, batch: int, n: int) -> Sides:
    """Return random side values of shapes (batch,) and (batch, n) for a key of `NEEDS`."""
    if needs == "flips":
        return Sides(rng.normal(size=batch) - 1, rng.normal(size=(batch, n)) - 1)
    if needs == "propensity":
        clicked = rng.random((batch, n)) < 0.3
        return Sides(1 / rng.uniform(0.05, 1, batch), clicked / rng.uniform(0.05, 1, (batch, n)))
    if needs == "thresholds":
        return Sides(rng.normal(size=batch))
    return Sides()


def check_loss(loss: Loss, make_sides: MakeSides = example_sides) -> None:
    """Check that a loss keeps the contract of `recneg.losses.Loss`; silent if it does.

    Losses without a kernel are checked in torch alone. A surrogate is not held to finite
    differences, an ordered loss not to permutations.

    Parameters
    ----------
    loss : Loss
    make_sides : callable, optional
        ``(needs, rng, batch, n) -> Sides``, for what `example_sides` does not know.

    Raises
    ------
    AssertionError
        Naming the check and the value.

    Examples
    --------
    >>> from recneg.losses import BPRLoss
    >>> check_loss(BPRLoss())
    """
    for check in LOSS_CHECKS.values():
        check(loss, make_sides)


class _Data(NamedTuple):
    """Scores with what the loss needs beside them, as arrays."""

    positive: NDArray[Any]
    negative: NDArray[Any]
    sides: Sides

    def only(self, rows: Any, columns: Any = slice(None)) -> _Data:
        """Select rows and negatives."""
        one, each = self.sides
        return _Data(
            self.positive[rows],
            self.negative[rows][:, columns],
            Sides(
                None if one is None else one[rows],
                None if each is None else each[rows][:, columns],
            ),
        )


def _random(
    loss: Loss, make_sides: MakeSides, seed: int, batch: int = 6, n: int = 5, scale: float = 1.0
) -> _Data:
    rng = np.random.default_rng(seed)
    positive, negative = rng.normal(size=batch), rng.normal(size=(batch, n))
    sides = make_sides(loss.needs, rng, batch, n)
    return _Data(scale * positive, scale * negative, sides)


def _extreme(loss: Loss, make_sides: MakeSides, seed: int, noise: float) -> _Data:
    """Every pattern of +-1e4 in a row of one positive and three negatives."""
    rng = np.random.default_rng(seed)
    signs = 1 - 2.0 * ((np.arange(16)[:, None] >> np.arange(4)) & 1)
    scores = SCORE_SIZE * signs + noise * rng.normal(size=signs.shape)
    return _Data(scores[:, 0], scores[:, 1:], make_sides(loss.needs, rng, 16, 3))


def _samples(loss: Loss, make_sides: MakeSides) -> Iterator[tuple[str, _Data]]:
    yield "random scores", _random(loss, make_sides, 1)
    yield "random cosines", _random(loss, make_sides, 2, 40, 7, 0.3)
    yield "random large scores", _random(loss, make_sides, 3, 40, 7, 15.0)
    yield "tied scores", _random(loss, make_sides, 22, 20, 3).only(slice(None), [0, 1, 0, 2, 1])
    yield "extreme scores", _extreme(loss, make_sides, 4, 1.0)
    yield "extreme and moderate scores", _mixed(loss, make_sides)


def _mixed(loss: Loss, make_sides: MakeSides) -> _Data:
    data = _random(loss, make_sides, 5, 20, 6)
    rng = np.random.default_rng(6)
    far = SCORE_SIZE * rng.choice([-1.0, 0.0, 1.0], data.negative.shape)
    return data._replace(negative=data.negative + far)


def _cast(data: _Data, dtype: Any) -> _Data:
    return _Data(data.positive.astype(dtype), data.negative.astype(dtype), data.sides)


def _tensors(data: _Data, dtype: str = "float64") -> tuple[Any, Any, Sides]:
    import torch

    positive, negative = (
        torch.tensor(scores, dtype=getattr(torch, dtype), requires_grad=True) for scores in data[:2]
    )
    sides = (None if x is None else torch.tensor(x, dtype=positive.dtype) for x in data.sides)
    return positive, negative, Sides(*sides)


def _torch_form(loss: Loss, data: _Data, dtype: str = "float64", **options: Any) -> ScoreGradients:
    """Return what autograd gives, in the form of `score_gradients`."""
    import torch

    positive, negative, sides = _tensors(data, dtype)
    given = {name: torch.as_tensor(value) for name, value in options.items() if value is not None}
    losses = loss(positive, negative, sides=sides, **given)
    by_scores = torch.autograd.grad(losses.sum(), (positive, negative), allow_unused=True)
    found = [
        torch.zeros_like(scores) if gradient is None else gradient
        for scores, gradient in zip((positive, negative), by_scores, strict=True)
    ]
    return ScoreGradients(*(x.detach().numpy() for x in (losses, *found)))


def _forms(loss: Loss) -> Iterator[tuple[str, Callable[..., ScoreGradients]]]:
    yield "torch", _torch_form
    if loss.kind != NO_KERNEL:
        yield "the kernel", _kernel_form


def _kernel_form(loss: Loss, data: _Data, **options: Any) -> ScoreGradients:
    return score_gradients(loss, data.positive, data.negative, sides=data.sides, **options)


def _assert_close(got: Any, wanted: Any, what: str, tolerance: float = TOLERANCE) -> None:
    """Compare to `tolerance`, relative where a row's values exceed 1."""
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    assert got.shape == wanted.shape, f"{what} must have shape {wanted.shape}; got {got.shape}"
    if wanted.size == 0:
        return
    assert np.isfinite(got).all(), f"{what} must be finite; got {got[~np.isfinite(got)][0]}"
    size = np.abs(wanted) if wanted.ndim < 2 else np.abs(wanted).max(axis=-1, keepdims=True)
    error = np.abs(got - wanted) / np.maximum(size, 1)
    worst = np.unravel_index(int(error.argmax()), error.shape)
    assert error[worst] <= tolerance, (
        f"{what} must be {wanted[worst]}; got {got[worst]}, off by {error[worst]:.2g}"
    )


def _assert_same(got: ScoreGradients, wanted: ScoreGradients, what: str) -> None:
    for name, one, other in zip(ScoreGradients._fields, got, wanted, strict=True):
        _assert_close(one, other, f"{name} ({what})")


def check_shape(loss: Loss, make_sides: MakeSides) -> None:
    """One value a row, in the dtype of the scores, for 0 and 1 rows or negatives, and two axes."""
    for batch, n in ((0, 3), (1, 1), (4, 0), (4, 1), (4, 3)):
        data = _random(loss, make_sides, 7, batch, n)
        for dtype in ("float32", "float64"):
            found = _torch_form(loss, data, dtype)
            assert found.losses.shape == (batch,), (
                f"losses must have shape {(batch,)}; got {found.losses.shape}"
            )
            assert found.losses.dtype == dtype, (
                f"losses must be {dtype}, as the scores are; got {found.losses.dtype}"
            )
        for name, form in _forms(loss):
            assert form(loss, data).negative.shape == (batch, n), f"wrong shape from {name}"
    data = _random(loss, make_sides, 8, 6, 4)
    positive, negative, sides = _tensors(data)
    one, each = sides
    folded = loss(
        positive.reshape(2, 3),
        negative.reshape(2, 3, 4),
        sides=Sides(
            None if one is None else one.reshape(2, 3),
            None if each is None else each.reshape(2, 3, 4),
        ),
    )
    flat = loss(positive, negative, sides=sides)
    _assert_close(folded.detach().reshape(6), flat.detach(), "losses of shape (batch, time)")


def check_finite(loss: Loss, make_sides: MakeSides) -> None:
    """Losses and gradients are finite for scores of size 1e4, equal or not, in both precisions."""
    for noise in (0.0, 1.0):
        data = _extreme(loss, make_sides, 9, noise)
        found = [_torch_form(loss, data), _torch_form(loss, data, "float32")]
        if loss.kind != NO_KERNEL:
            found += [_kernel_form(loss, data), _kernel_form(loss, _cast(data, np.float32))]
        for form in found:
            for name, values in zip(ScoreGradients._fields, form, strict=True):
                wrong = ~np.isfinite(values)
                assert not wrong.any(), f"{name} must be finite; got {values[wrong][0]}"


def check_permutation(loss: Loss, make_sides: MakeSides) -> None:
    """Permuting the negatives permutes their gradients and changes nothing else."""
    if loss.ordered:
        return
    for what, data in _samples(loss, make_sides):
        order = np.random.default_rng(10).permutation(data.negative.shape[1])
        for name, form in _forms(loss):
            before, after = form(loss, data), form(loss, data.only(slice(None), order))
            wanted = before._replace(negative=before.negative[:, order])
            _assert_same(after, wanted, f"{name}, {what}, permuted")


def check_rows(loss: Loss, make_sides: MakeSides) -> None:
    """Loss and gradient of a row depend on that row alone."""
    data = _random(loss, make_sides, 11)
    for name, form in _forms(loss):
        whole = form(loss, data)
        for row in range(len(data.positive)):
            here = slice(row, row + 1)
            alone = form(loss, data.only(here))
            wanted = ScoreGradients(whole.losses[here], whole.positive[here], whole.negative[here])
            _assert_same(alone, wanted, f"{name}, row {row} alone")


def check_gradient(loss: Loss, make_sides: MakeSides) -> None:
    """Autograd and the kernel give one value and one gradient, to 1e-10 in float64."""
    if loss.kind == NO_KERNEL:
        return
    for what, data in _samples(loss, make_sides):
        _assert_same(_kernel_form(loss, data), _torch_form(loss, data), what)
    for n in (5, 53):  # vector instructions take the first 48 or so
        single = _cast(_random(loss, make_sides, 12, 30, n), np.float32)
        mask = np.random.default_rng(23).random((30, n)) < 0.7
        single.negative[~mask] = np.inf
        double = _cast(single, np.float64)
        found, wanted = (_kernel_form(loss, each, mask=mask) for each in (single, double))
        for got, due in zip(found, wanted, strict=True):
            _assert_close(got, due, f"what the kernel gives for {n} of float32", 2e-6)


def check_finite_differences(loss: Loss, make_sides: MakeSides) -> None:
    """Gradients are those of the value, at random scores, away from kinks."""
    if loss.surrogate:
        return
    for seed, scale in ((13, 0.3), (14, 1.0), (15, 3.0)):
        data = _random(loss, make_sides, seed, 20, 4, scale)
        found = _torch_form(loss, data)
        gradients = np.column_stack((found.positive, found.negative))
        for column in range(gradients.shape[1]):
            step = np.zeros(gradients.shape[1])
            step[column] = STEP
            up, down = (
                _torch_form(loss, _Data(data.positive + d[0], data.negative + d[1:], data.sides))
                for d in (step, -step)
            )
            slope = (up.losses - down.losses) / (2 * STEP)
            _assert_close(gradients[:, column], slope, "the gradient", STEP)


def check_mask(loss: Loss, make_sides: MakeSides) -> None:
    """Masked negatives contribute nothing, whatever stands there; rows may lose them all."""
    data = _random(loss, make_sides, 16, 5, 6)
    mask = np.ones((5, 6), bool)
    mask[:, [1, 4]] = False
    for filler in (np.nan, np.inf, SCORE_SIZE):
        spoilt = data._replace(negative=np.where(mask, data.negative, filler))
        for name, form in _forms(loss):
            got = form(loss, spoilt, mask=mask)
            wanted = form(loss, data.only(slice(None), mask[0]))
            assert not got.negative[~mask].any(), f"masked negatives must have gradient 0 ({name})"
            kept = got._replace(negative=got.negative[:, mask[0]])
            _assert_same(kept, wanted, f"{name}, masked")
    mask[2] = False
    for name, form in _forms(loss):
        got, none = form(loss, data, mask=mask), form(loss, data.only(slice(2, 3), slice(0)))
        assert not got.negative[2].any(), f"a row without negatives must not move them ({name})"
        for one, other in zip(got[:2], none[:2], strict=True):
            _assert_close(one[2:3], other, f"a row that is all masked ({name})")
    if loss.kind != NO_KERNEL:
        same = _torch_form(loss, data, mask=mask)
        _assert_same(_kernel_form(loss, data, mask=mask), same, "a row that is all masked")


def check_weights(loss: Loss, make_sides: MakeSides) -> None:
    """Weights multiply terms, 0 masks, and losses that have no terms refuse them."""
    data = _random(loss, make_sides, 17, 5, 6)
    weights = np.random.default_rng(18).uniform(0.1, 3, (5, 6))
    if not loss.weighted:
        for name, form in _forms(loss):
            try:
                form(loss, data, weights=weights)
            except InvalidDataError:
                continue
            raise AssertionError(f"weights must be refused or the loss be `weighted` ({name})")
        return
    for name, form in _forms(loss):
        plain = form(loss, data)
        _assert_same(form(loss, data, weights=np.ones((5, 6))), plain, f"{name}, weights of 1")
        twice = form(loss, data, weights=2 * weights).negative
        once = form(loss, data, weights=weights).negative
        _assert_close(once, weights * plain.negative, f"weighted gradients ({name})")
        _assert_close(twice, 2 * once, f"gradients of doubled weights ({name})")
        mask = weights > 1
        got = form(loss, data, weights=np.where(mask, 1.0, 0.0))
        _assert_same(got, form(loss, data, mask=mask), f"{name}, weights of 0")
    if loss.kind != NO_KERNEL:
        _assert_same(
            _kernel_form(loss, data, weights=weights, mask=mask),
            _torch_form(loss, data, weights=weights, mask=mask),
            "weights and mask",
        )


def check_sides(loss: Loss, make_sides: MakeSides) -> None:
    """Side values that the loss needs are asked for, in the right shape."""
    data = _random(loss, make_sides, 19)
    one, each = data.sides
    if one is None and each is None:
        return
    wrong = Sides(None if one is None else one[:-1], None if each is None else each[:, :-1])
    for name, form in _forms(loss):
        for sides in (Sides(), wrong):
            try:
                form(loss, data._replace(sides=sides))
            except InvalidDataError:
                continue
            raise AssertionError(f"sides {sides} must be refused with InvalidDataError ({name})")


def check_pickle(loss: Loss, make_sides: MakeSides) -> None:
    """Pickled copies, as worker processes get them, are equal and do the same."""
    copy: Loss = pickle.loads(pickle.dumps(loss))  # noqa: S301
    assert copy == loss, f"a pickled copy must equal the loss; got {copy}"
    data = _random(loss, make_sides, 20)
    _assert_same(_torch_form(copy, data), _torch_form(loss, data), "a pickled copy")


def check_frozen(loss: Loss, make_sides: MakeSides) -> None:
    """Hyper-parameters are the fields of a frozen dataclass, and a call changes none of them."""
    kind: Any = type(loss)
    assert is_dataclass(kind), f"a loss must be a dataclass; got {kind}"
    before = pickle.dumps(loss)
    _torch_form(loss, _random(loss, make_sides, 21))
    assert pickle.dumps(loss) == before, "a call must not change the loss"
    for field in (*(field.name for field in fields(kind)), "anything"):
        try:
            setattr(loss, field, 1)
        except (AttributeError, TypeError):
            continue
        raise AssertionError(f"a loss must be frozen; {field} could be set")


LOSS_CHECKS: dict[str, Check] = {
    "shape": check_shape,
    "finite": check_finite,
    "permutation": check_permutation,
    "rows": check_rows,
    "gradient": check_gradient,
    "finite_differences": check_finite_differences,
    "mask": check_mask,
    "weights": check_weights,
    "sides": check_sides,
    "pickle": check_pickle,
    "frozen": check_frozen,
}
