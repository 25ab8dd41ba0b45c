"""Laws that follow the model or the batch, and mining, inside training."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from recneg.errors import IntegrityError, InvalidDataError, NoNegativeError
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.mining import Mined, Miner, guided, hardest, self_adversarial, variance
from recneg.samplers import (
    Adaptive,
    Conditional,
    InBatch,
    Negatives,
    PerBatch,
    Pool,
    Popularity,
    Sampler,
    Softmax,
    TimeAware,
    Uniform,
)
from recneg.simulation import simulate
from recneg.training import BPR, NegativeSource
from recneg.training.negatives import BATCH_USERS, score_pairs
from recneg.training.state import TrainingState
from recneg.training.streams import MINE, NEGATIVES

OPTIONS = {"factors": 6, "epochs": 6, "num_threads": 1, "seed": 5}


@pytest.fixture(scope="module")
def data() -> Interactions:
    return simulate(300, 80, 4000, key=2).interactions


def fitted(data: Interactions, **options) -> BPR:
    return BPR(**{**OPTIONS, **options}).fit(data, show_progress=False)


def test_an_adaptive_law_is_rebuilt_from_the_current_scores(data: Interactions) -> None:
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def make(interactions: Interactions, users: np.ndarray, items: np.ndarray) -> Sampler:
        seen.append((users.copy(), items.copy()))
        return Softmax(interactions, users, items)

    factors: list[tuple[np.ndarray, np.ndarray]] = []
    model = BPR(**OPTIONS, sampler=Adaptive(make, every=2))
    model.fit(
        data, False,
        lambda epoch: factors.append((model.user_factors.copy(), model.item_factors.copy())),
    )  # fmt: skip
    assert len(seen) == 3
    for number, (users, items) in enumerate(seen[1:], 1):
        scores = users @ items.T
        expected = factors[2 * number - 1][0] @ factors[2 * number - 1][1].T
        assert np.allclose(scores, expected, atol=1e-6)  # biases included


def test_a_law_that_wants_a_key_gets_that_of_its_epoch(data: Interactions) -> None:
    keys: list[Key] = []

    def make(interactions, users, items, key):
        keys.append(key)
        return Uniform(interactions)

    fitted(data, epochs=4, sampler=Adaptive(make, every=2))
    assert len(set(keys)) == len(keys) == 2


def test_a_law_of_the_batch_gets_the_positives_of_the_block_and_of_those_before(
    data: Interactions,
) -> None:
    sizes: list[int] = []

    def make(interactions: Interactions, positives: np.ndarray) -> Sampler:
        sizes.append(positives.size)
        return InBatch(interactions, positives)

    fitted(data, epochs=1, sampler=PerBatch(make))
    assert len(sizes) == 2  # 300 users in blocks of 256
    assert sum(sizes) == len(data)
    sizes.clear()
    fitted(data, epochs=1, sampler=PerBatch(make, batches=2))
    assert sizes[1] == len(data)


def test_mining_in_training_is_mining_by_hand(data: Interactions) -> None:
    """The hardest of five uniform candidates by the model's scores, row by row."""
    model = fitted(data, mining=Miner(hardest, 5))
    key = Key(OPTIONS["seed"]).fold_in(NEGATIVES).fold_in(OPTIONS["epochs"])
    candidates = Uniform(data).sample(data.users(), 5, key=key).items
    scores = np.einsum(
        "rd,rnd->rn", model.user_factors[data.users()], model.item_factors[candidates]
    )
    expected = np.take_along_axis(candidates, scores.argmax(axis=1)[:, None], 1)
    assert (model.negatives(data) == expected).mean() > 0.999  # up to ties by rounding


def test_mining_is_keyed_by_row_and_epoch(data: Interactions) -> None:
    calls: list[tuple[np.ndarray, Key, int]] = []

    def pick(negatives: Negatives, scores, *, num_negatives, key, rows, epoch) -> Mined:
        calls.append((rows, key, epoch))
        return Mined(*(part[:, :num_negatives] for part in (*negatives, negatives.items * 0)))

    fitted(data, epochs=2, mining=Miner(pick, 3))
    assert sorted(np.concatenate([rows for rows, _, epoch in calls if epoch == 0]).tolist()) == (
        list(range(len(data)))
    )
    expected = [Key(OPTIONS["seed"]).fold_in(MINE).fold_in(epoch) for epoch in (0, 1)]
    assert {key for _, key, _ in calls} == set(expected)


def test_first_candidates_and_unit_weights_train_as_the_plain_law_does(data: Interactions) -> None:
    """A mining function that keeps the first two of four candidates changes nothing at all."""

    def first(negatives: Negatives, scores, *, num_negatives) -> Mined:
        kept = [part[:, :num_negatives] for part in negatives]
        return Mined(*kept, kept[0] * 0, np.ones(kept[0].shape))

    plain = fitted(data, num_negatives=2)
    mined = fitted(data, num_negatives=2, mining=Miner(first, 4))
    assert np.allclose(plain.item_factors, mined.item_factors, atol=1e-5)


def test_weights_scale_the_steps(data: Interactions) -> None:
    """Without decay, weight w at rate r is weight 1 at rate w r; weight 0 is no step at all."""

    def weighing(weight: float):
        def weigh(negatives: Negatives, scores) -> Mined:
            return Mined(*negatives, negatives.items * 0, np.full(scores.shape, weight))

        return weigh

    options = {"regularization": 0.0, "epochs": 2, "item_bias": True}
    half = fitted(data, learning_rate=0.1, mining=Miner(weighing(0.5), 2), **options)
    plain = fitted(data, learning_rate=0.05, num_negatives=2, **options)
    assert np.allclose(half.item_factors, plain.item_factors, atol=1e-5)
    none = fitted(data, mining=Miner(weighing(0.0), 1), **options)
    assert np.array_equal(none.item_factors, fitted(data, **options | {"epochs": 0}).item_factors)


def test_all_weighed_candidates_are_used(data: Interactions) -> None:
    model = fitted(data, mining=Miner(self_adversarial, 7))
    assert model.negatives(data).shape == (len(data), 7)
    assert model.history[-1].triples == 7 * len(data)


def test_masked_choices_are_no_steps(data: Interactions) -> None:
    def none(negatives: Negatives, scores) -> Mined:
        return Mined(negatives.items, negatives.log_q, negatives.mask & False, negatives.items * 0)

    with pytest.raises(NoNegativeError, match="in epoch 1 there was none for any of"):
        fitted(data, mining=Miner(none, 2))

    def some(negatives: Negatives, scores, *, rows) -> Mined:
        kept = negatives.mask & (rows % 3 == 0)[:, None]
        return Mined(negatives.items, negatives.log_q, kept, negatives.items * 0)

    model = fitted(data, mining=Miner(some, 2))
    assert model.history[-1].triples == 2 * len(range(0, len(data), 3))
    assert model.history[-1].skipped == 2 * len(data) - model.history[-1].triples
    assert ((model.negatives(data) == -1).all(axis=1) == (np.arange(len(data)) % 3 > 0)).all()


@pytest.mark.parametrize(
    "recipe",
    [
        {"sampler": Adaptive(partial(Softmax, temperature=2.0), every=4)},
        {"mining": Miner(variance, 4, warm_up=2, past_epochs=3)},
        {"sampler": PerBatch(InBatch, batches=2)},
    ],
    ids=["adaptive", "past scores", "per batch"],
)
def test_a_killed_run_resumes_to_the_same_bits(
    data: Interactions, recipe: dict, tmp_path: Path
) -> None:
    options = {**OPTIONS, "epochs": 11, "evaluate_every": 3} | recipe
    whole = BPR(**options).fit(data, False)
    path = tmp_path / "run.safetensors"

    def kill(epoch) -> None:
        if epoch.epoch == 7:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        BPR(**options).fit(data, False, kill, checkpoint=path)
    resumed = BPR(**options).fit(data, False, checkpoint=path)
    assert np.array_equal(whole.item_factors, resumed.item_factors)
    assert np.array_equal(whole.user_factors, resumed.user_factors)


def test_recipes_are_named_alike_in_every_process(data: Interactions) -> None:
    adaptive = Adaptive(partial(Softmax, temperature=2.0), every=4)
    assert repr(adaptive) == "Adaptive(Softmax(temperature=2.0), every=4)"
    assert repr(PerBatch(InBatch)) == "PerBatch(InBatch, batches=1)"
    source = NegativeSource(adaptive, Miner(hardest, 4, among=2), data, 1)
    assert repr(source) == f"Miner(hardest, 4, among=2) of {adaptive!r}"


def test_a_guide_scores_the_candidates(data: Interactions) -> None:
    guide = fitted(data, epochs=20)
    model = fitted(data, mining=Miner(guided, 6, guide=guide), num_negatives=6)
    negatives = model.negatives(data)
    rows, slots = np.nonzero(negatives >= 0)
    scores = guide.user_factors @ guide.item_factors.T
    owners, drawn = data.users()[rows], negatives[rows, slots]
    assert (scores[owners, drawn] <= scores[owners, data.indices[rows]] + 1e-4).all()
    assert 0 < (negatives == -1).mean() < 0.9
    with pytest.raises(InvalidDataError, match="guided must have a guide; got none"):
        Miner(guided, 6)


def test_time_reaches_the_law(data: Interactions) -> None:
    rng = np.random.default_rng(0)
    timed = Interactions.from_arrays(
        data.users(), data.indices, timestamps=rng.integers(0, 100, len(data)),
        num_users=data.num_users, num_items=data.num_items,
    )  # fmt: skip
    born = np.where(np.arange(data.num_items) % 2, 50, 0)
    model = fitted(timed, sampler=TimeAware(timed, born), num_negatives=3)
    negatives = model.negatives(timed)
    assert (born[negatives] <= timed.timestamps[:, None]).all()


def test_scores_of_pairs() -> None:
    rng = np.random.default_rng(1)
    users, items, biases = (
        rng.normal(size=shape).astype(np.float32) for shape in ((3, 5), (4, 5), (4,))
    )
    pairs = np.array([[0, 3], [1, -1]])
    got = score_pairs((users, items, biases), np.array([2, 0]), pairs)
    expected = (users @ items.T + biases)[[[2], [0]], pairs]
    assert np.allclose(got[[0, 0, 1], [0, 1, 0]], expected[[0, 0, 1], [0, 1, 0]], atol=1e-5)
    assert got[1, 1] == 0


def test_what_a_function_makes_is_checked(data: Interactions) -> None:
    """Kernels do not check bounds: a law of other sizes would write beyond the factors."""
    large = Uniform(Interactions.from_arrays([39], [4_999_999]))
    with pytest.raises(InvalidDataError, match="the sampler must have the users and items"):
        fitted(data, sampler=PerBatch(lambda *_: large))
    with pytest.raises(InvalidDataError, match="must return one; got 3"):
        fitted(data, sampler=PerBatch(lambda *_: 3))
    with pytest.raises(InvalidDataError, match="must return one; got None"):
        fitted(data, sampler=Adaptive(lambda *_: None))
    with pytest.raises(InvalidDataError, match="sampler must be a Sampler, an Adaptive"):
        fitted(data, sampler=3)
    with pytest.raises(InvalidDataError, match="wrap a law that follows the model in Adaptive"):
        fitted(data, sampler=Softmax)
    with pytest.raises(InvalidDataError, match="mining must be a Miner"):
        fitted(data, mining=hardest)
    small = simulate(30, 20, 50, key=0).interactions
    guide = fitted(small)
    with pytest.raises(InvalidDataError, match="the guide must have the users and items"):
        fitted(data, mining=Miner(guided, 6, guide=guide))
    with pytest.raises(InvalidDataError, match="must have the users and items of the model"):
        guide.negatives(data)


def test_a_checkpoint_of_another_law_is_refused(data: Interactions, tmp_path: Path) -> None:
    """By what the law is made of, and not by what its repr happens to show."""
    rng = np.random.default_rng(0)
    counts = [rng.integers(1, 50, data.num_items) for _ in range(2)]
    times = [rng.integers(0, 10**6, data.num_items) for _ in range(2)]
    pairs = [simulate(300, 80, 300, key=seed).interactions for seed in (1, 2)]
    guides = [fitted(data, seed=seed) for seed in (1, 2)]
    recipes = {
        "counts": [{"sampler": Popularity(data, counts=each)} for each in counts],
        "times": [{"sampler": TimeAware(data, each)} for each in times],
        "exclude": [{"sampler": Conditional(Uniform(data), each)} for each in pairs],
        "guide": [{"mining": Miner(guided, 4, guide=each)} for each in guides],
        "past": [{"mining": Miner(variance, 4, past_epochs=each)} for each in (2, 3)],
        "every": [{"sampler": Adaptive(Softmax, every=each)} for each in (1, 2)],
        "bound": [
            {"sampler": Adaptive(partial(Softmax, temperature=each))} for each in (1.0, 2.0)
        ],
    }  # fmt: skip
    for name, (first, second) in recipes.items():
        path = tmp_path / f"{name}.safetensors"
        BPR(**OPTIONS, **first).fit(data, False, checkpoint=path)
        BPR(**OPTIONS, **first).fit(data, False, checkpoint=path)  # the same goes on
        with pytest.raises(IntegrityError, match="sampler differ"):
            BPR(**OPTIONS, **second).fit(data, False, checkpoint=path)
    nameless = BPR(**OPTIONS, sampler=PerBatch(lambda d, b: InBatch(d, b)))
    with pytest.raises(InvalidDataError, match="needs functions of a module"):
        nameless.fit(data, False, checkpoint=tmp_path / "lambda.safetensors")


def test_bad_recipes(data: Interactions) -> None:
    with pytest.raises(InvalidDataError, match="every must be an integer of at least 1; got 0"):
        Adaptive(Softmax, every=0)
    with pytest.raises(InvalidDataError, match="batches must be an integer"):
        PerBatch(InBatch, batches=True)
    with pytest.raises(InvalidDataError, match="options of hardest must be among"):
        Miner(hardest, 4, temperature=2)
    for wrong in (0, 2.0, True):
        with pytest.raises(ValueError, match="num_candidates must be an integer of at least 1"):
            Miner(hardest, wrong)
    with pytest.raises(ValueError, match="past_epochs must be an integer of at least 1; got 0"):
        Miner(variance, 4, past_epochs=0)
    assert repr(Miner(partial(hardest, among=2), 4)) == "Miner(hardest(among=2), 4)"
    other = Uniform(Interactions.from_arrays([0], [0]))
    with pytest.raises(InvalidDataError, match="the sampler must have the users and items"):
        fitted(data, sampler=Adaptive(lambda *_: other))
    empty = np.full((data.num_users, 1), -1)
    with pytest.raises(NoNegativeError):
        fitted(data, sampler=Pool(data, empty))


def test_the_last_block_counts_as_one_of_its_own_size(data: Interactions) -> None:
    """What `BPR.negatives` draws is what training draws: the fused law, and pre-drawn blocks."""
    assert data.num_users % BATCH_USERS
    model = fitted(data, num_negatives=3, sampler=Popularity)
    key = Key(OPTIONS["seed"]).fold_in(NEGATIVES).fold_in(OPTIONS["epochs"])
    expected = Popularity(data).sample(data.users(), 3, key=key).items
    assert np.array_equal(model.negatives(data), expected)
    state = TrainingState((np.zeros((1, 1), np.float32),) * 3)
    source = NegativeSource(Popularity, None, data, 2)
    got = source.epoch(state, Key(1), Key(2))
    assert np.array_equal(got, Popularity(data).sample(data.users(), 2, key=1).items)


def test_divergence_under_mining_names_the_epoch(data: Interactions) -> None:
    with pytest.raises(FloatingPointError, match="overflowed in epoch 1 at learning rate 1e"):
        fitted(data, learning_rate=1e30, mining=Miner(hardest, 4))
