"""Splits: disjoint parts that cover the data, in one id space, from a seed."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.splits import (
    Split,
    carve_validation,
    given_split,
    leave_last_out,
    random_split,
    time_split,
)

ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 6)), min_size=1, max_size=60
)  # few distinct times: ties abound


def build(rows: list[tuple[int, int, int]]) -> Interactions:
    users, items, times = np.array(rows).T
    return Interactions.from_arrays(users, items, timestamps=times, num_users=7, num_items=10)


def triples(data: Interactions) -> set[tuple[int, int, int]]:
    assert data.timestamps is not None
    return set(
        zip(data.users().tolist(), data.indices.tolist(), data.timestamps.tolist(), strict=True)
    )


def check_parts(data: Interactions, split: Split) -> None:
    """Disjoint, covering, same space; weights and times travel along."""
    together = [triples(part) for part in split]
    assert set().union(*together) == triples(data)
    assert sum(len(part) for part in split) == len(data)
    for part in split:
        assert (part.num_users, part.num_items) == (data.num_users, data.num_items)
        assert part.user_ids is data.user_ids


def check_every_user_trains(data: Interactions, split: Split) -> None:
    assert ((split.train.user_counts() > 0) == (data.user_counts() > 0)).all()


FRACTIONS = st.sampled_from([(0.2, 0.1), (0.5, 0.4), (0.0, 0.3), (0.99, 0.0), (0.0, 0.0)])


@given(ROWS, FRACTIONS, st.integers(0, 2**64 - 1))
def test_random_split(rows: list, fractions: tuple[float, float], key: int) -> None:
    data = build(rows)
    split = random_split(data, test=fractions[0], validation=fractions[1], key=key)
    check_parts(data, split)
    check_every_user_trains(data, split)
    for user, count in enumerate(data.user_counts().tolist()):
        test = min(int(count * fractions[0] + 0.5), max(count - 1, 0))
        validation = min(int(count * fractions[1] + 0.5), max(count - 1 - test, 0))
        assert len(split.test.items_of(user)) == test
        assert len(split.validation.items_of(user)) == validation


@given(ROWS, st.randoms())
def test_splits_do_not_depend_on_row_order(rows: list, random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    for make in (random_split, leave_last_out):
        assert make(build(rows)).checksum == make(build(shuffled)).checksum


@given(ROWS, st.integers(0, 5))
def test_a_users_split_does_not_depend_on_other_users(rows: list, user: int) -> None:
    whole, alone = build(rows), build(rows)
    alone = alone.select(alone.users() == user)
    for make in (random_split, leave_last_out):
        for part, own in zip(make(whole), make(alone), strict=True):
            assert part.items_of(user).tolist() == own.items_of(user).tolist()


def square(num_users: int, num_items: int) -> Interactions:
    users, items = np.divmod(np.arange(num_users * num_items), num_items)
    return Interactions.from_arrays(users, items)


def test_random_split_is_uniform_and_follows_its_key() -> None:
    data = square(4000, 10)
    split = random_split(data, test=0.2, validation=0.1, key=3)
    assert (len(split.test), len(split.validation)) == (8000, 4000)
    for part, share in ((split.test, 0.2), (split.validation, 0.1)):
        deviation = (part.item_counts() - 4000 * share) / np.sqrt(4000 * share * (1 - share))
        assert np.abs(deviation).max() < 5.5
    assert random_split(data, key=3, test=0.2, validation=0.1).checksum == split.checksum
    assert random_split(data, key=Key(3)).checksum == random_split(data, key=3).checksum
    assert random_split(data, key=4).checksum != random_split(data, key=3).checksum


def test_a_fresh_process_makes_the_same_split() -> None:
    script = (
        "import numpy as np; from recneg.interactions import Interactions\n"
        "from recneg.splits import random_split\n"
        "users, items = np.divmod(np.arange(2000), 20)\n"
        "print(random_split(Interactions.from_arrays(users, items), key=8).checksum)"
    )
    fresh = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert fresh.stdout.decode().strip() == random_split(square(100, 20), key=8).checksum
    assert fresh.stdout.decode().strip() == "8bc6b79e607563b5"


def test_carve_validation_takes_from_train_alone() -> None:
    train = random_split(square(50, 20), key=1).train
    rest, validation = carve_validation(train, 0.25, key=2)
    assert len(rest) + len(validation) == len(train)
    assert train.contains(validation.users(), validation.indices).all()
    assert not rest.contains(validation.users(), validation.indices).any()
    assert (validation.user_counts() == np.floor(train.user_counts() * 0.25 + 0.5)).all()


@given(ROWS, st.integers(0, 3), st.integers(0, 3))
def test_leave_last_out_equals_a_loop(rows: list, test: int, validation: int) -> None:
    data = build(rows)
    split = leave_last_out(data, test=test, validation=validation)
    check_parts(data, split)
    check_every_user_trains(data, split)
    for user in range(data.num_users):
        own = sorted((time, item) for u, item, time in triples(data) if u == user)
        items = [item for _, item in own]
        held = [items.pop() for _ in range(test) if len(items) > 1]
        assert split.test.items_of(user).tolist() == sorted(held)
        held = [items.pop() for _ in range(validation) if len(items) > 1]
        assert split.validation.items_of(user).tolist() == sorted(held)
        assert split.train.items_of(user).tolist() == sorted(items)


@given(ROWS, FRACTIONS)
def test_time_split_has_nothing_newer_in_an_earlier_part(rows: list, fractions: tuple) -> None:
    data = build(rows)
    try:
        split = time_split(data, test=fractions[0], validation=fractions[1])
    except InvalidDataError as error:
        assert "must leave something to train on" in str(error)  # noqa: PT017
        return
    check_parts(data, split)
    times = [[t for _, _, t in triples(part)] for part in split]
    for early, late in ((0, 1), (0, 2), (1, 2)):
        if times[early] and times[late]:
            assert max(times[early]) < min(times[late])
    assert len(split.test) >= int(len(data) * fractions[0] + 0.5)
    held_out = len(split.test) + len(split.validation)
    assert held_out >= int(len(data) * sum(fractions) + 0.5)


def test_time_split_without_ties_has_the_exact_shares() -> None:
    data = Interactions.from_arrays(np.arange(100) % 7, np.arange(100), timestamps=np.arange(100))
    split = time_split(data, test=0.2, validation=0.1)
    assert [len(part) for part in split] == [70, 10, 20]
    assert len(time_split(data, test=0, validation=0).train) == 100
    same = Interactions.from_arrays([0, 1], [0, 1], timestamps=[5, 5])
    with pytest.raises(InvalidDataError, match="something to train on; the earliest timestamp, 5,"):
        time_split(same, test=0.5, validation=0)


def test_given_split() -> None:
    train, test = Interactions.from_arrays([0, 1], [1, 0]), Interactions.from_arrays([0, 1], [0, 1])
    split = given_split(train, test)
    assert [len(part) for part in split] == [2, 0, 2]
    assert split.validation.num_users == 2
    assert repr(split) == "Split(2 users, 2 items, train 2, validation 0, test 2)"
    assert given_split(train, test, test).validation is test
    wide = Interactions.from_arrays([0], [0], num_users=2, num_items=3)
    named = Interactions.from_arrays([0, 1], [0, 1], user_ids=np.array([5, 6]))
    other = Interactions.from_arrays([0, 1], [0, 1], user_ids=np.array([5, 7]))
    for parts, message in (
        ((train, wide), "must share one id space; got shapes"),
        ((train, test, wide), "must share one id space; got shapes"),
        ((train, named), "their user_ids differ"),
        ((named, other), "their user_ids differ"),
    ):
        with pytest.raises(InvalidDataError, match=message):
            given_split(*parts)
    assert len(given_split(named, named.select(np.array([True, False]))).test) == 1


def test_checksums_tell_parts_apart() -> None:
    a, b = Interactions.from_arrays([0, 1], [1, 0]), Interactions.from_arrays([0, 1], [0, 1])
    none = a.select(np.zeros(2, bool))
    wide = [
        Interactions.from_arrays([0, 1], [1, 0], num_items=3),
        Interactions.from_arrays([0, 1], [0, 1], num_items=3),
    ]
    sums = [
        Split(*parts).checksum
        for parts in (
            (a, none, b),
            (b, none, a),
            (a, b, none),
            (a, a, b),
            (wide[0], wide[0], wide[1]),
        )
    ]
    assert len(set(sums)) == len(sums)
    assert all(len(number) == 16 for number in sums)


def test_empty_data() -> None:
    data = Interactions.from_arrays([], [], timestamps=[], num_users=3, num_items=2)
    for make in (random_split, leave_last_out):
        assert [len(part) for part in make(data)] == [0, 0, 0]
    with pytest.raises(InvalidDataError, match="must leave something to train on"):
        time_split(data)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (random_split, {"test": -0.1}, r"test fraction must lie in \[0, 1\); got -0.1"),
        (random_split, {"test": 1.0}, r"test fraction must lie in \[0, 1\); got 1.0"),
        (random_split, {"validation": float("nan")}, "validation fraction must lie in .* got nan"),
        (random_split, {"test": 0.5, "validation": 0.5}, "leave something to train on; got 0.5 + "),
        (time_split, {"test": 2}, "test fraction must lie"),
        (leave_last_out, {"test": -1}, "counts must not be negative; got test=-1, validation=1"),
        (leave_last_out, {"validation": -2}, "counts must not be negative"),
    ],
)
def test_bad_options_are_errors(make, options: dict, message: str) -> None:
    data = build([(0, 0, 0), (0, 1, 1)])
    with pytest.raises(ValueError, match=message.replace("+", r"\+")):
        make(data, **options)


@pytest.mark.parametrize("make", [leave_last_out, time_split])
def test_splits_by_time_need_timestamps(make) -> None:
    with pytest.raises(InvalidDataError, match="needs timestamps; the data have none"):
        make(square(2, 2))


@pytest.mark.parametrize("count", [0.2, float("nan"), True])
def test_leave_last_out_takes_numbers_of_interactions(count: float) -> None:
    data = Interactions.from_arrays([0] * 5, range(5), timestamps=range(5))
    with pytest.raises(ValueError, match="must be an integer, of interactions"):
        leave_last_out(data, test=count)


@pytest.mark.parametrize("split", [random_split, time_split, leave_last_out])
def test_a_split_is_of_interactions(split) -> None:
    with pytest.raises(InvalidDataError, match="data must be Interactions.*got csr_matrix"):
        split(csr_matrix(np.eye(3)))
