"""What is drawn again in rounds is what each draw alone would have come to."""

import numpy as np
import pytest

from recneg import Interactions, Popularity
from recneg.keys import random_bits
from recneg.samplers.weighted_draws import MAX_TRIES


def drawn_alone(sampler: Popularity, key: int, user: int, row: int, slot: int) -> int | None:
    """Return the first attempt that is admissible; None if none of the first `MAX_TRIES` is."""
    alias, n = sampler.law.alias, sampler.num_items
    for attempt in range(MAX_TRIES):
        product = int(random_bits(key, row, slot, attempt)) * n
        item, fraction = product >> 64, product & (2**64 - 1)
        if fraction < 2**64 % n:
            continue
        if fraction >= int(alias[item, 0]):
            item = int(alias[item, 1])
        if not sampler.interactions.contains(user, item):
            return item
    return None


@pytest.mark.parametrize("slots", [1, 5])
@pytest.mark.parametrize("share", [0.1, 0.6])
def test_rounds_are_those_of_each_draw(share: float, slots: int) -> None:
    rng = np.random.default_rng(7)
    seen = rng.random((40, 90)) < share
    seen[0], seen[1] = False, True
    seen[1, 17] = False
    users, items = np.nonzero(seen)
    sampler = Popularity(Interactions.from_arrays(users, items), 0.5)
    batch, rows = rng.integers(0, 40, 700 // slots), rng.integers(0, 2**40, 700 // slots)
    found = sampler.sample(batch, slots, key=3, rows=rows).items
    alone = np.array(
        [
            [drawn_alone(sampler, 3, user, row, slot) for slot in range(slots)]
            for user, row in zip(batch.tolist(), rows.tolist(), strict=True)
        ],
        object,
    )
    ended = alone != None  # noqa: E711  # elementwise
    np.testing.assert_array_equal(found[ended], alone[ended].astype(np.int64))
    assert (found[~ended] >= 0).all()
    assert (found[batch == 1] == 17).all()  # by the exact law, after all attempts
    assert not ended[batch == 1].all()
