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


def test_figures_are_those_of_a_count_by_hand() -> None:
    train = Interactions.from_arrays([0, 0, 1], [0, 1, 0], num_items=5)
    held_out = Interactions.from_arrays([0, 1, 1], [2, 3, 4], num_items=5)
    # for (0, 0), (0, 1) and (1, 0): a seen item, a held-out one twice, another, and one missing
    found = summarise_negatives(np.array([[1, 2], [2, 3], [3, -1]]), train, held_out)
    assert found.num_draws == 5
    assert found.popularity == pytest.approx((1 + 0 + 0 + 0 + 0) / 5)  # item 1 was clicked once
    assert found.coverage == pytest.approx(3 / 5)
    assert found.seen == pytest.approx(1 / 5)
    assert found.false_negatives == pytest.approx(3 / 5)  # (0, 2) twice, (1, 3)
    assert found.held_out_drawn == pytest.approx(2 / 3)


def test_negatives_are_items_and_held_out_data_of_the_same_ones() -> None:
    train = Interactions.from_arrays([0, 0, 1], [0, 1, 0], num_items=5)
    for bad in (-7, 5):
        with pytest.raises(InvalidDataError, match=rf"items in \[0, 5\), or -1 .* got .*{bad}"):
            summarise_negatives(np.array([[bad], [0], [0]]), train, train)
    wide = Interactions.from_arrays([0, 1], [2, 3], num_items=6)
    with pytest.raises(InvalidDataError, match="users and items of train"):
        summarise_negatives(np.zeros((3, 1), np.int64), train, wide)


def test_a_sampler_of_other_data_is_refused() -> None:
    data = Interactions.from_arrays(np.repeat(np.arange(6), 4), np.tile(np.arange(4), 6) * 2)
    split = random_split(data, test=0.25, validation=0.0)
    options = {"epochs": 1, "num_threads": 1}
    compare_samplers(split, {"u": Uniform(split.train)}, options=options)
    with pytest.raises(InvalidDataError, match="must be made of the split's train, .* got 'leak'"):
        compare_samplers(split, {"leak": Uniform(data)}, options=options)
