"""Options that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

__all__ = ["DataOptions", "ModelOptions", "SourceOptions"]


@dataclass(frozen=True)
class SourceOptions:
    """Which interactions.

    Parameters
    ----------
    data
        A name from recneg datasets, "simulated", or a CSV, TSV, ::-separated or Parquet file. A
        text file with a number in its first line has no header: its columns are user, item,
        weight and timestamp, as far as there are any.
    threshold
        Keep interactions with at least this rating.
    fold
        Official fold, for data sets that have them (movielens-100k: u1 to u5, ua, ub).
    user
        Column of the user or session ids in a file; found by its name if not given.
    item
        Column of the item ids in a file; found by its name if not given.
    weight
        Column of ratings or counts, which a threshold needs; found by its name if not given, and
        none takes no column.
    timestamp
        Column of times, which splits by time need; found by its name if not given, and none takes
        no column.
    ids
        Kind of the ids in a text file.
    seed
        Seed of everything random: simulation, splits, training, draws.
    """

    data: str = "sample"
    threshold: float | None = None
    fold: str | None = None
    user: str | None = None
    item: str | None = None
    weight: str | None = None
    timestamp: str | None = None
    ids: Literal["integer", "string"] = "integer"
    seed: int = 0


@dataclass(frozen=True)
class DataOptions(SourceOptions):
    """Which interactions, and how they are split.

    Parameters
    ----------
    split
        How to hold out: the data set's own split (given), at random per user, each user's last
        interactions, or the newest of all (time). auto: given if there is one, else random;
        of sequences the newest.
    test
        Share held out for test (random, time); leave-last holds out one for each user.
    validation
        Share held out for choosing the epoch (random, time), or carved from a given train part.
    """

    split: Literal["auto", "given", "random", "leave-last", "time"] = "auto"
    test: float = 0.2
    validation: float = 0.1


@dataclass(frozen=True)
class ModelOptions:
    """Options that trainers share; what is not given is the model's own, see recneg models.

    Parameters
    ----------
    factors
        Length of the vectors.
    epochs
        Passes over the interactions, at most.
    learning_rate
        Step for a single triple, of bpr and nbpo; others have it with --optimizer.
    regularization
        L2 decay.
    item_bias
        Learn a bias for each item.
    patience
        Stop after this many evaluations on validation without a better NDCG@20 (of models of
        sequences: Recall@20, or what their options say), and keep the best epoch; none: train for
        all epochs and keep the last.
    evaluate_every
        Epochs between evaluations on validation.
    threads
        Threads for training; 0: as many as the environment variable RECNEG_NUM_THREADS says, else
        all cores. One thread gives the same bits for the same seed.
    """

    factors: int | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    regularization: float | None = None
    item_bias: bool | None = None
    patience: Annotated[int | Literal["none", "None"] | None, Parameter(show_choices=False)] = None
    evaluate_every: int | None = None
    threads: int = 0
