"""Both engines of matrix factorization against each other, and against a plain loop in float64."""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from recneg.errors import InvalidDataError, NoNegativeError
from recneg.interactions import Interactions
from recneg.keys import Key, random_bits
from recneg.losses import (
    BPRLoss,
    BSLLoss,
    DebiasedLoss,
    HardContrastiveLoss,
    LogisticLoss,
    Loss,
    PSLLoss,
    Rows,
    SampledSoftmaxLoss,
    SLAtKLoss,
    SoftmaxLoss,
)
from recneg.mining import Miner, hardest, importance_weighted
from recneg.samplers import InBatch, PerBatch, Popularity, Uniform
from recneg.training import SGD, TRON, Adagrad, Adam, MatrixFactorization, SimpleX, Thresholds
from recneg.training.batched import BatchPlan, Visit
from recneg.training.fused import random_factors
from recneg.training.scoring import Batch
from recneg.training.sides import SideValues
from recneg.training.state import TrainingState
from recneg.training.streams import INIT, NEGATIVES, ORDER

sys.path.append(str(Path(__file__).parents[1] / "losses"))
from loss_cases import CASES

torch.set_num_threads(1)


def some_interactions(num_users: int = 60, num_items: int = 40, seed: int = 0) -> Interactions:
    rng = np.random.default_rng(seed)
    chance = 0.6 / (1 + np.arange(num_items)) ** 0.5
    users, items = np.nonzero(rng.random((num_users, num_items)) < chance)
    return Interactions.from_arrays(users, items, num_users=num_users + 3, num_items=num_items + 2)


DATA = some_interactions()

SMALL: dict[str, Any] = {
    "factors": 7, "optimizer": SGD(0.3), "batch_size": 50, "num_negatives": 6, "epochs": 2,
    "init_deviation": 0.3, "num_threads": 1, "seed": 3,
}  # fmt: skip


def both(data: Interactions = DATA, **options: Any) -> tuple[MatrixFactorization, ...]:
    """Fit with either engine."""
    return tuple(
        MatrixFactorization(**(SMALL | options), engine=engine).fit(data, show_progress=False)
        for engine in ("fused", "torch")
    )


def assert_agree(
    models: tuple[MatrixFactorization, ...], tolerance: float = 1e-5, ties: float = 0.0
) -> None:
    """Check loss curves and factors, and that training changed them; `ties` is a share of pairs."""
    one, other = models
    for a, b in zip(one.history, other.history, strict=True):
        assert (a.triples, a.skipped) == (b.triples, b.skipped)
        assert a.loss == pytest.approx(b.loss, rel=1e-5, abs=1e-6)
        assert a.correct == pytest.approx(b.correct, abs=2e-3 + ties)
    unmoved = SMALL | {"epochs": 0, "score": one.options.score, "init": one.options.init}
    start = MatrixFactorization(**unmoved).fit(DATA, show_progress=False)
    for name in ("user_factors", "item_factors"):
        a, b = getattr(one, name), getattr(other, name)
        scale = max(1.0, float(np.abs(a).max()))
        assert np.abs(a - b).max() <= tolerance * scale
        initial = getattr(start, name)
        assert a.shape != initial.shape or not np.allclose(a, initial, atol=1e-4)


LOSSES = {name: case.loss for name, case in CASES.items() if case.loss.needs != "flips"}


@pytest.mark.parametrize("score", ["dot", "cosine"])
@pytest.mark.parametrize("name", LOSSES)
def test_engines_agree_on_every_loss(name: str, score: str) -> None:
    jumps = name.startswith(("warp", "cml"))  # a positive among its negatives is at a jump
    assert_agree(
        both(
            loss=LOSSES[name],
            score=score,
            optimizer=SGD(0.02),
            thresholds=Thresholds(3, 20, 1),
            sampler=lambda data: Uniform(data, unseen=jumps),
        )
    )


@pytest.mark.parametrize("unseen", [True, False])
@pytest.mark.parametrize("visit", ["pairs", "users"])
@pytest.mark.parametrize("redraw", ["pair", "user", "batch", "epoch"])
def test_engines_agree_on_who_shares_negatives(redraw: str, visit: str, unseen: bool) -> None:
    models = both(
        redraw=redraw, visit=visit, batch_size=20, num_negatives=30,
        sampler=lambda data: Popularity(data, unseen=unseen),
    )  # fmt: skip
    pooled = redraw in ("batch", "epoch")
    # a positive that is in the pool ties with itself, and rounding decides
    assert_agree(models, ties=0.01 if pooled and not unseen else 0.0)
    masked = unseen and pooled
    assert (models[1].history[-1].skipped > 0) == masked


@pytest.mark.parametrize("num_pools", [2, 7, 33])  # 33: more than positives of the last batch
@pytest.mark.parametrize("visit", ["pairs", "users"])
@pytest.mark.parametrize("redraw", ["batch", "epoch"])
def test_engines_agree_on_several_pools(redraw: str, visit: str, num_pools: int) -> None:
    models = both(
        redraw=redraw, visit=visit, batch_size=35, num_negatives=11, num_pools=num_pools,
        sampler=Popularity, score="cosine", loss=SampledSoftmaxLoss(0.5), dropout=0.2,
        optimizer=Adam(0.01, lazy=True), regularization=1e-3,
    )  # fmt: skip
    assert_agree(models, 1e-4)
    assert models[1].history[-1].skipped > 0


@pytest.mark.parametrize("score", ["dot", "cosine"])
@pytest.mark.parametrize("regularized", ["rows", "tables"])
@pytest.mark.parametrize(
    "optimizer",
    [SGD(0.2), Adagrad(0.05), Adagrad(0.05, rowwise=True), Adam(0.01), Adam(0.01, lazy=True),
     Adam(0.01, betas=(0.5, 0.9), epsilon=1e-3)],
)  # fmt: skip
def test_engines_agree_on_every_optimiser(optimizer, regularized: str, score: str) -> None:
    models = both(
        optimizer=optimizer, regularization=0.02, user_regularization=0.1,
        regularized=regularized, score=score, loss=SampledSoftmaxLoss(0.5),
    )  # fmt: skip
    assert_agree(models, 1e-4)


OPTIONS: dict[str, dict[str, Any]] = {
    "sum": {"reduction": "sum", "optimizer": SGD(0.01)},
    "dropout": {"dropout": 0.4},
    "dropout of cosines": {"dropout": 0.4, "score": "cosine"},
    "dropout before norms": {"dropout": 0.4, "score": "cosine", "dropout_before_norm": True},
    "dropout of users": {"dropout": 0.4, "visit": "users", "batch_size": 9},
    "clipped": {"max_norm": 0.01},
    "clipped sum": {"max_norm": 0.3, "reduction": "sum", "regularization": 0.1},
    "clipped tables": {"max_norm": 0.3, "regularized": "tables", "regularization": 0.1},
    "bias": {"item_bias": True, "item_regularization": 0.02},
    "bias, row-wise": {"item_bias": True, "optimizer": Adagrad(0.05, rowwise=True)},
    "bias, dropout, tables": {
        "item_bias": True, "dropout": 0.2, "regularized": "tables", "regularization": 0.01,
        "max_norm": 0.02,
    },
    "log q": {
        "log_q_correction": True, "loss": SampledSoftmaxLoss(0.5), "score": "cosine",
        "sampler": Popularity,
    },
    "log q of a pool": {
        "log_q_correction": True, "loss": SampledSoftmaxLoss(0.5), "sampler": Popularity,
        "redraw": "batch",
    },
    "log q of users": {
        "log_q_correction": True, "loss": SampledSoftmaxLoss(), "visit": "users", "redraw": "user",
        "batch_size": 9,
    },
    "decayed rate": {"learning_rate_decay": 0.3, "schedule": "cosine"},
    "rate in steps": {"schedule": "steps", "epochs": 4},
    "an optimiser of the users": {"user_optimizer": Adagrad(0.02)},
    "mined": {"mining": Miner(hardest, 12), "num_negatives": 3},
    "mined, weighted": {"mining": Miner(importance_weighted, 9), "loss": BPRLoss("sum")},
    "mined, weighted, cosine": {
        "mining": Miner(importance_weighted, 9), "loss": LogisticLoss(), "score": "cosine",
    },
    "in the batch": {"sampler": PerBatch(InBatch)},
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_engines_agree_on_options(name: str) -> None:
    assert_agree(both(**OPTIONS[name]))


@pytest.mark.parametrize(
    "name", ["dropout of cosines", "dropout before norms", "bias, dropout, tables"]
)
def test_options_change_something(name: str) -> None:
    plain = OPTIONS[name] | {"dropout": 0.0}
    with_dropout, without = (both(**each)[1] for each in (OPTIONS[name], plain))
    assert np.abs(with_dropout.item_factors - without.item_factors).max() > 1e-3


def test_dropout_before_norms_matters_to_cosines_alone() -> None:
    for score, same in (("dot", True), ("cosine", False)):
        models = [
            MatrixFactorization(
                **SMALL | {"dropout": 0.4, "score": score, "dropout_before_norm": before}
            ).fit(DATA, show_progress=False)
            for before in (False, True)
        ]
        assert np.array_equal(*(each.item_factors for each in models)) is same


@pytest.mark.parametrize("factors", [2, 3])
def test_engines_agree_where_dropout_leaves_one_column(factors: int) -> None:
    """A vector of one column cannot turn; rounding in its gradient would be steps for Adam."""
    models = both(
        factors=factors, dropout=0.5, score="cosine", dropout_before_norm=True,
        optimizer=Adam(0.01), loss=SampledSoftmaxLoss(0.5),
    )  # fmt: skip
    assert_agree(models, 1e-4)


def test_two_columns_turn() -> None:
    options = {
        "factors": 2, "dropout": 0.01, "score": "cosine", "dropout_before_norm": True,
        "loss": SampledSoftmaxLoss(0.5),
    }  # fmt: skip
    for fresh, trained in zip(both(**options, epochs=0), both(**options), strict=True):
        assert (np.abs(fresh.user_factors - trained.user_factors).max(1) > 1e-3).mean() > 0.5


def plain_epochs(
    data: Interactions, model: MatrixFactorization, slopes: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[float]]:
    """Train by SGD in float64 with one Python loop over positives; `slopes` is d loss / d scores.

    For pairs, redrawn each, of unseen items.
    """
    o, key = model.options, Key(model.options.seed)
    users, items = (
        random_factors(size, o.factors, o.init_deviation, key.fold_in(INIT).fold_in(side)).astype(
            np.float64
        )
        for side, size in enumerate((data.num_users, data.num_items))
    )
    cosine, curve = o.score == "cosine", []

    def scored(row: NDArray[np.float64]) -> NDArray[np.float64]:
        return row / np.linalg.norm(row) if cosine else row

    def back(row: NDArray[np.float64], slope: NDArray[np.float64]) -> NDArray[np.float64]:
        if not cosine:
            return slope
        unit = scored(row)
        return (slope - (slope @ unit) * unit) / np.linalg.norm(row)

    for epoch in range(o.epochs):
        order_key, draws = (key.fold_in(part).fold_in(epoch) for part in (ORDER, NEGATIVES))
        order = np.argsort(random_bits(order_key, np.arange(len(data))))
        negatives = Uniform(data).sample(data.users(), o.num_negatives, key=draws).items
        total = 0.0
        for start in range(0, len(order), o.batch_size):
            rows = order[start : start + o.batch_size]
            by_user, by_item = np.zeros_like(users), np.zeros_like(items)
            for row in rows:
                u, met = data.users()[row], [data.indices[row], *negatives[row]]
                scores = np.array([scored(users[u]) @ scored(items[i]) for i in met])
                loss, gradient = slopes(scores)
                total += loss
                for i, slope in zip(met, gradient / len(rows), strict=True):
                    by_user[u] += back(users[u], slope * scored(items[i]))
                    by_item[i] += back(items[i], slope * scored(users[u]))
            for table, slope, decay in (
                (users, by_user, o.user_regularization), (items, by_item, o.item_regularization),
            ):  # fmt: skip
                touched = slope.any(1) if o.regularized == "rows" else slice(None)
                slope[touched] += decay * table[touched]
            norm = np.sqrt((by_user**2).sum() + (by_item**2).sum())
            shrink = min(1.0, (o.max_norm or np.inf) / norm)
            users -= o.optimizer.learning_rate * shrink * by_user
            items -= o.optimizer.learning_rate * shrink * by_item
        curve.append(total / len(order))
    return users, items, curve


def softmax_slopes(scores: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """``-ln softmax(s / 0.4)`` of the first."""
    powers = np.exp(scores / 0.4)
    shares = powers / powers.sum()
    return -np.log(shares[0]), (shares - (np.arange(len(scores)) == 0)) / 0.4


def bpr_slopes(scores: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Mean of ``-ln sigmoid(s_0 - s_j)``."""
    gaps = scores[1:] - scores[0]
    slopes = 1 / (1 + np.exp(-gaps)) / len(gaps)
    return np.log1p(np.exp(gaps)).mean(), np.array([-slopes.sum(), *slopes])


@pytest.mark.parametrize("engine", ["fused", "torch"])
@pytest.mark.parametrize(
    ("loss", "slopes", "options"),
    [
        (BPRLoss(), bpr_slopes, {"regularization": 0.1, "user_regularization": 0.3}),
        (BPRLoss(), bpr_slopes, {"regularization": 0.02, "regularized": "tables"}),
        (SampledSoftmaxLoss(0.4), softmax_slopes, {"score": "cosine", "regularization": 0.05}),
        (SampledSoftmaxLoss(0.4), softmax_slopes, {"score": "cosine", "max_norm": 0.1}),
    ],
)
def test_equals_a_plain_loop(loss: Loss, slopes: Any, options: dict, engine: str) -> None:
    model = MatrixFactorization(**(SMALL | options), loss=loss, engine=engine)
    model.fit(DATA, show_progress=False)
    users, items, curve = plain_epochs(DATA, model, slopes)
    if model.options.score == "cosine":
        users, items = (each / np.linalg.norm(each, axis=1)[:, None] for each in (users, items))
    assert np.allclose(model.user_factors, users, atol=1e-5)
    assert np.allclose(model.item_factors, items, atol=1e-5)
    assert np.allclose([epoch.loss for epoch in model.history], curve, rtol=1e-5)


def killed_and_resumed(
    options: dict[str, Any], engines: tuple[str, str], path: Path
) -> MatrixFactorization:
    """Train to the third epoch with one engine, and on from the second with the other."""

    def stop(epoch: Any) -> None:
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    first, second = (MatrixFactorization(**options, engine=engine) for engine in engines)
    with pytest.raises(KeyboardInterrupt):
        first.fit(DATA, False, stop, checkpoint=path)
    second.fit(DATA, show_progress=False, checkpoint=path)
    assert second.resumed_epochs == 2
    return second


@pytest.mark.parametrize("engines", [("fused", "torch"), ("torch", "fused")])
@pytest.mark.parametrize("optimizer", [Adam(0.01), Adagrad(0.1, rowwise=True)])
def test_a_checkpoint_goes_on_in_the_other_engine(
    optimizer, engines: tuple[str, str], tmp_path: Path
) -> None:
    options = SMALL | {"optimizer": optimizer, "item_bias": True, "epochs": 4, "evaluate_every": 2}
    whole = MatrixFactorization(**options).fit(DATA, show_progress=False)
    second = killed_and_resumed(options, engines, tmp_path / "checkpoint")
    assert np.allclose(second.item_factors, whole.item_factors, atol=1e-4)
    fresh = MatrixFactorization(**(options | {"epochs": 2})).fit(DATA, show_progress=False)
    assert not np.allclose(second.item_factors, fresh.item_factors, atol=1e-3)


@pytest.mark.parametrize("engines", [("fused", "fused"), ("torch", "fused")])
def test_thresholds_outlast_a_killed_run(engines: tuple[str, str], tmp_path: Path) -> None:
    options = SMALL | {
        "loss": SLAtKLoss(), "score": "cosine", "epochs": 6, "evaluate_every": 2,
        "thresholds": Thresholds(3, 20, every=4),
    }  # fmt: skip
    whole = MatrixFactorization(**options).fit(DATA, show_progress=False)
    # the thresholds that it goes on with are those from before the first epoch
    second = killed_and_resumed(options, engines, tmp_path / "checkpoint")
    if engines[0] == "fused":
        assert np.array_equal(second.item_factors, whole.item_factors)
        assert np.array_equal(second.user_factors, whole.user_factors)
    assert np.allclose(second.item_factors, whole.item_factors, atol=1e-4)


def test_the_training_auc_of_sorted_negatives_is_that_of_all() -> None:
    many = Interactions.from_arrays(np.repeat(np.arange(30), 4), np.arange(120), num_items=500)
    mined = both(
        many, mining=Miner(hardest, 300), num_negatives=200, batch_size=8, epochs=3,
        loss=BPRLoss("sum"),
    )  # fmt: skip
    fused, torch = (model.history[-1].correct for model in mined)
    assert abs(fused - torch) < 0.02
    assert 0.05 < torch < 0.95


@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_what_mining_cannot_give_is_refused(engine: str) -> None:
    def fit(**options: Any) -> None:
        MatrixFactorization(**(SMALL | options), engine=engine).fit(DATA, show_progress=False)

    with pytest.raises(InvalidDataError, match="a log q of every negative"):
        fit(mining=Miner(hardest, 12), loss=SampledSoftmaxLoss(), log_q_correction=True)
    with pytest.raises(InvalidDataError, match="one term a negative; got SampledSoftmaxLoss"):
        fit(mining=Miner(importance_weighted, 12), loss=SampledSoftmaxLoss())


@pytest.mark.parametrize("loss", [PSLLoss(), HardContrastiveLoss(), DebiasedLoss(), BPRLoss()])
def test_log_q_corrects_softmax_losses_alone(loss: Loss) -> None:
    with pytest.raises(InvalidDataError, match="losses of a sum of exponentials"):
        MatrixFactorization(loss=loss, log_q_correction=True)
    with pytest.raises(InvalidDataError, match="losses of a sum of exponentials"):
        TRON(loss=loss, log_q_correction=True)


@pytest.mark.parametrize("loss", [SampledSoftmaxLoss(0.5), SoftmaxLoss(0.5), BSLLoss(0.5, 1.0)])
def test_a_corrected_loss_is_that_of_all_items(loss: Loss) -> None:
    assert loss.correctable
    rng = np.random.default_rng(0)
    scores, law = rng.normal(size=50) / 2, rng.dirichlet(np.ones(50))
    positive = torch.tensor([0.3], dtype=torch.float64)
    draws = rng.choice(50, size=(4000, 20), p=law)
    corrected = scores[draws] - 0.5 * (np.log(law[draws]) + np.log(20))
    found = loss(positive.expand(4000), torch.from_numpy(corrected))
    # a mean over negatives is short of the sum by a constant, ln 20 of 20 and ln 50 of all
    shift = 0.5 * math.log(50 / 20) if isinstance(loss, BSLLoss) else 0.0
    every = loss(positive, torch.from_numpy(scores + shift)[None])
    assert found.exp().mean().item() == pytest.approx(every.exp().item(), rel=0.05)


def batches(model: MatrixFactorization, epoch: int = 0) -> Iterator[tuple[Visit, Batch]]:
    """Yield the batches that an epoch of a model on DATA would have."""
    source, key = model._source(DATA), Key(0)
    sides = SideValues(model.loss, DATA, None, Thresholds())
    plan = BatchPlan(DATA, source, sides, model.loss, model.options, key)
    state = TrainingState(model._initial(DATA, key))
    source.follow(state, key)
    for number, visit in enumerate(plan.visits(epoch)):
        yield visit, plan.batch(visit, state, epoch, number)


def test_positives_of_a_user_share_negatives_within_a_batch_alone() -> None:
    found: dict[int, set[tuple[int, bytes]]] = {}
    model = MatrixFactorization(**SMALL, redraw="user")
    for number, (visit, batch) in enumerate(batches(model)):
        for user, items in zip(visit.groups, batch.negatives, strict=True):
            found.setdefault(int(user), set()).add((number, items.tobytes()))
    assert all(len({number for number, _ in sets}) == len(sets) for sets in found.values())
    several = [sets for sets in found.values() if len(sets) > 1]
    assert several
    assert all(len({items for _, items in sets}) == len(sets) for sets in several)


@pytest.mark.parametrize("redraw", ["batch", "epoch"])
@pytest.mark.parametrize("num_pools", [1, 3, 50])
def test_runs_of_a_batch_have_a_pool_each(num_pools: int, redraw: str) -> None:
    pools: list[bytes] = []
    for visit, batch in batches(MatrixFactorization(**SMALL, num_pools=num_pools, redraw=redraw)):
        count = len(visit.rows)
        runs = min(num_pools, count)
        assert batch.negatives.shape == (runs, 6)
        for place in range(count):
            (run,) = [
                r for r in range(runs) if r * count // runs <= place < (r + 1) * count // runs
            ]
            assert batch.places()[place] == run
        pools += [items.tobytes() for items in batch.negatives]
    assert num_pools < 50 or len(visit.rows) < 50  # one batch has fewer positives than pools
    assert len(set(pools)) == (num_pools if redraw == "epoch" else len(pools))


def test_a_pool_for_each_positive_is_a_draw_for_each_positive() -> None:
    everything: dict[str, Any] = SMALL | {"sampler": partial(Popularity, unseen=False)}
    counts = np.zeros((2, DATA.num_items))
    for row, options in enumerate(({"redraw": "batch", "num_pools": 50}, {"redraw": "pair"})):
        for epoch in range(40):
            for _, batch in batches(MatrixFactorization(**everything, **options), epoch):
                np.add.at(counts[row], batch.negatives[batch.places()].ravel(), 1)
    assert counts[0].sum() == counts[1].sum() == 40 * 6 * len(DATA)
    assert stats.chi2_contingency(counts[:, counts.any(0)]).pvalue > 1e-3


@pytest.mark.parametrize(
    ("kind", "redraw"),
    [(MatrixFactorization, "pair"), (MatrixFactorization, "user"), (SimpleX, "pair")],
)
def test_several_pools_are_of_batches_and_epochs(kind: Any, redraw: str) -> None:
    with pytest.raises(InvalidDataError, match=f"num_pools needs .* got 3 with redraw='{redraw}'"):
        kind(num_pools=3, redraw=redraw)


@dataclass(frozen=True)
class Own(Loss):
    """A loss that a user writes: the mean of ``-ln sigmoid(s_pos - s_j)``, without a kernel."""

    def _losses(self, rows: Rows) -> torch.Tensor:
        return rows.mean(torch.nn.functional.softplus(rows.gaps))


def test_a_loss_of_ones_own_runs_in_torch() -> None:
    own = MatrixFactorization(**SMALL, loss=Own())
    assert own.engine == "torch"
    known = MatrixFactorization(**SMALL, loss=BPRLoss())
    assert known.engine == "fused"
    for model in (own, known):
        model.fit(DATA, show_progress=False)
    assert np.allclose(own.item_factors, known.item_factors, atol=1e-5)


def test_an_engine_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="must have a loss with a kernel.*Own"):
        MatrixFactorization(loss=Own(), engine="fused")
    with pytest.raises(InvalidDataError, match="on the CPU; got .*device='cuda'"):
        MatrixFactorization(engine="fused", device="cuda")
    with pytest.raises(InvalidDataError, match="engine must be 'auto', 'fused' or 'torch'"):
        MatrixFactorization(engine="numba")
    assert MatrixFactorization(device="cuda").engine == "torch"
    assert MatrixFactorization(device="cpu").engine == "fused"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["mined", "bias, dropout, tables", "log q of a pool"])
def test_a_gpu_gives_what_the_fused_engine_gives(name: str) -> None:
    options = SMALL | OPTIONS[name]
    models = (MatrixFactorization(**options), MatrixFactorization(**options, device="cuda"))
    assert_agree(tuple(each.fit(DATA, show_progress=False) for each in models), 1e-4)


@pytest.mark.parametrize("redraw", ["pair", "batch"])
@pytest.mark.parametrize("score", ["dot", "cosine"])
def test_two_threads_give_what_one_gives_but_for_rounding(score: str, redraw: str) -> None:
    options = SMALL | {"score": score, "redraw": redraw, "optimizer": Adagrad(0.05)}
    one, two = (
        MatrixFactorization(**(options | {"num_threads": threads})).fit(DATA, show_progress=False)
        for threads in (1, 2)
    )
    assert np.allclose(one.item_factors, two.item_factors, atol=1e-4)
    assert not np.array_equal(one.item_factors, two.item_factors)
    again = MatrixFactorization(**(options | {"num_threads": 2})).fit(DATA, show_progress=False)
    assert np.array_equal(two.item_factors, again.item_factors)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=20),
    st.sampled_from(["pair", "user", "batch", "epoch"]),
    st.sampled_from(["pairs", "users"]),
    st.sampled_from(["dot", "cosine"]),
    st.booleans(),
)
def test_engines_agree_on_odd_data(
    pairs, redraw: str, visit: str, score: str, unseen: bool
) -> None:
    users, items = np.array(pairs).T
    data = Interactions.from_arrays(users, items, num_users=7, num_items=6)
    one, other = both(
        data, redraw=redraw, visit=visit, score=score, batch_size=3, num_negatives=3,
        sampler=lambda train: Uniform(train, unseen=unseen), regularization=0.01,
    )  # fmt: skip
    assert np.allclose(one.user_factors, other.user_factors, atol=1e-4)
    assert np.allclose(one.item_factors, other.item_factors, atol=1e-4)


@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_nothing_to_learn_from_is_an_error(engine: str) -> None:
    options = SMALL | {"engine": engine, "redraw": "epoch", "num_negatives": 1}
    single = Interactions.from_arrays([0], [0], num_users=1, num_items=1)
    with pytest.raises(NoNegativeError):
        MatrixFactorization(**options).fit(single, show_progress=False)
    with pytest.raises(FloatingPointError, match="overflowed in epoch 1"):
        MatrixFactorization(**(options | {"redraw": "pair", "optimizer": SGD(1e30)})).fit(
            DATA, show_progress=False
        )


@pytest.mark.parametrize("trainer", [MatrixFactorization, SimpleX])
def test_a_device_that_torch_has_not_is_named(trainer) -> None:
    with pytest.raises(InvalidDataError, match="device must be a device of torch.*; got 'gpu9'"):
        trainer(4, device="gpu9")
