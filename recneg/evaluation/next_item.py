"""Full-catalogue evaluation of what came next in held-out sequences, event by event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.checks import check_count
from recneg.errors import InvalidDataError
from recneg.evaluation.next_item_result import RANK_METRICS, NextItemEvaluation
from recneg.evaluation.target_ranks import Histories, factor_scores, target_ranks
from recneg.interactions import Interactions
from recneg.retrieval.factors import CHUNK_BYTES, check_factors
from recneg.retrieval.ranking import as_floats
from recneg.sequence_splits import Targets, check_targets
from recneg.sequences import Sequences, check_sequences

__all__ = ["Wanted", "evaluate_next_item", "wanted_events"]

_EVENTS_AT_ONCE = 1 << 15


def evaluate_next_item(
    model: Any,
    sequences: Sequences,
    *,
    k: int | Sequence[int] = 20,
    metrics: Iterable[str] = ("recall", "mrr", "ndcg"),
    targets: Targets = "every",
    exclude_seen: bool = False,
    train: Sequences | Interactions | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> NextItemEvaluation:
    """Rank the whole catalogue after each event, and see where the item stands that came next.

    The rank of an item is 1, plus the number of items with a higher score, plus that of items with
    the same score and a smaller id. Every target counts, those of items that no training sequence
    has too. The model sees each sequence without its last event, so that event cannot leak.

    Parameters
    ----------
    model : object or callable
        Anything with ``item_factors`` (num_items, d) and a method ``next_item_vectors`` from
        sequences to one vector for each of their events, (num_events, d): the inner products are
        the scores of what comes after that event, given it and those before it in its sequence.
        ``item_biases`` (num_items,) are added, if it has some. A method ``session_vectors``, from
        sequences to the vector after the last event of each, (num_sequences, d), is asked instead
        where only last events are targets. Or a function of sequences that returns such scores,
        float (num_events, num_items).
    sequences : Sequences
        Whole held-out sequences.
    k : int or sequence of int
        Lengths of the lists.
    metrics : iterable of str
        Names of `RANK_METRICS`.
    targets : {"every", "last"}
        Every event after the first of its sequence, or the last event of each sequence.
    exclude_seen : bool
        Rank without the items that occurred before in the sequence. A target that did cannot be
        recommended: such targets are left out and reported.
    train : Sequences or Interactions, optional
        Only to report how many targets never occur in it.
    chunk_bytes : int
        Bound on the score buffer, at least 32 rows or, of a function, one sequence. Changes no
        result, up to the rounding of BLAS.

    Raises
    ------
    InvalidDataError
        For k below 1, unknown metrics and targets, sequences without a target, a model of another
        shape, and NaN scores, naming the sequence.

    Examples
    --------
    >>> from recneg.evaluation import transitions
    >>> train = Sequences.from_arrays([0, 0, 0, 1, 1], [0, 1, 2, 0, 1])
    >>> test = Sequences.from_arrays([0, 0, 0], [0, 1, 0], num_items=3)
    >>> evaluate_next_item(transitions(train), test, k=1, metrics=["recall"]).mean("recall@1")
    0.5
    """
    check_sequences(sequences, "sequences")
    lengths = list(k) if isinstance(k, Iterable) else [k]
    if not lengths:
        raise InvalidDataError("k must hold at least one length; got none")
    lengths = sorted({check_count(length, "k") for length in lengths})
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        raise InvalidDataError(f"metrics must be a list of names; got {metrics!r}")
    names, known = list(metrics), list(RANK_METRICS)
    if not names:
        raise InvalidDataError(f"metrics must hold at least one of {known}; got none")
    for name in names:
        if name not in known:
            raise InvalidDataError(f"metrics must be among {known}; got {name!r}")
    unseen = None if train is None else _unseen(sequences, train)
    wanted, first, num_masked = wanted_events(sequences, targets, exclude_seen)
    ranks = _ranks(model, sequences, wanted, first, chunk_bytes, last=targets == "last")
    values = {
        f"{name}@{length}": np.where(ranks <= length, RANK_METRICS[name](ranks), 0.0)
        for name in names
        for length in lengths
    }
    owners = np.searchsorted(sequences.indptr, wanted, side="right") - 1
    skipped = np.setdiff1d(np.arange(len(sequences)), owners)
    num_unseen = None if unseen is None else int(unseen[sequences.items[wanted]].sum())
    return NextItemEvaluation(wanted, owners, ranks, values, skipped, num_masked, num_unseen)


def _unseen(sequences: Sequences, train: Sequences | Interactions) -> NDArray[np.bool_]:
    """Tell for each item whether train lacks it."""
    ours, theirs = sequences.item_ids, train.item_ids
    if train.num_items != sequences.num_items or (
        ours is not None and theirs is not None and not np.array_equal(ours, theirs)
    ):
        raise InvalidDataError(
            f"train must share the items of the sequences, {sequences.num_items}; "
            f"got {train.num_items}, or other item_ids"
        )
    return np.asarray(train.item_counts() == 0)


class Wanted(NamedTuple):
    """What is predicted of held-out sequences.

    Attributes
    ----------
    events : numpy.ndarray of int64, shape (num_targets,)
    first : numpy.ndarray of bool, shape (num_events,), or empty if nothing is masked
        Whether an event's item did not occur before in its sequence.
    num_masked : int
        Targets left out.
    """

    events: NDArray[np.int64]
    first: NDArray[np.bool_]
    num_masked: int


def wanted_events(
    sequences: Sequences, targets: Targets, exclude_seen: bool, name: str = "the sequences"
) -> Wanted:
    """Return the events that are to be predicted; errors call the sequences by `name`.

    Raises
    ------
    InvalidDataError
        For unknown targets, and without a target.
    """
    check_targets(targets)
    wanted, first, num_masked = _wanted(sequences, targets), np.empty(0, np.bool_), 0
    if exclude_seen:
        first = _first_events(sequences)
        num_masked = int((~first[wanted]).sum())
        wanted = wanted[first[wanted]]
    if not wanted.size:
        raise InvalidDataError(
            f"{name} must have an event to predict that is not masked; "
            f"got {len(sequences)} sequences, {num_masked} such events masked"
        )
    return Wanted(wanted, first, num_masked)


def _wanted(sequences: Sequences, targets: Targets) -> NDArray[np.int64]:
    """Return the events that are to be predicted."""
    starts, stops = sequences.indptr[:-1], sequences.indptr[1:]
    if targets == "last":
        return stops[stops - starts >= 2] - 1
    later = np.ones(sequences.num_events, np.bool_)
    later[starts[stops > starts]] = False
    return np.flatnonzero(later)


def _first_events(sequences: Sequences) -> NDArray[np.bool_]:
    """Tell for each event whether its item did not occur before in its sequence."""
    owners = sequences.owners()
    order = np.lexsort((sequences.items, owners))
    items, owners = sequences.items[order], owners[order]
    first = np.ones(order.size, np.bool_)
    first[order[1:]] = (items[1:] != items[:-1]) | (owners[1:] != owners[:-1])
    return first


def _ranks(
    model: Any,
    sequences: Sequences,
    wanted: NDArray[np.int64],
    first: NDArray[np.bool_],
    chunk_bytes: int,
    *,
    last: bool,
) -> NDArray[np.int64]:
    """Return the rank of each wanted event; no items are masked where `first` is empty."""
    owners = np.searchsorted(sequences.indptr, wanted, side="right") - 1
    score, at_once = _scorer(model, sequences.num_items, chunk_bytes, last)
    ranks = np.empty(wanted.size, np.int64)
    for start, stop in _slices(sequences.indptr, at_once):
        low, high = np.searchsorted(owners, [start, stop])
        if low == high:
            continue
        inputs = sequences.between(start, stop).without_last(1)
        part, rows = wanted[low:high], owners[low:high]
        # of each sequence the last event is cut off; an input stands one before its target
        place = inputs.indptr[rows - start] + part - sequences.indptr[rows] - 1
        begins = sequences.indptr[rows] if first.size else part
        masked = Histories(sequences.items, first, begins, part)
        for block, scores in score(inputs, place):
            found = target_ranks(
                scores, sequences.items[part[block]], masked.rows(block.start, block.stop)
            )
            if not found.all():
                bad = rows[block][int(np.argmin(found))]
                raise InvalidDataError(f"scores must not be NaN; got NaN in sequence {bad}")
            ranks[low + block.start : low + block.stop] = found
    return ranks


def _slices(indptr: NDArray[np.int64], at_once: int) -> Iterator[tuple[int, int]]:
    """Yield spans of whole sequences with at most `at_once` events, or one sequence."""
    start = 0
    while start < indptr.size - 1:
        reached = int(np.searchsorted(indptr, indptr[start] + at_once, side="right")) - 1
        stop = max(reached, start + 1)
        yield start, stop
        start = stop


def _scorer(model: Any, num_items: int, chunk_bytes: int, last: bool) -> tuple[Any, int]:
    """Return a function from sequences and places to blocks of scores, and events at once."""
    item_factors = getattr(model, "item_factors", None)  # once: a property may build them
    encode, name = getattr(model, "next_item_vectors", None), "next_item_vectors"
    after_last = getattr(model, "session_vectors", None) if last else None
    if encode is not None and after_last is not None:
        encode, name = after_last, "session_vectors"
    if item_factors is not None and encode is not None:
        factors = as_floats(item_factors, "item_factors")
        if len(factors) != num_items:
            raise InvalidDataError(
                f"the model must have factors for {num_items} items; got {len(factors)}"
            )
        biases = getattr(model, "item_biases", None)
        biases = None if biases is None or len(biases) == 0 else _column(biases, num_items)

        def by_factors(inputs: Sequences, place: NDArray[np.int64]) -> Any:
            vectors = as_floats(encode(inputs), name)
            of, count = "events", inputs.num_events
            if after_last is not None:
                of, count = "sequences", inputs.num_sequences
                place = np.searchsorted(inputs.indptr, place, side="right") - 1
            if len(vectors) != count:
                raise InvalidDataError(
                    f"the model must return a vector for each of {count} {of}; got {len(vectors)}"
                )
            left, right = check_factors(vectors[place], factors)
            if biases is not None:
                left = np.hstack([left, np.ones((len(left), 1), left.dtype)])
                right = np.hstack([right, biases.astype(right.dtype)])
            return factor_scores(left, right, chunk_bytes)

        return by_factors, _EVENTS_AT_ONCE
    if not callable(model):
        raise TypeError(
            "the model must be callable or have next_item_vectors and item_factors; "
            f"got {type(model).__name__}"
        )

    def by_scores(inputs: Sequences, place: NDArray[np.int64]) -> Any:
        scores = as_floats(model(inputs), "the scores of the model")
        if scores.shape != (inputs.num_events, num_items):
            raise InvalidDataError(
                f"the model must return scores of shape {(inputs.num_events, num_items)}; "
                f"got {scores.shape}"
            )
        whole = place.size == inputs.num_events
        return [(slice(0, place.size), scores if whole else scores[place])]

    return by_scores, max(1, chunk_bytes // (8 * max(num_items, 1)))


def _column(biases: Any, num_items: int) -> NDArray[Any]:
    values = np.asarray(biases.detach().cpu() if hasattr(biases, "detach") else biases)
    if values.shape != (num_items,):
        raise InvalidDataError(f"item_biases must have shape ({num_items},); got {values.shape}")
    return values[:, None]
