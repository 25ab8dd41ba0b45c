"""Strings of any length are indexed as NumPy does it, without room for the longest in each."""

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recneg.labels import index_labels, label_array

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)


@given(st.lists(WORDS))
@example([])
@example(["\U0001f600", "\uffff", "a"])  # in another order as UTF-16
def test_indices_are_those_of_numpy(words):
    ids, places = index_labels(pl.Series(words, dtype=pl.String))
    expected_ids, expected = np.unique(np.array(words, str), return_inverse=True)
    assert ids.tolist() == expected_ids.tolist()
    assert ids.dtype.kind == "U"
    assert places.tolist() == expected.tolist()
    assert places.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["ab"] * 50_000, "U"),
        (["ab"] * 50_000 + ["x" * 10_000], "O"),
        (["x" * 10_000] * 50, "U"),
        (["ab", "x" * 10_000], "U"),
        ([], "U"),
    ],
)
def test_a_long_label_makes_objects_of_all(labels, kind):
    found = label_array(pl.Series(labels, dtype=pl.String))
    assert found.dtype.kind == kind
    assert found.tolist() == labels
