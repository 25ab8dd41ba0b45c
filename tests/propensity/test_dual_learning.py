import numpy as np
import pytest

from recneg.errors import InvalidDataError, InvalidIdError
from recneg.propensity import dual_learning

TOLERANCE = 0.06
"""Largest error of a position in 20,000 lists of 8, whose best places have some 9000 clicks."""


def shown(seed, num_lists, true, num_items=60):
    """Lists that a noisy ranker sorted by relevance, clicked with the given position bias."""
    rng = np.random.default_rng(seed)
    relevance = rng.beta(1, 2, num_items)
    size = len(true)
    chosen = np.argsort(rng.random((num_lists, num_items)), axis=1)[:, :size]
    score = relevance[chosen] + 0.3 * rng.normal(size=chosen.shape)
    items = np.take_along_axis(chosen, np.argsort(-score, axis=1), axis=1).ravel()
    lists, positions = np.repeat(np.arange(num_lists), size), np.tile(np.arange(size), num_lists)
    clicks = rng.random(items.size) < true[positions] * relevance[items]
    return (lists, items, positions, clicks), relevance


@pytest.mark.parametrize("exponent", [0.0, 0.7])
def test_finds_the_position_bias_where_click_rates_do_not(exponent):
    true = (1.0 + np.arange(8)) ** -exponent
    logs, relevance = shown(3, 20_000, true)
    learned = dual_learning(*logs)
    rates = np.bincount(logs[2], logs[3])
    assert np.abs(learned.positions - true).max() < TOLERANCE
    assert np.abs(rates / rates[0] - true).max() > 1.5 * TOLERANCE  # the top is also relevant
    assert np.corrcoef(np.exp(learned.relevance), relevance)[0, 1] > 0.97


def test_lists_of_any_length_in_any_order():
    true = np.array([1.0, 0.6, 0.4, 0.3])
    (lists, items, positions, clicks), _ = shown(5, 20_000, true, 20)
    keep = positions < 2 + lists % 3
    order = np.random.default_rng(0).permutation(np.flatnonzero(keep))
    learned = dual_learning(lists[order] - 7, *(x[order] for x in (items, positions, clicks)))
    assert np.abs(learned.positions - true).max() < TOLERANCE
    few = [dual_learning(*(x[part] for x in (lists, items, positions, clicks)), epochs=2)
           for part in (order, np.flatnonzero(keep))]  # fmt: skip
    np.testing.assert_array_equal(few[0].positions, few[1].positions)


def test_exposure_is_the_mean_over_showings():
    logs, _ = shown(1, 200, np.array([1.0, 0.5]), 5)
    learned = dual_learning(*logs, epochs=2, num_items=7)
    first, second = learned.theta([0, 1])
    exposure = learned.exposure([3, 3, 3, 1], [0, 1, 1, 0])
    assert exposure.theta(0, 3) == pytest.approx((first + 2 * second) / 3)
    assert exposure.theta(0, 1) == pytest.approx(first)
    assert exposure.theta(0, [0, 6]).tolist() == [0.01, 0.01]


def test_wrong_arguments():
    good = {"lists": [0, 0], "items": [0, 1], "positions": [0, 1], "clicks": [1, 0]}
    for change, message in (
        ({"positions": [0, 0]}, "list 0 shows two"),
        ({"clicks": [0, 0]}, "at least one of them 1"),
        ({"clicks": [0.5, 1]}, "clicks must be 0 or 1"),
        ({"items": [0]}, "vectors of one length"),
    ):
        with pytest.raises(InvalidDataError, match=message):
            dual_learning(**{**good, **change})
    with pytest.raises(InvalidIdError, match="position ids"):
        dual_learning(**{**good, "positions": [-1, 0]})
    for options in ({"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0.0}):
        with pytest.raises(ValueError, match="must be (positive|an integer of at least 1)"):
            dual_learning(**good, **options)
    with pytest.raises(InvalidDataError, match="must pair up"):
        dual_learning(**good).exposure([0, 1], [0])


def plain(lists, items, positions, clicks, epochs, rate, clip):
    """All lists with a click in one batch, loop by loop."""
    by_list = {}
    for row in np.lexsort((positions, lists)):
        by_list.setdefault(lists[row], []).append(row)
    clicked = [rows for rows in by_list.values() if any(clicks[row] for row in rows)]
    r, o = np.zeros(max(items) + 1), np.zeros(max(positions) + 1)
    squares = [np.zeros_like(r), np.zeros_like(o)]
    for _ in range(epochs):
        steps = [np.zeros_like(r), np.zeros_like(o)]
        for rows in clicked:
            of_items, of_places = (
                np.exp(scores[[index[row] for row in rows]]) for scores, index in
                ((r, items), (o, positions))
            )  # fmt: skip
            of_items, of_places = of_items / of_items.sum(), of_places / of_places.sum()
            for side, index, own, other in (
                (0, items, of_items, of_places), (1, positions, of_places, of_items)
            ):  # fmt: skip
                weights = [clicks[row] * min(other[0] / other[j], 1 / clip)
                           for j, row in enumerate(rows)]  # fmt: skip
                for j, row in enumerate(rows):
                    step = sum(weights) * own[j] - weights[j]
                    steps[side][index[row]] += step / len(clicked)
        for side, scores in enumerate((r, o)):
            norm = np.sqrt((steps[side] ** 2).sum())
            step = steps[side] * min(1.0, 5.0 / max(norm, 5.0))
            squares[side] += step**2
            scores -= rate * step / (np.sqrt(squares[side]) + 1e-10)
    return r, np.exp(o - o.max())


@pytest.mark.parametrize(("rate", "clip"), [(0.05, 0.01), (2.0, 0.5), (2.0, 0.001)])
def test_equals_a_plain_loop(rate, clip):
    (lists, items, positions, clicks), _ = shown(7, 60, np.array([1.0, 0.7, 0.5, 0.2]), 9)
    options = {"epochs": 12, "batch_size": 10**6, "learning_rate": rate, "clip": clip}
    learned = dual_learning(lists, items, positions, clicks, **options)
    relevance, places = plain(lists, items, positions, clicks, 12, rate, clip)
    np.testing.assert_allclose(learned.relevance, relevance, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(learned.positions, places, rtol=1e-6)


def test_long_gradients_are_cut_and_places_without_clicks_unknown():
    # every list is clicked at its last place, which seemed to be 1,000 times less examined
    lists, places = np.repeat(np.arange(30), 3), np.tile(np.arange(3), 30)
    items, clicks = places.copy(), places == 2
    options = {"epochs": 40, "learning_rate": 1.0, "clip": 1e-3}
    learned = dual_learning(lists, items, places, clicks, **options)
    relevance, expected = plain(lists, items, places, clicks, 40, 1.0, 1e-3)
    np.testing.assert_allclose(learned.relevance, relevance, rtol=1e-6)
    np.testing.assert_allclose(learned.positions, expected, rtol=1e-6)

    more = (
        np.append(lists, 99),
        np.append(items, 1),
        np.append(places, 4),
        np.append(clicks, False),
    )
    learned = dual_learning(*more, **options)
    assert np.isnan(learned.positions[[3, 4]]).all()
    with pytest.raises(InvalidDataError, match="some list with a click; 4 is in none"):
        learned.theta([0, 4])


def test_scores_that_overflow_are_an_error():
    logs, _ = shown(1, 200, np.array([1.0, 0.5]), 5)
    with (
        pytest.raises(FloatingPointError, match="choose a smaller learning_rate"),
        np.errstate(all="ignore"),
    ):
        dual_learning(*logs, learning_rate=1e300)
