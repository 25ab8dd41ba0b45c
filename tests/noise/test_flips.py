"""The coefficients, the model and its fit, against values and loops made elsewhere."""

import pickle

import numpy as np
import pytest

from recneg.datasets import card, load
from recneg.datasets.sources import where
from recneg.errors import InvalidDataError, InvalidIdError
from recneg.interactions import Interactions
from recneg.keys import Key, random_floats, random_integers
from recneg.noise import OBJECTIVES, FlipModel, coefficients, fit_flips, steady_rate
from recneg.simulation import simulate

SCORES = {
    "positive_scores": 0.5, "positive_flips": -1.2, "negative_scores": -0.3, "negative_flips": -0.8,
}  # fmt: skip
REFERENCE = {
    "bpo": (0.3775406687981454, 0, -0.425557483188341, 0),
    "nbpo-o": (
        0.3775406687981454, -0.23147521650098238, -0.23878210737902744, 0.12887024301144598,
    ),
    "nbpo-s": (
        0.18060617704119583, -0.1107320545495387, -0.16866999676615457, 0.09103087208075833,
    ),
    "nbpo": (0.290149360750169, -0.14408390845300598, -0.24746564385144623, 0.2936238036528483),
}  # fmt: skip


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_reference_coefficients(objective):
    np.testing.assert_allclose(coefficients(objective, **SCORES), REFERENCE[objective], rtol=1e-12)


def objectives(torch, s):
    """What each objective raises, held parts detached; row by row."""
    like_i, flip_i, like_j, flip_j = (torch.sigmoid(x) for x in s)
    held = [x.detach() for x in (like_i, flip_i, like_j, flip_j)]
    return {
        "bpo": torch.log(like_i) + torch.log(1 - like_j),
        "nbpo-o": torch.log((1 - flip_i) * like_i) + torch.log(1 - like_j + flip_j * like_j),
        "nbpo-s": (1 - flip_i) * like_i + 1 - like_j + flip_j * like_j,
        "nbpo": (1 - held[1]) * torch.log(like_i) + held[0] * torch.log(1 - flip_i)
        + torch.log(1 - like_j) + held[3] * torch.log(like_j) + held[2] * torch.log(flip_j),
    }  # fmt: skip


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_coefficients_are_gradients_of_the_objective(objective):
    import torch

    rng = np.random.default_rng(0)
    scores = torch.from_numpy(rng.uniform(-6, 6, (4, 50))).requires_grad_()
    objectives(torch, scores)[objective].sum().backward()
    found = coefficients(objective, *scores.detach().numpy())
    np.testing.assert_allclose(found, scores.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_coefficients_broadcast_and_stay_finite():
    found = coefficients("nbpo-o", [[1e4], [-1e4]], 1e4, [1e4, -1e4, 0.0], -1e4)
    assert found.negative.shape == (2, 3)
    assert all(np.isfinite(part).all() for part in found)
    with pytest.raises(ValueError, match="objective must be one of bpo, .*; got 'bpr'"):
        coefficients("bpr", 0, 0, 0, 0)


def random_model(num_users=5, num_items=7, scale=1.0):
    rng = np.random.default_rng(3)
    tables = [scale * rng.normal(size=(n, 3)) for n in (num_users, num_items) * 2]
    return FlipModel(*tables)


def test_probabilities_of_the_model():
    model = random_model()
    users, items = np.arange(5)[:, None], np.arange(7)
    like = sigmoid(model.user_factors @ model.item_factors.T)
    flip = sigmoid(model.user_flips @ model.item_flips.T)
    np.testing.assert_allclose(model.preference(users, items), like, rtol=1e-6)
    np.testing.assert_allclose(model.flip(users, items), flip, rtol=1e-6)
    np.testing.assert_allclose(
        model.true_negative(users, items), (1 - like) / (1 - like + flip * like), rtol=1e-5
    )


def test_extreme_scores_stay_probabilities():
    model = random_model(scale=300.0)
    chance = model.true_negative(np.arange(5)[:, None], np.arange(7))
    assert np.all((chance >= 0) & (chance <= 1))


def test_true_negative_is_the_posterior_of_the_noise():
    rng = np.random.default_rng(8)
    model = FlipModel([[1.0]], [[0.4]], [[1.0]], [[-0.2]])
    wanted = rng.random(10**6) < model.preference(0, 0)
    voted = wanted & (rng.random(10**6) >= model.flip(0, 0))
    share = np.mean(~wanted[~voted])
    error = np.sqrt(share * (1 - share) / np.sum(~voted))
    assert abs(share - model.true_negative(0, 0)) < 5 * error


def test_shapes_and_ids_are_checked():
    with pytest.raises(InvalidDataError, match="must have as many columns"):
        FlipModel(np.zeros((2, 3)), np.zeros((2, 4)), np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(InvalidDataError, match="flips must have 2 users"):
        FlipModel(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((1, 3)), np.zeros((2, 3)))
    with pytest.raises(InvalidDataError, match="item_flips must be a finite matrix"):
        FlipModel(*[np.zeros((2, 3))] * 3, np.full((2, 3), np.inf))
    with pytest.raises(InvalidIdError, match="item ids must lie in"):
        random_model().flip(0, 7)


def fit_by_loops(data, objective, factors, epochs, batch, num_negatives, rate, decays, seed):
    """The published loop, term by term, in double precision."""
    key = Key(seed)
    tables = []
    for number, scale in enumerate((1, 1, 5, -5)):
        rows = np.arange(data.num_items if number % 2 else data.num_users)
        unit = random_floats(key.fold_in(0).fold_in(number), rows[:, None], np.arange(factors))
        tables.append(unit * scale / np.sqrt(factors))
    pairs = list(zip(data.users(), data.indices, strict=True))
    for epoch in range(epochs):
        rate *= 0.99
        draws = key.fold_in(1).fold_in(epoch)
        for start in range(0, len(pairs), batch):
            steps = [np.zeros_like(table) for table in tables]
            for row in range(start, min(start + batch, len(pairs))):
                u, i = pairs[row]
                free = np.setdiff1d(np.arange(data.num_items), data.items_of(int(u)))
                for slot in range(num_negatives if len(free) else 0):
                    j = free[random_integers(draws, len(free), row, slot)]
                    score = [tables[a][u] @ tables[b][x] for x in (i, j) for a, b in
                             ((0, 1), (2, 3))]  # fmt: skip
                    c = coefficients(objective, *score)
                    for x, like, flip in ((i, c[0], c[1]), (j, c[2], c[3])):
                        steps[0][u] += like * tables[1][x]
                        steps[1][x] += like * tables[0][u]
                        steps[2][u] += flip * tables[3][x]
                        steps[3][x] += flip * tables[2][u]
            for number, (table, step) in enumerate(zip(tables, steps, strict=True)):
                table += rate * (step - decays[number // 2] * table)
    return tables


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_fit_is_the_published_loop(objective):
    pairs = [(0, 0), (0, 3), (1, 1), (1, 2), (2, 4), (3, 0), (3, 5)] + [(4, i) for i in range(6)]
    data = Interactions.from_arrays(*zip(*pairs, strict=True), num_users=6)
    model = fit_flips(
        data, objective=objective, factors=3, epochs=5, batch_size=4, num_negatives=2,
        learning_rate=0.1, regularization=0.3, flip_regularization=0.2, key=11,
    )  # fmt: skip
    loops = fit_by_loops(data, objective, 3, 5, 4, 2, 0.1, (0.3, 0.2), 11)
    tables = model.user_factors, model.item_factors, model.user_flips, model.item_flips
    for table, expected in zip(tables, loops, strict=True):
        np.testing.assert_allclose(table, expected, rtol=1e-4, atol=1e-5)


def test_fit_learns_preferences_and_depends_on_its_key_alone():
    world = simulate(200, 100, 4000, key=2)
    options = {"factors": 8, "epochs": 60, "batch_size": 500, "regularization": 0.3}
    one, two = (fit_flips(world.interactions, **options, key=1) for _ in range(2))
    for name in ("user_factors", "item_factors", "user_flips", "item_flips"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    other = fit_flips(world.interactions, **options, key=2)
    assert not np.array_equal(one.user_factors, other.user_factors)
    users, items = np.arange(200)[:, None], np.arange(100)
    seen = world.interactions.contains(users, items)
    found = one.preference(users, items)
    clicks = world.truth.click(users, items)
    assert found[seen].mean() > found[~seen].mean() + 0.15
    assert np.corrcoef(found[~seen], clicks[~seen])[0, 1] > 0.5  # also of what was not observed


def drawn_at_random(num_users, num_items, each, skew=0.0):
    rng = np.random.default_rng(0)
    weights = 1 / (1 + np.arange(num_items)) ** skew
    weights /= weights.sum()
    items = [rng.choice(num_items, each, False, weights) for _ in range(num_users)]
    return Interactions.from_arrays(
        np.repeat(np.arange(num_users), each), np.concatenate(items), num_items=num_items
    )


@pytest.mark.parametrize("options", [{}, {"flip_regularization": 0.5}, {"objective": "bpo"}])
@pytest.mark.parametrize(
    "shape",
    [(30, 20, 10), (30, 20, 19), (500, 50, 10), (50, 400, 200), (1000, 500, 20, 1.2)],
)
def test_defaults_stay_small_on_dense_data(shape, options):
    data = drawn_at_random(*shape)
    model = fit_flips(data, epochs=30, factors=16, **options)
    tables = model.user_factors, model.item_factors, model.user_flips, model.item_flips
    assert max(float(abs(table).max()) for table in tables) < 10
    users, items = np.arange(shape[0])[:, None], np.arange(shape[1])
    seen, found = data.contains(users, items), model.preference(users, items)
    assert found[seen].mean() > found[~seen].mean() + 0.01


def test_the_default_rate_is_the_steady_one():
    data = drawn_at_random(200, 30, 10)
    options = {"batch_size": 1000, "num_negatives": 5}
    rate = steady_rate(data, **options)
    options |= {"factors": 4, "epochs": 3}
    found, wanted = fit_flips(data, **options), fit_flips(data, learning_rate=rate, **options)
    assert rate < 0.05
    np.testing.assert_array_equal(found.user_factors, wanted.user_factors)


@pytest.mark.parametrize("num_items", [8, 500])
def test_steady_rate_is_that_of_the_batch_with_the_largest_norms(num_items):
    """Votes and expected draws of each user and item, batch by batch, as matrices."""
    pairs = [(0, i) for i in range(6)] + [(1, i) for i in range(8)] + [(3, 0), (3, 1), (3, 7)]
    pairs += [(u, 0) for u in range(4, 40)]
    data = Interactions.from_arrays(*np.transpose(pairs), num_users=41, num_items=num_items)
    shares = []
    for start in range(0, len(pairs), 9):
        votes, draws = np.zeros((41, num_items)), np.zeros((41, num_items))
        for u, i in pairs[start : start + 9]:
            free = np.setdiff1d(np.arange(num_items), data.items_of(u))
            votes[u, i] = 40 * (len(free) > 0)
            draws[u, free] += 40 / max(len(free), 1)
        shares.append((np.linalg.norm(draws) / 42, np.linalg.norm(votes, 2) / 60))
    most = np.max(shares, axis=0)
    assert (most[0] > most[1]) == (num_items == 8)
    rate = steady_rate(data, batch_size=9, num_negatives=40)
    assert rate == pytest.approx(0.05 / max(1, *most), rel=1e-3)


def test_the_steady_rate_of_sparse_data_is_the_published_one():
    assert steady_rate(drawn_at_random(400, 4000, 3)) == 0.05
    assert steady_rate(Interactions.from_arrays([0, 0, 1, 1], [0, 1, 0, 1])) == 0.05  # no draws
    assert steady_rate(Interactions.from_arrays([], [], num_users=2, num_items=2)) == 0.05
    for options in ({"batch_size": 0}, {"num_negatives": 0}):
        with pytest.raises(ValueError, match="must be an integer of at least 1; got 0"):
            steady_rate(drawn_at_random(3, 4, 2), **options)


def test_amazon_electronics_keeps_the_published_rate():
    if where(card("amazon-electronics")) is None:
        pytest.skip("amazon-electronics is not below RECNEG_DATA")
    train = load("amazon-electronics", download=False).split.train
    assert steady_rate(train) == 0.05


def test_wrong_arguments():
    data = Interactions.from_arrays([0, 1], [0, 1])
    for options, message in (
        ({"objective": "bpr"}, "objective must be one of"),
        ({"factors": 0}, "factors must be an integer of at least 1; got 0"),
        ({"epochs": -1}, "epochs must be an integer of at least 0; got -1"),
        ({"num_negatives": 0}, "num_negatives must be an integer of at least 1; got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            fit_flips(data, **options)
    with pytest.raises(InvalidDataError, match="got no interactions"):
        fit_flips(Interactions.from_arrays([], [], num_users=1, num_items=1))
    with pytest.raises(FloatingPointError, match="learning_rate must be small enough"):
        fit_flips(data, learning_rate=1e30, epochs=9)


def test_models_from_a_pickle_are_read_only_too():
    model = pickle.loads(pickle.dumps(FlipModel([[1.0]], [[0.0]], [[1.0]], [[0.0]])))  # noqa: S301
    for array in vars(model).values():
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 9.0
