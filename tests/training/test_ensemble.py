"""An ensemble's scores are the weighted sum of its models' scores, before and after a file."""

from pathlib import Path

import numpy as np
import pytest

from recneg import BPR, Ensemble, MatrixFactorization
from recneg.errors import InvalidDataError
from recneg.losses import BSLLoss
from recneg.simulation import simulate
from recneg.training import Epoch

DATA = simulate(60, 40, 400, key=2).interactions


def parts() -> list[BPR | MatrixFactorization]:
    """Inner products with biases, and cosines: each kind of factors."""
    return [
        BPR(5, epochs=2, seed=1, num_threads=1),
        MatrixFactorization(
            6, loss=BSLLoss(0.2), score="cosine", epochs=2, seed=2, num_negatives=4, num_threads=1
        ),
    ]


def scores(model: BPR | MatrixFactorization | Ensemble) -> np.ndarray:
    return model.user_factors.astype(np.float64) @ model.item_factors.T.astype(np.float64)


@pytest.mark.parametrize("weights", [None, [0.25, 3.0]])
def test_scores_are_summed(weights: list[float] | None, tmp_path: Path) -> None:
    alone = [scores(model.fit(DATA, False)) for model in parts()]
    seen: list[Epoch] = []
    model = Ensemble(parts(), weights).fit(DATA, False, seen.append)
    shares = weights or [0.5, 0.5]
    expected = sum(share * score for share, score in zip(shares, alone, strict=True))
    np.testing.assert_allclose(scores(model), expected, rtol=0, atol=1e-6)
    assert [epoch.epoch for epoch in seen] == [1, 2, 1, 2]
    assert model.history == seen
    ids, _ = model.recommend(3, N=5)
    best = np.argsort(-np.where(DATA.contains(3, np.arange(40)), -np.inf, expected[3]))[:5]
    assert ids.tolist() == best.tolist()
    model.save(tmp_path / "e.safetensors")
    loaded = Ensemble.load(tmp_path / "e.safetensors")
    assert np.array_equal(loaded.item_factors, model.item_factors)
    assert loaded.manifest() == model.manifest()
    assert repr(loaded) == repr(model)


@pytest.mark.parametrize("kinds", [slice(0, 2), slice(1, 2)])  # with item biases and without
def test_popularity_is_a_bias(kinds: slice, tmp_path: Path) -> None:
    plain = Ensemble(parts()[kinds]).fit(DATA, False)
    model = Ensemble(parts()[kinds], popularity=-0.3).fit(DATA, False)
    added = [-0.3 * np.log(1 + np.sum(DATA.indices == item)) for item in range(40)]
    np.testing.assert_allclose(scores(model), scores(plain) + added, rtol=0, atol=1e-6)
    model.save(tmp_path / "e.safetensors")
    loaded = Ensemble.load(tmp_path / "e.safetensors")
    assert np.array_equal(scores(loaded), scores(model))
    assert loaded.popularity == -0.3
    assert repr(loaded) == repr(model) != repr(plain)


@pytest.mark.parametrize("popularity", [float("nan"), float("-inf")])
def test_popularity_must_be_finite(popularity: float) -> None:
    with pytest.raises(InvalidDataError, match="popularity must be finite; got "):
        Ensemble(parts(), popularity=popularity)


def test_similar_items_are_those_of_the_factors() -> None:
    """Biases are not part of what items are like."""
    alone = BPR(5, epochs=2, seed=1, num_threads=1).fit(DATA, False)
    model = Ensemble([BPR(5, epochs=2, seed=1, num_threads=1)]).fit(DATA, False)
    assert model.similar_items(3, N=8)[0].tolist() == alone.similar_items(3, N=8)[0].tolist()


def test_it_resumes(tmp_path: Path) -> None:
    """Killed in its second model, it goes on there and ends with the same bits."""
    whole = Ensemble(parts()).fit(DATA, False)
    path = tmp_path / "run.safetensors"

    class Killed(Exception):
        pass

    epochs: list[Epoch] = []

    def kill(epoch: Epoch) -> None:
        epochs.append(epoch)
        if len(epochs) == 3:
            raise Killed

    with pytest.raises(Killed):
        Ensemble(parts()).fit(DATA, False, kill, checkpoint=path)
    assert path.exists()
    again = Ensemble(parts()).fit(DATA, False, checkpoint=path)
    assert again.models[0].resumed_epochs == 2
    assert np.array_equal(again.item_factors, whole.item_factors)
    assert (tmp_path / "run.1.safetensors").exists()


@pytest.mark.parametrize(
    ("models", "weights", "message"),
    [
        ([], None, "models must be trainers, at least one"),
        ([BPR], None, "models must be trainers"),
        ([BPR()], [1.0, 1.0], r"weights must be 1 positive, finite numbers; got \[1.0, 1.0\]"),
        ([BPR()], [0.0], "weights must be 1 positive"),
        ([BPR()], [float("nan")], "weights must be 1 positive"),
    ],
)
def test_wrong_input(models: list[BPR], weights: list[float] | None, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        Ensemble(models, weights)
