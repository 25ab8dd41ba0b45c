"""A saved model keeps where its negatives came from, or says that it could not."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recneg import (
    BPR,
    NBPO,
    TRON,
    UBPR,
    Ensemble,
    Interactions,
    MatrixFactorization,
    RelMF,
    SimpleX,
)
from recneg.errors import InvalidDataError
from recneg.losses import UBPRLoss
from recneg.mining import Miner, guided, hardest, variance
from recneg.propensity import given, power_law
from recneg.samplers import Adaptive, InBatch, PerBatch, Popularity, Softmax, Uniform
from recneg.sequences import Sequences
from recneg.training.laws import NotSaved, part_record, rebuilt_part
from recneg.training.trainer import Trainer

QUICK: dict[str, Any] = {"epochs": 2, "num_threads": 1}


def some_interactions(num_users: int = 40, num_items: int = 25) -> Interactions:
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((num_users, num_items)) < 0.3)
    return Interactions.from_arrays(users, items, num_users=num_users, num_items=num_items)


DATA, OTHER = some_interactions(), some_interactions()


def own_law(data: Interactions) -> Uniform:
    return Uniform(data, unseen=False)


TRAINERS: dict[str, Callable[[], Trainer]] = {
    "bpr": lambda: BPR(4, **QUICK),
    "bpr, popular": lambda: BPR(4, sampler=partial(Popularity, exponent=0.5), **QUICK),
    "bpr, adaptive": lambda: BPR(
        4, sampler=Adaptive(partial(Softmax, temperature=0.5), 2), **QUICK
    ),
    "bpr, in batch": lambda: BPR(4, sampler=PerBatch(InBatch, batches=2), **QUICK),
    "bpr, of this data": lambda: BPR(4, sampler=Popularity(DATA, 0.5), **QUICK),
    "bpr, mined": lambda: BPR(4, mining=Miner(variance, 6, past_epochs=3), **QUICK),
    "nbpo": lambda: NBPO(4, batch_size=64, **QUICK),
    "mf": lambda: MatrixFactorization(4, sampler=partial(Uniform, unseen=False), **QUICK),
    "mf, mined": lambda: MatrixFactorization(4, mining=Miner(hardest, 80), **QUICK),
    "relmf": lambda: RelMF(4, propensity=partial(power_law, exponent=1.0), **QUICK),
    "ubpr": lambda: UBPR(4, **QUICK),
    "simplex": lambda: SimpleX(4, num_negatives=5, sampler=Popularity, **QUICK),
}


@pytest.mark.parametrize("name", TRAINERS)
def test_a_loaded_model_trains_as_before(name: str, tmp_path: Path) -> None:
    model = TRAINERS[name]().fit(DATA, show_progress=False)
    model.save(tmp_path / "model")
    again = type(model).load(tmp_path / "model")
    assert again.switches() == model.switches()
    again.history = model.history  # which tells the key of the next epoch
    if name != "nbpo":  # it draws its own
        assert np.array_equal(again.negatives(DATA), model.negatives(DATA))
    again.num_threads = 1
    again.fit(DATA, show_progress=False)
    assert [epoch.loss for epoch in again.history] == [epoch.loss for epoch in model.history]
    assert np.array_equal(again.item_factors, model.item_factors)


def test_members_of_an_ensemble_keep_theirs(tmp_path: Path) -> None:
    both = Ensemble([UBPR(4, **QUICK), BPR(3, sampler=Popularity, **QUICK)])
    both.fit(DATA, show_progress=False).save(tmp_path / "model")
    ubpr, bpr = Ensemble.load(tmp_path / "model").models
    assert isinstance(ubpr, UBPR)
    assert ubpr.sampler(DATA).unseen is False  # type: ignore[operator]
    assert bpr.sampler is Popularity


@pytest.mark.parametrize(
    ("options", "name", "text"),
    [
        ({"sampler": own_law}, "sampler", "own_law"),
        ({"sampler": Popularity(OTHER, exponent=0.5)}, "sampler", "Popularity"),
        ({"sampler": lambda data: Uniform(data)}, "sampler", "lambda"),
        ({"mining": Miner(guided, 80, guide=BPR(2, epochs=0).fit(DATA, False), margin=-9.0)},
         "mining", "guided"),
        ({"loss": UBPRLoss(), "propensity": given(np.full(25, 0.5))}, "propensity", "Exposure"),
    ],
)  # fmt: skip
def test_what_a_file_cannot_hold_must_be_given_again(
    options: dict[str, Any], name: str, text: str, tmp_path: Path
) -> None:
    model = MatrixFactorization(4, **(QUICK | options)).fit(DATA, show_progress=False)
    model.save(tmp_path / "model")
    again = MatrixFactorization.load(tmp_path / "model")
    assert np.array_equal(again.recommend(0, DATA, N=3)[0], model.recommend(0, DATA, N=3)[0])
    with pytest.raises(InvalidDataError, match=rf"model\.{name} = .*{text}"):
        again.fit(DATA, show_progress=False)
    again.history = model.history
    if name == "propensity":  # which nothing is drawn by
        assert np.array_equal(again.negatives(DATA), model.negatives(DATA))
    else:
        with pytest.raises(InvalidDataError, match=rf"model\.{name} = .*{text}"):
            again.negatives(DATA)
    again.save(tmp_path / "twice")
    assert isinstance(getattr(MatrixFactorization.load(tmp_path / "twice"), name), NotSaved)
    setattr(again, name, options[name])
    assert np.array_equal(again.negatives(DATA), model.negatives(DATA))


def test_a_sequence_model_keeps_its_sampler(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    items = rng.integers(20, size=300, dtype=np.int32)
    data = Sequences(np.arange(0, 301, 10), items, num_items=20)
    options: dict[str, Any] = {
        "factors": 8, "heads": 1, "blocks": 1, "num_negatives": 10, "num_in_batch": 2, "top_k": 0,
        "batch_size": 8, **QUICK,
    }  # fmt: skip
    law = partial(Popularity, unseen=False)
    model = TRON(sampler=law, **options).fit(data, show_progress=False)
    model.save(tmp_path / "model")
    again = TRON.load(tmp_path / "model")
    assert part_record(again.sampler) == part_record(law)
    TRON(sampler=own_law, **options).fit(data, show_progress=False).save(tmp_path / "own")
    with pytest.raises(InvalidDataError, match="sampler must be given again.*own_law"):
        TRON.load(tmp_path / "own").fit(data, show_progress=False)


def test_switches_are_named_alike_and_saved() -> None:
    names = {
        "unseen", "visit", "redraw", "num_pools", "reduction", "regularized", "dropout_before_norm",
    }  # fmt: skip
    fitted = [make().fit(DATA, show_progress=False) for make in TRAINERS.values()]
    assert all(set(model.switches()) == names for model in fitted)
    assert BPR().switches()["unseen"] is None  # nothing has been drawn
    found = {name: model.switches() for name, model in zip(TRAINERS, fitted, strict=True)}
    assert found["bpr"] == {
        "unseen": True, "visit": "users", "redraw": "pair", "num_pools": 1, "reduction": "sum",
        "regularized": "triples", "dropout_before_norm": False,
    }  # fmt: skip
    assert found["ubpr"] == {
        "unseen": False, "visit": "pairs", "redraw": "pair", "num_pools": 1, "reduction": "mean",
        "regularized": "tables", "dropout_before_norm": False,
    }  # fmt: skip
    assert found["nbpo"]["regularized"] == found["simplex"]["regularized"] == "tables"
    assert found["bpr, adaptive"]["unseen"] is None
    ways = {"redraw": "batch", "num_pools": 5, "dropout_before_norm": True}
    assert MatrixFactorization(**ways).switches().items() >= ways.items()


class Made(Uniform):
    """A law of one's own, whose options have names that mean something elsewhere."""

    def __init__(self, interactions: Interactions, num_candidates: int = 1, name: str = "") -> None:
        super().__init__(interactions)
        object.__setattr__(self, "told", (num_candidates, name))


def test_a_class_of_ones_own_comes_back() -> None:
    law = rebuilt_part(part_record(partial(Made, num_candidates=3, name="y")))
    assert type(law(DATA)) is Made
    assert law(DATA).told == (3, "y")
    record = part_record(Made)
    assert rebuilt_part(record) is Made
    assert record is not None
    gone = record | {"made": record["made"] | {"name": "elsewhere.Made"}}
    assert rebuilt_part(gone) == NotSaved("Made")
    assert rebuilt_part(part_record(None)) is None


def test_a_class_of_the_same_name_is_another() -> None:
    record = part_record(partial(Popularity, exponent=0.5))
    type("Popularity", (Popularity,), {})
    assert rebuilt_part(record).func is Popularity
    assert rebuilt_part(part_record(Popularity)) is Popularity


def test_a_miner_of_ones_own_is_not_taken_for_another() -> None:
    class Mine(Miner):
        """Keeps what it likes."""

    assert isinstance(rebuilt_part(part_record(Mine(hardest, 8))), NotSaved)


@pytest.mark.parametrize(
    "sampler",
    [
        Adaptive(Softmax, every=np.int64(2)),
        PerBatch(InBatch, batches=np.int64(2)),
        partial(Uniform, unseen=np.bool_(False)),
        partial(Popularity, exponent=np.float64(0.5)),
        Uniform(DATA, unseen=np.bool_(True)),
    ],
)
def test_numpy_scalars_are_plain_values(sampler: Any, tmp_path: Path) -> None:
    model = BPR(4, sampler=sampler, **QUICK).fit(DATA, show_progress=False)
    model.save(tmp_path / "model")
    again = BPR.load(tmp_path / "model")
    again.history = model.history
    assert np.array_equal(again.negatives(DATA), model.negatives(DATA))


def test_a_sampler_of_what_was_trained_on_is_made_anew(tmp_path: Path) -> None:
    model = BPR(4, sampler=Popularity(DATA, exponent=0.5), **QUICK)
    model.fit(DATA, show_progress=False).save(tmp_path / "model")
    law = BPR.load(tmp_path / "model").sampler
    assert isinstance(law, partial)
    assert law.func is Popularity
    other = some_interactions(30, 25)
    assert law(other).interactions is other  # type: ignore[union-attr]
    assert law(other).exponent == 0.5  # type: ignore[union-attr]
    # what is carved for validation was no part of training, but of the sampler's interactions
    carved = BPR(4, sampler=Popularity(DATA), patience=1, **QUICK).fit(DATA, show_progress=False)
    carved.save(tmp_path / "carved")
    assert isinstance(BPR.load(tmp_path / "carved").sampler, NotSaved)


def test_an_ensemble_asks_before_it_trains(tmp_path: Path) -> None:
    both = Ensemble([BPR(4, **QUICK), BPR(4, sampler=own_law, **QUICK)])
    both.fit(DATA, show_progress=False).save(tmp_path / "model")
    again = Ensemble.load(tmp_path / "model")
    with pytest.raises(InvalidDataError, match=r"ensemble\.models\[1\]\.sampler = "):
        again.fit(DATA, show_progress=False)
    assert not again.models[0].history
