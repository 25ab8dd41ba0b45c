"""A mining function with its options, as trainers call it."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from recneg.errors import InvalidDataError
from recneg.mining.mined import Mined
from recneg.samplers import Negatives

__all__ = ["Miner"]

OFFERED = (
    "num_negatives", "positive_scores", "key", "rows", "users", "positives", "epoch",
    "guide_scores", "guide_positive_scores", "past_scores", "past_positive_scores",
    "item_popularity", "num_items",
)  # fmt: skip


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
        if isinstance(num_candidates, bool) or not isinstance(num_candidates, int):
            raise TypeError(f"num_candidates must be an integer; got {num_candidates!r}")
        if num_candidates < 1:
            raise InvalidDataError(f"num_candidates must be at least 1; got {num_candidates}")
        parameters = signature(function).parameters
        unknown = [name for name in options if name not in parameters]
        if unknown:
            raise InvalidDataError(
                f"options of {function.__name__} must be among {', '.join(parameters)}; "
                f"got {', '.join(unknown)}"
            )
        self.function = function
        self.num_candidates = num_candidates
        self.guide = guide
        self.options = options
        self.needs = frozenset(OFFERED) & set(parameters) - set(options)
        if guide is None and "guide_scores" in self.needs:
            raise InvalidDataError(f"{function.__name__} must have a guide; got none")
        self.past_epochs = past_epochs if "past_scores" in self.needs else 0

    def __repr__(self) -> str:
        given = {name: value for name, value in self.options.items() if value is not None}
        options = "".join(f", {name}={value!r}" for name, value in given.items())
        return f"Miner({self.function.__name__}, {self.num_candidates}{options})"

    def __call__(self, negatives: Negatives, scores: Any, **offered: Any) -> Mined:
        """Call the function with what it needs of `offered`, and with the options."""
        needed = {name: offered[name] for name in self.needs}
        return self.function(negatives, scores, **needed, **self.options)
