"""Every law keeps the contract: one line a law, and a meta-test that none is missing."""

import inspect
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

import recneg.samplers
from recneg.interactions import Interactions
from recneg.samplers import (
    Conditional,
    CrossBatch,
    Exposed,
    InBatch,
    MixedNegative,
    Mixture,
    Pool,
    Popularity,
    Sampler,
    TimeAware,
    Uniform,
)
from recneg.testing import SAMPLER_CHECKS, contract_interactions


def random(data: Interactions) -> np.random.Generator:
    return np.random.default_rng(data.num_items)


def births(data: Interactions) -> NDArray[np.int64]:
    return random(data).integers(0, 100, data.num_items)


def batch(data: Interactions) -> NDArray[np.int64]:
    return random(data).choice(data.indices, 40)


def entries(data: Interactions) -> NDArray[np.int64]:
    """Lists with duplicates, gaps and seen items; empty for user 5."""
    lists = random(data).integers(-1, data.num_items, (data.num_users, 15))
    lists[5] = -1
    return lists


def shown(data: Interactions) -> Interactions:
    users, items = np.nonzero(random(data).random((data.num_users, data.num_items)) < 0.4)
    return Interactions.from_arrays(
        users, items, num_users=data.num_users, num_items=data.num_items
    )


LAWS: dict[str, Callable[[Interactions], Sampler]] = {
    "uniform": Uniform,
    "uniform over all items": partial(Uniform, unseen=False),
    "popularity": Popularity,
    "popularity over all items": partial(Popularity, unseen=False),
    "popularity, exponent 1": partial(Popularity, exponent=1.0),
    "popularity, exponent 0": partial(Popularity, exponent=0.0),
    "popularity, exponent -0.5": partial(Popularity, exponent=-0.5),
    "popularity, exponent 6": partial(Popularity, exponent=6.0),
    "popularity with a floor": partial(Popularity, floor=2.5),
    "popularity, counts given": lambda data: Popularity(data, counts=births(data)),
    "conditional, uniform": lambda data: Conditional(Uniform(data), shown(data)),
    "conditional, popularity": lambda data: Conditional(Popularity(data), shown(data)),
    "conditional, all items": lambda data: Conditional(Uniform(data, unseen=False), shown(data)),
    "conditional, not data": lambda data: Conditional(Pool(data, entries(data)), shown(data)),
    "exposed": lambda data: Exposed(data, shown(data)),
    "pool": lambda data: Pool(data, entries(data)),
    "time aware": lambda data: TimeAware(data, births(data)),
    "time aware, halfway": lambda data: TimeAware(data, births(data), at=50),
    "mixture": lambda data: Mixture(
        (Popularity(data, 1.0), Pool(data, entries(data)), Uniform(data)), (0.5, 0.3, 0.2)
    ),
    "in batch": lambda data: InBatch(data, batch(data)),
    "cross batch": lambda data: CrossBatch(data, capacity=50).push(batch(data)).push(batch(data)),
    "mixed negative": lambda data: MixedNegative(data, batch(data), 20),
}


@pytest.mark.parametrize("check", SAMPLER_CHECKS.values(), ids=SAMPLER_CHECKS)
@pytest.mark.parametrize("make", LAWS.values(), ids=LAWS)
def test_contract(
    make: Callable[[Interactions], Sampler], check: Callable[[Sampler, int], None]
) -> None:
    check(make(contract_interactions()), 1_000_000)


def test_every_law_is_in_the_table() -> None:
    data = contract_interactions()
    tested = {type(make(data)) for make in LAWS.values()}
    concrete = {
        law
        for _, law in inspect.getmembers(recneg.samplers, inspect.isclass)
        if issubclass(law, Sampler) and not inspect.isabstract(law)
    }
    assert concrete - tested == set()
