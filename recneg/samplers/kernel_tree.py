"""Items in proportion to a quadratic of their score, drawn from a binary tree of summed maps.

The mass of a range of items is ``alpha * sum(s_j ** 2) + size``. The sum of squares is a quadratic
form of the user's factors, ``|R u| ** 2`` where ``R`` is the triangle of the QR decomposition of
the range's item factors: as large as the summed outer products, but never negative, and exact where
the scores nearly vanish. The triangles are made by Householder reflections in a kernel and not by
LAPACK, whose last bits depend on the number of its threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recneg.errors import InvalidDataError
from recneg.jit import inlined, kernel
from recneg.keys import Key, word
from recneg.parallel import map_blocks
from recneg.samplers.factors import FactorSampler, inner, unit_float

__all__ = ["KernelTree"]

U = np.uint64  # indices of this type spare Numba's check for negative ones
CANCELLED = 1 - 2.0**-20
"""Share of a range's mass that is seen from which on it is summed up from the range's halves."""


class Tree(NamedTuple):
    """A complete binary tree over ranges of item ids, node 1 the root, 2n and 2n + 1 its halves.

    Attributes
    ----------
    user_factors, item_factors : numpy.ndarray of float32, shapes (num_users, d) and (num_items, d)
    indptr, indices : numpy.ndarray of int64 and int32
        Sorted items of each user.
    unseen : bool
    alpha : float
    triangles : numpy.ndarray of float64, shape (2 * num_leaves, d * (d + 1) / 2)
        R of each node, column after column.
    num_leaves, leaf_size : int
        Leaf l, node ``num_leaves + l``, holds items from ``l * leaf_size`` on.
    """

    user_factors: NDArray[np.float32]
    item_factors: NDArray[np.float32]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    unseen: bool
    alpha: float
    triangles: NDArray[np.float64]
    num_leaves: int
    leaf_size: int


class Query(NamedTuple):
    """What drawing needs to know of one user; scratch that is filled anew for each.

    Attributes
    ----------
    vector : numpy.ndarray of float64, shape (d,)
        The user's factors.
    image : numpy.ndarray of float64, shape (d,)
        Scratch for R times the vector.
    seen : numpy.ndarray of float64
        Masses of the excluded items.
    masses : numpy.ndarray of float64, shape (2 * num_leaves,)
        Masses of the free items of nodes already visited; -1 for others.
    visited : numpy.ndarray of int64, shape (2 * num_leaves + 1,)
        How many masses are known, then their nodes.
    stack : numpy.ndarray of int64
        Scratch for nodes to visit.
    """

    vector: NDArray[np.float64]
    image: NDArray[np.float64]
    seen: NDArray[np.float64]
    masses: NDArray[np.float64]
    visited: NDArray[np.int64]
    stack: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class KernelTree(FactorSampler):
    """Items in proportion to ``alpha * score ** 2 + 1``, over each user's unseen items.

    The quadratic kernel of Blanc & Rendle ("Adaptive sampled softmax with kernel based sampling",
    ICML 2018), drawn by descending a tree of ranges of items. The mass of a user's history inside a
    range is subtracted from that of the range, so what was seen is left out without rejections.
    Mind that a large negative score weighs as much as a positive one.

    With n items, a draw takes O(d ** 2 * log(n / 4d) + 4d * d), and the first for a user with h
    interactions in a block of rows O(h * d) besides; the catalogue is never enumerated. 4 bytes
    times d a user; 5.4 to 6.9 bytes times d an item.

    Parameters
    ----------
    interactions : Interactions
        Training interactions.
    user_factors : array_like, shape (num_users, d)
    item_factors : array_like, shape (num_items, d)
    alpha : float, default 100.0
        From 0, the uniform law, to 1e100.
    unseen : bool, default True

    Examples
    --------
    >>> import numpy as np
    >>> from recneg import Interactions
    >>> from recneg.samplers import KernelTree
    >>> data = Interactions.from_arrays([0, 1], [0, 1], num_items=3)
    >>> law = KernelTree(data, [[1.0], [2.0]], [[1.0], [-1.0], [3.0]], alpha=0.5)
    >>> np.exp(law.log_prob([[0], [1]], [0, 1, 2]), dtype=float).round(6).tolist()
    [[0.0, 0.214286, 0.785714], [0.136364, 0.0, 0.863636]]
    """

    alpha: float = field(default=100.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.alpha) and 0 <= self.alpha <= 1e100):
            raise InvalidDataError(f"alpha must lie in [0, 1e100]; got {self.alpha}")
        _ = self._tree

    @cached_property
    def _tree(self) -> Tree:
        num_items, d = self.item_factors.shape
        num_leaves = 1 << max(round(math.log2(num_items / (4 * d))), 0)
        triangles = np.zeros((2 * num_leaves, d * (d + 1) // 2))
        tree = Tree(
            self.user_factors, self.item_factors, self.interactions.indptr,
            self.interactions.indices, self.unseen, float(self.alpha),
            triangles, num_leaves, -(-num_items // num_leaves),
        )  # fmt: skip
        map_blocks(partial(_fill_leaves, tree), num_leaves, 16)
        level = num_leaves // 2
        while level:
            map_blocks(partial(_fill_nodes, tree, level), level, 16)
            level //= 2
        return tree

    def _draw(
        self, users: NDArray[np.int64], num_negatives: int, key: Key, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        items = np.empty((users.size, num_negatives), np.int64)
        log_q = np.empty((users.size, num_negatives), np.float32)
        _draw_rows(
            self._tree, *key.words, users, rows, np.argsort(users, kind="stable"), items, log_q
        )
        return items, log_q

    def _log_prob(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        u, out = users.flatten(), np.empty(items.size)
        _log_probs(self._tree, u, items.flatten(), np.argsort(u, kind="stable"), out)
        out[self.interactions.contains(users, items).ravel() & self.unseen] = -np.inf
        return out.reshape(items.shape)


@kernel
def _triangle(block: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write the triangle of a block's QR decomposition to `out`; consumes the block."""
    num_rows, d = block.shape
    products = np.empty(d)
    for k in range(min(num_rows, d)):
        square = 0.0
        for row in range(k, num_rows):
            square += block[U(row), U(k)] * block[U(row), U(k)]
        if square == 0.0:
            continue
        head = block[k, k]
        diagonal = -np.sqrt(square) if head > 0 else np.sqrt(square)
        block[k, k] = head - diagonal
        scale = 1.0 / (diagonal * (diagonal - head))
        products[:] = 0.0
        for row in range(k, num_rows):
            value = block[U(row), U(k)]
            for column in range(k + 1, d):
                products[U(column)] += value * block[U(row), U(column)]
        for row in range(k, num_rows):
            value = block[U(row), U(k)] * scale
            for column in range(k + 1, d):
                block[U(row), U(column)] -= value * products[U(column)]
        block[k, k] = diagonal
    for column in range(d):
        for row in range(min(column + 1, num_rows)):
            out[column * (column + 1) // 2 + row] = block[row, column]


@kernel
def _fill_leaves(tree: Tree, start: int, stop: int) -> None:
    num_items = tree.item_factors.shape[0]
    for leaf in range(start, stop):
        first = min(leaf * tree.leaf_size, num_items)
        last = min(first + tree.leaf_size, num_items)
        block = tree.item_factors[first:last].astype(np.float64)
        _triangle(block, tree.triangles[tree.num_leaves + leaf])


@kernel
def _fill_nodes(tree: Tree, level: int, start: int, stop: int) -> None:
    """Fill nodes ``level + start .. level + stop - 1``, whose halves are filled."""
    d = tree.item_factors.shape[1]
    for node in range(level + start, level + stop):
        block = np.zeros((2 * d, d))
        for half in range(2):
            for column in range(d):
                for row in range(column + 1):
                    value = tree.triangles[2 * node + half, column * (column + 1) // 2 + row]
                    block[half * d + row, column] = value
        _triangle(block, tree.triangles[node])


@kernel
def _new_query(num_factors: int, num_nodes: int) -> Query:
    return Query(
        np.empty(num_factors), np.empty(num_factors), np.empty(0), np.full(num_nodes, -1.0),
        np.zeros(num_nodes + 1, np.int64), np.empty(64, np.int64),
    )  # fmt: skip


@kernel
def _ask(
    tree: Tree,
    begin: Any,
    end: Any,
    user: Any,
    query: Query,
) -> Query:
    """Return the query of a user whose excluded items are ``tree.indices[begin:end]``."""
    seen = query.seen if query.seen.size >= end - begin else np.empty(2 * (end - begin))
    for f in range(query.vector.size):
        query.vector[f] = tree.user_factors[user, f]
    for position in range(end - begin):
        score = inner(tree.user_factors, user, 0, tree.item_factors, tree.indices[begin + position])
        seen[position] = tree.alpha * score * score + 1.0
    for entry in range(1, query.visited[0] + 1):
        query.masses[query.visited[entry]] = -1.0
    query.visited[0] = 0
    return Query(query.vector, query.image, seen, query.masses, query.visited, query.stack)


@inlined
def _bisect(indices: Any, low: Any, high: Any, item: Any) -> Any:
    """Return the first position in ``[low, high)`` whose item is at least `item`, else `high`."""
    while low < high:
        middle = (low + high) >> 1
        if indices[middle] < item:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def _bounds(tree: Any, node: Any) -> tuple[Any, Any]:
    """Return the first item of a node's range and the one after its last."""
    num_items, size = tree.item_factors.shape[0], tree.leaf_size
    while node < tree.num_leaves:
        node *= 2
        size *= 2
    first = min((node - tree.num_leaves) * tree.leaf_size, num_items)
    return first, min(first + size, num_items)


@kernel
def _mass(
    tree: Tree,
    begin: Any,
    end: Any,
    user: Any,
    query: Query,
    node: Any,
) -> Any:
    """Return and keep the mass of a node's free items, exactly 0 if there are none.

    What was seen is subtracted. Where next to nothing is left, and rounding would tell, the node's
    halves are asked in its place, down to the items of a leaf: along the user's history alone.
    """
    total = 0.0
    query.stack[0] = node
    depth = 1
    while depth > 0:
        depth -= 1
        at = query.stack[depth]
        first, last = _bounds(tree, at)
        low = _bisect(tree.indices, begin, end, first)
        high = _bisect(tree.indices, low, end, last)
        free = (last - first) - (high - low)
        if free == 0:
            continue
        query.image[:] = 0.0
        entry = 0
        for column in range(query.vector.size):
            for row in range(column + 1):
                query.image[U(row)] += query.vector[U(column)] * tree.triangles[U(at), U(entry)]
                entry += 1
        square = 0.0
        for row in range(query.image.size):
            square += query.image[U(row)] * query.image[U(row)]
        full = tree.alpha * square + (last - first)
        seen = 0.0
        for position in range(low, high):
            seen += query.seen[position - begin]
        if seen <= CANCELLED * full:
            total += full - seen
        elif at < tree.num_leaves:
            query.stack[depth] = 2 * at + 1
            query.stack[depth + 1] = 2 * at
            depth += 2
        else:
            for item in range(first, last):
                if low < high and tree.indices[low] == item:
                    low += 1
                    continue
                score = inner(tree.user_factors, user, 0, tree.item_factors, item)
                total += tree.alpha * score * score + 1.0
    query.masses[node] = total
    query.visited[0] += 1
    query.visited[query.visited[0]] = node
    return total


@kernel
def _item_at(
    tree: Tree,
    begin: Any,
    end: Any,
    user: Any,
    query: Query,
    target: Any,
) -> tuple[Any, float]:
    """Return the free item that owns the point `target` of the user's mass, and its own mass."""
    node = 1
    while node < tree.num_leaves:
        node *= 2
        left = query.masses[node]
        if left < 0:  # a call passes every array and costs more than this look
            left = _mass(tree, begin, end, user, query, node)
        if target >= left:
            right = query.masses[node + 1]
            if right < 0:
                right = _mass(tree, begin, end, user, query, node + 1)
            if right > 0:  # else rounding led here: the last item on the left
                target -= left
                node += 1
    first, last = _bounds(tree, node)
    low = _bisect(tree.indices, begin, end, first)
    item, mass, running = -1, 0.0, 0.0
    for candidate in range(first, last):
        if low < end and tree.indices[low] == candidate:
            low += 1
            continue
        item = candidate
        score = inner(tree.user_factors, user, 0, tree.item_factors, item)
        mass = tree.alpha * score * score + 1.0
        running += mass
        if target < running:
            break
    return item, mass


@kernel
def _draw_rows(
    tree: Tree,
    k0: np.uint32,
    k1: np.uint32,
    users: NDArray[np.int64],
    rows: NDArray[np.int64],
    order: NDArray[np.int64],
    items: NDArray[np.int64],
    log_q: NDArray[np.float32],
) -> None:
    """Fill `items` and `log_q`; rows of one user stand together in `order` and share masses."""
    query = _new_query(tree.user_factors.shape[1], 2 * tree.num_leaves)
    current, begin, end, total = np.int64(-1), np.int64(0), np.int64(0), 0.0
    for r in order:
        user = users[r]
        if user != current:
            current = user
            if tree.unseen:
                begin, end = tree.indptr[user], tree.indptr[user + 1]
            query = _ask(tree, begin, end, user, query)
            total = _mass(tree, begin, end, user, query, 1)
        for slot in range(items.shape[1]):
            if total == 0.0:
                items[r, slot], log_q[r, slot] = -1, -np.inf
                continue
            target = unit_float(word(k0, k1, rows[r], slot, 0)) * total
            item, mass = _item_at(tree, begin, end, user, query, target)
            items[r, slot] = item
            log_q[r, slot] = np.log(mass) - np.log(total)


@kernel
def _log_probs(
    tree: Tree,
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    order: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Fill `out` with log q of the pairs, of which those that were seen have no meaning."""
    query = _new_query(tree.user_factors.shape[1], 2 * tree.num_leaves)
    current, begin, end, total = np.int64(-1), np.int64(0), np.int64(0), 0.0
    for r in order:
        user = users[r]
        if user != current:
            current = user
            if tree.unseen:
                begin, end = tree.indptr[user], tree.indptr[user + 1]
            query = _ask(tree, begin, end, user, query)
            total = _mass(tree, begin, end, user, query, 1)
        score = inner(tree.user_factors, user, 0, tree.item_factors, items[r])
        out[r] = np.log(tree.alpha * score * score + 1.0) - np.log(total)
