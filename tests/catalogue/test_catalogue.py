"""The catalogue: every entry trains, says what it is, and takes the memory that it states."""

import inspect
from typing import Any

import numpy as np
import pytest

import recneg.mining
import recneg.samplers
from recneg.catalogue import CATALOGUE, Material, Recipe, parse_recipe
from recneg.catalogue.parsing import options_of
from recneg.errors import InvalidDataError
from recneg.interactions import Interactions
from recneg.keys import Key
from recneg.samplers import Adaptive, PerBatch, Sampler
from recneg.simulation import simulate
from recneg.training import BPR


def material(num_users: int = 600, num_items: int = 90, num_clicks: int = 7000) -> Material:
    clicks = simulate(num_users, num_items, num_clicks, key=4).interactions
    rng = np.random.default_rng(0)
    shown = Interactions.from_arrays(
        rng.integers(0, num_users, num_clicks), rng.integers(0, num_items, num_clicks),
        num_users=num_users, num_items=num_items,
    )  # fmt: skip
    timed = Interactions.from_arrays(
        clicks.users(), clicks.indices, timestamps=rng.integers(0, 99, len(clicks)),
        num_users=num_users, num_items=num_items,
    )  # fmt: skip
    return Material(timed, shown)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_entry_trains(name: str) -> None:
    data = material()
    recipe = parse_recipe(name)(data)
    model = BPR(4, epochs=3, num_threads=1, **recipe._asdict()).fit(data.train, False)
    assert np.isfinite(model.history[-1].loss)
    negatives = model.negatives(data.train)
    assert negatives.shape[0] == len(data.train)
    owners = np.broadcast_to(data.train.users()[:, None], negatives.shape)[negatives >= 0]
    assert owners.size > 0.2 * negatives.size
    assert not data.train.contains(owners, negatives[negatives >= 0]).any()


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_option_of_an_entry_does_something(name: str) -> None:
    """Its options have types and defaults, and another value is accepted and makes another run."""
    data = material()
    for option in options_of(name).values():
        default = option.default
        assert isinstance(
            default, {"int": int, "float": float, "bool": bool}[str(option.annotation)]
        )
        other = (not default) if isinstance(default, bool) else OTHER.get(option.name, default + 1)
        other = {"conditional:top": 0.2, "guided:candidates": 1}.get(f"{name}:{option.name}", other)
        short = name == "refreshed" and option.name != "top"  # a pool of the best 30 alone
        base = f"{name}:{'top=30,' * short}"
        text = f"{base}{option.name}={str(other).lower()}"
        plain, changed = (
            BPR(4, epochs=5, num_threads=1, **parse_recipe(each)(data)._asdict())
            .fit(data.train, False)
            .item_factors
            for each in (base, text)
        )
        assert not np.array_equal(plain, changed), text


OTHER = {
    "share": 0.2, "clip": 0.9, "floor": 300.0, "uniform": 0.2, "top": 20, "among": 2,
    "percentage": 0.5, "batches": 2, "codewords": 4, "clusters": 5, "cohorts": 3,
    "mean_rank": 3.0, "a": 5.0, "rho": 2.0,
    "every": 2, "alpha": 3.0, "warm_up": 2, "candidates": 3, "keep": 2, "size": 5,
    "temperature": 3.0, "trade_off": 0.5, "margin": 0.01,
}  # fmt: skip


def test_every_law_and_every_mining_function_is_in_the_catalogue() -> None:
    data = material()
    made: set[Any] = set()
    for name in CATALOGUE:
        recipe = parse_recipe(name)(data)
        made |= {type(part) for part in parts(law_of(recipe, data))}
        if recipe.mining is not None:
            made.add(recipe.mining.function)
        made |= NAMED.get(name, set())
    laws = {
        law
        for _, law in inspect.getmembers(recneg.samplers, inspect.isclass)
        if issubclass(law, Sampler) and not inspect.isabstract(law)
    }
    functions = {function for _, function in inspect.getmembers(recneg.mining, inspect.isfunction)}
    vectors = {recneg.mining.mixed_hard, recneg.mining.mixed_positive}  # no items to train on
    assert laws - made == set()
    assert functions - made == vectors


NAMED = {
    "refreshed": {recneg.mining.refreshed},
    "pool": {recneg.mining.resampled_pool},
    "cross_batch": {recneg.samplers.CrossBatch},  # the same law; a trainer keeps the queue itself
}


def law_of(recipe: Recipe, data: Material, d: int = 16) -> Sampler:
    if isinstance(recipe.sampler, Adaptive):
        rng = np.random.default_rng(1)
        users, items = (
            rng.normal(size=(size, d)).astype(np.float32)
            for size in (data.train.num_users, data.train.num_items)
        )
        return recipe.sampler.build(data.train, users, items, Key(0))
    if isinstance(recipe.sampler, PerBatch):
        return recipe.sampler.make(data.train, data.train.indices[:50].astype(np.int64))
    assert isinstance(recipe.sampler, Sampler)
    return recipe.sampler


def parts(law: Sampler) -> list[Sampler]:
    inner = [value for value in vars(law).values() if isinstance(value, Sampler)]
    inner += [each for value in vars(law).values() if isinstance(value, tuple)
              for each in value if isinstance(each, Sampler)]  # fmt: skip
    return [law, *(each for part in inner for each in parts(part))]


def num_bytes(value: Any, known: set[int]) -> int:
    """Add up the arrays that hang on `value`, each piece of memory once, without interactions."""
    if isinstance(value, np.ndarray):
        while isinstance(value.base, np.ndarray):
            value = value.base
        if id(value) in known:
            return 0
        known.add(id(value))
        return value.nbytes
    if id(value) in known:
        return 0
    if isinstance(value, Interactions):
        for array in vars(value).values():
            num_bytes(array, known)
        return 0
    if isinstance(value, (tuple, list)):
        return sum(num_bytes(each, known) for each in value)
    if hasattr(value, "__dict__") and not isinstance(value, type):
        known.add(id(value))
        return sum(num_bytes(each, known) for each in vars(value).values())
    return 0


SMALL = {
    "conditional": "conditional:top=0",  # 4 more an excluded pair
    "noisy_label": "noisy_label:epochs=1",
}


def measured(name: str, num_users: int, num_items: int, d: int, clicks: int = 40_000) -> int:
    data = material(num_users, num_items, clicks)
    law = law_of(parse_recipe(SMALL.get(name, name))(data), data, d)
    known: set[int] = set()
    num_bytes((data.train, data.shown), known)
    return num_bytes(law, known)


@pytest.mark.parametrize("name", CATALOGUE)
def test_memory_is_what_is_stated(name: str) -> None:
    """Each coefficient by itself, from twice the users, items, factors, and thrice the clicks."""
    users, items, d = 5000, 4000, 8
    m = CATALOGUE[name].memory
    base = measured(name, users, items, d)
    for found, stated in (
        ((measured(name, 2 * users, items, d) - base) / users, m.user + d * m.user_factor),
        ((measured(name, users, 2 * items, d) - base) / items, m.item + d * m.item_factor),
        (
            (measured(name, users, items, 2 * d) - base) / d,
            m.user_factor * users + m.item_factor * items,
        ),
        ((measured(name, users, items, d, 120_000) - base) / 80_000, m.interaction),
    ):
        assert found <= 1.02 * stated + 0.5, f"{found:.1f} of {stated} stated"
        assert found >= 0.4 * stated - 0.5 or stated == 0, f"{found:.1f} of {stated} stated"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "a sampler must be one of uniform, popularity,.* got 'nothing'"),
        ("hardest:count=3", "options of hardest must be written as option=value, of candidates"),
        ("hardest:candidates=few", "hardest:candidates must be an int; got 'few'"),
        ("uniform:unseen=maybe", "uniform:unseen must be true or false; got 'maybe'"),
        ("time_aware:at=3", "of none; got 'at=3'"),
    ],
)
def test_bad_names_and_options(text: str, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        parse_recipe(text)


def test_what_an_entry_needs_is_said() -> None:
    plain = Material(Interactions.from_arrays([0, 1], [0, 1], num_items=4))
    with pytest.raises(InvalidDataError, match="impressions or dislikes"):
        parse_recipe("exposed")(plain)
    with pytest.raises(InvalidDataError, match="interactions with timestamps"):
        parse_recipe("time-aware")(plain)
    with pytest.raises(InvalidDataError, match="softmax must be a law of the data alone"):
        parse_recipe("softmax")(plain).law("softmax")
    assert isinstance(parse_recipe("uniform")(plain).law("uniform"), Sampler)
