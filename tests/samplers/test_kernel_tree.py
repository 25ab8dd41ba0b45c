"""The quadratic kernel on a tree: its contract, its sums over ranges, and cancellation."""

import numpy as np
import pytest

from recneg.interactions import Interactions
from recneg.samplers.kernel_tree import KernelTree, _ask, _item_at, _mass, _new_query
from recneg.testing import chi_square_p_value


@pytest.mark.parametrize(
    ("num_items", "d"), [(1, 1), (3, 1), (7, 1), (1000, 1), (61, 2), (1000, 5), (33, 40)]
)
def test_every_node_holds_the_squares_of_its_range(num_items: int, d: int) -> None:
    rng = np.random.default_rng(0)
    items = rng.normal(size=(num_items, d)).astype(np.float32)
    users = rng.normal(size=(2, d)).astype(np.float32)
    data = Interactions.from_arrays([], [], num_users=2, num_items=num_items)
    tree = KernelTree(data, users, items)._tree
    squares = (items.astype(np.float64) @ users[1].astype(np.float64)) ** 2
    columns, rows = np.nonzero(np.tril(np.ones((d, d))))
    assert tree.num_leaves * tree.leaf_size >= num_items
    assert tree.leaf_size <= max(8 * d, 1)
    for node in range(1, 2 * tree.num_leaves):
        triangle = np.zeros((d, d))
        triangle[rows, columns] = tree.triangles[node]
        level = node.bit_length() - 1
        size = tree.leaf_size * (tree.num_leaves >> level)
        first = (node - (1 << level)) * size
        form = ((triangle @ users[1].astype(np.float64)) ** 2).sum()
        assert np.isclose(form, squares[first : first + size].sum(), rtol=1e-12, atol=1e-12)


def test_a_seen_item_that_outweighs_all_others_leaves_their_law_exact() -> None:
    """Its mass is 1e22, theirs 1 and 5: a plain difference of float64 sums would be noise."""
    data = Interactions.from_arrays([0], [500], num_users=1, num_items=1000)
    items = np.where(np.arange(1000) % 2, 2.0, 0.0)[:, None]
    items[500] = 1e11
    law = KernelTree(data, [[1.0]], items, alpha=1.0)
    expected = np.where(np.arange(1000) % 2, 5.0, 1.0)
    expected[500] = 0
    expected /= expected.sum()
    log_q = law._log_prob(np.zeros(1000, np.int64), np.arange(1000))
    assert np.allclose(np.exp(log_q), expected, rtol=1e-9)
    drawn = law.sample(np.zeros(400_000, np.int64), 1, key=0).items.ravel()
    observed = np.bincount(drawn, minlength=1000)
    assert chi_square_p_value(observed, expected * drawn.size) > 1e-6


def test_scores_that_vanish_beside_large_factors_stay_exact() -> None:
    """The user is orthogonal to all items, whose squares sum to 1e17."""
    rng = np.random.default_rng(0)
    along = rng.integers(1, 1 << 20, 400).astype(np.float64) * 8
    items = np.column_stack((along, along))
    data = Interactions.from_arrays([0], [3], num_users=1, num_items=400)
    law = KernelTree(data, [[1.0, -1.0]], items, alpha=1e-6)
    log_q = law._log_prob(np.zeros(400, np.int64), np.arange(400))
    assert np.isneginf(log_q[3])
    assert np.allclose(np.delete(log_q, 3), -np.log(399), atol=1e-9)


def test_a_negative_score_weighs_as_much_as_a_positive_one() -> None:
    data = Interactions.from_arrays([], [], num_users=1, num_items=2)
    law = KernelTree(data, [[1.0]], [[3.0], [-3.0]])
    assert np.allclose(np.exp(law.log_prob(0, [0, 1])), 0.5)


@pytest.mark.parametrize("free", [0, 499, 999])
def test_one_free_item_is_found_in_any_leaf(free: int) -> None:
    seen = np.delete(np.arange(1000), free)
    data = Interactions.from_arrays(np.zeros(999, np.int64), seen, num_items=1000)
    items = np.random.default_rng(0).normal(size=(1000, 3)) * 100
    got = KernelTree(data, [[1.0, -2.0, 0.5]], items).sample(np.zeros(500, np.int64), 2, key=0)
    assert (got.items == free).all()
    assert np.allclose(got.log_q, 0)


def test_a_point_that_rounding_puts_past_the_mass_is_the_last_free_item() -> None:
    """Free are items 3 and 5 alone, far on the left: no step may lead where nothing is free."""
    seen = np.delete(np.arange(1000), [3, 5])
    data = Interactions.from_arrays(np.zeros(998, np.int64), seen, num_items=1000)
    tree = KernelTree(data, [[1.0]], np.random.default_rng(0).normal(size=(1000, 1)))._tree
    query = _ask(tree, 0, 998, 0, _new_query(1, 2 * tree.num_leaves))
    total = _mass(tree, 0, 998, 0, query, 1)
    assert _item_at(tree, 0, 998, 0, query, 0.0)[0] == 3
    assert _item_at(tree, 0, 998, 0, query, total * (1 + 1e-6))[0] == 5
