"""Interactions: every constructor agrees, bad input is refused, nothing can be changed."""

import copy
import pickle
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse

from recneg.errors import InvalidDataError, InvalidIdError
from recneg.ids import ID_LIMIT, check_ids
from recneg.interactions import Interactions

ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 8), st.integers(1, 5), st.integers(-9, 9)),
    max_size=40,
)  # duplicates, users and items without rows


def columns(rows: list[tuple[int, ...]]) -> list[np.ndarray]:
    return list(np.array(rows, np.int64).reshape(-1, 4).T)


def build(rows: list[tuple[int, ...]]) -> Interactions:
    users, items, weights, times = columns(rows)
    return Interactions.from_arrays(
        users, items, weights=weights, timestamps=times, num_users=7, num_items=9
    )


def contents(data: Interactions) -> list[tuple]:
    """Every row with raw ids, as plain Python values."""
    return data.to_polars().rows()


# -- what is kept ----------------------------------------------------------------------------------


@given(ROWS)
@example([])
@example([(0, 0, 1, 0)])
@example([(6, 8, 1, 0), (6, 8, 2, -1)])
def test_from_arrays_equals_a_loop(rows: list[tuple[int, ...]]) -> None:
    data = build(rows)
    weight: dict = defaultdict(int)
    latest: dict = {}
    for user, item, value, time in rows:
        weight[user, item] += value
        latest[user, item] = max(time, latest.get((user, item), time))
    assert contents(data) == [(*pair, weight[pair], latest[pair]) for pair in sorted(weight)]
    assert data.num_duplicates == len(rows) - len(weight)
    assert (data.num_users, data.num_items, len(data)) == (7, 9, len(weight))
    assert data.user_counts().tolist() == [sum(u == x for u, _ in weight) for x in range(7)]
    assert data.item_counts().tolist() == [sum(i == x for _, i in weight) for x in range(9)]
    for user in range(7):
        assert data.items_of(user).tolist() == sorted(i for u, i in weight if u == user)
    pairs = [[(u, i) in weight for i in range(9)] for u in range(7)]
    assert data.contains(np.arange(7)[:, None], np.arange(9)).tolist() == pairs
    assert [t.dtype for t in (data.indptr, data.indices)] == [np.int64, np.int32]


@settings(max_examples=30)
@given(rows=ROWS.filter(bool))
@example(rows=[(3, 3, 1, 0)])
def test_every_constructor_agrees(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, ...]]
) -> None:
    frame = pl.DataFrame(rows, schema=["user", "item", "weight", "timestamp"], orient="row")
    names = {"weight": "weight", "timestamp": "timestamp"}
    expected = Interactions.from_polars(frame, **names)
    folder = tmp_path_factory.mktemp("files")
    frame.write_csv(folder / "a.csv")
    frame.write_csv(folder / "a.tsv", separator="\t", include_header=False)
    frame.write_parquet(folder / "a.parquet")
    others = [
        Interactions.from_polars(frame.lazy(), **names),
        Interactions.from_polars(frame.cast(pl.Int16), **names),
        Interactions.from_pandas(pd.DataFrame(frame.to_dict()), **names),
        *(Interactions.from_file(folder / f"a.{kind}") for kind in ("csv", "tsv", "parquet")),
    ]
    for other in others:
        assert contents(other) == contents(expected)
        assert other.num_duplicates == expected.num_duplicates
        assert (other.num_users, other.num_items) == (expected.num_users, expected.num_items)
    indexed = build(rows)
    assert contents(indexed) == contents(expected)
    matrix = sparse.coo_matrix(
        ([row[2] for row in rows], ([row[0] for row in rows], [row[1] for row in rows])), (7, 9)
    )
    assert contents(Interactions.from_scipy(matrix)) in (
        [row[:3] for row in contents(indexed)],
        [row[:2] for row in contents(indexed)],  # all ones: no weights
    )
    assert (indexed.to_scipy() != matrix.tocsr()).nnz == 0


@given(ROWS, st.randoms())
def test_row_order_changes_nothing(rows: list[tuple[int, ...]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert contents(build(shuffled)) == contents(build(rows))


@given(ROWS, st.data())
def test_select_keeps_the_marked_rows_in_the_same_space(rows: list, data: st.DataObject) -> None:
    whole = build(rows)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(whole), max_size=len(whole))))
    keep = keep.astype(bool)
    part = whole.select(keep)
    assert contents(part) == [row for row, kept in zip(contents(whole), keep, strict=True) if kept]
    assert (part.num_users, part.num_items) == (7, 9)


def test_select_refuses_other_masks() -> None:
    data = Interactions.from_arrays([0, 1], [1, 0])
    for keep in ([True], [0, 1], [[True, False]]):
        with pytest.raises(InvalidDataError, match=r"keep must be bool of shape \(2,\)"):
            data.select(np.array(keep))


def test_scipy_explicit_zeros_are_no_interactions_and_ones_no_weights() -> None:
    matrix = sparse.csr_matrix(([0.0, 2.0, 1.0], ([0, 0, 2], [1, 3, 0])), (4, 5))
    data = Interactions.from_scipy(matrix)
    assert contents(data) == [(0, 3, 2.0), (2, 0, 1.0)]
    assert (data.num_users, data.num_items) == (4, 5)
    ones = Interactions.from_scipy(sparse.eye_array(3, dtype=bool, format="csc"))
    assert ones.weights is None
    assert ones.to_scipy().toarray().tolist() == np.eye(3).tolist()
    with pytest.raises(InvalidDataError, match="weights must be finite"):
        Interactions.from_scipy(sparse.csr_matrix([[np.nan, 1]]))
    assert len(Interactions.from_scipy(sparse.csr_array((3, 4)))) == 0


@pytest.mark.parametrize("empty", [[], np.empty(0), np.empty(0, np.int64)])
def test_empty_arrays(empty: object) -> None:
    data = Interactions.from_arrays(empty, empty, weights=empty, timestamps=empty)
    assert (data.num_users, data.num_items, len(data)) == (0, 0, 0)
    data = Interactions.from_arrays(empty, empty, num_users=2, num_items=3)
    assert data.contains([0, 1], [2, 2]).tolist() == [False, False]
    assert data.items_of(1).tolist() == []
    assert repr(data) == "Interactions(2 users, 3 items, 0 interactions, density 0)"
    assert data.to_polars().height == 0
    assert data.to_scipy().shape == (2, 3)


def test_threshold_makes_ratings_implicit() -> None:
    frame = pl.DataFrame({"user": [1, 1, 2, 3], "item": [5, 6, 7, 5], "r": [4.0, 3.5, 1.0, 5.0]})
    data = Interactions.from_polars(frame, weight="r", threshold=4)
    assert contents(data) == [(1, 5, 4.0), (3, 5, 5.0)]
    assert (data.num_users, data.num_items) == (2, 1)  # user 2 and items 6, 7 are gone
    with pytest.raises(InvalidDataError, match="no row has a weight of at least 6"):
        Interactions.from_polars(frame, weight="r", threshold=6)
    with pytest.raises(InvalidDataError, match="threshold needs a weight column"):
        Interactions.from_polars(frame, threshold=4)


def test_string_ids_and_vocabularies() -> None:
    frame = pl.DataFrame({"who": ["zoë", "al", "al"], "what": ["b", "b", "=a"]})
    for strings in (pl.String, pl.Categorical):
        data = Interactions.from_polars(frame.cast(strings), user="who", item="what")
        assert data.user_ids is not None
        assert data.user_ids.tolist() == ["al", "zoë"]
        assert data.user_index(["zoë", "al"]).tolist() == [1, 0]
        assert int(data.item_index("b")) == 1
        assert contents(data) == [("al", "=a"), ("al", "b"), ("zoë", "b")]
    with pytest.raises(InvalidIdError, match="raw user ids must occur in the data; got 'bob'"):
        data.user_index(["al", "bob"])


def test_wide_integer_ids_are_told_apart() -> None:
    # these differ only beyond the 53 bits of a float
    for kind, base in ((pl.UInt64, 2**63), (pl.UInt64, 2**60), (pl.Int64, 2**60)):
        users = pl.Series("user", [base + 1, base + 3], dtype=kind)
        data = Interactions.from_polars(pl.DataFrame({"user": users, "item": [1, 2]}))
        assert data.user_index([base + 3, base + 1]).tolist() == [1, 0]
        with pytest.raises(InvalidIdError, match=f"must occur in the data; got {base + 2}"):
            data.user_index([base + 2])


@pytest.mark.parametrize("raw", [0, 4, 99, -1, 2**63, 2**70, [1, 2**70]])
def test_unknown_raw_ids_are_errors(raw: object) -> None:
    data = Interactions.from_polars(pl.DataFrame({"user": [1, 3], "item": [1, 2]}))
    with pytest.raises(InvalidIdError, match="raw user ids must occur in the data; got"):
        data.user_index(raw)


def test_lookups_of_other_kinds() -> None:
    data = Interactions.from_polars(pl.DataFrame({"user": [1, 3], "item": [1, 2]}))
    for raw in ("1", 1.0, [True], [None]):
        with pytest.raises(InvalidIdError):
            data.user_index(raw)
    assert data.user_index(np.array([[3, 1]], np.uint8)).tolist() == [[1, 0]]
    assert data.user_index([]).shape == (0,)
    plain = Interactions.from_arrays([0, 1], [1, 0])
    assert plain.user_index([1, 0]).tolist() == [1, 0]
    with pytest.raises(InvalidIdError, match=r"user ids must lie in \[0, 2\); got 2"):
        plain.user_index(2)


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [-1, ID_LIMIT, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, 2**70])
def test_ids_out_of_range_name_position_and_value(bad: int) -> None:
    with pytest.raises(InvalidIdError, match=rf"item ids must .* got {bad} at position 1"):
        Interactions.from_arrays([0, 0], [3, bad])


@pytest.mark.parametrize(
    "bad", [[1.0], [np.nan], ["1"], [None], [True], [1, None], [1, True, 2**70]]
)
def test_ids_of_other_kinds(bad: list) -> None:
    with pytest.raises(InvalidIdError, match="user ids must be integers"):
        check_ids(bad, "user")


def test_the_largest_id_and_count_fit_int32() -> None:
    data = Interactions.from_arrays([0], [ID_LIMIT - 1])
    assert data.num_items == np.iinfo(np.int32).max
    assert data.indices.tolist() == [ID_LIMIT - 1]


def test_pair_keys_do_not_overflow() -> None:
    # a user's pair key is user * num_items + item: close to 2**62 at the largest counts
    assert (ID_LIMIT - 1) * ID_LIMIT + ID_LIMIT - 1 < 2**62
    users = np.array([1 << 20, 0, 1 << 20], np.int32)
    items = np.array([ID_LIMIT - 1, 5, 0], np.int32)
    data = Interactions.from_arrays(users, items, num_items=ID_LIMIT)
    assert contents(data) == [(0, 5), (1 << 20, 0), (1 << 20, ID_LIMIT - 1)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"items": [0]}, r"vectors of one length; got shapes \(2,\) and \(1,\)"),
        ({"users": [[0, 1]], "items": [[0, 1]]}, "vectors of one length"),
        ({"num_users": 1}, r"user ids must lie in \[0, 1\); got 1 at position 1"),
        ({"num_items": 0}, r"item ids must lie in \[0, 0\)"),
        ({"num_items": -1}, "num_items must lie in"),
        ({"num_users": 2**31}, "num_users must lie in .* got 2147483648"),
        ({"num_users": 2.5}, "num_users must be an integer; got 2.5"),
        ({"weights": [1.0]}, r"weights must have shape \(2,\); got \(1,\)"),
        ({"weights": [1.0, np.nan]}, "weights must be finite .* got nan at position 1"),
        ({"weights": [np.inf, 1.0]}, "weights must be finite .* got inf at position 0"),
        ({"weights": [1.0, 1e39]}, r"weights must be finite float32 .* got 1e\+39"),
        ({"weights": ["a", "b"]}, "weights must be numbers"),
        ({"weights": [None, 1]}, "weights must be numbers"),
        ({"timestamps": [1, 2, 3]}, "timestamps must have shape"),
        ({"timestamps": [1.0, np.nan]}, "timestamps must be finite"),
        ({"timestamps": [0, 2.0**70]}, "timestamps must be finite int64"),
        ({"user_ids": np.array([1, 2, 3])}, r"user_ids must have shape \(2,\); got \(3,\)"),
        ({"item_ids": np.array([7, 5])}, "item_ids must be strictly increasing"),
        ({"item_ids": np.array(["a", "a"])}, "item_ids must be strictly increasing"),
    ],
)
def test_bad_arrays_are_errors(arguments: dict, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        Interactions.from_arrays(**{"users": [0, 1], "items": [1, 0], **arguments})


@pytest.mark.parametrize(
    ("frame", "options", "error", "message"),
    [
        ({"user": [1]}, {}, InvalidDataError, r"column 'item' must be present; got columns"),
        ({"user": [1], "item": [2]}, {"weight": "w"}, InvalidDataError, "column 'w' must be"),
        ({"user": [], "item": []}, {}, InvalidDataError, "at least one row"),
        ({"user": [1, None], "item": [1, 2]}, {}, InvalidDataError, "no missing value; row 1"),
        ({"user": [1.0, 2.5], "item": [1, 2]}, {}, InvalidIdError, "integers or strings; got Fl"),
        ({"user": [1.0, np.nan], "item": [1, 2]}, {}, InvalidIdError, "row 1 is nan"),
        ({"user": [1, -5], "item": [1, 2]}, {}, InvalidIdError, "not be negative; row 1 is -5"),
        ({"user": [True], "item": [1]}, {}, InvalidIdError, "integers or strings; got Boolean"),
        ({"user": [1], "item": [1], "w": ["x"]}, {"weight": "w"}, InvalidDataError, "numeric"),
        ({"user": [1], "item": [1], "w": [np.nan]}, {"weight": "w"}, InvalidDataError, "finite"),
        ({"user": [1, 1], "item": [1, 2]}, {"num_users": 2}, InvalidDataError,
         "num_users must equal the number of distinct ids; got 2 where the data have 1"),
        ({"user": [1, 1], "item": [1, 2]}, {"num_items": 3}, InvalidDataError, "num_items must eq"),
    ],
)  # fmt: skip
def test_bad_frames_are_errors(
    frame: dict, options: dict, error: type[Exception], message: str
) -> None:
    for make in (
        lambda: Interactions.from_polars(pl.DataFrame(frame, strict=False), **options),
        lambda: Interactions.from_polars(pl.LazyFrame(frame, strict=False), **options),
    ):
        with pytest.raises(error, match=message):
            make()
    # pandas reads a missing integer as a float NaN: refused too, as a float id
    with pytest.raises(InvalidDataError):
        Interactions.from_pandas(pd.DataFrame(frame), **options)


@pytest.mark.parametrize(
    ("users", "message"),
    [
        (pd.Series(["a", None]), "no missing value; row 1"),
        (pd.array([1, None], dtype="Int64"), "integers or strings; got Float64"),
        (pd.Categorical(["a", None]), "no missing value; row 1"),
        (pd.Series([1, "b"], dtype=object), r"values of one type; got \['int', 'str'\]"),
        (pd.Series([1, 2**70], dtype=object), "values of one type"),
    ],
)
def test_bad_pandas_columns_are_errors(users: object, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        Interactions.from_pandas(pd.DataFrame({"user": users, "item": [1, 2]}))


def test_pandas_columns_of_every_usual_kind() -> None:
    for users in (
        pd.Series(["a", "b"]),
        pd.Series(["a", "b"], dtype=object),
        pd.Categorical(["a", "b"]),
        pd.array([3, 4], dtype="Int64"),
        np.array([3, 4], np.uint8),
    ):
        frame = pd.DataFrame({"user": users, "item": [1, 2]})
        frame.index = pd.Index([7, 7])
        before = frame.copy()
        assert Interactions.from_pandas(frame).num_users == 2
        pd.testing.assert_frame_equal(frame, before)
    times = pd.DataFrame({"u": [1, 2], "i": [1, 2], "t": pd.to_datetime(["1970-01-02"] * 2)})
    data = Interactions.from_pandas(times, user="u", item="i", timestamp="t")
    assert data.timestamps is not None
    assert data.timestamps.tolist() == [86400, 86400]


@pytest.mark.parametrize(
    ("indptr", "indices", "message"),
    [
        ([0, 2], [1], "indptr must run from 0 to the number of interactions, 1"),
        ([1, 1], [0], "indptr must run"),
        ([], [], "indptr must run"),
        ([0, 2, 1, 3], [0, 1, 2], "indptr must not decrease"),
        ([0, 2], [1, 0], "strictly increasing inside each user"),
        ([0, 2], [1, 1], "strictly increasing inside each user"),
        ([0, 1], [3], r"item ids must lie in \[0, 3\)"),
        ([0, 1], [-1], r"item ids must lie in \[0, 3\)"),
    ],
)
def test_broken_csr_arrays_are_errors(indptr: list, indices: list, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        Interactions(np.array(indptr, np.int64), np.array(indices, np.int32), 3)


def test_other_dtypes_of_csr_arrays_are_errors() -> None:
    with pytest.raises(InvalidDataError, match="indptr must be int64 and indices int32"):
        Interactions(np.array([0, 1]), np.array([0]), 1)
    with pytest.raises(InvalidDataError, match=r"weights must have shape \(1,\)"):
        Interactions(np.array([0, 1]), np.zeros(1, np.int32), 1, weights=np.zeros(2, np.float32))


@pytest.mark.parametrize("user", [-1, 2, 1.0])
def test_items_of_an_unknown_user_is_an_error(user: object) -> None:
    with pytest.raises(InvalidIdError, match="user ids must"):
        Interactions.from_arrays([0, 1], [1, 0]).items_of(user)  # type: ignore[arg-type]


def test_contains_takes_scalars_and_checks_ids() -> None:
    data = Interactions.from_arrays([0, 1], [1, 0])
    assert bool(data.contains(0, 1))
    assert data.contains(0, 1).shape == ()
    assert data.contains([], []).shape == (0,)
    for pair in ((2, 0), (0, 2), (-1, 0), (0.0, 0)):
        with pytest.raises(InvalidIdError):
            data.contains(*pair)


# -- values, not variables -------------------------------------------------------------------------


def test_nothing_can_be_changed_even_after_pickling() -> None:
    frame = pl.DataFrame({"user": ["a", "b"], "item": [3, 9], "w": [1.5, 2], "t": [5, 6]})
    data = Interactions.from_polars(frame, weight="w", timestamp="t")
    for other in (data, pickle.loads(pickle.dumps(data)), copy.deepcopy(data)):  # noqa: S301
        assert contents(other) == contents(data)
        for name in ("indptr", "indices", "weights", "timestamps", "user_ids", "item_ids"):
            with pytest.raises(ValueError, match="read-only"):
                getattr(other, name)[0] = 0
        with pytest.raises(AttributeError):
            other.num_items = 3  # type: ignore[misc]


def test_arguments_are_not_changed_or_kept() -> None:
    users, items, weights = np.array([1, 0]), np.array([0, 1]), np.array([1, 2], np.float32)
    data = Interactions.from_arrays(users, items, weights=weights)
    for array in (users, items, weights):
        array[:] = 0
    assert contents(data) == [(0, 1, 2.0), (1, 0, 1.0)]


def test_a_file_like_path_is_accepted_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item\n1,2\n")
    assert contents(Interactions.from_file(str(path))) == [(1, 2)]


def test_implicit_can_train_on_the_scipy_matrix() -> None:
    """Compiled libraries refuse read-only arrays."""
    from implicit.bpr import BayesianPersonalizedRanking

    data = Interactions.from_arrays([0, 0, 1, 2], [0, 1, 1, 2])
    matrix = data.to_scipy()
    model = BayesianPersonalizedRanking(factors=2, iterations=1, num_threads=1, random_state=0)
    model.fit(matrix, show_progress=False)
    matrix.data[:] = 5
    matrix.indices[:] = 0
    assert data.indices.tolist() == [0, 1, 1, 2]


def test_rows_of_and_union_against_loops() -> None:
    data = Interactions.from_arrays([0, 0, 2, 2, 2], [3, 1, 0, 4, 2], num_users=4, num_items=5)
    rows = data.rows_of([2, 1, 0, 2])
    expected = [row for user in (2, 1, 0, 2) for row in range(*data.indptr[user : user + 2])]
    assert rows.tolist() == expected
    assert data.rows_of([]).tolist() == []
    other = Interactions.from_arrays([0, 1, 2], [1, 4, 3], num_users=4, num_items=5)
    both = data.union(other)
    for user in range(4):
        assert set(both.items_of(user)) == {*data.items_of(user), *other.items_of(user)}
    assert (both.num_users, both.num_items) == (4, 5)


pairs_of_a_few = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=30)


@given(pairs_of_a_few, pairs_of_a_few)
def test_union_is_the_union_of_the_sets(left: list, right: list) -> None:
    made = [
        Interactions.from_arrays(
            np.array([u for u, _ in pairs], np.int64),
            np.array([i for _, i in pairs], np.int64),
            num_users=4,
            num_items=6,
        )
        for pairs in (left, right)
    ]
    both = made[0].union(made[1])
    found = list(zip(both.users().tolist(), both.indices.tolist(), strict=True))
    assert found == sorted({*left, *right})


def test_union_needs_one_id_space() -> None:
    data = Interactions.from_arrays([0], [0], num_items=3)
    with pytest.raises(InvalidDataError, match=r"\(1, 3\); got \(1, 4\)"):
        data.union(Interactions.from_arrays([0], [0], num_items=4))


def test_weights_of_equal_pairs_have_a_finite_sum() -> None:
    with pytest.raises(InvalidDataError, match="must have a finite sum in float32; got overflow"):
        Interactions.from_arrays([0, 0], [1, 1], weights=[3e38, 3e38])


def test_from_pandas_knows_its_arguments() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match="user_col"):
        Interactions.from_pandas(pandas.DataFrame({"u": [1], "item": [2]}), user_col="u")


def test_items_of_one_user_alone() -> None:
    data = Interactions.from_arrays([0, 1], [0, 1])
    with pytest.raises(InvalidIdError, match=r"user must be one index; got \[0, 1\]"):
        data.items_of([0, 1])
