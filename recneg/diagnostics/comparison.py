"""One model, one split, several samplers: what each of them gives, side by side."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from recneg.catalogue import Recipe
from recneg.checks import check_count
from recneg.diagnostics.negatives import NegativesSummary, summarise_negatives
from recneg.errors import InvalidDataError
from recneg.evaluation import Evaluation, evaluate
from recneg.interactions import Interactions
from recneg.samplers import Adaptive, PerBatch, Sampler
from recneg.splits import Split
from recneg.training import BPR, Epoch, SamplerLike
from recneg.training.trainer import Trainer

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Comparison", "Outcome", "compare_samplers"]

Choice = Recipe | SamplerLike | Callable[[Interactions], Recipe]
"""What a trainer takes as its sampler, a recipe of the catalogue, or a function for either."""


@dataclass(frozen=True)
class Outcome:
    """What one sampler gave.

    Attributes
    ----------
    model : Trainer
    test : Evaluation
    negatives : NegativesSummary
        Of a pass at the trained model's factors, `Trainer.negatives`.
    """

    model: Trainer
    test: Evaluation
    negatives: NegativesSummary

    @property
    def history(self) -> list[Epoch]:
        """The epochs of training."""
        return self.model.history

    @property
    def seconds(self) -> float:
        """Seconds of training, without `start_up`."""
        return self.history[-1].seconds - self.start_up if self.history else 0.0

    @property
    def start_up(self) -> float:
        """Seconds that the first epoch took beyond the median of the others: it may compile."""
        stamps = [epoch.seconds for epoch in self.history]
        if len(stamps) < 2:
            return 0.0
        usual = statistics.median(after - before for before, after in pairwise(stamps))
        return max(0.0, stamps[0] - usual)

    @property
    def triples_per_second(self) -> float:
        """Training triples a second over all epochs but the first, which may compile kernels."""
        if not self.history:
            return float("nan")
        timed = self.history[1:]
        seconds = self.history[-1].seconds - self.history[0].seconds
        return sum(epoch.triples for epoch in timed) / seconds if seconds > 0 else float("nan")


@dataclass(frozen=True)
class Comparison:
    """The outcomes of `compare_samplers` by sampler, and the cut-off k of their metrics."""

    outcomes: Mapping[str, Outcome]
    k: int

    def table(self) -> pl.DataFrame:
        """Return one row a sampler.

        ``recall`` and ``ndcg`` come with the ends of their 95 % confidence intervals over users;
        ``false_negatives`` is the share of held-out positives (validation and test) that one epoch
        drew as negatives, ``false_negative_rate`` the share of draws that are held-out positives.
        Seconds are those of training without what the first epoch took beyond the others.
        """
        import polars as pl

        return pl.DataFrame([self._row(name, outcome) for name, outcome in self.outcomes.items()])

    def _row(self, name: str, outcome: Outcome) -> dict[str, Any]:
        row: dict[str, Any] = {"sampler": name}
        for metric in ("recall", "ndcg"):
            label = f"{metric}@{self.k}"
            low, high = outcome.test.confidence_interval(label)
            row |= {label: outcome.test.mean(label), f"{label} low": low, f"{label} high": high}
        negatives = outcome.negatives
        return row | {
            f"coverage@{self.k}": outcome.test.mean(f"coverage@{self.k}"),
            "negatives popularity": negatives.popularity,
            "false negatives": negatives.held_out_drawn,
            "false negative rate": negatives.false_negatives,
            "triples per second": outcome.triples_per_second,
            "epochs": len(outcome.history),
            "training seconds": outcome.seconds,
        }

    def curves(self) -> pl.DataFrame:
        """Return validation NDCG@20 against training seconds: one row a sampler and evaluation.

        What the first epoch took beyond the others, compilation, is left out.
        """
        import polars as pl

        rows = [
            (name, epoch.epoch, epoch.seconds - start_up, epoch.validation)
            for name, outcome in self.outcomes.items()
            for start_up in [outcome.start_up]
            for epoch in outcome.history
            if epoch.validation is not None
        ]
        columns = ["sampler", "epoch", "seconds", "validation ndcg@20"]
        return pl.DataFrame(rows, schema=columns, orient="row")


def compare_samplers(
    split: Split,
    samplers: Mapping[str, Choice],
    *,
    k: int = 20,
    trainer: Callable[..., Trainer] = BPR,
    options: Mapping[str, Any] | None = None,
    on_epoch: Callable[[str, Epoch], None] | None = None,
) -> Comparison:
    """Train one model once per sampler on the same split and evaluate each on test once.

    The samplers see the training part alone: one made of other data is refused. Validation data
    choose the epoch (if ``options`` set `patience`) and are masked, as train is, when test is
    ranked.

    Parameters
    ----------
    split : Split
    samplers : mapping of str to Sampler, Adaptive, PerBatch, Recipe or callable
        Names to what draws the negatives; a callable makes it from the training interactions. A
        sampler that is ready must have been made of those, of nothing else.
    k : int
    trainer : callable
        The class to train, or anything that makes one from `sampler`, `mining` and the options.
    options : mapping, optional
        Keyword arguments of it.
    on_epoch : callable, optional
        Called with the sampler's name and the `Epoch` after each epoch.
    """
    check_count(k, "k")
    for name in ("sampler", "mining"):
        if name in (options or {}):
            raise InvalidDataError(
                f"options must not hold {name!r}: samplers say what is drawn, as a Recipe with "
                f"mining; got {options}"
            )
    validation = split.validation if len(split.validation) else None
    held_out = split.validation.union(split.test)
    outcomes = {}
    for name, choice in samplers.items():
        recipe = _recipe(name, choice, split.train)
        model = trainer(**{**(options or {}), **recipe._asdict()})
        report = None if on_epoch is None else partial(on_epoch, name)
        model.fit(split.train, False, report, validation=validation)
        test = evaluate(model, split.train, split.test, k=k, exclude=split.validation)
        negatives = summarise_negatives(model.negatives(split.train), split.train, held_out)
        outcomes[name] = Outcome(model, test, negatives)
    return Comparison(outcomes, k)


def _recipe(name: str, choice: Choice, train: Interactions) -> Recipe:
    if not isinstance(choice, (Recipe, Sampler, Adaptive, PerBatch)):
        choice = choice(train)
    recipe = choice if isinstance(choice, Recipe) else Recipe(choice)
    law = recipe.sampler
    if isinstance(law, Sampler) and not _same_pairs(law.interactions, train):
        raise InvalidDataError(
            f"samplers must be made of the split's train, {train!r}; got {name!r}: {law!r}"
        )
    return recipe


def _same_pairs(one: Interactions, other: Interactions) -> bool:
    return np.array_equal(one.indptr, other.indptr) and np.array_equal(one.indices, other.indices)
