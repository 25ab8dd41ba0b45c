"""A mining function with its options, as trainers call it."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from recneg.errors import InvalidDataError
from recneg.mining.candidates import check_count
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
        unknown = [name for name in options if name not in parameters]
        if unknown:
            raise InvalidDataError(
                f"options of {described(function)} must be among {', '.join(parameters)}; "
                f"got {', '.join(unknown)}"
            )
        self.function = function
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
        return self.function(negatives, scores, **needed, **self.options)
