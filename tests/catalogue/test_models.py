"""Trainers, losses and optimisers by name: each trains, each option arrives, errors are clear."""

import inspect
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import recneg.losses
import recneg.training
from recneg.catalogue import (
    LOSSES,
    MODELS,
    OPTIMIZERS,
    load_model,
    parse_loss,
    parse_model,
    parse_optimizer,
)
from recneg.catalogue.choices import LOSS_CHOICES, model_choices
from recneg.catalogue.models import model_options
from recneg.errors import IntegrityError, InvalidDataError
from recneg.losses import BSLLoss, GBCELoss, Loss
from recneg.sequences import Sequences
from recneg.simulation import simulate
from recneg.training import Adam, MatrixFactorization, Optimizer, SequenceModel
from recneg.training.storage import save_tensors
from recneg.training.trainer import Trainer

DATA = simulate(80, 50, 700, key=3).interactions
SESSIONS = Sequences.from_arrays(np.repeat(np.arange(40), 5), np.arange(200) % 12)
FACTOR_MODELS = [name for name in MODELS if name != "tron"]
SMALL = {"factors": 4, "epochs": 2, "patience": None, "num_negatives": 3}


@pytest.mark.parametrize("name", FACTOR_MODELS)
def test_every_model_trains_and_comes_back(name: str, tmp_path: Path) -> None:
    model = parse_model(name, SMALL)(seed=5, num_threads=1).fit(DATA, False)
    assert len(model.history) == 2
    assert np.isfinite(model.history[-1].loss)
    model.save(tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors")
    assert type(loaded) is MODELS[name].kind
    assert np.array_equal(loaded.item_factors, model.item_factors)
    assert loaded.manifest() == model.manifest()


def test_a_model_of_sequences_trains_and_comes_back(tmp_path: Path) -> None:
    make = parse_model("tron:factors=8,top_k=3,num_in_batch=2", SMALL, loss=GBCELoss(12))
    model = make(seed=5, num_threads=1).fit(SESSIONS, False)
    assert len(model.history) == 2
    model.save(tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors")
    assert np.array_equal(loaded.item_factors, model.item_factors)
    assert loaded.manifest() == model.manifest()
    assert (loaded.options.top_k, loaded.loss, loaded.options.seed) == (3, GBCELoss(12), 5)


def test_every_trainer_has_a_name() -> None:
    kinds = {value for value in vars(recneg.training).values() if inspect.isclass(value)}
    trainers = {
        kind
        for kind in kinds
        if issubclass(kind, (Trainer, SequenceModel)) and kind is not SequenceModel
    }
    assert trainers == {entry.kind for entry in MODELS.values()}


def test_every_optimiser_has_a_name() -> None:
    kinds = {value for value in vars(recneg.training).values() if inspect.isclass(value)}
    assert set(OPTIMIZERS.values()) == {
        kind for kind in kinds if issubclass(kind, Optimizer) and kind is not Optimizer
    }


def test_every_loss_of_scores_alone_has_a_name() -> None:
    kinds = {value for value in vars(recneg.losses).values() if inspect.isclass(value)}
    named = {kind.__name__ for kind in kinds if issubclass(kind, Loss) and kind is not Loss}
    # those that need flips or propensities belong to nbpo, rel_mf and ubpr
    assert named - {kind.__name__ for kind in LOSSES.values()} == {
        "NBPOLoss", "RelMFLoss", "UBPRLoss",
    }  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_trains(name: str) -> None:
    loss = parse_loss(name, 50)
    model = parse_model("mf", SMALL, loss=loss)(num_threads=1).fit(DATA, False)
    assert np.isfinite(model.history[-1].loss)


@pytest.mark.parametrize("name", MODELS)
def test_every_option_arrives(name: str) -> None:
    others = {
        "score": "cosine", "schedule": "cosine", "regularized": "rows", "reduction": "sum",
        "visit": "users", "redraw": "batch", "init": "spectral", "engine": "torch",
        "device": "cpu", "aggregation": "self_attention", "local": "log", "objective": "bpo",
        "heads": 4, "activation": "gelu", "order": "given", "accidental_hits": "keep",
        "metric": "mrr", "precision": "bfloat16", "gamma": 0.25,
        "dropout": 0.25, "learning_rate_decay": 0.5, "plateau_factor": 0.5,
    }  # fmt: skip
    special = {("mf", "regularized"): "tables", ("tron", "redraw"): "event"}
    for option, parameter in model_options(name).items():
        if option in ("local", "clip", "beta"):  # parts of a loss: see below
            continue
        default = parameter.default
        value = others.get(option, not default if isinstance(default, bool) else 3)
        value = special.get((name, option), value)
        text = str(value).lower() if isinstance(value, bool) else value
        loss = BSLLoss() if option == "log_q_correction" else None  # it needs a temperature
        shared = ",redraw=batch" if option == "num_pools" else ""  # it needs what it counts
        model = parse_model(f"{name}:{option}={text}{shared}", loss=loss)()
        of_the_machine = ("engine", "device", "num_workers")  # not saved with a model
        made = {each: vars(model).get(each) for each in of_the_machine} | model.manifest()
        parts = [part + option for part in ("user_", "item_", "positive_", "negative_")]
        keys = [option] if option in made else [part for part in parts if part in made]
        assert keys
        assert all(made[key] == value for key in keys), (option, made)


def check_choices(words: tuple[str, ...], make: Callable[[str], object]) -> None:
    """What is listed is taken; what is not is refused, naming all that is listed."""
    for word in words:
        make(word)
    with pytest.raises(ValueError, match="'none of these'") as error:
        make("none of these")
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize("name", MODELS)
def test_what_words_an_option_of_a_model_may_be(name: str) -> None:
    words = {key for key, option in model_options(name).items() if option.annotation == "str"}
    choices = model_choices(name)
    assert words <= choices.keys()
    for option in words:
        assert model_options(name)[option].default in choices[option]
        check_choices(
            choices[option],
            lambda word, option=option: parse_model(f"{name}:{option}={word}")(),
        )


@pytest.mark.parametrize("name", LOSSES)
def test_what_words_an_option_of_a_loss_may_be(name: str) -> None:
    for option in inspect.signature(LOSSES[name]).parameters.values():
        if option.annotation == "str":
            assert option.default in LOSS_CHOICES[option.name]
            check_choices(
                LOSS_CHOICES[option.name],
                lambda word, option=option.name: parse_loss(f"{name}:{option}={word}", 50),
            )


def test_parts_of_losses_arrive() -> None:
    made = parse_model("rel_mf:local=log,clip=none")().loss
    assert (made.local, made.clip) == ("log", None)
    made = parse_model("ubpr:beta=none,clip=0.5")().loss
    assert (made.beta, made.clip) == (None, 0.5)


def test_a_number_may_be_a_word_that_its_option_knows() -> None:
    assert parse_model("tron:num_negatives=all")().options.num_negatives == "all"
    assert parse_model("tron:num_negatives=3")().options.num_negatives == 3
    with pytest.raises(
        InvalidDataError, match="tron:num_negatives must be an int or all; got 'every'"
    ):
        parse_model("tron:num_negatives=every")


def test_what_is_written_comes_before_what_is_given() -> None:
    model = parse_model("mf:factors=5", {"factors": 9, "epochs": 7})(seed=2)
    assert (model.options.factors, model.options.epochs, model.options.seed) == (5, 7, 2)


def test_presets() -> None:
    model = parse_model("simplex:dropout=0.3", dataset="gowalla")()
    assert (model.options.gamma, model.options.dropout) == (0.8, 0.3)
    assert model.options.aggregation == "user_attention"
    assert parse_model("ubpr", dataset="coat")().options.factors == 300
    assert parse_model("nbpo", dataset="movielens-1m-m1")().options.learning_rate == 0.02
    other = parse_model("nbpo:objective=nbpo-o", dataset="movielens-1m-m1")().options
    assert (other.objective, other.learning_rate) == ("nbpo-o", 0.001)


def test_losses_and_optimisers() -> None:
    assert parse_loss("bsl:temperature=0.2,exponent=1.5", 50) == BSLLoss(0.2, 1.5)
    assert parse_loss("gbce:calibration=0.5", 50) == GBCELoss(50, 0.5)
    assert parse_optimizer("adam:learning_rate=0.25,lazy=true") == Adam(0.25, lazy=True)
    made = parse_model("mf", loss=BSLLoss(0.2), optimizer=Adam(0.5))()
    assert isinstance(made, MatrixFactorization)
    assert (made.loss, made.options.optimizer) == (BSLLoss(0.2), Adam(0.5))


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        ("als", {}, "a model must be one of bpr, mf, .*; got 'als'"),
        ("mf:colour=red", {}, "options of mf must be written as option=value, of factors, "),
        ("mf:factors=many", {}, "mf:factors must be an int; got 'many'"),
        ("mf:item_bias=1", {}, "mf:item_bias must be true or false; got '1'"),
        ("mf", {"given": {"learning_rate": 0.1}}, "options of mf .*; got learning_rate=0.1"),
        ("bpr", {"loss": BSLLoss()}, "given loss must be one of mf, .*tron; got bpr"),
        ("bpr", {"optimizer": Adam()}, "given optimizer must be one of mf, .*; got bpr"),
        ("mf", {"dataset": "coat"}, "a preset must be one of simplex on gowalla.*got mf on coat"),
        ("bpr", {"dataset": "gowalla"}, "a preset must .*; got bpr on gowalla"),
    ],
)
def test_wrong_names(text: str, more: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        parse_model(text, **more)


def test_nbpo_keeps_its_own_negatives() -> None:
    with pytest.raises(InvalidDataError, match="nbpo must keep its own sampler; got"):
        parse_model("nbpo")(sampler="uniform")


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    save_tensors(tmp_path / "x.safetensors", {}, {"model": "Word2Vec"})
    with pytest.raises(IntegrityError, match=r"must hold one of BPR, .*; got 'Word2Vec'"):
        load_model(tmp_path / "x.safetensors")
