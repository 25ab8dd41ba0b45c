"""Vectors after events of whole sequences, from an encoder that sees the latest events alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from recneg.models.tron import Packing, TRONEncoder
from recneg.ragged import flat_positions
from recneg.sequences import Sequences
from recneg.training.tables import Matrix

__all__ = ["vectors_after"]

EVENTS_AT_ONCE = 4096
"""Events that are encoded together, about."""


class _Windows(NamedTuple):
    """Spans of events that are encoded.

    `whole` tells whether all events of a window are wanted, or only its last.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    whole: NDArray[np.bool_]


def vectors_after(
    encoder: TRONEncoder, table: Matrix, sequences: Sequences, *, last: bool = False
) -> Matrix:
    """Return a vector after each event, or after the last of each sequence.

    The vector of an event depends on that event and on the ``max_length - 1`` before it, and on
    nothing else. An event beyond the first `max_length` of its sequence needs a pass of its own,
    so `last` is much faster where sequences are long and nothing else is asked for.

    Windows are sorted by length, so that batches have little padding.

    Parameters
    ----------
    encoder : TRONEncoder
        On its device.
    table : numpy.ndarray of float32, shape (num_items, factors)
        What items look like to the encoder.
    sequences : Sequences
    last : bool, default False

    Returns
    -------
    numpy.ndarray of float32, shape (num_events or num_sequences, factors)
        Zeros for sequences without events.
    """
    windows = _windows(sequences, encoder.max_length, last)
    out = np.zeros((len(sequences) if last else sequences.num_events, encoder.factors), np.float32)
    rows = np.flatnonzero(sequences.lengths()) if last else np.empty(0, np.int64)
    device = encoder.positions.device
    order = np.argsort(windows.lengths, kind="stable")
    training = encoder.training
    encoder.eval()
    try:
        with torch.inference_mode():
            for part in _batches(order, windows.lengths[order]):
                lengths = windows.lengths[part]
                ends = np.cumsum(lengths)
                events = flat_positions(windows.starts[part], lengths)
                items = torch.from_numpy(table[sequences.items[events]]).to(device)
                packing = Packing.of(torch.from_numpy(lengths).to(device))
                found = encoder(items, packing).float().cpu().numpy()
                if last:
                    out[rows[part]] = found[ends - 1]
                    continue
                kept = np.repeat(windows.whole[part], lengths)
                kept[ends - 1] = True
                out[events[kept]] = found[kept]
    finally:
        encoder.train(training)
    return out


def _windows(sequences: Sequences, size: int, last: bool) -> _Windows:
    counts = sequences.lengths()
    filled = counts > 0
    starts, counts = sequences.indptr[:-1][filled], counts[filled]
    lengths = np.minimum(counts, size)
    if last:
        return _Windows(starts + counts - lengths, lengths, np.zeros(len(starts), np.bool_))
    more = counts - lengths
    firsts = flat_positions(starts + 1, more)
    return _Windows(
        np.concatenate((starts, firsts)),
        np.concatenate((lengths, np.full(len(firsts), size))),
        np.arange(len(starts) + len(firsts)) < len(starts),
    )


def _batches(order: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Cut windows, sorted by length, where about `EVENTS_AT_ONCE` events are reached."""
    if not order.size:
        return []
    number = (np.cumsum(lengths) - lengths) // EVENTS_AT_ONCE
    return np.split(order, np.flatnonzero(np.diff(number)) + 1)
