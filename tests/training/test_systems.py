"""NBPO, Rel-MF, UBPR: the named systems, and the side values that their losses need."""

import numpy as np
import pytest

from recneg import BPR, NBPO, UBPR, Interactions, MatrixFactorization, RelMF
from recneg.errors import InvalidDataError
from recneg.keys import Key
from recneg.losses import BPRLoss, NBPOLoss, RelMFLoss, SLAtKLoss, UBPRLoss
from recneg.noise import start_tables, steady_rate
from recneg.propensity import given, power_law
from recneg.samplers import Uniform
from recneg.training import SGD, Thresholds
from recneg.training.sides import SideValues
from recneg.training.state import Epoch, TrainingState


def some_interactions(num_users: int = 60, num_items: int = 30, seed: int = 0) -> Interactions:
    rng = np.random.default_rng(seed)
    chance = 0.5 / (1 + np.arange(num_items)) ** 0.5
    users, items = np.nonzero(rng.random((num_users, num_items)) < chance)
    return Interactions.from_arrays(users, items, num_users=num_users + 1, num_items=num_items + 1)


def test_nbpo_learns_and_reports_its_likelihood() -> None:
    data = some_interactions()
    model = NBPO(4, epochs=12, batch_size=64, regularization=0.01, flip_regularization=0.1)
    model.fit(data, show_progress=False)
    assert model.history[-1].loss < model.history[0].loss
    assert model.history[-1].correct > 0.6
    assert model.history[0].triples == 4 * len(data)
    assert np.array_equal(model.flips.user_factors, model.user_factors)


def test_nbpo_starts_where_it_says_and_its_flips_are_saved(tmp_path) -> None:
    data = some_interactions()
    model = NBPO(4, epochs=0).fit(data, show_progress=False)
    tables = start_tables(data, 4, Key(0).fold_in(0))
    for found, wanted in zip(
        (model.user_factors, model.item_factors, model.flips.user_flips, model.flips.item_flips),
        tables,
        strict=True,
    ):
        assert np.array_equal(found, wanted)
    model.save(tmp_path / "model")
    again = NBPO.load(tmp_path / "model")
    assert np.array_equal(again.flips.user_flips, tables[2])
    assert repr(again) == repr(model)


@pytest.mark.parametrize("objective", ["nbpo", "nbpo-o", "nbpo-s", "bpo"])
def test_nbpo_is_the_same_in_torch(objective: str) -> None:
    data = some_interactions(num_items=12)
    options = {
        "objective": objective, "epochs": 4, "batch_size": 50, "num_negatives": 3,
        "learning_rate": 0.02, "regularization": 0.1, "flip_regularization": 0.05,
    }  # fmt: skip
    fused, torch = (
        NBPO(5, engine=engine, num_threads=1, **options).fit(data, show_progress=False)
        for engine in ("fused", "torch")
    )
    for a, b in zip(fused.history, torch.history, strict=True):
        assert (a.triples, a.skipped) == (b.triples, b.skipped)
        assert a.loss == pytest.approx(b.loss, rel=1e-5)
        assert a.correct == pytest.approx(b.correct, abs=2e-3)
    for name in ("user_factors", "item_factors", "user_flips", "item_flips"):
        a, b = getattr(fused.flips, name), getattr(torch.flips, name)
        assert np.allclose(a, b, atol=2e-5)
        start = getattr(NBPO(5, epochs=0).fit(data, show_progress=False).flips, name)
        assert not np.allclose(a, start, atol=1e-2)


def test_missing_votes_are_never_votes() -> None:
    data = some_interactions()
    owners = data.users().astype(np.int64)

    def missing_votes(start: int, stop: int, num_negatives: int) -> np.ndarray:
        rows = np.arange(start, stop)
        return Uniform(data).sample(owners[rows], num_negatives, key=Key(1), rows=rows).items

    drawn = missing_votes(3, len(data), 4)
    assert not data.contains(owners[3:, None], drawn).any()
    again = missing_votes(5, 9, 2)
    assert np.array_equal(again, drawn[2:6, :2])


def test_nbpo_resumes_to_the_same_bits(tmp_path) -> None:
    data, options = some_interactions(), {"factors": 4, "evaluate_every": 1, "regularization": 0.1}
    whole = NBPO(epochs=4, **options).fit(data, show_progress=False)

    def stop(epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        NBPO(epochs=4, **options).fit(
            data, show_progress=False, callback=stop, checkpoint=tmp_path / "run"
        )
    model = NBPO(epochs=4, **options)
    model.fit(data, show_progress=False, checkpoint=tmp_path / "run")
    assert model.resumed_epochs == 2
    assert np.array_equal(model.item_factors, whole.item_factors)
    assert np.array_equal(model.flips.item_flips, whole.flips.item_flips)


def test_nbpo_keeps_the_best_factors_and_their_flips() -> None:
    data = some_interactions()
    model = NBPO(4, epochs=10, patience=1, evaluate_every=1, regularization=0.1)
    model.fit(data, show_progress=False)
    assert model.flips.user_flips.shape == model.user_factors.shape
    assert model.history[-1].validation is not None


def test_nbpo_trains_dense_data_by_default() -> None:
    """The published rate, which is for sparse data, overflows on these."""
    users, items = np.divmod(np.arange(5000), 10)
    data = Interactions.from_arrays(users, (users * 7 + items * 3) % 50, num_items=50)
    with pytest.raises(FloatingPointError, match="choose a smaller one"):
        NBPO(learning_rate=0.05).fit(data, show_progress=False)
    model = NBPO().fit(data, show_progress=False)
    assert model.history[-1].correct > 0.9
    assert abs(model.flips.item_flips).max() < 10
    again = NBPO(learning_rate=steady_rate(data)).fit(data, show_progress=False)
    assert np.array_equal(again.item_factors, model.item_factors)


def test_nbpo_takes_a_number_of_threads_and_gives_the_same_bits() -> None:
    data, options = some_interactions(), {"factors": 4, "epochs": 3, "batch_size": 64}
    one, two = (
        NBPO(**options, num_threads=threads).fit(data, show_progress=False) for threads in (1, 2)
    )
    assert np.array_equal(one.item_factors, two.item_factors)
    assert "num_threads" not in one.manifest()  # as for the others: not the model's, but the run's
    with pytest.raises(
        InvalidDataError, match="num_threads must be an integer of at least 0; got -1"
    ):
        NBPO(num_threads=-1)


def test_nbpo_refuses_an_unknown_objective() -> None:
    with pytest.raises(InvalidDataError, match="objective must be one of"):
        NBPO(objective="npbo")


@pytest.mark.parametrize("make", [RelMF, UBPR])
def test_debiased_systems_are_matrix_factorization_with_their_loss(make, tmp_path) -> None:
    data = some_interactions()
    model = make(4, epochs=3, num_threads=1).fit(data, show_progress=False)
    same = MatrixFactorization(
        **{name: getattr(model.options, name) for name in type(model.options).model_fields},
        loss=model.loss, sampler=model.sampler, num_threads=1,
    ).fit(data, show_progress=False)  # fmt: skip
    assert np.array_equal(model.item_factors, same.item_factors)
    model.save(tmp_path / "model")
    again = make.load(tmp_path / "model")
    assert type(again) is make
    assert again.loss == model.loss
    assert again.options == model.options
    assert np.array_equal(again.item_factors, model.item_factors)


def test_a_system_takes_other_parts() -> None:
    loss = RelMFLoss("log", 0.5)
    assert RelMF(local="log", clip=0.5).loss == loss
    assert RelMF(loss=loss).loss == loss
    assert UBPR(beta=0.008).loss == UBPRLoss(0.008)
    assert UBPR(num_negatives=3).options.num_negatives == 3


def test_propensities_reach_the_loss() -> None:
    data = some_interactions()
    exposure = given(np.linspace(0.2, 1.0, data.num_items))
    loss = RelMFLoss(clip=0.3)
    sides = SideValues(loss, data, exposure, Thresholds())
    users, positives = np.array([0, 1]), data.indices[[0, data.indptr[1]]]
    negatives = np.stack((positives[::-1], [5, -1]), axis=1).astype(np.int32)
    own, others = sides.of(users, positives, negatives)
    theta = np.maximum(exposure.items, 0.3)
    assert np.allclose(own, 1 / theta[positives])
    for row in range(2):
        for place in range(2):
            item = negatives[row, place]
            clicked = item in data.items_of(users[row])
            assert np.isclose(others[row, place], clicked / theta[max(item, 0)]) or item < 0


@pytest.mark.parametrize("clip", [None, 0.0028, 0.00914, 0.05])
def test_the_bound_of_the_loss_is_that_of_the_default_propensity(clip: float | None) -> None:
    users = np.concatenate((np.arange(20_000), [0]))
    data = Interactions.from_arrays(users, np.concatenate((np.zeros(20_000, int), [1])))
    sides = SideValues(UBPRLoss(clip=clip), data, None, Thresholds())
    own, others = sides.of(np.array([0]), np.array([1]), np.array([[1]], np.int32))
    assert own[0] == pytest.approx(1 / max(20_000**-0.5, clip or 0))
    assert others[0, 0] == own[0]


def test_thresholds_are_the_kth_best_of_positives_and_samples() -> None:
    data = some_interactions()
    rng = np.random.default_rng(0)
    users, items = (
        rng.normal(size=(size, 4)).astype(np.float32) for size in (data.num_users, data.num_items)
    )
    chosen = Thresholds(k=3, num_samples=2000, every=2)  # so many that every item is drawn
    sides = SideValues(SLAtKLoss(), data, None, chosen)
    state = TrainingState((users, items, np.empty(0, np.float32)))
    sides.follow(state, users, items, Key(1))
    everybody = np.flatnonzero(data.user_counts())
    found, none = sides.of(everybody, np.zeros(len(everybody), np.int32), np.empty((0, 0)))
    assert none.size == 0
    best = np.sort(users @ items.T, axis=1)[:, ::-1]
    # samples repeat items, so the third of the samples is the best item or one of the next
    assert np.all(found <= best[everybody, 0] + 1e-6)
    assert np.all(found >= best[everybody, 2] - 1e-6)
    before = found.copy()
    state.history = [Epoch(1, 0.0, 0.0, 0.0, 0, None)]
    sides.follow(state, users * 2, items, Key(1))  # not due
    assert np.array_equal(sides.of(everybody, everybody, everybody)[0], before)
    state.history *= 2
    sides.follow(state, users * 2, items, Key(1))
    assert not np.allclose(sides.of(everybody, everybody, everybody)[0], before)


def test_what_a_loss_cannot_have_is_refused() -> None:
    data = some_interactions()
    with pytest.raises(InvalidDataError, match="use recneg.NBPO"):
        MatrixFactorization(4, loss=NBPOLoss()).fit(data, show_progress=False)
    with pytest.raises(InvalidDataError, match="propensity is for losses that need it"):
        MatrixFactorization(4, loss=BPRLoss(), propensity=power_law).fit(data, show_progress=False)
    with pytest.raises(InvalidDataError, match="k must be an integer of at least 1; got 0"):
        Thresholds(k=0)
    assert BPR(4).options.factors == 4


@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_bpr_is_a_factorization_in_batches_of_one(engine: str) -> None:
    data = Interactions.from_arrays([0], [0], num_items=2)  # which leaves nothing to chance
    bpr = BPR(4, item_bias=False, learning_rate=0.3, regularization=0.1, epochs=9, num_threads=1)
    same = MatrixFactorization(
        4, loss=BPRLoss("sum"), optimizer=SGD(0.3), regularization=0.1, reduction="sum",
        batch_size=1, num_negatives=1, epochs=9, engine=engine, num_threads=1,
    )  # fmt: skip
    for model in (bpr, same):
        model.fit(data, show_progress=False)
    assert np.allclose(bpr.user_factors, same.user_factors, atol=1e-6)
    assert np.allclose(bpr.item_factors, same.item_factors, atol=1e-6)
    assert [e.loss for e in bpr.history] == pytest.approx([e.loss for e in same.history])
    assert bpr.history[-1].loss < bpr.history[0].loss - 0.05
