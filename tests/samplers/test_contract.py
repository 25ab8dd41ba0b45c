"""Every law keeps the contract: one line a law, and a meta-test that none is missing."""

import inspect
from collections.abc import Callable
from functools import partial

import pytest

import recneg.samplers
from recneg.interactions import Interactions
from recneg.samplers import Popularity, Sampler, Uniform
from recneg.testing import SAMPLER_CHECKS, contract_interactions

LAWS: dict[str, Callable[[Interactions], Sampler]] = {
    "uniform": Uniform,
    "uniform over all items": partial(Uniform, unseen=False),
    "popularity": Popularity,
    "popularity over all items": partial(Popularity, unseen=False),
    "popularity, exponent 1": partial(Popularity, exponent=1.0),
    "popularity, exponent 0": partial(Popularity, exponent=0.0),
    "popularity, exponent -0.5": partial(Popularity, exponent=-0.5),
    "popularity, exponent 6": partial(Popularity, exponent=6.0),
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
