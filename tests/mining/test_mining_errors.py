"""What mining refuses, each with the requirement and the value; and what its import costs."""

import subprocess
import sys
from collections.abc import Callable
from inspect import signature

import numpy as np
import pytest

from recneg import Interactions, Uniform, mining
from recneg.errors import InvalidDataError
from recneg.samplers import Negatives

ITEMS = np.array([[3, 1], [2, 5]])
GIVEN = Negatives(ITEMS, np.zeros((2, 2)), ITEMS > 0)
SCORES = np.array([[0.1, 0.2], [0.3, 0.4]])
ONE = {"positive_scores": np.zeros(2)}
VECTORS = {"candidate_vectors": np.ones((2, 2, 3)), "key": 0}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("among", [None, 2])
def test_bad_scores_name_the_row_unless_masked(bad: float, among: int | None) -> None:
    scores = SCORES.copy()
    scores[1, 0] = bad
    with pytest.raises(InvalidDataError, match="must not be NaN or \\+inf; got one in row 1"):
        mining.hardest(GIVEN, scores, among=among, key=0)
    masked = GIVEN._replace(mask=np.array([[True, True], [False, True]]))
    assert mining.hardest(masked, scores, among=among, key=0).items[1].tolist() == [5]


REFUSED: dict[str, tuple[type[Exception], str, Callable[[], object]]] = {
    "one axis": (InvalidDataError, r"shape \(batch, n\)", lambda: mining.hardest(GIVEN, SCORES[0])),
    "no candidate": (
        InvalidDataError,
        "n of at least 1",
        lambda: mining.hardest(GIVEN, SCORES[:, :0]),
    ),
    "integer scores": (
        InvalidDataError,
        "must be floats; got int64",
        lambda: mining.hardest(GIVEN, ITEMS),
    ),
    "other shape": (
        InvalidDataError,
        "items must have the shape of scores",
        lambda: mining.hardest(GIVEN, np.zeros((2, 3))),
    ),
    "an id too large": (
        InvalidDataError,
        "item ids in .*; got 2147483647",
        lambda: mining.hardest(GIVEN._replace(items=ITEMS + 2**31 - 4), SCORES),
    ),
    "times": (
        InvalidDataError,
        r"scores must have shape \(batch, n\)",
        lambda: mining.hardest(GIVEN, np.zeros((2, 4, 2)), among=1, key=0),
    ),
    "no negatives": (
        ValueError,
        "num_negatives must be an integer of at least 1; got 0",
        lambda: mining.hardest(GIVEN, SCORES, num_negatives=0),
    ),
    "half a negative": (
        ValueError,
        "num_negatives must be an integer",
        lambda: mining.top_k(GIVEN, SCORES, num_negatives=0.5),
    ),
    "among fewer": (
        ValueError,
        "among must be at least num_negatives, 3; got 2",
        lambda: mining.hardest(GIVEN, SCORES, num_negatives=3, among=2, key=0),
    ),
    "no key": (ValueError, "a key is needed", lambda: mining.hardest(GIVEN, SCORES, among=2)),
    "rows of another shape": (
        InvalidDataError,
        "rows must be integers of shape",
        lambda: mining.hardest(GIVEN, SCORES, among=2, key=0, rows=np.arange(3)),
    ),
    "hits of nothing": (
        ValueError,
        "needs positives or seen",
        lambda: mining.top_k(GIVEN, SCORES, mask_accidental_hits=True),
    ),
    "positives of another shape": (
        InvalidDataError,
        r"positives must have shape \(2,\); got \(3,\)",
        lambda: mining.top_k(GIVEN, SCORES, mask_accidental_hits=True, positives=np.arange(3)),
    ),
    "positive scores of another shape": (
        InvalidDataError,
        r"positive_scores must have shape \(2,\); got \(2, 1\)",
        lambda: mining.ambiguous(GIVEN, SCORES, positive_scores=np.zeros((2, 1)), key=0),
    ),
    "positive scores of NaN": (
        InvalidDataError,
        "positive_scores must be finite",
        lambda: mining.ambiguous(GIVEN, SCORES, positive_scores=np.full(2, np.nan), key=0),
    ),
    "a of 0": (
        ValueError,
        "a must be positive and finite; got 0",
        lambda: mining.ambiguous(GIVEN, SCORES, **ONE, key=0, a=0),
    ),
    "two bounds": (
        ValueError,
        "margin or percentage, not both",
        lambda: mining.positive_aware(GIVEN, SCORES, **ONE, margin=0.1, percentage=0.9),
    ),
    "another margin": (
        ValueError,
        "'absolute' or 'relative'; got 'both'",
        lambda: mining.guided(
            GIVEN, SCORES, guide_scores=SCORES, guide_positive_scores=np.zeros(2),
            margin_kind="both",
        ),
    ),
    "a guide of NaN": (
        InvalidDataError,
        "guide_scores must not be NaN",
        lambda: mining.guided(
            GIVEN, SCORES, guide_scores=SCORES * np.nan, guide_positive_scores=np.zeros(2)
        ),
    ),
    "log q of mining": (
        InvalidDataError,
        "log_q must be finite",
        lambda: mining.importance_weighted(mining.hardest(GIVEN, SCORES), SCORES[:, :1]),
    ),
    "a temperature of 0": (
        ValueError,
        "temperature must be positive and finite; got 0",
        lambda: mining.importance_resampled(GIVEN, SCORES, key=0, temperature=0),
    ),
    "rho of 0": (
        ValueError,
        "rho must be positive",
        lambda: mining.adaptive_softmax(GIVEN, SCORES, **ONE, rho=0.0),
    ),
    "a past of another shape": (
        InvalidDataError,
        r"past_scores must have shape \(2, 2, epochs\)",
        lambda: mining.variance(
            GIVEN, SCORES, **ONE, past_scores=np.zeros((2, 3, 4)), epoch=1,
            past_positive_scores=np.zeros((2, 4)),
        ),
    ),
    "a past of NaN": (
        InvalidDataError,
        "past scores of admissible candidates must be finite",
        lambda: mining.variance(
            GIVEN, SCORES, **ONE, past_scores=np.full((2, 2, 4), np.nan), epoch=1,
            past_positive_scores=np.zeros((2, 4)),
        ),
    ),
    "too few popularities": (
        InvalidDataError,
        "below the length of item_popularity, 5",
        lambda: mining.bayesian(GIVEN, SCORES, **ONE, item_popularity=np.ones(5)),
    ),
    "a negative popularity": (
        InvalidDataError,
        "numbers of at least 0",
        lambda: mining.bayesian(GIVEN, SCORES, **ONE, item_popularity=-np.ones(9)),
    ),
    "no mixtures": (
        ValueError,
        "nor both 0; got 0 and 0",
        lambda: mining.mixed_hard(
            GIVEN, SCORES, **VECTORS, query_vectors=np.ones((2, 3)), num_pairs=0
        ),
    ),
    "a query of another shape": (
        InvalidDataError,
        r"query_vectors must have shape \(2, 3\); got \(2, 4\)",
        lambda: mining.mixed_hard(GIVEN, SCORES, **VECTORS, query_vectors=np.ones((2, 4))),
    ),
    "vectors of other candidates": (
        InvalidDataError,
        r"candidate_vectors must have shape \(\*\(2, 1\), d\); got \(2, 2, 3\)",
        lambda: mining.mixed_positive(
            GIVEN, SCORES[:, :1], **VECTORS, positive_vectors=np.ones((2, 3))
        ),
    ),
    "factors of other users": (
        InvalidDataError,
        r"a row for each user and item, \(1, 2\); got \(2, 2\)",
        lambda: mining.refreshed(_data(), np.ones((2, 3)), np.ones((2, 3))),
    ),
    "a pool of other users": (
        InvalidDataError,
        "factors must have 1 and 2 rows",
        lambda: mining.resampled_pool(Uniform(_data()), np.ones((2, 3)), np.ones((2, 3)), key=0),
    ),
}  # fmt: skip


def _data() -> Interactions:
    return Interactions.from_arrays([0], [0], num_items=2)


@pytest.mark.parametrize(("error", "message", "call"), REFUSED.values(), ids=REFUSED)
def test_refused(error: type[Exception], message: str, call: Callable[[], object]) -> None:
    with pytest.raises(error, match=message):
        call()


def test_arrays_and_tensors_do_not_mix() -> None:
    import torch

    with pytest.raises(TypeError, match="[Mm]ultiple"):
        mining.hardest(GIVEN, torch.zeros(2, 2))


def test_mining_arrays_imports_neither_torch_nor_polars() -> None:
    code = """
import sys
import numpy as np
from recneg import mining
from recneg.samplers import Negatives
items = np.array([[1, 2]])
given = Negatives(items, np.zeros((1, 2)), items > 0)
mining.hardest(given, np.zeros((1, 2)), among=2, key=0)
mining.importance_resampled(given, np.zeros((1, 2)), key=0)
assert not {"torch", "polars"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["guided", "until_violation", "positive_aware", "ambiguous"])
def test_a_time_axis_is_refused_where_it_means_nothing(name: str) -> None:
    items = np.arange(12).reshape(2, 2, 3)
    drawn = Negatives(items, np.zeros(items.shape), items >= 0)
    known = {"positive_scores": np.zeros(2), "key": 0, "num_items": 9,
             "guide_scores": np.zeros((2, 2, 3)), "guide_positive_scores": np.zeros(2)}  # fmt: skip
    function = getattr(mining, name)
    given = {key: value for key, value in known.items() if key in signature(function).parameters}
    with pytest.raises(InvalidDataError, match=r"scores must have shape \(batch, n\)"):
        function(drawn, np.zeros((2, 2, 3)), **given)


def test_numbers_that_are_no_ids_or_flags_are_refused() -> None:
    for part, bad, message in (
        ("items", ITEMS + 0.9, "candidates must be integers; got float64"),
        ("mask", ITEMS, "mask must be bool; got int64"),
    ):
        with pytest.raises(InvalidDataError, match=message):
            mining.hardest(GIVEN._replace(**{part: bad}), SCORES)
    with pytest.raises(InvalidDataError, match="seen must be bool; got int64"):
        mining.top_k(GIVEN, SCORES, num_negatives=1, seen=ITEMS)


@pytest.mark.parametrize("function", [mining.mixed_hard, mining.mixed_positive])
def test_vectors_are_finite_floats(function: Callable[..., object]) -> None:
    other = "query_vectors" if function is mining.mixed_hard else "positive_vectors"
    good = {"candidate_vectors": np.ones((2, 2, 3)), other: np.ones((2, 3)), "key": 0}
    function(GIVEN, SCORES, **good)
    for name in ("candidate_vectors", other):
        with pytest.raises(InvalidDataError, match=f"{name} must be floats; got int64"):
            function(GIVEN, SCORES, **{**good, name: np.ones(np.shape(good[name]), np.int64)})
        with pytest.raises(InvalidDataError, match=f"{name} must be finite"):
            function(GIVEN, SCORES, **{**good, name: np.full(np.shape(good[name]), np.nan)})


@pytest.mark.parametrize("size", [1e-4, 300.0])
def test_mixtures_have_length_one_in_half_precision(size: float) -> None:
    vectors = np.full((2, 2, 8), size, np.float16)
    query = np.full((2, 8), size, np.float16)
    mixed = mining.mixed_hard(
        GIVEN, SCORES, candidate_vectors=vectors, query_vectors=query, key=0, num_with_query=1
    )
    assert mixed.vectors.dtype == np.float16
    lengths = np.linalg.norm(mixed.vectors.astype(np.float64), axis=-1)
    np.testing.assert_allclose(lengths, 1.0, rtol=1e-2)


def test_weights_that_would_overflow_are_refused() -> None:
    for weigh in (
        lambda: mining.importance_weighted(GIVEN, SCORES, temperature=1e-309),
        lambda: mining.self_adversarial(GIVEN, SCORES * 1e4, alpha=1e306),
    ):
        message = "must be finite; got overflow"
        with np.errstate(over="ignore"), pytest.raises(InvalidDataError, match=message):
            weigh()


def test_infinite_popularity_is_refused() -> None:
    counts = np.array([1.0, np.inf, 2.0, 1.0, 1.0, 1.0])
    with pytest.raises(InvalidDataError, match="vector of finite numbers"):
        mining.bayesian(GIVEN, SCORES, **ONE, item_popularity=counts)
    with pytest.raises(InvalidDataError, match="below the length of item_popularity, 5; got 5"):
        mining.bayesian(GIVEN, SCORES, **ONE, item_popularity=np.ones(5))
