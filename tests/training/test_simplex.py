"""SimpleX: the tower against plain loops, the fused head against torch, and the estimator."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from recneg.errors import InvalidDataError
from recneg.evaluation import evaluate
from recneg.interactions import Interactions
from recneg.keys import Key, random_bits
from recneg.losses import (
    BPRLoss,
    CosineContrastiveLoss,
    LogisticLoss,
    SampledSoftmaxLoss,
    SLAtKLoss,
    UBPRLoss,
)
from recneg.mining import Miner, hardest
from recneg.models import SimpleXTower
from recneg.samplers import Adaptive, Softmax, Uniform
from recneg.splits import carve_validation
from recneg.training import SGD, Adam, MatrixFactorization, tower_engine
from recneg.training.histories import capped, histories
from recneg.training.scoring import PAIR, POOL, Batch, score_batch
from recneg.training.simplex import SimpleX
from recneg.training.streams import INIT, NEGATIVES, ORDER
from recneg.training.tables import Table
from recneg.training.torch_scoring import DeviceBatch, batch_losses
from recneg.training.unit_rows import unit_rows_of
from recneg.training.weights import DeviceWeights

torch.set_num_threads(1)

AGGREGATIONS = ["mean", "user_attention", "self_attention"]


def some_interactions(num_users: int = 40, num_items: int = 25, seed: int = 0) -> Interactions:
    """Users with many items, with one (the last), and three with none."""
    rng = np.random.default_rng(seed)
    chance = 0.7 / (1 + np.arange(num_items)) ** 0.5
    users, items = np.nonzero(rng.random((num_users, num_items)) < chance)
    users, items = np.append(users, num_users), np.append(items, 4)
    return Interactions.from_arrays(users, items, num_users=num_users + 4, num_items=num_items + 2)


DATA = some_interactions()

SMALL: dict[str, Any] = {
    "factors": 6, "gamma": 0.4, "loss": CosineContrastiveLoss(0.1, 3.0), "optimizer": Adam(0.01),
    "regularization": 0.01, "batch_size": 50, "num_negatives": 7, "dropout": 0.0, "epochs": 2,
    "init_deviation": 0.3, "patience": None, "num_threads": 1, "seed": 5,
}  # fmt: skip


def fitted(data: Interactions = DATA, **options: Any) -> SimpleX:
    return SimpleX(**(SMALL | options)).fit(data, show_progress=False)


# -- the tower ------------------------------------------------------------------------------------


def some_weights(aggregation: str, *, shared: bool = True, d: int = 3) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(1)
    shapes = {"users": (5, d), "items": (6, d), "transform": (d, d)}
    if aggregation != "mean":
        shapes |= {"keys": (d, d), "key_bias": (1, d)}
    if aggregation == "self_attention":
        shapes["query"] = (1, d)
    if not shared:
        shapes["history"] = (6, d)
    return {name: torch.from_numpy(rng.normal(size=shape)) for name, shape in shapes.items()}


def vector_by_hand(
    weights: dict[str, NDArray[np.float64]],
    user: int,
    history: list[int],
    gamma: float,
    kind: str,
    padded: int = 0,
) -> NDArray[np.float64]:
    own = weights["users"][user]
    entries = [weights.get("history", weights["items"])[item] for item in history]
    logits = []
    for entry in entries:
        if kind == "mean":
            logits.append(0.0)
            continue
        key = np.tanh(weights["keys"] @ entry + weights["key_bias"][0])
        logits.append(float((own if kind == "user_attention" else weights["query"][0]) @ key))
    powers = np.exp(logits)
    pooled, padding = np.zeros_like(own), max(padded - len(history), 0) if kind != "mean" else 0
    for power, entry in zip(powers, entries, strict=True):
        pooled += power / (powers.sum() + padding) * entry
    return gamma * own + (1 - gamma) * weights["transform"] @ pooled


RAGGED = {0: [1, 4, 5], 3: [2], 1: [], 4: [0, 1, 2, 3, 4, 5]}


def places_of(parts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return items, slots and offsets of histories, as a tower takes them."""
    items, slots = np.unique(np.concatenate(parts).astype(int), return_inverse=True)
    offsets = np.cumsum([0, *(len(part) for part in parts)])
    return tuple(torch.from_numpy(each) for each in (items, slots, offsets))


@pytest.mark.parametrize("padded", [0, 4])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_the_tower_is_a_loop_over_users(aggregation: str, shared: bool, padded: int) -> None:
    weights = some_weights(aggregation, shared=shared)
    tower = SimpleXTower(weights, 0.3, aggregation, padded)
    users = [*RAGGED, 0]
    parts = [RAGGED[user] for user in users]
    found = tower(torch.tensor(users), *places_of(parts))
    arrays = {name: weight.numpy() for name, weight in weights.items()}
    for row, (user, part) in enumerate(zip(users, parts, strict=True)):
        expected = vector_by_hand(arrays, user, part, 0.3, aggregation, padded)
        assert np.allclose(found[row].detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_gradients_of_the_tower_are_finite_differences(aggregation: str) -> None:
    weights = some_weights(aggregation)
    users, places = torch.tensor(list(RAGGED)), places_of(list(RAGGED.values()))

    def run(*values: torch.Tensor) -> torch.Tensor:
        tower = SimpleXTower(weights, 0.3, aggregation)
        tower.weights = dict(zip(weights, values, strict=True))
        return tower(users, *places)

    leaves = [weight.clone().requires_grad_() for weight in weights.values()]
    assert torch.autograd.gradcheck(run, leaves)


def test_large_logits_do_not_overflow() -> None:
    weights = {name: 300 * weight for name, weight in some_weights("user_attention").items()}
    tower = SimpleXTower(weights, 0.3, "user_attention")
    found = tower(torch.tensor([0]), *places_of([[1, 4]]))
    assert torch.isfinite(found).all()


def test_histories_lack_their_targets() -> None:
    data = Interactions.from_arrays([0, 0, 0, 2], [3, 1, 4, 1], num_users=3, num_items=5)
    users, targets = np.array([2, 0, 0, 1]), np.array([1, 3, 4, 0], np.int32)
    items, slots, offsets = histories(data, users, targets)
    assert items[slots].tolist() == [1, 4, 1, 3]
    assert offsets.tolist() == [0, 0, 2, 4, 4]
    assert items.tolist() == [1, 4, 3]
    items, slots, offsets = histories(data, np.array([2, 0]))
    assert items[slots].tolist() == [1, 1, 3, 4]
    assert offsets.tolist() == [0, 1, 4]
    items, slots, offsets = histories(data, np.array([1]))
    assert (items.size, slots.size, offsets.tolist()) == (0, 0, [0, 0])


def test_long_histories_are_cut_to_the_latest_or_to_random_ones() -> None:
    users, items = [0, 0, 0, 0, 1], [0, 1, 2, 3, 2]
    timed = Interactions.from_arrays(users, items, timestamps=[5, 9, 1, 7, 3])
    assert capped(timed, 2, Key(0)).items_of(0).tolist() == [1, 3]
    assert capped(timed, 2, Key(0)).items_of(1).tolist() == [2]
    assert capped(timed, 4, Key(0)) is timed
    plain = Interactions.from_arrays(users, items)
    kept = {tuple(capped(plain, 2, Key(seed)).items_of(0).tolist()) for seed in range(40)}
    assert len(kept) == 6
    assert all(len(each) == 2 for each in kept)


# -- the head -------------------------------------------------------------------------------------


def some_batch(rows: int, *, groups: int = 9, n: int = 8, items: int = 14, seed: int = 0) -> Batch:
    """Make a batch of so many draws of negatives: its own for each positive, or pools."""
    rng, whose = np.random.default_rng(seed), PAIR if rows == groups else POOL
    negatives = rng.integers(0, items, (rows, n)).astype(np.int32)
    if whose == PAIR:
        negatives[2, 3] = -1
        negatives[4] = -1
    none, nothing = np.empty((0, 0), np.float32), np.empty(0)
    return Batch(
        np.arange(groups), np.arange(groups + 1), rng.integers(0, items, groups).astype(np.int32),
        whose, negatives, none, none, 1.0, nothing, np.empty((0, 0)),
        (np.empty(0, np.int64), np.empty(0, np.int32)),
    )  # fmt: skip


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [9, 1, 4])
@pytest.mark.parametrize(
    "loss", [CosineContrastiveLoss(0.2, 5.0), SampledSoftmaxLoss(0.3), BPRLoss("sum")]
)
def test_fused_scores_are_those_of_plain_torch(loss: Any, rows: int, threads: int) -> None:
    """Cosines with a column beside them, as an item's bias is."""
    batch, rng = some_batch(rows), np.random.default_rng(2)
    vectors, values, biases = (
        rng.normal(size=shape).astype(np.float32) for shape in ((9, 6), (14, 5), (14, 1))
    )
    leaves = [torch.from_numpy(each.copy()).requires_grad_() for each in (vectors, values, biases)]
    scored = torch.cat((normalize(leaves[1]), leaves[2]), 1)
    losses, plain = batch_losses(loss, DeviceBatch.of(batch, "cpu"), leaves[0], scored)
    (0.3 * losses.sum()).backward()

    table = Table(values, SGD(1.0).moments(14, 5), cosine=True, beside=1, threads=threads)
    table.scored[:, 5:] = biases
    by_vector = np.zeros_like(vectors)
    found = score_batch(loss, batch, vectors, table, by_vector)
    table.finish(SGD(1.0), (0.0, "rows"), 0.3)
    by_item = table.gradients[0]
    assert found.loss == pytest.approx(plain.loss, rel=1e-5)
    assert found.pairs == plain.pairs == 9 * 8 - (9 if batch.whose == PAIR else 0)
    assert found.skipped == plain.skipped
    ours = (0.3 * by_vector, by_item[:, :5], 0.3 * by_item[:, 5:])
    for a, leaf in zip(ours, leaves, strict=True):
        b = leaf.grad.numpy()
        assert np.abs(b).max() > 0.1
        assert np.allclose(a, b, atol=1e-5)


# -- training -------------------------------------------------------------------------------------


def plain_training(data: Interactions, model: SimpleX) -> tuple[NDArray, NDArray, list[float]]:
    """Train with torch alone: one user at a time, torch.optim.Adam, no dropout."""
    o, key = model.options, Key(model.options.seed)
    weights = {
        name: torch.from_numpy(array.copy()).requires_grad_()
        for name, array in model._unpack(model._initial(data, key.fold_in(INIT))).items()
    }
    optimizer = torch.optim.Adam(weights.values(), o.optimizer.learning_rate)

    def vector(user: int, history: list[int]) -> torch.Tensor:
        own = weights["users"][user]
        pooled = torch.zeros(o.factors)
        if history:
            entries = weights.get("history", weights["items"])[history]
            shares = torch.full((len(history),), 1 / len(history))
            if o.aggregation != "mean":
                keys = (entries @ weights["keys"].T + weights["key_bias"]).tanh()
                query = own if o.aggregation == "user_attention" else weights["query"][0]
                empty = torch.zeros(max(o.padded_history - len(history), 0))
                shares = torch.cat((keys @ query, empty)).softmax(0)[: len(history)]
            pooled = shares @ entries
        return o.gamma * own + (1 - o.gamma) * weights["transform"] @ pooled

    curve = []
    for epoch in range(o.epochs):
        order_key, draws = (key.fold_in(part).fold_in(epoch) for part in (ORDER, NEGATIVES))
        order = np.argsort(random_bits(order_key, np.arange(len(data))))
        negatives = Uniform(data).sample(data.users(), o.num_negatives, key=draws).items
        total = 0.0
        for start in range(0, len(order), o.batch_size):
            rows, losses = order[start : start + o.batch_size], []
            for row in rows:
                user, item = int(data.users()[row]), int(data.indices[row])
                seen = [int(i) for i in data.items_of(user) if i != item]
                met = normalize(weights["items"][[item, *negatives[row].tolist()]])
                scores = met @ normalize(vector(user, seen), dim=0)
                if o.item_bias:
                    own = weights["item_bias"][[item, *negatives[row].tolist()], 0]
                    scores = scores + own + weights["user_bias"][user] + weights["global_bias"][0]
                excess = (scores[1:] - model.loss.margin).relu().mean()
                losses.append((1 - scores[0]).relu() + model.loss.weight * excess)
            total += torch.stack(losses).sum().item()
            penalty = sum(
                (weights[name] ** 2).sum() for name in ("users", "items", "history")
                if name in weights
            )  # fmt: skip
            optimizer.zero_grad()
            (torch.stack(losses).mean() + o.item_regularization / 2 * penalty).backward()
            if o.max_norm is not None:
                torch.nn.utils.clip_grad_norm_(weights.values(), o.max_norm)
            optimizer.step()
        curve.append(total / len(order))
    with torch.no_grad():
        users = torch.stack(
            [vector(u, data.items_of(u).tolist()) for u in range(data.num_users)]
        )  # fmt: skip
        parts = [normalize(users), normalize(weights["items"])]
        if o.item_bias:
            beside = torch.ones(len(users), 1), weights["item_bias"]
            parts = [torch.cat(pair, 1) for pair in zip(parts, beside, strict=True)]
        return parts[0].numpy(), parts[1].numpy(), curve


@pytest.mark.parametrize("engine", ["fused", "torch"])
@pytest.mark.parametrize(
    "options",
    [
        {"aggregation": "mean"},
        {"aggregation": "user_attention", "max_norm": 0.1},
        {"aggregation": "user_attention", "padded_history": 7},
        {"aggregation": "self_attention", "shared_history": False, "max_norm": None},
        {"gamma": 0.0, "regularization": 0.2},
        {"item_bias": True},
    ],
)
def test_training_equals_plain_torch(options: dict[str, Any], engine: str) -> None:
    model = fitted(**options, engine=engine)
    users, items, curve = plain_training(DATA, model)
    assert np.allclose([epoch.loss for epoch in model.history], curve, rtol=1e-4)
    assert np.allclose(model.user_factors, users, atol=2e-3)
    assert np.allclose(model.item_factors, items, atol=2e-3)
    start = fitted(**options, epochs=0)
    assert np.abs(start.item_factors - items).max() > 0.1


@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.3},
        {"schedule": "cosine", "learning_rate_decay": 0.7},
        {"schedule": "steps"},
        {"item_bias": True, "dropout": 0.3},
        {"item_bias": True, "gamma": 1.0},
        {"redraw": "epoch", "item_bias": True},
        {"redraw": "batch", "num_pools": 5},
        {"mining": Miner(hardest, 9), "num_negatives": 2},
        {"loss": UBPRLoss(), "aggregation": "self_attention"},
        {"max_history": 3},
        {"aggregation": "self_attention", "padded_history": 9},
        {"optimizer": Adam(0.05, lazy=True), "regularization": 0.0},
    ],
)
def test_both_engines_agree(options: dict[str, Any]) -> None:
    one, other = (fitted(**options, engine=engine) for engine in ("fused", "torch"))
    assert [e.loss for e in one.history] == pytest.approx([e.loss for e in other.history], rel=1e-4)
    assert np.allclose(one.user_factors, other.user_factors, atol=2e-3)
    assert np.allclose(one.item_factors, other.item_factors, atol=2e-3)
    assert one.item_factors.shape[1] == 6 + one.options.item_bias
    plain = fitted(**{name: value for name, value in options.items() if name in ("gamma", "loss")})
    assert plain.history[-1].loss != pytest.approx(one.history[-1].loss, rel=1e-3) or (
        "loss" in options
    )


def test_lazy_steps_leave_items_that_no_batch_has_alone() -> None:
    data = Interactions.from_arrays([0, 0, 1, 1], [0, 1, 1, 2], num_items=60)
    options = {"optimizer": Adam(0.05, lazy=True), "regularization": 0.0, "item_bias": True}
    for engine in ("fused", "torch"):
        how = options | {"engine": engine, "num_negatives": 2, "batch_size": 4, "epochs": 1}
        model = SimpleX(**(SMALL | how))
        start = model._unpack(model._initial(data, Key(5).fold_in(INIT)))
        moved = model.fit(data, show_progress=False).item_factors
        idle = np.isclose(moved[:, :6], normalize(torch.from_numpy(start["items"])), atol=1e-6)
        still = (moved[:, 6:] == start["item_bias"]).all(axis=1)
        assert np.array_equal(idle.all(axis=1), still)
        assert 60 - 3 - 8 <= still.sum() < 60 - 2


class ElsewhereWeights(DeviceWeights):
    """What an engine on another device has for weights, on the CPU."""

    def __init__(self, *arrays: Any, threads: int, lanes: int | None, **how: Any) -> None:
        super().__init__(*arrays, torch.device("cpu"), **how)
        self.values, self._moments = self.values.clone(), tuple(map(torch.clone, self._moments))
        if not self._cosine:
            self.scored = self.values
        self.table = SimpleNamespace()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"item_bias": True},
        {"shared_history": False},
        {"mining": Miner(hardest, 9), "num_negatives": 2},
    ],
    ids=str,
)
def test_other_devices_train_alike(options: dict[str, Any], monkeypatch) -> None:
    here = fitted(**options, engine="torch")
    monkeypatch.setattr(tower_engine, "HostWeights", ElsewhereWeights)
    there = fitted(**options, engine="torch")
    assert np.allclose(here.user_factors, there.user_factors, atol=1e-4)
    assert np.allclose(here.item_factors, there.item_factors, atol=1e-4)


def test_the_target_is_never_in_the_history_that_predicts_it(monkeypatch) -> None:
    met = []

    def spy(data, users, targets=None):
        items, slots, offsets = histories(data, users, targets)
        if targets is not None:
            owners = np.repeat(np.arange(len(users)), np.diff(offsets))
            met.extend(
                zip(users[owners].tolist(), items[slots].tolist(), targets[owners].tolist(),
                    strict=True)
            )  # fmt: skip
        return items, slots, offsets

    monkeypatch.setattr(tower_engine, "histories", spy)
    fitted(epochs=1)
    counts = DATA.user_counts()
    assert len(met) == (counts * (counts - 1)).sum()
    assert all(item != target for _, item, target in met)


class NormalStart(MatrixFactorization):
    """Matrix factorization that starts where SimpleX does."""

    def _initial(self, train, key):
        return SimpleX._initial(self, train, key)

    def _sizes(self, num_users, num_items):
        o = self.options
        return {name: ((size, o.factors), o.init_deviation)
                for name, size in (("users", num_users), ("items", num_items))}  # fmt: skip


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_all_of_a_vector_of_ones_own_is_matrix_factorization(dropout: float) -> None:
    simplex = fitted(gamma=1, dropout=dropout)
    plain = NormalStart(
        6, loss=SMALL["loss"], score="cosine", optimizer=Adam(0.01), regularization=0.01,
        regularized="tables", batch_size=50, num_negatives=7, dropout=dropout, max_norm=10.0,
        epochs=2, init_deviation=0.3, num_threads=1, seed=5,
    ).fit(DATA, show_progress=False)  # fmt: skip
    assert np.array_equal(simplex.user_factors, plain.user_factors)
    assert np.array_equal(simplex.item_factors, plain.item_factors)
    assert [e.loss for e in simplex.history] == [e.loss for e in plain.history]


def test_the_start_is_normal() -> None:
    options = SMALL | {"init_deviation": 1e-4, "aggregation": "self_attention", "factors": 50}
    big = Interactions.from_arrays([0], [0], num_users=3000, num_items=2000)
    model = SimpleX(**options)
    weights = model._unpack(model._initial(big, Key(1)))
    assert weights["users"].std() == pytest.approx(1e-4, rel=0.01)
    assert weights["transform"].std() == pytest.approx(50**-0.5, rel=0.05)
    assert not weights["key_bias"].any()
    scaled = weights["items"].astype(np.float64) / 1e-4
    assert (np.abs(scaled) < 1).mean() == pytest.approx(0.6827, abs=0.005)
    assert abs(np.corrcoef(weights["users"][:2000, 0], weights["items"][:, 0])[0, 1]) < 0.1


class Killed(Exception):
    pass


def assert_resumes(
    options: dict[str, Any],
    parts: tuple[Interactions, Interactions],
    whole: SimpleX,
    last: int,
    path: Path,
) -> None:
    """A run that is killed after an epoch goes on to the bits of a whole one."""
    train, validation = parts

    def kill(epoch: Any) -> None:
        if epoch.epoch == last:
            raise Killed

    with pytest.raises(Killed):
        SimpleX(**options).fit(train, False, kill, validation=validation, checkpoint=path)
    resumed = SimpleX(**options).fit(train, False, validation=validation, checkpoint=path)
    assert resumed.resumed_epochs == last
    assert np.array_equal(resumed.user_factors, whole.user_factors)
    assert np.array_equal(resumed.item_factors, whole.item_factors)
    assert [e[2:] for e in resumed.history] == [e[2:] for e in whole.history]


@pytest.mark.parametrize("options", [{"item_bias": True, "dropout": 0.2}, {"gamma": 1}])
def test_a_killed_run_resumes_to_the_same_bits(options: dict[str, Any], tmp_path: Path) -> None:
    train, validation = carve_validation(DATA, 0.2, key=3)
    options = SMALL | options | {
        "epochs": 8, "patience": 8, "optimizer": Adam(0.2), "aggregation": "self_attention",
    }  # fmt: skip
    whole = SimpleX(**options).fit(train, show_progress=False, validation=validation)
    scores = [epoch.validation for epoch in whole.history]
    assert any(score <= max(scores[:k]) for k, score in enumerate(scores[:5]) if k)
    assert_resumes(options, (train, validation), whole, 5, tmp_path / "checkpoint")


def test_a_checkpoint_between_evaluations_resumes_to_the_same_bits(tmp_path: Path, monkeypatch):
    """Kept after half a minute, here after none: epoch 4 of evaluations every third."""
    monkeypatch.setattr("recneg.training.running.KEPT_EVERY", 0.0)
    train, validation = carve_validation(DATA, 0.2, key=3)
    options = SMALL | {"epochs": 7, "evaluate_every": 3, "patience": 8, "item_bias": True}
    whole = SimpleX(**options).fit(train, show_progress=False, validation=validation)
    assert_resumes(options, (train, validation), whole, 4, tmp_path / "checkpoint")


@pytest.mark.parametrize("options", [{}, {"item_bias": True}, {"gamma": 1, "max_history": 4}])
def test_save_and_load(options: dict[str, Any], tmp_path: Path) -> None:
    model = fitted(**options)
    model.save(tmp_path / "model")
    loaded = SimpleX.load(tmp_path / "model")
    assert repr(loaded) == repr(model)
    assert loaded.options == model.options
    assert loaded.loss == model.loss
    users = np.arange(DATA.num_users)
    ids, scores = model.recommend(users, N=5)
    again, same = loaded.recommend(users, user_items=DATA.to_scipy(), N=5)
    assert np.array_equal(ids, again)
    assert np.array_equal(scores, same)
    some = users[[3, 0, 7]]
    for seen in (DATA, DATA.to_scipy()[some]):  # of all users, or of these
        ids, scores = loaded.recommend(some, user_items=seen, N=5)
        assert np.array_equal(ids, again[some])
        assert np.allclose(scores, same[some], atol=1e-6)
    with pytest.raises(InvalidDataError, match="a row for each user asked for, 3, or be the Inter"):
        loaded.recommend(some, user_items=DATA.to_scipy())


def test_scores_are_cosines_and_a_bias() -> None:
    model = fitted(item_bias=True)
    users, items = model.user_factors, model.item_factors
    there = DATA.user_counts() > 0
    assert np.allclose(np.linalg.norm(users[there, :-1], axis=1), 1, atol=1e-6)
    assert np.allclose(np.linalg.norm(items[:, :-1], axis=1), 1, atol=1e-6)
    assert (users[:, -1] == 1).all()
    assert np.abs(items[:, -1]).max() > 0


def test_single_items_and_none() -> None:
    pairs = Interactions.from_arrays([0, 1, 3], [2, 0, 1], num_users=5, num_items=4)
    for aggregation in AGGREGATIONS:
        model = fitted(pairs, aggregation=aggregation, epochs=5)
        assert np.isfinite(model.user_factors).all()
        # in training such a user is the own vector alone; afterwards the item counts too
        own, whole = model.user_factors[4], model.user_factors[0]
        assert np.isfinite(own).all()
        assert whole.any()
    nobody = fitted(pairs, gamma=0.0, epochs=1)
    assert not nobody.user_factors[[2, 4]].any()
    ids, _ = nobody.recommend(2, N=3)
    assert len(ids) == 3


def test_learns_what_is_planted() -> None:
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((80, 60)) < 0.5)
    alike = users % 4 == items % 4
    data = Interactions.from_arrays(users[alike], items[alike], num_users=80, num_items=60)
    train, held_out = carve_validation(data, 0.2, key=1)
    model = fitted(train, epochs=40, regularization=1e-4, num_negatives=20)
    found = evaluate(model, train, held_out, k=20, metrics=["recall"]).mean("recall@20")
    assert found > 0.9


def test_adaptive_laws_follow_the_scores() -> None:
    seen = []

    def law(train, users, items):
        seen.append((users.copy(), items.copy()))
        return Softmax(train, users, items)

    model = fitted(sampler=Adaptive(law), epochs=2, num_negatives=3)
    first = fitted(epochs=0)
    assert np.allclose(seen[0][0], first.user_factors, atol=1e-6)
    assert not np.allclose(seen[1][0], first.user_factors, atol=1e-3)
    shape = (len(DATA), 3)
    assert model.negatives(DATA).shape == shape
    assert np.allclose(seen[-1][0], model.user_factors)


def test_a_preset_is_a_model_with_options() -> None:
    assert SimpleX.preset("gowalla", seed=3).options.seed == 3
    assert SimpleX.preset("gowalla").options.aggregation == "user_attention"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma": 1.5}, "gamma: input should be less than or equal to 1, got 1.5"),
        ({"aggregation": "max"}, "aggregation: input should be 'mean', 'user_attention' or"),
        ({"max_history": 0}, "max_history: input should be greater than or equal to 1"),
        ({"redraw": "user"}, "redraw must be 'pair', 'batch' or 'epoch'; got 'user'"),
        ({"redraw": "batch", "mining": Miner(hardest, 9)}, "mining needs redraw='pair'"),
        ({"loss": "ccl"}, "loss must be a Loss"),
        ({"loss": SLAtKLoss()}, "needs gamma=1 and no item_bias; got 0.5"),
        ({"engine": "numba"}, "engine must be"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        SimpleX(**options)


def test_overflow_names_the_epoch() -> None:
    with pytest.raises(FloatingPointError, match="overflowed in epoch 1 at learning rate"):
        fitted(optimizer=Adam(1e38), loss=LogisticLoss())


def test_partial_samplers_draw_positives_too() -> None:
    model = fitted(sampler=partial(Uniform, unseen=False))
    assert model.history[-1].loss != fitted().history[-1].loss


def test_unit_rows_have_the_gradient_of_normalize() -> None:
    rng = np.random.default_rng(0)
    start = torch.from_numpy(rng.normal(size=(7, 5)).astype(np.float32))
    start[3] = 0
    slopes = torch.from_numpy(rng.normal(size=(7, 5)).astype(np.float32))
    slopes[3] = 0
    found = []
    for function in (unit_rows_of, partial(normalize, eps=1e-12)):
        leaf = start.clone().requires_grad_()
        unit = function(leaf)
        (unit * slopes).sum().backward()
        found.append((unit.detach().numpy(), leaf.grad.numpy()))
    for one, other in zip(*found, strict=True):
        assert np.allclose(one, other, atol=1e-6)
        assert np.abs(other).max() > 0.1
