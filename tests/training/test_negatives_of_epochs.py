"""`negatives` tells what the next epoch trains on, whoever shares a draw."""

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import recneg.training.batched as batched
from recneg import Interactions, MatrixFactorization, SimpleX, Uniform
from recneg.losses import SampledSoftmaxLoss, SLAtKLoss
from recneg.mining import Miner, hardest
from recneg.samplers import InBatch, PerBatch
from recneg.simulation import simulate
from recneg.training import SGD
from recneg.training.scoring import GROUP, PAIR, Batch

DATA = simulate(90, 40, 600, key=4).interactions
SMALL: dict[str, Any] = {
    "factors": 4, "num_negatives": 9, "batch_size": 35, "num_threads": 1, "seed": 3,
    "loss": SampledSoftmaxLoss(0.5), "optimizer": SGD(0.05), "patience": None,
}  # fmt: skip

WAYS: dict[str, dict[str, Any]] = {
    "pair": {},
    "user of pairs": {"redraw": "user"},
    "user": {"redraw": "user", "visit": "users"},
    "batch": {"redraw": "batch"},
    "batch of users": {"redraw": "batch", "visit": "users"},
    "all items": {"redraw": "batch", "sampler": partial(Uniform, unseen=False)},
    "pools": {"redraw": "batch", "num_pools": 7},
    "pools of users": {"redraw": "batch", "num_pools": 7, "visit": "users"},
    "epoch": {"redraw": "epoch"},
    "pools of an epoch": {"redraw": "epoch", "num_pools": 3},
    "law of a batch": {"sampler": PerBatch(InBatch)},
    "loss with thresholds": {"redraw": "batch", "loss": SLAtKLoss()},
}


def of_rows(batch: Batch, group: int, place: int) -> np.ndarray:
    """Return the negatives of one positive, by hand."""
    if batch.whose == PAIR:
        return batch.negatives[place]
    if batch.whose == GROUP:
        return batch.negatives[group]
    stops = [
        len(batch.users) * (pool + 1) // len(batch.negatives)
        for pool in range(len(batch.negatives))
    ]
    return batch.negatives[next(pool for pool, stop in enumerate(stops) if group < stop)]


def trained_on(monkeypatch: pytest.MonkeyPatch, model: Any, excluded: Interactions | None) -> Any:
    """Return what each interaction met in the last epoch, which the engine is caught at."""
    met: dict[tuple[int, int], np.ndarray] = {}
    plain = batched.score_batch

    def caught(loss: Any, batch: Batch, *rest: Any) -> Any:
        for group, (first, last) in enumerate(pairwise(batch.offsets)):
            user = int(batch.users[group])
            for place in range(first, last):
                drawn = of_rows(batch, group, place).astype(np.int64)
                if excluded is not None:
                    drawn = np.where(np.isin(drawn, excluded.items_of(user)), -1, drawn)
                met[user, int(batch.positives[place])] = drawn
        return plain(loss, batch, *rest)

    monkeypatch.setattr(batched, "score_batch", caught)
    model.fit(DATA, False)
    return np.array([met[pair] for pair in zip(DATA.users(), DATA.indices, strict=True)])


@pytest.mark.parametrize(
    ("kind", "way"),
    [(MatrixFactorization, way) for way in WAYS]
    + [(SimpleX, way) for way in ("pair", "batch", "pools", "epoch")],
)
def test_they_are_those_of_the_next_epoch(
    kind: Any, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = SMALL | WAYS[way] | ({"gamma": 1.0} if kind is SimpleX else {"score": "cosine"})
    model = kind(**options, epochs=2).fit(DATA, False)
    found = model.negatives(DATA)
    pooled, every = options.get("redraw") in ("batch", "epoch"), way == "all items"
    expected = trained_on(
        monkeypatch, kind(**options, epochs=3), DATA if pooled and not every else None
    )
    assert found.dtype == np.int64
    assert np.array_equal(found, expected)


def test_mined_ones_are_of_the_present_factors() -> None:
    options = SMALL | {"num_negatives": 1, "mining": Miner(hardest, 6), "epochs": 2}
    model = MatrixFactorization(**options).fit(DATA, False)
    candidates = MatrixFactorization(**SMALL | {"num_negatives": 6}, epochs=2).fit(DATA, False)
    drawn = candidates.negatives(DATA)
    scores = np.einsum("rd,rnd->rn", model.user_factors[DATA.users()], model.item_factors[drawn])
    hardest_ones = np.take_along_axis(drawn, scores.argmax(1)[:, None], 1)
    assert (hardest_ones == model.negatives(DATA)).mean() > 0.99  # up to ties by rounding


@pytest.mark.parametrize("engine", ["fused", "torch"])
@pytest.mark.parametrize("redraw", ["pair", "user", "batch", "epoch"])
def test_nobody_gets_what_the_law_leaves_out(redraw: str, engine: str) -> None:
    """Of a law made of more than the model trains on, pools are masked by what it has seen."""
    rows = np.random.default_rng(0).random(len(DATA)) < 0.5
    train = DATA.select(rows)
    options = SMALL | {"redraw": redraw, "sampler": Uniform(DATA), "engine": engine}
    model = MatrixFactorization(**options, epochs=2).fit(train, False)
    found = model.negatives(train)
    for user, drawn in zip(train.users(), found, strict=True):
        assert not np.isin(drawn, DATA.items_of(user)).any()
    taken = model.history[-1]
    if redraw == "epoch":  # one pool, the same chance of a mask each epoch
        assert taken.skipped > 0
    assert taken.triples + taken.skipped == found.size
    again = MatrixFactorization(**options, epochs=3).fit(train, False).history[-1]
    assert again.triples == (found >= 0).sum()
