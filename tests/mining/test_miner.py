"""What a Miner refuses: options that cannot be, and results that kernels must not index by."""

from typing import Any

import numpy as np
import pytest

from recneg import BPR, Interactions, MatrixFactorization, mining
from recneg.errors import InvalidDataError
from recneg.mining import Mined, Miner
from recneg.samplers import Negatives

DATA = Interactions.from_arrays([0, 0, 1, 1, 2], [0, 1, 0, 2, 3], num_items=20)


def kept(shape: tuple[int, ...], **changes: Any) -> Mined:
    """Return item 5 everywhere, but for the changes."""
    good = Mined(
        np.full(shape, 5), np.full(shape, np.nan, np.float32), np.ones(shape, bool),
        np.zeros(shape, np.int64),
    )  # fmt: skip
    return good._replace(**changes)


def is_none(shape: tuple[int, int]) -> Any:
    return None


WRONG: list[tuple[str, Any]] = [
    ("must return a Mined; got NoneType", is_none),
    (r"items in \[0, 20\) where mask is true; got 20", lambda s: kept(s, items=np.full(s, 20))),
    (r"items in \[0, 20\) where mask is true; got -1", lambda s: kept(s, items=np.full(s, -1))),
    (r"integer items of shape \(\d+, num_negatives\)", lambda s: kept((s[0] - 1, s[1]))),
    ("integer items", lambda s: kept(s, items=np.full(s, 5.0))),
    ("a bool mask; got int64", lambda s: kept(s, mask=np.ones(s, np.int64))),
    ("weights of the shape of items", lambda s: kept(s, weights=np.ones((s[0], 1)))),
    ("mask of the shape of items", lambda s: kept(s, mask=np.ones((s[0], 1), bool))),
    ("log_q of the shape of items", lambda s: kept(s, log_q=np.ones(s[0], np.float32))),
]


@pytest.mark.parametrize(("message", "make"), WRONG)
@pytest.mark.parametrize("trainer", [BPR, MatrixFactorization])
def test_what_a_function_returns_is_checked(trainer: Any, message: str, make: Any) -> None:
    def own(negatives: Negatives, scores: Any, *, num_negatives: int) -> Mined:
        return make((len(scores), num_negatives))

    model = trainer(4, epochs=1, num_negatives=2, mining=Miner(own, 3), num_threads=1)
    with pytest.raises(InvalidDataError, match=message):
        model.fit(DATA, show_progress=False)


def test_what_trainers_do_not_offer_must_be_given() -> None:
    with pytest.raises(InvalidDataError, match="needs candidate_vectors, query_vectors"):
        Miner(mining.mixed_hard, 8)
    with pytest.raises(InvalidDataError, match="got negatives"):
        Miner(mining.hardest, 8, negatives=3)
