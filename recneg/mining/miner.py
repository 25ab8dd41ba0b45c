"""A mining function with its options, as trainers call it."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import numpy as np

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.mining.mined import Mined
from recneg.samplers import Negatives
from recneg.samplers.adaptive import described

__all__ = ["Miner"]

OFFERED = (
    "num_negatives", "positive_scores", "key", "rows", "users", "positives", "epoch",
    "guide_scores", "guide_positive_scores", "past_scores", "past_positive_scores",
    "item_popularity", "num_items",
)  # fmt: skip


GUIDED = frozenset({"guide_scores", "guide_positive_scores"})
PAST = frozenset({"past_scores", "past_positive_scores"})


class Miner:
    """Mining inside a trainer: draw candidates, score them with the current model, keep a few.

    A trainer fills in the arguments of the function by name; those it offers are
    ``num_negatives``, ``positive_scores``, ``key``, ``rows``, ``users``, ``positives``, ``epoch``,
    ``guide_scores``, ``guide_positive_scores``, ``past_scores``, ``past_positive_scores``,
    ``item_popularity`` and ``num_items``. Whatever else the function needs is given here. Your own
    function of ``(negatives, scores, *, ...) -> Mined`` is as good as one of `recneg.mining`.

    Parameters
    ----------
    function : callable
        Such as `recneg.mining.hardest`.
    num_candidates : int
        Candidates drawn from the sampler for each positive.
    guide : object with ``user_factors`` and ``item_factors``, optional
        The model behind ``guide_scores``.
    past_epochs : int, default 5
        Epochs behind ``past_scores``, where the function asks for them.
    **options
        Further arguments of the function, fixed for the run.

    Examples
    --------
    >>> from recneg.mining import hardest
    >>> Miner(hardest, 8)
    Miner(hardest, 8)
    """

    def __init__(
        self,
        function: Callable[..., Mined],
        num_candidates: int,
        *,
        guide: Any = None,
        past_epochs: int = 5,
        **options: Any,
    ) -> None:
        parameters = signature(function).parameters
        known = list(parameters)[2:]  # candidates and their scores come from the trainer
        unknown = [name for name in options if name not in known]
        if unknown:
            raise InvalidDataError(
                f"options of {described(function)} must be among {', '.join(known)}; "
                f"got {', '.join(unknown)}"
            )
        self.function = function
        unmet = [
            name
            for name, parameter in parameters.items()
            if parameter.kind is Parameter.KEYWORD_ONLY
            and parameter.default is Parameter.empty
            and name not in {*OFFERED, *options}
        ]
        if unmet:
            raise InvalidDataError(
                f"{described(function)} needs {', '.join(unmet)}, which trainers do not offer and "
                f"options must give; got {', '.join(options) or 'no options'}"
            )
        self.num_candidates = check_count(num_candidates, "num_candidates")
        self.guide = guide
        self.options = options
        self.needs = frozenset(OFFERED) & set(parameters) - set(options)
        if guide is None and self.needs & GUIDED:
            raise InvalidDataError(f"{described(function)} must have a guide; got none")
        past_epochs = check_count(past_epochs, "past_epochs")
        self.past_epochs = past_epochs if self.needs & PAST else 0

    def __repr__(self) -> str:
        given = {name: value for name, value in self.options.items() if value is not None}
        if self.past_epochs:
            given["past_epochs"] = self.past_epochs
        options = "".join(f", {name}={value!r}" for name, value in given.items())
        return f"Miner({described(self.function)}, {self.num_candidates}{options})"

    def __call__(self, negatives: Negatives, scores: Any, **offered: Any) -> Mined:
        """Call the function with what it needs of `offered`, and with the options."""
        needed = {name: offered[name] for name in self.needs}
        mined = self.function(negatives, scores, **needed, **self.options)
        self._check(mined, len(scores), offered["num_items"])
        return mined

    def _check(self, mined: Mined, num_rows: int, num_items: int) -> None:
        """Raise `InvalidDataError` unless a function kept what kernels may index by."""
        who = described(self.function)
        if not isinstance(mined, Mined):
            raise InvalidDataError(f"{who} must return a Mined; got {type(mined).__name__}")
        items, mask = np.asarray(mined.items), np.asarray(mined.mask)
        if items.ndim != 2 or len(items) != num_rows or items.dtype.kind not in "iu":
            raise InvalidDataError(
                f"{who} must return integer items of shape ({num_rows}, num_negatives); "
                f"got {items.dtype} of shape {items.shape}"
            )
        for name, part in (("mask", mask), ("log_q", mined.log_q), ("weights", mined.weights)):
            if part is not None and np.shape(part) != items.shape:
                raise InvalidDataError(
                    f"{who} must return {name} of the shape of items, {items.shape}; "
                    f"got {np.shape(part)}"
                )
        if mask.dtype != np.bool_:
            raise InvalidDataError(f"{who} must return a bool mask; got {mask.dtype}")
        wrong = items[mask & ((items < 0) | (items >= num_items))]
        if wrong.size:
            raise InvalidDataError(
                f"{who} must return items in [0, {num_items}) where mask is true; got {wrong[0]}"
            )
