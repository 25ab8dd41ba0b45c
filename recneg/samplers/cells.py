"""A cell of items first, then a free item inside it: the kernel of all laws over groups.

Item weights are integers, so what a user's history leaves of a cell is exact: a cell without a free
item has mass 0, and the item inside is drawn by a rank among the free units of weight.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.csr import sort_rows
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.jit import kernel
from recneg.keys import Key, bounded_wide, word
from recneg.parallel import map_blocks
from recneg.samplers.base import Sampler
from recneg.samplers.factors import first_above, inner, unit_float, within_float32

__all__ = ["CellSampler", "Cells", "Weighting", "build_cells", "item_weights"]

Weighting = Literal["uniform", "popularity"]


class Cells(NamedTuple):
    """Items in cells, and how a user scores the cells; 20 bytes an item, 4 an interaction.

    The exponent of cell ``c = c0 * num_second + c1`` is ``(offset[c] + v0 . first[c0] + v1 .
    second[c1]) / temperature``, where v0 and v1 are the two parts of the user's vector.

    Attributes
    ----------
    start : numpy.ndarray of int64, shape (num_cells + 1,)
        Where the members of each cell begin.
    members : numpy.ndarray of int32, shape (num_items,)
        Items, cell after cell.
    places : numpy.ndarray of int32, shape (num_items,)
        Where each item stands in `members`.
    cell_of : numpy.ndarray of int32, shape (num_items,)
    prefix : numpy.ndarray of int64, shape (num_items + 1,)
        Weight of all members before each member.
    taken : numpy.ndarray of int32, shape (num_interactions,)
        Sorted places of each user's items; empty where none is excluded.
    first, second : numpy.ndarray of float64, shapes (num_first, d0) and (num_second, d1)
    offset : numpy.ndarray of float64, shape (num_cells,)
        -inf for a cell that is never drawn.
    temperature : float
    per_weight : bool
        True if the exponential is the mass of a unit of weight, false if that of a cell.
    """

    start: NDArray[np.int64]
    members: NDArray[np.int32]
    places: NDArray[np.int32]
    cell_of: NDArray[np.int32]
    prefix: NDArray[np.int64]
    taken: NDArray[np.int32]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    offset: NDArray[np.float64]
    temperature: float
    per_weight: bool


def build_cells(
    interactions: Interactions,
    unseen: bool,
    cell_of: NDArray[np.int64],
    weights: NDArray[np.int64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    *,
    offset: NDArray[np.float64] | None = None,
    temperature: float = 1.0,
    per_weight: bool = True,
) -> Cells:
    """Sort items into cells; `cell_of` and `weights` have shape (num_items,)."""
    num_cells = len(first) * len(second)
    members = np.argsort(cell_of, kind="stable").astype(np.int32)
    places = np.empty_like(members)
    places[members] = np.arange(members.size, dtype=np.int32)
    prefix = np.zeros(members.size + 1, np.int64)
    np.cumsum(weights[members], out=prefix[1:])
    taken = np.empty(0, np.int32)
    if unseen:
        taken = places[interactions.indices]
        map_blocks(partial(sort_rows, interactions.indptr, taken), interactions.num_users, 1 << 12)
    return Cells(
        np.searchsorted(cell_of[members], np.arange(num_cells + 1)), members, places,
        cell_of.astype(np.int32), prefix, taken, first, second,
        np.zeros(num_cells) if offset is None else offset, float(temperature), per_weight,
    )  # fmt: skip


def item_weights(interactions: Interactions, weighting: Weighting) -> NDArray[np.int64]:
    """Return the integer weight of each item inside its cell, shape (num_items,)."""
    if weighting == "uniform":
        return np.ones(interactions.num_items, np.int64)
    if weighting == "popularity":
        return interactions.item_counts()
    raise InvalidDataError(f"weighting must be 'uniform' or 'popularity'; got {weighting!r}")


class CellSampler(Sampler):
    """Base of the laws that draw a cell first; a subclass gives `_cells`.

    The first draw for a user in a block of rows takes O(num_cells + codewords * d + h) for h
    interactions, each further one O(log num_cells + log h + log num_items).
    """

    unseen: bool

    @property
    @abstractmethod
    def _cells(self) -> Cells: ...

    def _vectors(self) -> NDArray[np.float32]:
        """Return the users' vectors that the codebooks are multiplied with."""
        vectors = np.empty((self.num_users, 0), np.float32)
        vectors.setflags(write=False)
        return vectors

    def _draw(
        self, users: NDArray[np.int64], num_negatives: int, key: Key, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        items = np.empty((users.size, num_negatives), np.int64)
        log_q = np.empty((users.size, num_negatives), np.float32)
        _draw_rows(
            self._cells, self._vectors(), self.interactions.indptr, self.unseen, *key.words,
            users, rows, np.argsort(users, kind="stable"), items, log_q,
        )  # fmt: skip
        return items, log_q

    def _log_prob(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        u, out = users.flatten(), np.empty(items.size)
        _log_probs(
            self._cells, self._vectors(), self.interactions.indptr, self.unseen, u,
            items.flatten(), np.argsort(u, kind="stable"), out,
        )  # fmt: skip
        out[self.interactions.contains(users, items).ravel() & self.unseen] = -np.inf
        return within_float32(out.reshape(items.shape))


class Table(NamedTuple):
    """One user's law over cells; scratch that is filled anew for each user.

    Attributes
    ----------
    weights : numpy.ndarray of int64, shape (num_cells,)
        Weight of the free items of each cell.
    exponents : numpy.ndarray of float64, shape (num_cells,)
        Logarithm of the mass of a unit of weight, up to the common total.
    running : numpy.ndarray of float64, shape (num_cells,)
        Masses of the cells up to each.
    scores : numpy.ndarray of float64, shape (num_first + num_second,)
    before : numpy.ndarray of int64
        Weight of the user's taken items before each; at least one entry more than items.
    """

    weights: NDArray[np.int64]
    exponents: NDArray[np.float64]
    running: NDArray[np.float64]
    scores: NDArray[np.float64]
    before: NDArray[np.int64]


@kernel
def _new_table(cells: Cells) -> Table:
    num_cells = cells.offset.size
    return Table(
        np.empty(num_cells, np.int64), np.empty(num_cells), np.empty(num_cells),
        np.empty(cells.first.shape[0] + cells.second.shape[0]), np.empty(1, np.int64),
    )  # fmt: skip


@kernel
def _tabulate(
    cells: Cells,
    vectors: NDArray[np.float32],
    user: Any,
    begin: Any,
    end: Any,
    old: Table,
) -> tuple[Table, float]:
    """Return the table of a user, whose items are ``taken[begin:end]``, and its total's logarithm.

    The logarithm is -inf if the user has nothing to draw.
    """
    weights, exponents, running, scores, before = old
    if before.size <= end - begin:
        before = np.empty(2 * (end - begin) + 1, np.int64)
    for cell in range(weights.size):
        low, high = cells.start[cell], cells.start[cell + 1]
        weights[cell] = cells.prefix[high] - cells.prefix[low]
    before[0] = 0
    for position in range(end - begin):
        place = cells.taken[begin + position]
        weight = cells.prefix[place + 1] - cells.prefix[place]
        weights[cells.cell_of[cells.members[place]]] -= weight
        before[position + 1] = before[position] + weight
    num_first, num_second = cells.first.shape[0], cells.second.shape[0]
    for code in range(num_first):
        scores[code] = inner(vectors, user, 0, cells.first, code)
    for code in range(num_second):
        scores[num_first + code] = inner(vectors, user, cells.first.shape[1], cells.second, code)
    peak, cell = -np.inf, 0
    for code in range(num_first):
        for other in range(num_second):
            exponents[cell] = -np.inf
            if weights[cell] > 0:
                exponents[cell] = cells.offset[cell] + scores[code] + scores[num_first + other]
            peak = max(peak, exponents[cell])
            cell += 1
    total = 0.0
    for cell in range(weights.size):
        if exponents[cell] > -np.inf:
            # shifted before it is divided: no temperature can make it overflow
            exponents[cell] = (exponents[cell] - peak) / cells.temperature
            mass = np.exp(exponents[cell])
            if cells.per_weight:
                mass *= weights[cell]
            else:
                exponents[cell] -= np.log(np.float64(weights[cell]))
            total += mass
        running[cell] = total
    return Table(weights, exponents, running, scores, before), np.log(total)


@kernel
def _bisect(values: NDArray[np.int32], low: Any, high: Any, value: Any) -> Any:
    """Return the first position in ``[low, high)`` whose value is at least `value`, else `high`."""
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _place_of(
    cells: Cells, begin: Any, end: Any, before: NDArray[np.int64], cell: Any, unit: Any
) -> Any:
    """Return the place of the free member of a cell that owns the given unit of free weight."""
    start, stop = cells.start[cell], cells.start[cell + 1]
    origin = _bisect(cells.taken, begin, end, start)
    low, high = origin, _bisect(cells.taken, origin, end, stop)
    unit += cells.prefix[start]
    while low < high:  # how many taken members have at most `unit` free units before them
        middle = (low + high) >> 1
        passed = before[middle - begin] - before[origin - begin]
        if cells.prefix[cells.taken[middle]] - passed <= unit:
            low = middle + 1
        else:
            high = middle
    unit += before[low - begin] - before[origin - begin]
    first, last = start, stop - 1
    while first < last:
        middle = (first + last) >> 1
        if cells.prefix[middle + 1] <= unit:
            first = middle + 1
        else:
            last = middle
    return first


@kernel
def _draw_rows(
    cells: Cells,
    vectors: NDArray[np.float32],
    indptr: NDArray[np.int64],
    unseen: bool,
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    rows: NDArray[np.int64],
    order: NDArray[np.int64],
    items: NDArray[np.int64],
    log_q: NDArray[np.float32],
) -> None:
    """Fill `items` and `log_q`; rows of one user stand together in `order` and share its table."""
    table = _new_table(cells)
    current, begin, end, log_total = np.int64(-1), np.int64(0), np.int64(0), -np.inf
    for r in order:
        if users[r] != current:
            current = users[r]
            if unseen:
                begin, end = indptr[current], indptr[current + 1]
            table, log_total = _tabulate(cells, vectors, current, begin, end, table)
        for slot in range(items.shape[1]):
            if log_total == -np.inf:
                items[r, slot], log_q[r, slot] = -1, -np.inf
                continue
            target = unit_float(word(k0, k1, rows[r], slot, 0)) * table.running[-1]
            cell = first_above(table.running, target)
            m = np.uint64(table.weights[cell])
            attempt = 1
            unit, low_half = bounded_wide(word(k0, k1, rows[r], slot, attempt), m)
            while low_half < m and low_half < (np.uint64(0) - m) % m:
                attempt += 1
                unit, low_half = bounded_wide(word(k0, k1, rows[r], slot, attempt), m)
            place = _place_of(cells, begin, end, table.before, cell, np.int64(unit))
            weight = cells.prefix[place + 1] - cells.prefix[place]
            items[r, slot] = cells.members[place]
            log_q[r, slot] = table.exponents[cell] + np.log(np.float64(weight)) - log_total


@kernel
def _log_probs(
    cells: Cells,
    vectors: NDArray[np.float32],
    indptr: NDArray[np.int64],
    unseen: bool,
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    order: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Fill `out` with log q of the pairs, of which those that were seen have no meaning."""
    table = _new_table(cells)
    current, begin, end, log_total = np.int64(-1), np.int64(0), np.int64(0), -np.inf
    for r in order:
        if users[r] != current:
            current = users[r]
            if unseen:
                begin, end = indptr[current], indptr[current + 1]
            table, log_total = _tabulate(cells, vectors, current, begin, end, table)
        place = cells.places[items[r]]
        weight = cells.prefix[place + 1] - cells.prefix[place]
        out[r] = -np.inf
        if log_total > -np.inf and weight > 0:
            exponent = table.exponents[cells.cell_of[items[r]]]
            out[r] = exponent + np.log(np.float64(weight)) - log_total
