"""The estimator TRON: a whole step against torch, learning, resuming, files and errors."""

import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from recneg.errors import IntegrityError, InvalidDataError
from recneg.evaluation.next_item import evaluate_next_item
from recneg.keys import Key
from recneg.losses import (
    BPRMaxLoss,
    CMLLoss,
    GBCELoss,
    LogisticLoss,
    Loss,
    SampledSoftmaxLoss,
    UBPRLoss,
)
from recneg.models import Packing, TRONEncoder
from recneg.samplers import Adaptive, InBatch, PerBatch, Popularity, Softmax, Uniform
from recneg.sequence_splits import carve_newest
from recneg.sequences import Sequences
from recneg.training import TRON, Adam, sequence_engine, tron
from recneg.training.record import record
from recneg.training.sequence_engine import bind
from recneg.training.state import Epoch, TrainingState
from recneg.training.streams import INIT
from recneg.training.tables import unit_rows
from recneg.training.torch_events import event_losses

torch.set_num_threads(1)

SMALL: dict[str, Any] = {
    "factors": 8, "heads": 2, "max_length": 6, "dropout": 0.0, "optimizer": Adam(0.01),
    "batch_size": 16, "num_negatives": 12, "num_in_batch": 5, "top_k": 6, "epochs": 3,
    "num_threads": 1, "seed": 4,
}  # fmt: skip


def walks(count: int = 90, num_items: int = 20, seed: int = 0) -> Sequences:
    """Sessions in which x + 7 follows x, round a circle of all items; of length 0 to 9."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 10, count)
    items = []
    for length in lengths:
        item = int(rng.integers(num_items))
        for _ in range(length):
            items.append(item)
            item = (item + 7) % num_items
    return Sequences.from_arrays(
        np.repeat(np.arange(count), lengths), items, num_sequences=count, num_items=num_items
    )


DATA = walks()


def fitted(data: Sequences = DATA, **options: Any) -> TRON:
    return TRON(**(SMALL | options)).fit(data, show_progress=False)


def same(one: TRON, other: TRON) -> bool:
    pairs = zip(one._weights(), other._weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


# -- training -------------------------------------------------------------------------------------


def plain_training(data: Sequences, model: TRON) -> tuple[list[np.ndarray], list[float]]:
    """Train with torch alone: one table with autograd, torch.optim.Adam, no dropout."""
    o, key = model.options, Key(model.options.seed)
    output, items, rest = (
        torch.from_numpy(part.copy()).requires_grad_()
        for part in model._initial(data.num_items, key.fold_in(INIT))
    )
    weights = [items, rest] if o.tied else [items, rest, output]
    optimizer = torch.optim.Adam(
        weights, o.optimizer.learning_rate, o.optimizer.betas, o.optimizer.epsilon
    )
    batches, encoder, curve = model._batches(data, key), model._encoder(), []
    for epoch in range(o.epochs):
        total = 0.0
        for batch in batches.epoch(epoch):
            optimizer.zero_grad()
            slopes = torch.zeros_like(rest)
            bind(encoder, rest.detach(), slopes)
            events = items[torch.from_numpy(batch.items).long(), : o.factors]
            if o.score == "cosine" and o.tied:
                events = normalize(events)
            vectors = encoder(events, Packing.of(torch.from_numpy(batch.lengths)))
            if o.item_bias:
                vectors = torch.cat((vectors, torch.ones_like(vectors[:, :1])), 1)
            factors = items if o.tied else output
            if o.score == "cosine":
                vectors, factors = normalize(vectors), normalize(factors)
            losses, *_ = event_losses(model.loss, batch, vectors, factors, o.top_k)
            losses.mean().backward()
            rest.grad = slopes
            if o.max_norm is not None:
                torch.nn.utils.clip_grad_norm_(weights, o.max_norm)
            optimizer.step()
            total += losses.sum().item()
        curve.append(total / batches.num_events)
    return [part.detach().numpy() for part in (output, items, rest)], curve


CASES: list[dict[str, Any]] = [
    {},
    {"top_k": 0},
    {"tied": False, "item_bias": True, "accidental_hits": "sequence"},
    {"item_bias": True, "log_q_correction": True, "accidental_hits": "keep", "max_norm": 0.5},
    {"loss": BPRMaxLoss(0.1), "num_in_batch": 0, "top_k": 0, "order": "given"},
    {"loss": LogisticLoss(), "num_negatives": 1, "num_in_batch": 0, "top_k": 0, "redraw": "event"},
    {"num_negatives": "all", "num_in_batch": 0, "top_k": 0},
    {"num_negatives": "all", "num_in_batch": 0, "top_k": 7, "accidental_hits": "sequence"},
    {"score": "cosine", "loss": SampledSoftmaxLoss(0.2)},
    {"score": "cosine", "loss": SampledSoftmaxLoss(0.2), "tied": False, "top_k": 0},
    {"loss": GBCELoss(20), "num_in_batch": 0, "top_k": 0, "redraw": "event", "order": "random"},
]


@pytest.mark.parametrize("options", CASES, ids=str)
def test_training_is_plain_torch(options: dict[str, Any]) -> None:
    # a gradient of 0, as by the biases of keys, is rounding that a small epsilon would blow up
    options = options | {"optimizer": Adam(0.01, epsilon=1e-3)}
    model = fitted(**options)
    weights, curve = plain_training(DATA, TRON(**(SMALL | options)))
    assert np.allclose([epoch.loss for epoch in model.history], curve, rtol=1e-5)
    start = model._initial(DATA.num_items, Key(4).fold_in(INIT))
    for found, expected, before in zip(model._weights(), weights, start, strict=True):
        assert np.allclose(found, expected, atol=2e-5)
        if found.size:
            assert np.abs(found - before).max() > 0.02


LAZY: list[dict[str, Any]] = [
    {"top_k": 4, "optimizer": Adam(0.01, lazy=True)},
    {"top_k": 0, "optimizer": Adam(0.01, lazy=True)},
    # a hinge whose gradients are mostly 0: its rows move by their moments all the same
    {
        "loss": CMLLoss(20), "num_in_batch": 0, "top_k": 0, "redraw": "event",
        "optimizer": Adam(0.01, lazy=True),
    },
]  # fmt: skip


@pytest.mark.parametrize("options", LAZY, ids=str)
def test_both_engines_move_the_same_rows(options: dict[str, Any]) -> None:
    one, other = (fitted(engine=engine, **options) for engine in ("fused", "torch"))
    assert np.allclose(one.item_factors, other.item_factors, atol=1e-5)


@pytest.mark.parametrize("options", [*CASES[:4], *CASES[-5:-1]], ids=str)
def test_both_engines_train_the_same(options: dict[str, Any]) -> None:
    one, other = (fitted(engine=engine, **options) for engine in ("fused", "torch"))
    assert np.allclose(
        [epoch.loss for epoch in one.history], [epoch.loss for epoch in other.history], rtol=1e-4
    )
    vectors = [model.next_item_vectors(DATA) for model in (one, other)]
    assert np.allclose(*vectors, atol=2e-2)
    assert [epoch.triples for epoch in one.history] == [epoch.triples for epoch in other.history]


def test_lazy_adam_moves_the_rows_of_a_batch_alone() -> None:
    data = Sequences.from_arrays([0, 0, 1, 1], [0, 1, 2, 3], num_items=50)
    options = {"num_negatives": 2, "top_k": 1, "num_in_batch": 0, "epochs": 1, "batch_size": 2}
    for engine in ("fused", "torch"):
        model = TRON(**(SMALL | options | {"optimizer": Adam(0.01, lazy=True), "engine": engine}))
        start = model._initial(50, Key(4).fold_in(INIT))[1]
        moved = (model.fit(data, show_progress=False)._weights()[1] != start).any(axis=1)
        assert moved[[0, 1, 2, 3]].all()
        assert 4 <= moved.sum() <= 6


@pytest.mark.parametrize("loss", [SampledSoftmaxLoss(), BPRMaxLoss(0.1), LogisticLoss()], ids=repr)
@pytest.mark.parametrize("top_k", [0, 6])
def test_a_grammar_is_learnt(loss: Loss, top_k: int) -> None:
    held_out = walks(30, seed=9)
    how = {"loss": loss, "top_k": top_k, "epochs": 40, "optimizer": Adam(0.01)}
    model = fitted(walks(200), **how)
    result = evaluate_next_item(model, held_out, k=1, metrics=["recall"])
    assert result.mean("recall@1") > 0.98
    assert model.history[-1].correct > 0.95
    assert model.history[-1].loss < 0.5 * model.history[0].loss


def test_the_last_event_alone_does_not_tell_the_next() -> None:
    # 0 1 2 0 3 | 4 1 2 4 3: what follows 1 2 is the first event of the session
    data = Sequences.from_arrays(np.repeat(np.arange(40), 5), [0, 1, 2, 0, 3, 4, 1, 2, 4, 3] * 20)
    model = fitted(data, epochs=40, optimizer=Adam(0.02), num_negatives=5, num_in_batch=0)
    assert model.recommend([0, 1, 2], N=1)[0].tolist() == [0]
    assert model.recommend([4, 1, 2], N=1)[0].tolist() == [4]


@given(st.lists(st.lists(st.integers(0, 3), max_size=6), min_size=1, max_size=6))
@settings(max_examples=25)
def test_odd_sessions_train_and_score(sessions: list[list[int]]) -> None:
    owners = np.repeat(np.arange(len(sessions)), [len(each) for each in sessions])
    items = [item for each in sessions for item in each]
    data = Sequences.from_arrays(owners, items, num_sequences=len(sessions), num_items=4)
    model = TRON(**(SMALL | {"epochs": 1, "accidental_hits": "keep", "max_length": 3}))
    if data.lengths().max() < 2:
        with pytest.raises(InvalidDataError, match="at least two events"):
            model.fit(data, show_progress=False)
        return
    model.fit(data, show_progress=False)
    assert model.next_item_vectors(data).shape == (len(items), 8)
    assert np.isfinite(model.next_item_vectors(data)).all()


@pytest.mark.parametrize("precision", ["choice", "bfloat16"])
def test_half_precision_learns_too(precision: str) -> None:
    model = fitted(epochs=25, precision=precision, optimizer=Adam(0.02))
    assert evaluate_next_item(model, walks(30, seed=9), k=1).mean("recall@1") > 0.95


def test_schedules_lower_the_learning_rate() -> None:
    model = fitted()
    for options in ({"schedule": "cosine"}, {"schedule": "steps"}, {"learning_rate_decay": 0.5}):
        assert not same(model, fitted(**options))
    tiny = fitted(learning_rate_decay=1e-9)
    assert np.allclose(tiny._weights()[1], fitted(epochs=1)._weights()[1], atol=1e-6)


# -- keys, checkpoints, validation ----------------------------------------------------------------


def test_a_seed_is_a_result() -> None:
    options = {"dropout": 0.3}
    assert same(fitted(**options), fitted(**options))
    assert not same(fitted(**options), fitted(seed=5, **options))


def test_global_random_state_is_left_alone() -> None:
    state = torch.random.get_rng_state()
    fitted(dropout=0.2, epochs=1).next_item_vectors(DATA)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_workers_change_nothing() -> None:
    assert same(fitted(epochs=2), fitted(epochs=2, num_workers=2))


def test_more_threads_change_rounding_alone() -> None:
    one, two = fitted(epochs=1), fitted(epochs=1, num_threads=2)
    assert one.history[0].loss == pytest.approx(two.history[0].loss, rel=1e-5)


def test_every_step_has_a_dropout_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    plain = TRONEncoder.seed

    def seed(encoder: TRONEncoder, value: int) -> None:
        seeds.append(value)
        plain(encoder, value)

    monkeypatch.setattr(TRONEncoder, "seed", seed)
    for number in (4, 5):
        fitted(seed=number, dropout=0.3, epochs=2, order="given")
    steps = -(-int((DATA.lengths() > 1).sum()) // SMALL["batch_size"])
    assert len(seeds) == len(set(seeds)) == 2 * 2 * steps


class Stop(Exception):
    """Ends a run from its callback."""


COSINE: dict[str, Any] = {"score": "cosine", "loss": SampledSoftmaxLoss(0.2)}


@pytest.mark.parametrize("options", [{"tied": False}, COSINE, COSINE | {"tied": False}], ids=str)
@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_a_stopped_run_goes_on_to_the_same_bits(
    engine: str, options: dict[str, Any], tmp_path: Path
) -> None:
    options = options | {"dropout": 0.3, "epochs": 4, "engine": engine, "schedule": "cosine"}
    path = tmp_path / "run.safetensors"

    def stop(epoch: Any) -> None:
        if epoch.epoch == 2:
            raise Stop

    held_out = walks(20, seed=3)
    with pytest.raises(Stop):
        TRON(**(SMALL | options)).fit(DATA, False, stop, validation=held_out, checkpoint=path)
    resumed = TRON(**(SMALL | options)).fit(DATA, False, validation=held_out, checkpoint=path)
    assert resumed.resumed_epochs == 2
    whole = TRON(**(SMALL | options)).fit(DATA, False, validation=held_out)
    assert same(resumed, whole)
    assert [e.validation for e in resumed.history] == [e.validation for e in whole.history]
    with pytest.raises(IntegrityError, match=r"seed \(then \d, now 8\).* differ"):
        TRON(**(SMALL | options | {"seed": 8})).fit(DATA, False, checkpoint=path)


def test_the_best_epoch_on_validation_is_kept() -> None:
    held_out = walks(40, seed=9)
    model = TRON(**(SMALL | {"epochs": 40, "patience": 2, "metric": "mrr"}))
    model.fit(DATA, False, validation=held_out)
    scores = [epoch.validation for epoch in model.history]
    assert evaluate_next_item(model, held_out, k=20).mean("mrr@20") == pytest.approx(max(scores))
    assert len(scores) - 1 - int(np.argmax(scores)) == 2
    assert len(scores) < 40
    carved = fitted(epochs=2, patience=1)
    assert carved.history[0].validation is not None


@pytest.mark.parametrize("targets", ["every", "last"])
@pytest.mark.parametrize("exclude_seen", [False, True])
def test_what_is_validated_can_be_chosen(targets: Any, exclude_seen: bool) -> None:
    held_out, how = walks(40, seed=9), {"targets": targets, "exclude_seen": exclude_seen}
    model = TRON(**(SMALL | {"metric": "mrr"})).fit(DATA, False, validation=held_out, **how)
    expected = evaluate_next_item(model, held_out, k=20, **how).mean("mrr@20")
    assert model.history[-1].validation == pytest.approx(expected)


def test_last_events_are_ranked_alike_by_either_way() -> None:
    held_out = walks(40, seed=9)
    model = fitted(max_length=3)

    class EveryEvent:  # without session_vectors
        item_factors, item_biases = model.item_factors, model.item_biases
        next_item_vectors = model.next_item_vectors

    for exclude_seen in (False, True):
        how: dict[str, Any] = {"targets": "last", "exclude_seen": exclude_seen}
        short = evaluate_next_item(model, held_out, **how)
        assert np.array_equal(short.ranks, evaluate_next_item(EveryEvent(), held_out, **how).ranks)


def test_a_run_is_not_resumed_under_another_validation(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    train, held_out = carve_newest(DATA, 0.3)
    TRON(**SMALL | {"epochs": 1}).fit(train, False, validation=held_out, checkpoint=path)
    for other in ({"validation": held_out.latest(3)}, {"validation": held_out, "targets": "last"}):
        with pytest.raises(IntegrityError, match="validation differ"):
            TRON(**SMALL | {"epochs": 1}).fit(train, False, checkpoint=path, **other)
    TRON(**SMALL | {"epochs": 1}).fit(train, False, validation=held_out, checkpoint=path)


def test_validation_is_checked_before_training() -> None:
    short = DATA.latest(1)
    with pytest.raises(InvalidDataError, match="validation must have a sequence of two events"):
        TRON(**SMALL).fit(DATA, False, validation=short)
    other = replace(DATA, item_ids=np.arange(DATA.num_items) + 7)
    with pytest.raises(InvalidDataError, match="share one set of items"):
        TRON(**SMALL).fit(DATA, False, validation=other)
    masked = Sequences.from_arrays([0, 0], [1, 1], num_items=20)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"targets": "all"}, "targets must be 'every' or 'last'; got 'all'"),
        ({"targets": "all", "validation": DATA}, "targets must be 'every' or 'last'; got 'all'"),
        (
            {"validation": masked, "exclude_seen": True},
            "validation must have an event to predict that is not masked; got 1 sequences, 1 such",
        ),
    ]
    for how, message in wrong:
        model = TRON(**SMALL)
        with pytest.raises(InvalidDataError, match=message):
            model.fit(DATA, False, **how)
        with pytest.raises(RuntimeError, match="must be fitted first"):
            model.recommend([1])


# -- the trained model ----------------------------------------------------------------------------


def test_vectors_see_the_latest_events_alone() -> None:
    model = fitted(max_length=4)
    events = [3, 1, 3, 7, 19, 0, 2, 2, 5]
    data = Sequences.from_arrays(np.zeros(9, int), events, num_items=20)
    every = model.next_item_vectors(data)
    for place in range(9):
        part = events[max(0, place - 3) : place + 1]
        alone = Sequences.from_arrays(np.zeros(len(part), int), part, num_items=20)
        assert np.allclose(every[place], model.session_vectors(alone)[0], atol=1e-5)
    assert np.allclose(model.session_vectors(data)[0], every[-1], atol=1e-6)
    both = model.next_item_vectors(DATA)
    filled = DATA.lengths() > 0
    sessions = model.session_vectors(DATA)
    assert np.allclose(sessions[filled], both[DATA.indptr[1:][filled] - 1], atol=1e-5)
    assert (sessions[~filled] == 0).all()


def test_what_is_made_of_weights_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def units(rows: Any) -> Any:
        made.append("vectors" if len(rows) == 1 else "table")
        return unit_rows(rows)

    plain = TRON._bound
    monkeypatch.setattr(tron, "unit_rows", units)
    monkeypatch.setattr(TRON, "_bound", lambda model: made.append("encoder") or plain(model))
    model = fitted(**COSINE)
    for _ in range(3):
        model.recommend([1, 2])
    assert Counter(made) == {"vectors": 3, "table": 1, "encoder": 1}


@pytest.mark.parametrize("tied", [False, True])
def test_a_model_is_that_of_its_weights_at_any_time(
    tied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = TRON(**(SMALL | COSINE | {"tied": tied}))

    def check(_: Any = None) -> None:
        again = TRON(**(SMALL | COSINE | {"tied": tied}))
        again._take_tensors({name: part.copy() for name, part in model._tensors().items()})
        assert np.array_equal(model.item_factors, again.item_factors)
        assert np.array_equal(model.next_item_vectors(DATA), again.next_item_vectors(DATA))

    def stop(state: TrainingState, *rest: Any) -> Epoch:
        if len(state.history) == 2:
            raise Stop
        return record(state, *rest)

    monkeypatch.setattr(sequence_engine, "record", stop)
    with pytest.raises(Stop):
        model.fit(DATA, False, check)
    monkeypatch.undo()
    assert len(model.history) == 2
    check()
    model._take_tensors(fitted(**COSINE, tied=tied, seed=9)._tensors())
    check()
    check(model.fit(DATA, False, check).to_torch())
    assert np.array_equal(pickle.loads(pickle.dumps(model)).item_factors, model.item_factors)  # noqa: S301


def test_recommendations_are_the_highest_scores() -> None:
    model = fitted(item_bias=True)
    sessions = DATA.select(DATA.lengths() > 2)
    scores = model.session_vectors(sessions) @ model.item_factors.T + model.item_biases
    ids, values = model.recommend(sessions, N=4)
    assert np.array_equal(ids, np.argsort(-scores, axis=1, kind="stable")[:, :4])
    assert np.allclose(values, -np.sort(-scores, axis=1)[:, :4], atol=1e-5)
    ids, _ = model.recommend(sessions, N=20, filter_already_seen_items=True)
    for row, each in enumerate(ids):
        assert set(each[each >= 0]) == set(range(20)) - set(sessions.items_of(row))
    one, _ = model.recommend([3, 1], N=3, filter_items=[2], items=[2, 4, 6, 8])
    assert sorted(one.tolist()) == [4, 6, 8]
    assert model.similar_items(5, N=3)[0][0] == 5


@pytest.mark.parametrize(
    "options", [{}, {"tied": False, "item_bias": True}, {"score": "cosine"}], ids=str
)
def test_a_saved_model_comes_back(options: dict[str, Any], tmp_path: Path) -> None:
    model = fitted(loss=BPRMaxLoss(0.2), **options)
    model.run = {"data": "walks"}
    model.save(tmp_path / "model.safetensors")
    loaded = TRON.load(tmp_path / "model.safetensors")
    assert same(model, loaded)
    assert loaded.run == {"data": "walks"}
    assert repr(loaded) == repr(model)
    assert np.array_equal(loaded.next_item_vectors(DATA), model.next_item_vectors(DATA))
    assert np.array_equal(loaded.recommend([3, 1])[0], model.recommend([3, 1])[0])


@pytest.mark.parametrize(
    "options", [{}, {"tied": False, "item_bias": True}, {"score": "cosine"}], ids=str
)
def test_a_model_goes_to_torch(options: dict[str, Any]) -> None:
    model = fitted(**options)
    module = model.to_torch()
    with torch.no_grad():
        vectors = module(torch.tensor([[3, 10, 11]]))[0]
        scores = module.scores(vectors).numpy()
    data = Sequences.from_arrays([0, 0, 0], [3, 10, 11], num_items=20)
    expected = model.next_item_vectors(data)
    assert np.allclose(vectors.numpy(), expected, atol=1e-5)
    biases = model.item_biases if model.item_biases.size else 0.0
    assert np.allclose(scores, expected @ model.item_factors.T + biases, atol=1e-4)
    for weight in module.parameters():
        weight.data.zero_()
    assert np.array_equal(model.next_item_vectors(data), expected)


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 3}, "heads must divide factors, 8; got 3"),
        ({"dropout": 1.0}, "dropout"),
        ({"order": "sorted"}, "order"),
        ({"top_k": -1}, "top_k"),
        ({"loss": UBPRLoss()}, "without side values"),
        ({"num_workers": -1}, "num_workers must be an integer of at least 0; got -1"),
        ({"accidental_hits": "mask"}, "accidental_hits"),
        ({"score": "cosine", "item_bias": True}, "item_bias must be False with score='cosine'"),
        ({"dropout": None}, "dropout must be finite; got None"),
        ({"dropout": 1 - 2**-17}, "dropout: .* less than 0.99999"),
        ({"learning_rate_decay": "a"}, "learning_rate_decay must be finite; got 'a'"),
        ({"sampler": 3}, "sampler must be a Sampler or a function from Interactions to one; got 3"),
        ({"sampler": Adaptive(Softmax)}, r"sampler must be a Sampler .* got Adaptive\(Softmax"),
        ({"sampler": PerBatch(InBatch)}, r"sampler must be a Sampler .* got PerBatch\(InBatch"),
        ({"device": "bogus"}, "device must be a device of torch, such as 'cuda'; got 'bogus'"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        TRON(**(SMALL | options))


def test_a_learning_rate_that_overflows_is_named() -> None:
    with pytest.raises(FloatingPointError, match="learning rate"):
        fitted(optimizer=Adam(1e20), epochs=5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.recommend([]), "session 0 has none"),
        (lambda model: model.recommend([[1, 2], [3, 4]]), "of one session; got 2 dimensions"),
        (lambda model: model.next_item_vectors([1, 2]), "must be Sequences"),
        (
            lambda model: model.session_vectors(walks(num_items=30)),
            "must have the 20 items of the model; got 30",
        ),
        (
            lambda model: model.fit(DATA, False, validation=walks(num_items=30)),
            "share one set of items; got 20 and 30",
        ),
    ],
)
def test_wrong_sessions_are_named(call: Callable[[TRON], Any], message: str) -> None:
    model = fitted(epochs=1)
    with pytest.raises(InvalidDataError, match=message):
        call(model)


def test_a_function_that_makes_no_sampler_is_named() -> None:
    with pytest.raises(InvalidDataError, match="sampler must make a Sampler; got 3"):
        fitted(sampler=lambda _: 3)


def test_all_items_of_a_session_are_hidden_whatever_the_model_sees() -> None:
    batches = TRON(**(SMALL | {"accidental_hits": "sequence", "max_length": 2}))._batches(
        DATA, Key(4)
    )
    for number, rows in enumerate(batches.rows(0)):
        indptr, hidden, _ = batches.batch(0, number).hidden
        for place, row in enumerate(rows):
            part = hidden[indptr[place] : indptr[place + 1]].tolist()
            assert part == sorted(set(DATA.items_of(row).tolist()))


def test_an_unfitted_model_says_so() -> None:
    with pytest.raises(RuntimeError, match=r"TRON must be fitted first"):
        TRON().recommend([1])


def test_any_sampler_may_draw_the_pool() -> None:
    by_call = fitted(sampler=partial(Popularity, exponent=0.5, unseen=False))
    given_one = fitted(sampler=Popularity(DATA.to_interactions(), exponent=0.5, unseen=False))
    assert same(by_call, given_one)
    assert not same(by_call, fitted(sampler=partial(Uniform, unseen=False)))
