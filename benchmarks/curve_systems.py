"""The systems whose quality is drawn against time, and the settings that each is tried with."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from lenskit_peer import LensKitBPR, lenskit_data
from lightfm_peer import LightFM
from peers import CornacBPR, Factors, ImplicitBPR, cornac_data
from recbole_peer import RecBoleBPR, recbole_data
from threadpoolctl import threadpool_limits
from timed_training import Clock, runs, small, stages

from recneg import BPR, Interactions, MatrixFactorization
from recneg.losses import BSLLoss
from recneg.samplers import Uniform
from recneg.training import Adagrad

__all__ = ["OURS", "SYSTEMS", "Setting", "System"]

FACTORS = 64

Setting = dict[str, Any]


def softmax(setting: Setting, seed: int) -> Any:
    """Return recneg's softmax: users with all positives, a shared pool, a spectral start."""
    of = dict(setting)
    options: dict[str, Any] = {
        "loss": BSLLoss(of.pop("temperature"), of.pop("exponent")),
        "optimizer": Adagrad(of.pop("rate"), rowwise=of.pop("rowwise")),
        "user_optimizer": Adagrad(of.pop("user_rate"), rowwise=True),
        "sampler": partial(Uniform, unseen=of.pop("unseen")),
    }

    def make(epochs: int) -> MatrixFactorization:
        return MatrixFactorization(
            FACTORS, score="cosine", visit="users", redraw="batch", init="spectral",
            init_deviation=0.02, epochs=epochs, seed=seed, num_threads=1,
            **options, **of,
        )  # fmt: skip

    return partial(runs, make)


def bpr(setting: Setting, seed: int) -> Any:
    """Return `recneg.BPR`."""

    def advance(train: Interactions, clock: Clock) -> None:
        model = BPR(FACTORS, epochs=100_000, seed=seed, num_threads=1, **setting)
        model.fit(train, False, lambda _: clock.after(1, lambda: model))

    BPR(FACTORS, epochs=1, num_threads=1, **setting).fit(small(), False)
    return partial(stages, advance)


def als(setting: Setting, seed: int) -> Any:
    """Return `implicit.als.AlternatingLeastSquares` on the CPU, BLAS held to one thread."""
    from implicit.cpu.als import AlternatingLeastSquares

    def advance(train: Interactions, clock: Clock) -> None:
        model = AlternatingLeastSquares(
            FACTORS, iterations=100_000, random_state=seed, num_threads=1, **setting
        )

        def step(*_: Any) -> None:
            clock.after(1, lambda: Factors(model.user_factors, model.item_factors))

        matrix = train.to_scipy()
        with threadpool_limits(1, "blas"):  # another would spin, and its seconds would count
            clock.started = time.process_time()
            model.fit(matrix, show_progress=False, callback=step)

    return partial(stages, advance)


def by_callback(peer: Any, setting: Setting, seed: int) -> Any:
    """Return a peer that trains on the matrix, looked at after its iterations."""

    def advance(train: Interactions, clock: Clock) -> None:
        model = peer(train, factors=FACTORS, seed=seed, num_threads=1, **setting)
        clock.started = time.process_time()
        model.advance(100_000, lambda *_: clock.after(1, model.factors))

    return partial(stages, advance)


def cornac_bpr(setting: Setting, seed: int) -> Any:
    """Return Cornac's BPR, which has no callback and goes on in stages."""

    def advance(train: Interactions, clock: Clock) -> None:
        data = cornac_data(train)
        model = CornacBPR(train, factors=FACTORS, seed=seed, num_threads=1, data=data, **setting)
        clock.started = time.process_time()
        model.advance(1)
        clock.after(1, model.factors)
        while True:
            ahead = max(1, int((clock.left[0] - clock.seconds()) / clock.pace))
            model.advance(ahead)
            clock.after(ahead, model.factors)

    return partial(stages, advance)


def by_epochs(peer: Any, data_of: Any, setting: Setting, seed: int) -> Any:
    """Return a peer with a data set of its own, looked at after its epochs.

    Another model has an epoch beforehand: LensKit compiles for the sizes of tables.
    """

    def advance(train: Interactions, clock: Clock) -> None:
        make = partial(
            peer, train, factors=FACTORS, seed=seed, num_threads=1, data=data_of(train), **setting
        )
        make().advance(1)
        model = make()
        clock.started = time.process_time()
        model.advance(100_000, lambda: clock.after(1, model.factors))

    return partial(stages, advance)


class System(NamedTuple):
    """What trains, its package, the settings by data set, and whether each mark is a run anew."""

    train: Callable[[Setting, int], Any]
    package: str
    settings: dict[str, list[Setting]]
    anew: bool = False


def over(name: str, values: list[Any], **common: Any) -> list[Setting]:
    return [{name: value, **common} for value in values]


SYSTEMS: dict[str, System] = {
    "recneg, softmax": System(softmax, "recneg", {
        "movielens-1m": [
            {"temperature": 0.16, "exponent": 1.2, "user_rate": 0.012, "rate": 0.0018,
             "rowwise": False, "unseen": True, "batch_size": 128, "num_negatives": 1024,
             "schedule": "cosine"},
            {"temperature": 0.14, "exponent": 1.2, "user_rate": 0.02, "rate": 0.0018,
             "rowwise": False, "unseen": True, "batch_size": 128, "num_negatives": 1024,
             "schedule": "cosine"},
        ],
        "gowalla": [
            {"temperature": temperature, "exponent": exponent, "user_rate": 0.0092, "rate": 0.0061,
             "rowwise": True, "unseen": True, "batch_size": 512, "num_negatives": 2048,
             "schedule": "constant"}
            for temperature, exponent in ((0.073, 1.0), (0.1, 1.22))
        ],
    }, anew=True),
    "recneg, BPR": System(bpr, "recneg", {
        "movielens-1m": over(
            "learning_rate", [0.08, 0.15], user_regularization=0.008,
            positive_regularization=0.006, negative_regularization=0.01, item_bias=False,
            learning_rate_decay=0.99,
        ),
        "gowalla": over(
            "learning_rate", [0.15, 0.3], user_regularization=0.003,
            positive_regularization=0.002, negative_regularization=0.0002, item_bias=False,
            learning_rate_decay=0.99, num_negatives=4,
        ),
    }),
    "implicit, ALS": System(als, "implicit", {
        "movielens-1m": [
            {"regularization": regularization, "alpha": alpha}
            for regularization, alpha in ((10.0, 1.0), (30.0, 3.0), (60.0, 6.0), (100.0, 10.0))
        ],
        "gowalla": [
            {"regularization": regularization, "alpha": alpha}
            for regularization, alpha in ((10.0, 3.0), (30.0, 10.0), (60.0, 10.0), (100.0, 20.0))
        ],
    }),
    "implicit, BPR": System(partial(by_callback, ImplicitBPR), "implicit", {
        "movielens-1m": over("learning_rate", [0.01, 0.03], regularization=0.001),
        "gowalla": over("learning_rate", [0.05, 0.1], regularization=0.003),
    }),
    "Cornac, BPR": System(cornac_bpr, "cornac", {
        "movielens-1m": over("learning_rate", [0.05, 0.1], regularization=0.01),
        "gowalla": over("learning_rate", [0.1, 0.2], regularization=0.005),
    }),
    "LightFM, WARP": System(partial(by_callback, partial(LightFM, loss="warp")), "lightfm", {
        "movielens-1m": over("learning_rate", [0.03, 0.06]),
        "gowalla": over("learning_rate", [0.03, 0.06]),
    }),
    "LensKit, BPR": System(partial(by_epochs, LensKitBPR, lenskit_data), "lenskit.flexmf", {
        "movielens-1m": over("learning_rate", [0.005, 0.01], regularization=0.3),
        "gowalla": over("regularization", [0.1, 0.5], learning_rate=0.01),
    }),
    "RecBole, BPR": System(partial(by_epochs, RecBoleBPR, recbole_data), "recbole.trainer", {
        "movielens-1m": [
            {"learning_rate": 0.003},
            {"learning_rate": 0.005, "weight_decay": 3e-6, "train_batch_size": 8192},
        ],
        "gowalla": over("train_batch_size", [8192, 16384], learning_rate=0.01),
    }),
}  # fmt: skip

OURS = next(iter(SYSTEMS))
