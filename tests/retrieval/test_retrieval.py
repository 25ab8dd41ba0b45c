"""Ranking against a plain sort, whatever the ties, the histories, the chunks and the threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recneg.errors import InvalidDataError, InvalidIdError
from recneg.interactions import Interactions
from recneg.parallel import set_num_threads
from recneg.retrieval import rank_factors, top_items


def plain_sort(scores, k, seen=None, rows=None):
    """Rank each row by (score descending, item ascending) in plain Python."""
    lists = []
    for row, values in enumerate(scores.tolist()):
        user = row if rows is None else rows[row]
        history = set() if seen is None else set(seen.items_of(user).tolist())
        order = sorted(set(range(len(values))) - history, key=lambda item: (-values[item], item))
        lists.append((order + [-1] * k)[:k])
    return lists


def some_seen(rng, num_users, num_items, share):
    users, items = np.nonzero(rng.random((num_users, num_items)) < share)
    return Interactions.from_arrays(users, items, num_users=num_users, num_items=num_items)


@st.composite
def cases(draw):
    num_users, num_items = draw(st.integers(1, 5)), draw(st.integers(1, 60))
    levels = [-np.inf, -2.0, -1.0, -0.0, 0.0, 0.5, 3.0, np.inf]
    values = st.sampled_from(levels) if draw(st.booleans()) else st.sampled_from(levels[2:4])
    row = st.lists(values, min_size=num_items, max_size=num_items)
    scores = draw(st.lists(row, min_size=num_users, max_size=num_users))
    seen = draw(st.sets(st.tuples(st.integers(0, num_users - 1), st.integers(0, num_items - 1))))
    if draw(st.booleans()):  # the first user has seen everything
        seen |= {(0, item) for item in range(num_items)}
    users, items = zip(*seen, strict=True) if seen else ((), ())
    history = Interactions.from_arrays(
        np.array(users, np.int64),
        np.array(items, np.int64),
        num_users=num_users,
        num_items=num_items,
    )
    return np.array(scores, draw(st.sampled_from([np.float32, np.float64]))), history


@settings(max_examples=300, deadline=None, derandomize=True)
@given(case=cases(), k=st.integers(1, 70))
def test_equals_a_plain_sort(case, k):
    scores, seen = case
    result = top_items(scores, k, seen=seen)
    assert result.items.tolist() == plain_sort(scores, k, seen)
    for row, items in enumerate(result.items):
        found = items >= 0
        assert np.array_equal(result.scores[row, found], scores[row, items[found]])
        assert (result.scores[row, ~found] == -np.inf).all()


@pytest.mark.parametrize("k", [1, 3, 20, 100, 2999, 3000, 4000])
@pytest.mark.parametrize("levels", [1, 2, 30, 1000, None], ids=lambda n: f"{n} levels")
def test_long_rows_with_ties(k, levels):
    rng = np.random.default_rng(k)
    scores = rng.standard_normal((6, 3000)).astype(np.float32)
    if levels:
        scores = np.floor(rng.random((6, 3000)) * levels).astype(np.float32)
    scores[1, rng.random(3000) < 0.99] = -np.inf
    scores[2] = np.sort(scores[2])
    scores[3] = np.sort(scores[3])[::-1]
    seen = some_seen(rng, 6, 3000, 0.05)
    assert top_items(scores, k, seen=seen).items.tolist() == plain_sort(scores, k, seen)


def test_rows_name_the_users():
    rng = np.random.default_rng(0)
    scores, seen = rng.random((4, 30)), some_seen(rng, 9, 30, 0.5)
    rows = [8, 0, 8, 3]
    assert top_items(scores, 30, seen=seen, rows=rows).items.tolist() == plain_sort(
        scores, 30, seen, rows
    )


def test_leaves_scores_unchanged_and_takes_any_layout():
    rng = np.random.default_rng(0)
    scores, seen = rng.random((8, 50)), some_seen(rng, 8, 50, 0.3)
    expected = plain_sort(scores, 5, seen)
    copy = scores.copy()
    copy.setflags(write=False)
    for layout in (copy, np.asfortranarray(scores), np.repeat(scores, 2, axis=1)[:, ::2]):
        assert top_items(layout, 5, seen=seen).items.tolist() == expected
    assert np.array_equal(copy, scores)
    assert top_items(scores.tolist(), 5, seen=seen).items.tolist() == expected


def test_takes_torch_tensors():
    torch = pytest.importorskip("torch")
    scores = torch.tensor([[0.0, 2.0, 1.0]], requires_grad=True)
    assert top_items(scores, 2).items.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "transform",
    [lambda x: 3 * x - 7, np.exp, np.arctan, lambda x: x**3, lambda x: 1 / (1 + np.exp(-x))],
    ids=["affine", "exp", "arctan", "cube", "sigmoid"],
)
def test_increasing_transforms_change_nothing(transform):
    rng = np.random.default_rng(1)
    scores = np.round(rng.standard_normal((20, 400)), 1)  # ties stay ties
    seen = some_seen(rng, 20, 400, 0.1)
    assert np.array_equal(
        top_items(scores, 50, seen=seen).items, top_items(transform(scores), 50, seen=seen).items
    )


@pytest.mark.parametrize("place", [0, 7, 899])
@pytest.mark.parametrize("is_seen", [False, True])
def test_nan_names_the_user(place, is_seen):
    scores = np.zeros((3, 900), np.float32)
    scores[2, place] = np.nan
    seen = Interactions.from_arrays([5] if is_seen else [0], [place], num_users=6, num_items=900)
    with pytest.raises(InvalidDataError, match=f"got NaN for user 5 in column {place}"):
        top_items(scores, 3, seen=seen, rows=[1, 3, 5])


@pytest.mark.parametrize("k", [0, -1, 1.5, "3", True])
def test_k_must_be_a_positive_integer(k):
    with pytest.raises(ValueError, match="k must be an integer of at least 1"):
        top_items(np.zeros((2, 3)), k)


def test_shapes_are_checked():
    seen = Interactions.from_arrays([0], [1], num_users=2, num_items=3)
    with pytest.raises(InvalidDataError, match="one column an item, 3; got 4"):
        top_items(np.zeros((2, 4)), 1, seen=seen)
    with pytest.raises(InvalidDataError, match="must be a matrix"):
        top_items(np.zeros(4), 1)
    with pytest.raises(InvalidDataError, match="must be a matrix"):
        top_items(np.array([["a"]]), 1)
    with pytest.raises(InvalidDataError, match="rows must have shape"):
        top_items(np.zeros((2, 3)), 1, seen=seen, rows=[0])
    with pytest.raises(InvalidIdError, match=r"user ids must lie in \[0, 2\); got 2"):
        top_items(np.zeros((3, 3)), 1, seen=seen)


# -- factors ------------------------------------------------------------------------------------


def exact_factors(rng, *shape):
    """Multiples of 1/8: their inner products are exact in float32, in any order of summation."""
    return (rng.integers(-16, 17, shape) / 8).astype(np.float32)


@pytest.fixture
def model():
    rng = np.random.default_rng(3)
    left, right = exact_factors(rng, 150, 12), exact_factors(rng, 333, 12)
    return left, right, some_seen(rng, 150, 333, 0.05)


def test_factors_equal_a_plain_sort(model):
    left, right, seen = model
    assert rank_factors(left, right, 20, seen=seen).items.tolist() == plain_sort(
        left @ right.T, 20, seen
    )


@pytest.mark.parametrize("chunk_bytes", [1, 333 * 4 * 40, 2**26])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_chunks_and_threads_change_nothing(model, chunk_bytes, threads):
    left, right, seen = model
    expected = rank_factors(left, right, 20, seen=seen)
    set_num_threads(threads)
    try:
        result = rank_factors(left, right, 20, seen=seen, chunk_bytes=chunk_bytes)
    finally:
        set_num_threads(None)
    assert result.items.tobytes() == expected.items.tobytes()
    assert result.scores.tobytes() == expected.scores.tobytes()


def test_some_users_in_any_order(model):
    left, right, seen = model
    users = [149, 0, 77, 77]
    everyone = rank_factors(left, right, 9, seen=seen)
    result = rank_factors(left, right, 9, users=users, seen=seen)
    assert np.array_equal(result.items, everyone.items[users])
    assert rank_factors(left, right, 9, users=[]).items.shape == (0, 9)


def test_candidates_and_filter_items(model):
    left, right, seen = model
    rng = np.random.default_rng(4)
    candidates, filtered = rng.permutation(333)[:60], rng.permutation(333)[:100]
    keep = np.setdiff1d(candidates, filtered)
    users = np.array([3, 140, 3])
    expected = [
        [item for item in order if item in keep][:50]
        for order in plain_sort((left @ right.T)[users], 333, seen, users)
    ]
    result = rank_factors(
        left, right, 50, users=users, seen=seen, candidates=candidates, filter_items=filtered
    )
    assert [row[row >= 0].tolist() for row in result.items] == expected
    nothing = rank_factors(left, right, 2, users=[0], candidates=[4], filter_items=[4])
    assert nothing.items.tolist() == [[-1, -1]]


def test_item_biases(model):
    left, right, seen = model
    biases = exact_factors(np.random.default_rng(5), 333)
    result = rank_factors(left, right, 20, seen=seen, item_biases=biases)
    assert result.items.tolist() == plain_sort(left @ right.T + biases, 20, seen)


def test_factor_errors(model):
    left, right, seen = model
    with pytest.raises(InvalidDataError, match="same number of columns"):
        rank_factors(left[:, 1:], right, 5)
    with pytest.raises(InvalidDataError, match=r"shape of the model, \(149, 333\)"):
        rank_factors(left[1:], right, 5, seen=seen)
    with pytest.raises(InvalidDataError, match=r"item_biases must have shape \(333,\)"):
        rank_factors(left, right, 5, item_biases=[1.0])
    with pytest.raises(InvalidIdError, match="item ids"):
        rank_factors(left, right, 5, candidates=[333])
    broken = left.copy()
    broken[77, 3] = np.nan
    with pytest.raises(InvalidDataError, match="NaN for user 77"):
        rank_factors(broken, right, 5, users=[3, 77], seen=seen)
