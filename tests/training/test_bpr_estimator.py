"""The estimator: interface of implicit, early stopping, checkpoints, files, errors."""

import inspect
import itertools
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from recneg.datasets import load
from recneg.errors import IntegrityError, InvalidDataError, InvalidIdError, NoNegativeError
from recneg.evaluation import evaluate, most_popular
from recneg.interactions import Interactions
from recneg.samplers import Popularity, Uniform
from recneg.splits import Split, carve_validation, random_split
from recneg.training import BPR, Epoch


@pytest.fixture(scope="module")
def split() -> Split:
    return random_split(load("sample").interactions, key=1)


@pytest.fixture(scope="module")
def model(split: Split) -> BPR:
    return BPR(16, epochs=15, num_threads=1).fit(split.train, show_progress=False)


def test_learns_more_than_popularity(split: Split) -> None:
    trained = BPR(32, epochs=60).fit(split.train, show_progress=False)
    ours, theirs = (
        evaluate(m, split.train, split.test, k=20).mean("ndcg@20")
        for m in (trained, most_popular(split.train))
    )
    assert ours > 1.2 * theirs


def test_takes_scipy_matrices(split: Split) -> None:
    options = {"factors": 4, "epochs": 2, "num_threads": 1}
    ours = BPR(**options).fit(split.train, show_progress=False)
    scipy = BPR(**options).fit(split.train.to_scipy(), show_progress=False)
    assert np.array_equal(ours.user_factors, scipy.user_factors)


def test_scores_are_inner_products_with_the_bias_as_one_factor(model: BPR) -> None:
    scores = model.user_factors @ model.item_factors.T
    ids, best = model.recommend(5, N=3, filter_already_liked_items=False)
    assert model.user_factors.shape[1] == 17
    assert np.allclose(scores[5, ids], best, atol=1e-5)
    assert best[0] == pytest.approx(scores[5].max(), abs=1e-5)


def test_recommend_like_implicit(split: Split, model: BPR) -> None:
    from implicit.bpr import BayesianPersonalizedRanking

    theirs = BayesianPersonalizedRanking(factors=16)
    theirs.user_factors, theirs.item_factors = model.user_factors, model.item_factors
    matrix, users = split.train.to_scipy(), np.array([3, 7, 20])
    for options in (
        {},
        {"filter_already_liked_items": False},
        {"filter_items": [1, 2, 3]},
        {"items": np.arange(100, 200)},
    ):
        want_ids, want_scores = theirs.recommend(users, matrix[users], N=8, **options)
        ids, scores = model.recommend(users, matrix[users], N=8, **options)
        assert np.array_equal(ids, want_ids), options
        assert np.allclose(scores, want_scores, atol=1e-4)
    ids, _ = model.recommend(3, N=8)
    want_ids, _ = theirs.recommend(3, matrix[3], N=8)
    assert ids.tolist() == want_ids.tolist()
    assert not split.train.contains(3, ids).any()
    for name in ("recommend", "similar_items", "similar_users"):
        ours = list(inspect.signature(getattr(BPR, name)).parameters)
        assert set(ours) <= set(inspect.signature(getattr(theirs, name)).parameters) | {"self"}


def test_similar_items_start_with_the_item_itself(model: BPR) -> None:
    ids, scores = model.similar_items(10, N=5)
    assert ids[0] == 10
    assert scores[0] == pytest.approx(1, abs=1e-5)
    assert (np.diff(scores) <= 1e-6).all()
    assert model.similar_users([1, 2], N=4)[0].shape == (2, 4)


def test_early_stopping_keeps_the_best_epoch(split: Split) -> None:
    seen: list[Epoch] = []
    stopped = BPR(
        16, epochs=500, learning_rate=0.2, regularization=0.001, patience=2, evaluate_every=4
    ).fit(split.train, show_progress=False, callback=seen.append, validation=split.validation)
    scores = [epoch.validation for epoch in seen if epoch.validation is not None]
    assert len(seen) < 500
    assert stopped.history == seen
    assert scores[-3] == max(scores)
    kept = evaluate(stopped, split.train, split.validation, metrics=["ndcg"]).mean("ndcg@20")
    assert kept == pytest.approx(max(scores), abs=1e-12)
    assert all(a.seconds < b.seconds for a, b in itertools.pairwise(seen))


def test_validation_is_carved_from_train_when_none_is_given(split: Split) -> None:
    built: list[Interactions] = []

    def make(data: Interactions) -> Uniform:
        built.append(data)
        return Uniform(data)

    BPR(4, epochs=5, patience=1, sampler=make).fit(split.train, show_progress=False)
    rest, _ = carve_validation(split.train, 0.1)
    assert len(built[0]) == len(rest) < len(split.train)


class Killed(Exception):
    pass


def test_a_killed_run_resumes_to_the_same_bits(split: Split, tmp_path: Path) -> None:
    def options() -> BPR:
        return BPR(8, epochs=20, evaluate_every=3, patience=50, num_threads=1, seed=3)

    given = {"show_progress": False, "validation": split.validation}
    whole = options().fit(split.train, **given)
    path = tmp_path / "run.safetensors"

    def kill(epoch: Epoch) -> None:
        if epoch.epoch == 13:
            raise Killed

    with pytest.raises(Killed):
        options().fit(split.train, callback=kill, checkpoint=path, **given)
    resumed = options().fit(split.train, checkpoint=path, **given)
    assert np.array_equal(whole.item_factors, resumed.item_factors)
    assert np.array_equal(whole.user_factors, resumed.user_factors)
    assert [e.validation for e in whole.history] == [e.validation for e in resumed.history]
    assert list(tmp_path.iterdir()) == [path]
    again = options().fit(split.train, checkpoint=path, **given)  # done: nothing left to train
    assert np.array_equal(whole.item_factors, again.item_factors)


def test_a_checkpoint_of_other_options_or_data_is_refused(split: Split, tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    BPR(8, epochs=5).fit(split.train, show_progress=False, checkpoint=path)
    with pytest.raises(IntegrityError, match=r"; epochs \(then 5, now 6\) differ \(remove"):
        BPR(8, epochs=6).fit(split.train, show_progress=False, checkpoint=path)
    with pytest.raises(IntegrityError, match="data differ"):
        BPR(8, epochs=5).fit(split.test, show_progress=False, checkpoint=path)
    with pytest.raises(IntegrityError, match="sampler"):
        BPR(8, epochs=5, sampler=Popularity).fit(split.train, show_progress=False, checkpoint=path)


def test_save_and_load(split: Split, model: BPR, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model.run = {"data": {"data": "sample"}}
    model.save(path)
    loaded = BPR.load(path)
    assert loaded.options == model.options
    assert loaded.run == model.run
    assert np.array_equal(loaded.user_factors, model.user_factors)
    users, matrix = np.arange(4), split.train.to_scipy()
    assert np.array_equal(
        loaded.recommend(users, matrix[users])[0], model.recommend(users, matrix[users])[0]
    )
    with pytest.raises(InvalidDataError, match="needs user_items"):
        loaded.recommend(0)
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_files_are_refused(model: BPR, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model.save(path)
    good = path.read_bytes()
    start = 8 + struct.unpack("<Q", good[:8])[0]
    rng = np.random.default_rng(0)
    for place in rng.integers(start, len(good), 20):  # one flipped bit anywhere in the factors
        path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        with pytest.raises(IntegrityError, match="checksum"):
            BPR.load(path)
    for damaged in (good[:-1], good[:100], b"", good[:start], pickle.dumps({"a": 1})):
        path.write_bytes(damaged)
        with pytest.raises(IntegrityError):
            BPR.load(path)
    with pytest.raises(FileNotFoundError, match="must exist"):
        BPR.load(tmp_path / "none")


def test_a_pickle_bomb_is_not_run(tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", tmp_path / "model.safetensors"

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (canary,))

    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(IntegrityError):
        BPR.load(path)
    assert not canary.exists()


def test_a_failed_save_leaves_the_old_file(model: BPR, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "model.safetensors"
    model.save(path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        model.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factors": 0}, "factors: .*greater than or equal to 1, got 0"),
        ({"factors": 2.5}, "factors: .*integer"),
        ({"learning_rate": 0}, "learning_rate: .*greater than 0, got 0"),
        ({"learning_rate": float("nan")}, "learning_rate: .*finite"),
        ({"regularization": -1.0}, "user_regularization: .*got -1.0"),
        ({"epochs": -1}, "epochs"),
        ({"seed": -1}, "seed"),
        ({"patience": 0}, "patience"),
        ({"num_threads": -2}, "num_threads must be an integer of at least 0; got -2"),
        ({"factors": 0, "epochs": -1}, "factors.*; epochs"),
    ],
)
def test_bad_options(options: dict, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        BPR(**options)


def test_bad_data(split: Split) -> None:
    empty = Interactions.from_arrays([], [], num_users=2, num_items=2)
    with pytest.raises(InvalidDataError, match="at least one interaction"):
        BPR().fit(empty, show_progress=False)
    with pytest.raises(InvalidDataError, match="SciPy sparse matrix"):
        BPR().fit(np.eye(3), show_progress=False)
    with pytest.raises(InvalidDataError, match="validation must have"):
        BPR().fit(split.train, show_progress=False, validation=empty)
    with pytest.raises(InvalidDataError, match="the sampler must have"):
        BPR(sampler=Uniform(empty)).fit(split.train, show_progress=False)
    full = Interactions.from_arrays([0, 0, 1], [0, 1, 1])
    with pytest.raises(NoNegativeError, match="has none: 0"):
        BPR(epochs=1).fit(full, show_progress=False)
    with pytest.raises(InvalidDataError, match="patience must have validation interactions"):
        BPR(epochs=1, patience=1).fit(full, show_progress=False)
    with pytest.raises(RuntimeError, match="fitted first"):
        BPR().recommend(0)


def test_divergence_names_the_epoch_and_the_rate(split: Split) -> None:
    with pytest.raises(FloatingPointError, match="overflowed in epoch .* learning rate 1e\\+30"):
        BPR(4, learning_rate=1e30, epochs=30).fit(split.train, show_progress=False)


def test_bad_ids(model: BPR) -> None:
    with pytest.raises(InvalidIdError, match="user ids must lie in"):
        model.recommend(10**6)
    with pytest.raises(InvalidIdError, match="item ids must lie in"):
        model.recommend(0, filter_items=[-1])
    with pytest.raises(ValueError, match="N must be an integer of at least 1; got 0"):
        model.recommend(0, N=0)
    other = Interactions.from_arrays([0], [0], num_users=1, num_items=3)
    with pytest.raises(InvalidDataError, match="user_items must have the .* items of the model"):
        model.recommend(0, other)


def test_progress_bar_and_repr(split: Split, capsys: pytest.CaptureFixture[str]) -> None:
    trained = BPR(4, epochs=2).fit(split.train)
    assert capsys.readouterr().out == ""
    assert repr(trained).startswith("BPR(factors=4, learning_rate=0.05")
