"""The spectral start against SciPy's singular value decomposition."""

import numpy as np
import pytest

from recneg import Interactions, MatrixFactorization
from recneg.errors import InvalidDataError
from recneg.keys import Key
from recneg.training.spectral import spectral_factors


def some_interactions(num_users: int = 120, num_items: int = 60) -> Interactions:
    """Four groups of users who like their own quarter of the items, and a user and item alone."""
    rng = np.random.default_rng(0)
    groups = np.arange(num_users) % 4
    chance = np.where(groups[:, None] == np.arange(num_items) % 4, 0.6, 0.03)
    users, items = np.nonzero(rng.random((num_users, num_items)) < chance)
    return Interactions.from_arrays(users, items, num_users=num_users + 1, num_items=num_items + 1)


def test_products_are_those_of_the_exact_decomposition() -> None:
    data, factors = some_interactions(), 4
    users, items = spectral_factors(data, factors, 0.1, Key(3))
    dense = np.zeros((data.num_users, data.num_items))
    dense[data.users(), data.indices] = 1.0
    dense /= np.sqrt(np.maximum(dense.sum(1, keepdims=True), 1))
    counts = np.maximum(data.item_counts(), 1)
    u, s, vt = np.linalg.svd(dense / np.sqrt(counts), full_matrices=False)
    exact_users, exact_items = (
        u[:, :factors] * np.sqrt(s[:factors]),
        vt[:factors].T * s[:factors] ** 0.5,
    )
    seen_users, seen_items = np.unique(data.users()), np.unique(data.indices)

    def cosines(a, b):
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
        return a @ b.T

    found = cosines(users[seen_users], items[seen_items])
    assert np.allclose(found, cosines(exact_users[seen_users], exact_items[seen_items]), atol=0.02)


def test_rows_have_the_length_of_random_ones_and_empty_rows_are_random() -> None:
    data = some_interactions()
    users, items = spectral_factors(data, 8, 0.2, Key(3))
    lengths = np.linalg.norm(users[np.unique(data.users())], axis=1)
    assert np.allclose(lengths, 0.2 * np.sqrt(8), rtol=0.1)
    assert np.linalg.norm(users[-1]) > 0
    assert np.linalg.norm(items[-1]) > 0
    again = spectral_factors(data, 8, 0.2, Key(3))
    assert np.array_equal(users, again[0])


def test_training_starts_there() -> None:
    data = some_interactions()
    options = {"factors": 4, "init": "spectral", "init_deviation": 0.05, "seed": 2}
    model = MatrixFactorization(epochs=0, **options).fit(data, show_progress=False)
    wanted = spectral_factors(data, 4, 0.05, Key(2).fold_in(0))
    assert np.array_equal(model.user_factors, wanted[0])
    assert np.array_equal(model.item_factors, wanted[1])


def test_too_many_factors_are_refused() -> None:
    data = some_interactions()
    with pytest.raises(InvalidDataError, match="at most 61 factors.*got 62"):
        spectral_factors(data, 62, 0.1, Key(0))
