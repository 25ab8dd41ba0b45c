"""Presets against the tables of the papers' codes, typed from there."""

from functools import partial
from typing import Any

import pytest

from recneg import NBPO, UBPR, Interactions, MatrixFactorization, RelMF, SimpleX
from recneg.errors import InvalidDataError
from recneg.losses import BSLLoss, CosineContrastiveLoss, RelMFLoss, UBPRLoss
from recneg.samplers import Uniform
from recneg.training import Adam
from recneg.training.presets import PRESETS, preset
from recneg.training.trainer import Trainer

CCL = [
    # method, data, rate, batch, negatives, factors, aggregation, g, decay, dropout, m, w, excluded
    ("MF-CCL", "gowalla", 1e-4, 256, 800, 64, None, 1, 1e-8, 0.1, 0.9, 150, False),
    ("MF-CCL", "yelp2018", 1e-4, 512, 800, 64, None, 1, 1e-9, 0.1, 0.9, 150, False),
    ("MF-CCL", "amazon-book", 1e-3, 512, 1500, 64, None, 1, 1e-5, 0.0, 0.2, 250, False),
    ("SimpleX", "gowalla", 1e-4, 256, 2000, 64, "user_attention", 0.8, 1e-7, 0.1, 0.9, 250, False),
    ("SimpleX", "yelp2018", 1e-4, 512, 1000, 64, "mean", 1, 1e-8, 0.1, 0.9, 150, False),
    ("SimpleX", "amazon-book", 1e-3, 1024, 1000, 64, "mean", 0.5, 1e-6, 0.1, 0.4, 300, False),
    ("SimpleX", "amazon-electronics", 5e-4, 256, 1000, 50, "mean", 0.3, 0.05, 0.0, 0.8, 4, True),
    ("SimpleX", "movielens-1m-m1", 1e-3, 1024, 1500, 128, "mean", 0.8, 1e-5, 0.4, 0.9, 10, True),
]

BSL = [
    # data, temperature, exponent, batch, decay, dropout, users, items
    ("gowalla", 0.08, 1.22, 1024, 1e-9, 0.1, 29_858, 40_981),
    ("yelp2018", 0.11, 1.1, 1024, 1e-3, 0.1, 31_668, 38_048),
    ("movielens-1m-m1", 0.17, 1.06, 2048, 1e-3, 0.0, 6_022, 3_043),
]

VOTES = [
    # method, data, rate, decay, decay of flips
    ("BPO", "amazon-electronics", 0.05, 2, None),
    ("BPO", "movielens-1m-m1", 0.01, 1, None),
    ("NBPO", "amazon-electronics", 0.05, 1, 5),
    ("NBPO", "movielens-1m-m1", 0.02, 0.5, 1),
    ("NBPO-O", "amazon-electronics", 0.005, 1, 0.5),
    ("NBPO-O", "movielens-1m-m1", 0.001, 1, 5),
    ("NBPO-S", "amazon-electronics", 0.002, 0.05, 0.01),
    ("NBPO-S", "movielens-1m-m1", 0.002, 0.05, 0.02),
]

DATA = Interactions.from_arrays([0, 0, 1], [0, 1, 1], num_items=4)


def made(method: str, data: str) -> Any:
    """Make the model that a preset is of."""
    kinds: list[type[Trainer]] = [MatrixFactorization, SimpleX, NBPO, RelMF, UBPR]
    found = preset(method, data)
    (kind,) = [kind for kind in kinds if kind.__name__ == found.model]
    return kind(**found.options)


def test_every_preset_is_in_a_table_here() -> None:
    here = {row[:2] for row in (*CCL, *VOTES)} | {("MF-BSL", row[0]) for row in BSL}
    here |= {("RelMF", "coat"), ("UBPR", "coat")}
    assert here == set(PRESETS)


@pytest.mark.parametrize("row", CCL, ids=lambda row: f"{row[0]} {row[1]}")
def test_cosine_contrastive_presets(row: tuple[Any, ...]) -> None:
    method, data, rate, batch, negatives, factors, pooled, g, decay, dropout, m, w, excluded = row
    model = made(method, data)
    options = model.options
    assert model.loss == CosineContrastiveLoss(m, w)
    assert options.optimizer == Adam(rate)
    assert not options.optimizer.lazy
    assert (options.batch_size, options.num_negatives, options.factors) == (
        batch, negatives, factors,
    )  # fmt: skip
    assert (options.user_regularization, options.item_regularization) == (decay, decay)
    assert (options.dropout, options.max_norm, options.init_deviation) == (dropout, 10, 1e-4)
    assert (options.plateau_factor, options.patience, options.evaluate_every) == (0.1, 3, 1)
    assert model.sampler(DATA).unseen is excluded
    assert isinstance(model.sampler(DATA), Uniform)
    kept = {"visit": "pairs", "redraw": "pair", "reduction": "mean", "regularized": "tables"}
    assert model.switches().items() >= kept.items()
    assert options.score == "cosine"
    if method == "SimpleX":
        assert options.gamma == g
        assert options.gamma == 1 or options.aggregation == pooled
        assert options.item_bias is (data == "movielens-1m-m1")


@pytest.mark.parametrize("row", BSL, ids=lambda row: str(row[0]))
def test_bilateral_softmax_presets(row: tuple[Any, ...]) -> None:
    data, temperature, exponent, batch, decay, dropout, num_users, num_items = row
    model = made("MF-BSL", data)
    options = model.options
    assert model.loss == BSLLoss(temperature, exponent)
    assert options.optimizer == options.user_optimizer == Adam(1e-4)
    assert (options.batch_size, options.num_negatives, options.factors) == (batch, 800, 64)
    # one user, one positive and 800 negatives a positive, of which a batch takes the mean
    assert options.user_regularization * num_users == pytest.approx(decay)
    assert options.item_regularization * num_items == pytest.approx(801 * decay)
    assert (options.dropout, options.dropout_before_norm) == (dropout, True)
    assert (options.patience, options.evaluate_every, options.epochs) == (50, 1, 1000)
    glorot = [(2 / (rows + 64)) ** 0.5 for rows in (num_users, num_items)]
    assert min(glorot) < options.init_deviation < max(glorot)
    assert not model.sampler(DATA).unseen
    assert isinstance(model.sampler(DATA), Uniform)
    kept = {"visit": "pairs", "redraw": "pair", "reduction": "mean", "regularized": "tables"}
    assert model.switches().items() >= kept.items()
    assert options.score == "cosine"


@pytest.mark.parametrize("row", VOTES, ids=lambda row: f"{row[0]} {row[1]}")
def test_vote_presets(row: tuple[Any, ...]) -> None:
    method, data, rate, decay, of_flips = row
    options = made(method, data).options
    assert (options.objective, options.learning_rate) == (method.lower(), rate)
    assert options.regularization == decay
    assert of_flips is None or options.flip_regularization == of_flips
    assert (options.factors, options.batch_size, options.num_negatives) == (50, 5000, 4)
    assert (options.epochs, options.learning_rate_decay) == (200, 0.99)


def test_presets_of_coat() -> None:
    rel_mf, ubpr = made("RelMF", "coat"), made("UBPR", "coat")
    assert rel_mf.loss == RelMFLoss("squared", 0.0028)
    assert ubpr.loss == UBPRLoss(0.008)
    assert (rel_mf.options.factors, rel_mf.options.item_regularization) == (300, 1.4e-6)
    assert (ubpr.options.factors, ubpr.options.user_regularization) == (300, 3.5e-5)
    # batches of 256: half of them clicks, or ten pairs a click
    for model, batch, negatives in ((rel_mf, 128, 1), (ubpr, 26, 10)):
        options = model.options
        assert options.optimizer == options.user_optimizer == Adam(1e-3)
        assert (options.batch_size, options.num_negatives) == (batch, negatives)
        assert model.switches()["regularized"] == "tables"
    assert isinstance(ubpr.sampler, partial)
    assert ubpr.sampler.keywords == {"unseen": False}


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="must be one of .*; got SimpleX on netflix"):
        preset("SimpleX", "netflix")
