"""Every law keeps the contract: one line a law, and a meta-test that none is missing."""

import inspect
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import recneg.samplers
from recneg.interactions import Interactions
from recneg.noise import FlipModel
from recneg.propensity import given
from recneg.samplers import (
    MIDX,
    Cluster,
    Conditional,
    CrossBatch,
    Exposed,
    InBatch,
    KernelTree,
    MixedNegative,
    Mixture,
    NoisyLabel,
    Pool,
    Popularity,
    Propensity,
    RankAdaptive,
    Sampler,
    Softmax,
    Stratified,
    TimeAware,
    Uniform,
    popularity_cohorts,
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


def flips(data: Interactions) -> FlipModel:
    sizes = (data.num_users, data.num_items) * 2
    return FlipModel(*(random(data).normal(size=(size, 4)) for size in sizes))


def with_factors(
    law: Callable[..., Sampler], d: int, **options: Any
) -> Callable[[Interactions], Sampler]:
    def make(data: Interactions) -> Sampler:
        rng = np.random.default_rng(3)
        users, items = (rng.normal(size=(size, d)) for size in (data.num_users, data.num_items))
        return law(data, users, items, **options)

    return make


# laws are tested at full length once; with every array access checked, a twentieth reaches all code
DRAWS = 50_000 if os.environ.get("NUMBA_BOUNDSCHECK") == "1" else 1_000_000

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
    "propensity": Propensity,
    "propensity over all items": partial(Propensity, relevance=0.9, unseen=False),
    "propensity by user and item": lambda data: Propensity(
        data, given(random(data).random((data.num_users, data.num_items))), relevance=0.8
    ),
    "noisy label": lambda data: NoisyLabel(Uniform(data), flips(data)),
    "noisy label over popularity": lambda data: NoisyLabel(Popularity(data), flips(data)),
    "stratified": lambda data: Stratified(data, popularity_cohorts(data, 5), [4, 1, 0, 1, 2]),
    "softmax": with_factors(Softmax, 4),
    "softmax over all items": with_factors(Softmax, 4, temperature=2.0, unseen=False),
    "rank adaptive": with_factors(RankAdaptive, 3, mean_rank=6.0),
    "rank adaptive over all items": with_factors(RankAdaptive, 3, unseen=False),
    "kernel tree": with_factors(KernelTree, 2, alpha=3.0),
    "kernel tree over all items": with_factors(KernelTree, 2, alpha=3.0, unseen=False),
    "midx": with_factors(MIDX, 5, codewords=4),
    "midx, popularity": with_factors(MIDX, 5, weighting="popularity"),
    "cluster": with_factors(Cluster, 5, clusters=7),
}


@pytest.mark.parametrize("check", SAMPLER_CHECKS.values(), ids=SAMPLER_CHECKS)
@pytest.mark.parametrize("make", LAWS.values(), ids=LAWS)
def test_contract(
    make: Callable[[Interactions], Sampler], check: Callable[[Sampler, int], None]
) -> None:
    check(make(contract_interactions()), DRAWS)


def test_every_law_is_in_the_table() -> None:
    data = contract_interactions()
    tested = {type(make(data)) for make in LAWS.values()}
    concrete = {
        law
        for _, law in inspect.getmembers(recneg.samplers, inspect.isclass)
        if issubclass(law, Sampler) and not inspect.isabstract(law)
    }
    assert concrete - tested == set()
