"""What a comparison tells of time."""

from types import SimpleNamespace
from typing import Any

import pytest

from recneg.diagnostics import Comparison
from recneg.diagnostics.comparison import Outcome
from recneg.training import Epoch


def outcome(*seconds: float) -> Any:
    """Return an outcome of 100 triples an epoch that had taken so many seconds."""
    history = [
        Epoch(number, stamp, 0.5, 0.7, 100, 0.1 * number)
        for number, stamp in enumerate(seconds, start=1)
    ]
    return Outcome(SimpleNamespace(history=history), None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stamps", "start_up", "seconds"),
    [
        ((5.0, 6.0, 7.0, 10.0), 4.0, 6.0),  # the median, so that a slow epoch does not count
        ((1.0, 3.0, 5.0), 0.0, 5.0),  # a quick first epoch is no start-up
        ((5.0,), 0.0, 5.0),
        ((), 0.0, 0.0),
    ],
)
def test_what_the_first_epoch_took_beyond_the_others_is_left_out(
    stamps: tuple[float, ...], start_up: float, seconds: float
) -> None:
    found = outcome(*stamps)
    assert found.start_up == start_up
    assert found.seconds == seconds


def test_curves_begin_after_the_start_up() -> None:
    curves = Comparison({"slow": outcome(5.0, 6.0, 7.0), "quick": outcome(1.0, 2.0, 3.0)}, 10)
    assert curves.curves()["seconds"].to_list() == [1.0, 2.0, 3.0] * 2
