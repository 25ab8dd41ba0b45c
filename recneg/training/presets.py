"""Published options by model and data set, as keyword arguments.

SimpleX and MF-CCL: the configurations ``SimpleX_*`` and ``MF_CCL_*`` beside the code of Mao et al.,
CIKM 2021 (github.com/reczoo/RecZoo, matching/cf/SimpleX/config). All of them choose the epoch on
the test set; with recneg it is validation data, so their published figures are not to be expected.
Their rate stops falling at 1e-6; here it has no such floor. MF-BSL: the logs of Wu et al., ICDE
2024 (github.com/junkangwu/BSL, BEST), whose epoch test data chose too. Their decay is of each
occurrence of a row in a batch, over the batch's size; here each table has at every step what comes
of that in the mean. They average the positives that a user has in a batch, which here stand alone.
NBPO and its kin: the code of Yu and Qin, SIGIR 2020 (github.com/Wenhui-Yu/NBPO). Rel-MF and UBPR on
Coat: the code beside Saito, ICTIR 2020. There are presets for what `recneg.datasets` can load.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from recneg.errors import InvalidDataError
from recneg.losses import BSLLoss, CosineContrastiveLoss
from recneg.samplers import Uniform
from recneg.training.optimizers import Adam

__all__ = ["PRESETS", "Preset", "preset"]


class Preset(NamedTuple):
    """Options of a model for a data set.

    Attributes
    ----------
    model : str
        The class in `recneg.training` that takes the options.
    source : str
        Where they are from.
    options : dict
    """

    model: str
    source: str
    options: dict[str, Any]


def _ccl(
    learning_rate: float,
    batch_size: int,
    num_negatives: int,
    factors: int,
    regularization: float,
    dropout: float,
    loss: tuple[float, float],
    *,
    excluded: bool = False,
) -> dict[str, Any]:
    """Return what all of them have and what differs; `excluded`: positives are not drawn."""
    return {
        "factors": factors,
        "loss": CosineContrastiveLoss(*loss),
        "optimizer": Adam(learning_rate),
        "batch_size": batch_size,
        "num_negatives": num_negatives,
        "regularization": regularization,
        "dropout": dropout,
        "sampler": Uniform if excluded else partial(Uniform, unseen=False),
        "max_norm": 10.0,
        "plateau_factor": 0.1,
        "patience": 3,
        "evaluate_every": 1,
        "epochs": 100,
        "init_deviation": 1e-4,
    }


_MF = {"score": "cosine", "regularized": "tables"}

_GOWALLA = _ccl(1e-4, 256, 2000, 64, 1e-7, 0.1, (0.9, 250.0))
_YELP = _ccl(1e-4, 512, 1000, 64, 1e-8, 0.1, (0.9, 150.0))
_BOOKS = _ccl(1e-3, 1024, 1000, 64, 1e-6, 0.1, (0.4, 300.0))
_ELECTRONICS = _ccl(5e-4, 256, 1000, 50, 0.05, 0.0, (0.8, 4.0), excluded=True)
_MOVIELENS = _ccl(1e-3, 1024, 1500, 128, 1e-5, 0.4, (0.9, 10.0), excluded=True)


def _bsl(
    loss: tuple[float, float],
    batch_size: int,
    decay: float,
    dropout: float,
    users_and_items: tuple[int, int],
) -> Preset:
    """Return a log's settings; `decay` is of an occurrence, of which a step has 801 of items."""
    users, items = users_and_items
    options = {
        "factors": 64,
        "loss": BSLLoss(*loss),
        "optimizer": Adam(1e-4),
        "batch_size": batch_size,
        "num_negatives": 800,
        "user_regularization": decay / users,
        "item_regularization": 801 * decay / items,
        "dropout": dropout,
        "dropout_before_norm": True,
        "sampler": partial(Uniform, unseen=False),
        "patience": 50,
        "evaluate_every": 1,
        "epochs": 1000,
        "init_deviation": (4 / (users + items + 128)) ** 0.5,  # Glorot's, of both tables
    }
    return Preset(
        "MatrixFactorization", "Wu et al., ICDE 2024, github.com/junkangwu/BSL, BEST", _MF | options
    )


def _votes(
    objective: str, learning_rate: float, regularization: float, flip_regularization: float = 0.0
) -> Preset:
    """Return a row of Yu and Qin's table of settings."""
    return Preset(
        "NBPO",
        "Yu and Qin, SIGIR 2020",
        {
            "factors": 50,
            "objective": objective,
            "learning_rate": learning_rate,
            "regularization": regularization,
            "flip_regularization": flip_regularization,
        },
    )


_COAT = "Saito, ICTIR 2020, github.com/usaito/unbiased-pairwise-rec"

_AT = "github.com/reczoo/RecZoo, matching/cf/SimpleX/config/"

PRESETS: dict[tuple[str, str], Preset] = {
    ("MF-CCL", "gowalla"): Preset(
        "MatrixFactorization",
        _AT + "MF_CCL_gowalla_m1",
        _MF | _ccl(1e-4, 256, 800, 64, 1e-8, 0.1, (0.9, 150.0)),
    ),
    ("MF-CCL", "yelp2018"): Preset(
        "MatrixFactorization",
        _AT + "MF_CCL_yelp18_m1",
        _MF | _ccl(1e-4, 512, 800, 64, 1e-9, 0.1, (0.9, 150.0)),
    ),
    ("MF-CCL", "amazon-book"): Preset(
        "MatrixFactorization",
        _AT + "MF_CCL_amazonbooks_m1",
        _MF | _ccl(1e-3, 512, 1500, 64, 1e-5, 0.0, (0.2, 250.0)),
    ),
    ("MF-BSL", "gowalla"): _bsl((0.08, 1.22), 1024, 1e-9, 0.1, (29858, 40981)),
    ("MF-BSL", "yelp2018"): _bsl((0.11, 1.1), 1024, 1e-3, 0.1, (31668, 38048)),
    ("MF-BSL", "movielens-1m-m1"): _bsl((0.17, 1.06), 2048, 1e-3, 0.0, (6022, 3043)),
    ("SimpleX", "gowalla"): Preset(
        "SimpleX",
        _AT + "SimpleX_gowalla_m1",
        _GOWALLA
        | {
            "gamma": 0.8,
            "aggregation": "user_attention",
            "shared_history": False,
            "padded_history": 810,  # the longest one without the positive at hand
        },
    ),
    ("SimpleX", "yelp2018"): Preset("SimpleX", _AT + "SimpleX_yelp18_m1", _YELP | {"gamma": 1.0}),
    ("SimpleX", "amazon-book"): Preset(
        "SimpleX", _AT + "SimpleX_amazonbooks_m1", _BOOKS | {"gamma": 0.5, "max_history": 500}
    ),
    ("SimpleX", "amazon-electronics"): Preset(
        "SimpleX",
        _AT + "SimpleX_amazonelectronics_m1",
        _ELECTRONICS | {"gamma": 0.3, "max_history": 500},
    ),
    ("SimpleX", "movielens-1m-m1"): Preset(
        "SimpleX",
        _AT + "SimpleX_movielens1m_m1",
        _MOVIELENS | {"gamma": 0.8, "item_bias": True, "max_history": 500},
    ),
    ("BPO", "amazon-electronics"): _votes("bpo", 0.05, 2.0),
    ("BPO", "movielens-1m-m1"): _votes("bpo", 0.01, 1.0),
    ("NBPO", "amazon-electronics"): _votes("nbpo", 0.05, 1.0, 5.0),
    ("NBPO", "movielens-1m-m1"): _votes("nbpo", 0.02, 0.5, 1.0),
    ("NBPO-O", "amazon-electronics"): _votes("nbpo-o", 0.005, 1.0, 0.5),
    ("NBPO-O", "movielens-1m-m1"): _votes("nbpo-o", 0.001, 1.0, 5.0),
    ("NBPO-S", "amazon-electronics"): _votes("nbpo-s", 0.002, 0.05, 0.01),
    ("NBPO-S", "movielens-1m-m1"): _votes("nbpo-s", 0.002, 0.05, 0.02),
    ("RelMF", "coat"): Preset(
        "RelMF",
        _COAT,
        {
            "factors": 300,
            "clip": 0.0028,
            "regularization": 1.4e-6,
            "optimizer": Adam(1e-3),
            "batch_size": 128,  # of 256 pairs half are clicks
        },
    ),
    ("UBPR", "coat"): Preset(
        "UBPR", _COAT, {"factors": 300, "beta": 0.008, "regularization": 3.5e-5}
    ),
}
"""By method and data set, as `recneg.datasets` names it."""


def preset(method: str, dataset: str) -> Preset:
    """Return the published options of a method for a data set.

    Parameters
    ----------
    method : {"MF-CCL", "MF-BSL", "SimpleX", "BPO", "NBPO", "NBPO-O", "NBPO-S", "RelMF", "UBPR"}
    dataset : str

    Examples
    --------
    >>> preset("SimpleX", "amazon-electronics").options["gamma"]
    0.3
    """
    if (method, dataset) not in PRESETS:
        there = ", ".join(f"{name} on {data}" for name, data in PRESETS)
        raise InvalidDataError(f"a preset must be one of {there}; got {method} on {dataset}")
    return PRESETS[method, dataset]
