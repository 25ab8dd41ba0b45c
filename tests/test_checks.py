"""What single numbers may be, and what is said of the others."""

import math
from typing import Any

import numpy as np
import pytest

from recneg.checks import check_count, check_number
from recneg.errors import InvalidDataError


@pytest.mark.parametrize("value", [1, 7, np.int32(3), np.uint64(2**63)])
def test_counts_come_back_as_integers(value: Any) -> None:
    found = check_count(value, "k")
    assert type(found) is int
    assert found == value


@pytest.mark.parametrize("value", [0, -1, 2.0, math.nan, True, "3", None, np.float64(1), [1]])
def test_what_is_no_count(value: Any) -> None:
    with pytest.raises(InvalidDataError, match="k must be an integer of at least 1; got"):
        check_count(value, "k")


def test_the_least_count() -> None:
    assert check_count(0, "epochs", 0) == 0
    with pytest.raises(InvalidDataError, match="length must be an integer of at least 2; got 1"):
        check_count(1, "length", 2)


@pytest.mark.parametrize(
    ("kind", "good", "bad", "wanted"),
    [
        ("any", [0, -1.5, np.float32(2), True], [math.nan, math.inf, -math.inf], "finite"),
        ("not negative", [0, 1e-300, 3], [-1e-300, math.nan, math.inf], "finite and not negative"),
        ("positive", [1e-300, 3], [0, -1, math.nan, math.inf], "positive and finite"),
    ],
)
def test_numbers_of_each_kind(kind: Any, good: list[Any], bad: list[Any], wanted: str) -> None:
    for value in good:
        found = check_number(value, "margin", kind)
        assert type(found) is float
        assert found == value
    for value in [*bad, None, "a"]:
        with pytest.raises(InvalidDataError, match=f"margin must be {wanted}; got"):
            check_number(value, "margin", kind)
