"""The contract of a loss: a frozen object that turns scores into one value a row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from recneg.errors import InvalidDataError
from recneg.losses.kinds import NO_KERNEL, NUM_PARAMETERS
from recneg.losses.rows import Rows

if TYPE_CHECKING:
    import torch

__all__ = ["NEEDS", "Loss", "Sides"]

NEEDS = {
    "nothing": "no side values",
    "flips": "the flip scores g_i of positives and g_j of negatives",
    "propensity": "1 / theta_i of positives and Y_j / theta_j of negatives, 0 if not clicked",
    "thresholds": "the score beta_u that each row's user needs for the first K ranks",
}
"""What `Sides` hold for a loss, by what it needs."""


class Sides(NamedTuple):
    """What a loss needs beside scores: one value a positive, and one a negative.

    What they mean is said by `Loss.needs`, a key of `NEEDS`.

    Attributes
    ----------
    positive : float array of the shape of the positive scores, or None
    negative : float array of the shape of the negative scores, or None
    """

    positive: Any = None
    negative: Any = None


class Loss(ABC):
    """A function of the scores of one positive and n negatives a row; lower is better.

    Subclasses are frozen dataclasses whose fields are hyper-parameters, and state a formula in
    `_losses`. Those of recneg also have a kernel, known by `kind`; others run in torch alone.

    Attributes
    ----------
    kind : int
        Code of the kernel in `recneg.losses.kernels.row_gradient`; `NO_KERNEL` for none.
    weighted : bool
        Whether the loss is a sum of one term a negative, which weights may multiply.
    ordered : bool
        Whether the order of the negatives is part of the method.
    correctable : bool
        Whether negatives enter by the sum of ``exp(s_j / temperature)`` alone, so that scores less
        ``temperature * log q`` make it one over all items. Such a loss has a `temperature`.
    """

    kind: ClassVar[int] = NO_KERNEL
    weighted: ClassVar[bool] = False
    ordered: ClassVar[bool] = False
    correctable: ClassVar[bool] = False

    @property
    def needs(self) -> str:
        """What the loss needs beside scores: a key of `NEEDS`."""
        return "nothing"

    @property
    def surrogate(self) -> bool:
        """Whether the gradient is, as published, not that of the value."""
        return False

    @property
    def parameters(self) -> tuple[float, ...]:
        """Hyper-parameters as `NUM_PARAMETERS` floats, as the kernel takes them."""
        values = tuple(float(value) for value in self._parameters())
        return values + (0.0,) * (NUM_PARAMETERS - len(values))

    def _parameters(self) -> tuple[float, ...]:
        return ()

    @abstractmethod
    def _losses(self, rows: Rows) -> torch.Tensor:
        """Return one value a row."""

    def __call__(
        self,
        positive_scores: torch.Tensor,
        negative_scores: torch.Tensor,
        *,
        mask: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
        sides: Sides | None = None,
    ) -> torch.Tensor:
        """Return the loss of each row; a gradient flows to the scores.

        Parameters
        ----------
        positive_scores : torch.Tensor of float, shape (batch,) or (batch, time)
        negative_scores : torch.Tensor of float, one axis more, shape (..., n)
        mask : torch.Tensor of bool, shape (..., n), optional
            Negatives that are False contribute nothing, whatever their scores, also to counts and
            denominators. A row without negatives keeps the terms of its positive alone; losses
            that compare, and so have none, are 0 there.
        weights : torch.Tensor of float, shape (..., n), optional
            Of the terms of the negatives, as mining returns them, where `weighted`. A weight of 0
            masks. Means divide by the number of negatives and not by the sum of weights.
        sides : Sides, optional
            What `needs` says.

        Returns
        -------
        torch.Tensor, shape (batch,) or (batch, time)
            Finite for scores up to 1e4 in size.

        Raises
        ------
        InvalidDataError
            For shapes that do not fit, scores that are not floats, missing side values, and weights
            that the loss does not take.
        """
        self._check(positive_scores, negative_scores, weights, sides or Sides())
        rows = Rows.of(positive_scores, negative_scores, mask, weights, *(sides or Sides()))
        return self._losses(rows)

    def _check(self, positive: Any, negative: Any, weights: Any, sides: Sides) -> None:
        """Refuse scores, weights and side values that do not fit; arrays or tensors."""
        shape = tuple(negative.shape)
        if not shape or tuple(positive.shape) != shape[:-1]:
            raise InvalidDataError(
                "negative scores must have the shape of the positive scores and one axis more; "
                f"got {shape} and {tuple(positive.shape)}"
            )
        if weights is not None and not self.weighted:
            raise InvalidDataError(
                f"weights are for losses that sum one term a negative; got them for {self}"
            )
        wanted = {
            "flips": (True, True),
            "propensity": (True, True),
            "thresholds": (True, False),
        }.get(self.needs, (False, False))
        for name, value, needed, size in zip(
            ("positive", "negative"), sides, wanted, (shape[:-1], shape), strict=True
        ):
            if needed and value is None:
                raise InvalidDataError(
                    f"sides must hold {NEEDS[self.needs]}; got none for the {name}s of {self}"
                )
            if value is not None and tuple(value.shape) != size:
                raise InvalidDataError(
                    f"{name} side values must have shape {size}; got {tuple(value.shape)}"
                )
