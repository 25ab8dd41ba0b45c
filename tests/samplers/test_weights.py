"""The integer weight table: exact mass, every positive weight reachable, clear errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recneg.errors import InvalidDataError
from recneg.samplers.weights import _units, weight_table

POSITIVE = st.floats(1e-12, 1e12)


def mass_of(alias: np.ndarray, bits: int) -> list[int]:
    """Rebuild each item's units from the alias table, in Python integers."""
    mass = [0] * len(alias)
    for bucket, (threshold, other) in enumerate(alias.tolist()):
        own = threshold >> (64 - bits)
        mass[bucket] += own
        mass[int(other)] += (1 << bits) - own
    return mass


@given(st.lists(st.one_of(st.just(0.0), POSITIVE), min_size=1, max_size=40))
def test_alias_table_holds_exactly_the_prefix_units(weights: list[float]) -> None:
    if not any(weights):
        weights[0] = 1.0
    table = weight_table(weights)
    units = np.diff(table.prefix)
    bits = 62 - (len(weights) - 1).bit_length()
    assert mass_of(table.alias, bits) == units.tolist()
    assert table.prefix[-1] == len(weights) << bits
    assert ((units > 0) == (np.array(weights) > 0)).all()


@given(st.lists(POSITIVE, min_size=1, max_size=40))
def test_shares_are_the_weights(weights: list[float]) -> None:
    shares = np.exp(weight_table(weights).log_share)
    expected = np.array(weights) / np.sum(weights)
    assert np.allclose(shares, expected, rtol=1e-9, atol=2.0**-60)


@pytest.mark.parametrize("weights", [[1e-300, 1.0], [5e-324, 1e308], [1e308, 1e308, 1.0]])
def test_extreme_weights_stay_reachable(weights: list[float]) -> None:
    table = weight_table(weights)
    assert (np.diff(table.prefix) >= 1).all()
    assert np.isfinite(table.log_share).all()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, np.nan], "got nan for item 1"),
        ([np.inf, 1.0], "got inf for item 0"),
        ([1.0, 2.0, -3.0], "got -3.0 for item 2"),
        ([0.0, 0.0], "must not all be zero"),
        ([], "at least one"),
        ([[1.0]], "got shape"),
    ],
)
def test_bad_weights_are_refused(weights: list[float], message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        weight_table(weights)


def test_twenty_million_equal_weights_all_keep_their_mass() -> None:
    """A float32 cumulative sum loses a fifth of these items; integers lose none."""
    size = 20_000_000
    bits = 62 - (size - 1).bit_length()
    units = _units(np.ones(size), size << bits)
    assert units.min() == units.max() == 1 << bits
    lost = np.diff(np.cumsum(np.full(size, 1 / size, np.float32))) == 0
    assert lost.mean() > 0.1  # what the test guards against


def test_steep_weights_of_many_items_all_keep_their_mass() -> None:
    weights = 1.0 / np.arange(1, 2_000_001) ** 2.0
    table = weight_table(weights)
    assert (np.diff(table.prefix) > 0).all()
    assert table.prefix[-1] == 2_000_000 << (62 - 21)
