"""What a comparison tells of time."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from recneg import Uniform
from recneg.diagnostics import Comparison, compare_samplers, summarise_negatives
from recneg.diagnostics.comparison import Outcome
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.splits import random_split
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


def test_options_do_not_say_what_is_drawn() -> None:
    data = Interactions.from_arrays([0, 0, 1, 1], [0, 1, 2, 3], num_items=9)
    split = random_split(data, test=0.5, validation=0.0)
    for name in ("sampler", "mining"):
        with pytest.raises(InvalidDataError, match=f"options must not hold '{name}'"):
            compare_samplers(split, {"u": Uniform}, options={name: Uniform})


@pytest.mark.parametrize("shape", [(3, 2), (9, 2), (4,)])
def test_negatives_are_of_the_rows_of_train(shape: tuple[int, ...]) -> None:
    data = Interactions.from_arrays([0, 0, 1, 1], [0, 1, 2, 3], num_items=9)
    with pytest.raises(InvalidDataError, match="a row for each of the 4 interactions"):
        summarise_negatives(np.zeros(shape, np.int64), data, data)
