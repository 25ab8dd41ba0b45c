"""The random stream: published answers, an independent implementation, exactness, golden values."""

import json
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from recneg import keys
from recneg.keys import (
    STREAM_VERSION,
    Key,
    as_key,
    bounded,
    bounded_wide,
    fill_words,
    philox,
    philox_torch,
    random_bits,
    random_bits_torch,
    random_floats,
    random_integers,
    rejected,
    word,
)

GOLDEN = Path(__file__).parent / "golden" / f"keys_v{STREAM_VERSION}.json"
MASK = 0xFFFFFFFF
words32 = st.integers(0, MASK)
words64 = st.integers(0, 2**64 - 1)

# Random123, kat_vectors: philox4x32 with 10 rounds; counter, key, block.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def numbers(text: str) -> list[int]:
    return [int(part, 16) for part in text.split()]


def plain_philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 in Python integers, as in the paper's figure."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & MASK, (p0 >> 32) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return [c0, c1, c2, c3]


def plain_word(key: int, row: int, slot: int, attempt: int) -> int:
    counter = [row & MASK, row >> 32, slot // 2, attempt]
    block = plain_philox(counter, [key & MASK, key >> 32])
    low, high = block[2:] if slot % 2 else block[:2]
    return high << 32 | low


# -- the generator ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("counter", "key", "block"), KNOWN_ANSWERS)
def test_published_known_answers(counter: str, key: str, block: str) -> None:
    expected = numbers(block)
    assert [
        int(x) for x in philox(*np.array(numbers(counter) + numbers(key), np.uint32))
    ] == expected
    assert plain_philox(numbers(counter), numbers(key)) == expected
    low, high = numbers(key)
    assert philox_torch(torch.tensor(numbers(counter)), high << 32 | low).tolist() == expected


@given(st.lists(words32, min_size=6, max_size=6))
def test_philox_equals_plain_python(values: list[int]) -> None:
    expected = plain_philox(values[:4], values[4:])
    assert [int(x) for x in philox(*np.array(values, np.uint32))] == expected
    key = values[5] << 32 | values[4]
    assert philox_torch(torch.tensor(values[:4]), key).tolist() == expected


@given(words64, st.integers(0, 2**63 - 1), st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_words_equal_plain_python_and_torch(key: int, row: int, slot: int, attempt: int) -> None:
    expected = plain_word(key, row, slot, attempt)
    assert int(word(*Key(key).words, row, slot, attempt)) == expected
    assert int(random_bits(key, row, slot, attempt)) == expected
    tensors = [torch.tensor(part) for part in (row, slot, attempt)]
    assert int(random_bits_torch(key, *tensors)) % 2**64 == expected


def test_arrays_equal_single_words_and_torch() -> None:
    rows = np.array([0, 1, 2**31, 2**32, 2**32 + 1, 2**63 - 1])[:, None, None]
    slots = np.array([0, 1, 2, 3, 2**31 - 1])[:, None]
    attempts = np.array([0, 1, 2**31 - 1])
    bits = random_bits(9, rows, slots, attempts)
    assert bits.shape == (6, 5, 3)
    for index in np.ndindex(bits.shape):
        row, slot, attempt = (
            int(part.flat[i]) for part, i in zip((rows, slots, attempts), index, strict=True)
        )
        assert int(bits[index]) == plain_word(9, row, slot, attempt)
    tensors = [torch.from_numpy(part) for part in (rows, slots, attempts)]
    same = random_bits_torch(9, *tensors).numpy().view(np.uint64)
    np.testing.assert_array_equal(same, bits)
    assert len(np.unique(bits)) == bits.size


@given(
    words64,
    st.lists(st.tuples(st.integers(0, 2**63 - 9), st.integers(0, 9)), max_size=5),
    st.integers(1, 19),
)
def test_words_of_groups_of_rows(key: int, groups: list[tuple[int, int]], slots: int) -> None:
    firsts, counts = (np.array([group[n] for group in groups], np.int64) for n in range(2))
    rows = np.concatenate([first + np.arange(count) for first, count in groups] + [counts[:0]])
    words = np.empty(rows.size * slots, np.uint64)
    fill_words(*Key(key).words, firsts, counts, slots, words)
    expected = random_bits(key, rows[:, None], np.arange(slots))
    np.testing.assert_array_equal(words.reshape(-1, slots), expected)


def test_an_independent_library_agrees() -> None:
    randomgen = pytest.importorskip("randomgen", reason="the optional oracle is not installed")
    counter, key = 0x0370734413198A2E85A308D3243F6A88, 0x299F31D0A4093822
    oracle = randomgen.Philox(counter=counter - 1, key=key, number=4, width=32)
    drawn = [int(x) for x in oracle.random_raw(4)]
    assert drawn == numbers(KNOWN_ANSWERS[2][2])


# -- bounded integers and floats -------------------------------------------------------------------


@given(words64, st.integers(1, 2**32 - 1))
def test_bounded_equals_big_integers(x: int, n: int) -> None:
    high, low = bounded(np.uint64(x), n)
    assert (int(high), int(low)) == divmod(x * n, 2**64)
    assert bool(rejected(np.uint64(low), n)) == (int(low) < 2**64 % n)


@given(words64, words64)
def test_bounded_wide_equals_big_integers(x: int, n: int) -> None:
    high, low = bounded_wide(np.uint64(x), np.uint64(n))
    assert (int(high), int(low)) == divmod(x * n, 2**64)


@given(words32, st.integers(1, 2**31))
def test_rejection_at_its_very_edge(high: int, n: int) -> None:
    threshold = 2**64 % n
    assert not rejected(np.uint64(threshold), n)
    if threshold:
        assert rejected(np.uint64(threshold - 1), n)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 100, 200, 255])
def test_multiply_and_reject_is_exactly_unbiased(n: int) -> None:
    # the same rule with words of 8 bits, over all of them
    accepted = [x * n >> 8 for x in range(256) if x * n % 256 >= 256 % n]
    assert set(np.bincount(accepted, minlength=n)) == {256 // n}


def test_rejected_words_take_the_next_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    # a true rejection has a chance below 2**-32; here every word with an even low half is rejected
    monkeypatch.setattr(keys, "rejected", lambda low, n: low % 2 == 0)
    compiled = keys.word
    monkeypatch.setattr(keys, "word", lambda *place: np.uint64(compiled(*place)))
    monkeypatch.setattr(keys, "below", keys.below.py_func)
    out = np.empty(50, np.int64)
    k0, k1 = Key(4).words
    rows, slots = np.arange(50), np.full(50, 7)
    keys._integers.py_func(k0, k1, 1001, rows, slots, out)
    tries = []
    for row in range(50):
        attempt = 0
        while plain_word(4, row, 7, attempt) * 1001 % 2 == 0:
            attempt += 1
        tries.append(attempt)
        assert out[row] == plain_word(4, row, 7, attempt) * 1001 >> 64
    assert max(tries) > 1


@pytest.mark.parametrize("n", [1, 2, 3, 1000, 2**31, 2**32 - 1])
def test_integers_are_uniform(n: int) -> None:
    draws = random_integers(12, n, np.arange(200_000), 3)
    assert draws.dtype == np.int64
    assert draws.min() >= 0
    assert draws.max() < n
    cells = min(n, 1000)
    counts = np.bincount(draws * cells // n, minlength=cells)
    edges = [-(-cell * n // cells) for cell in range(cells + 1)]
    expected = [200_000 * float(Fraction(b - a, n)) for a, b in pairwise(edges)]
    assert cells == 1 or stats.chisquare(counts, expected).pvalue > 1e-6


def test_floats_are_uniform_multiples_of_two_to_minus_53() -> None:
    draws = random_floats(5, np.arange(100_000)[:, None], np.arange(2))
    assert draws.dtype == np.float64
    assert draws.min() >= 0
    assert draws.max() < 1
    assert (draws * 2**53 % 1 == 0).all()
    for slot in range(2):
        assert stats.kstest(draws[:, slot], "uniform").pvalue > 1e-6
    grid = np.histogram2d(draws[:, 0], draws[:, 1], bins=20, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(grid.ravel()).pvalue > 1e-6
    assert float(random_floats(5, 3, 1)) == (plain_word(5, 3, 1, 0) >> 11) * 2.0**-53


@pytest.mark.parametrize("other", [1, 2**16, 2**32])
def test_rows_and_keys_far_apart_are_independent(other: int) -> None:
    rows = np.arange(50_000)
    base = random_floats(0, rows)
    for draws in (random_floats(0, rows + other), random_floats(other, rows)):
        grid = np.histogram2d(base, draws, bins=10, range=[[0, 1], [0, 1]])[0]
        assert stats.chisquare(grid.ravel()).pvalue > 1e-6


# -- keys ------------------------------------------------------------------------------------------


def test_folding_is_injective_on_a_grid_and_order_matters() -> None:
    data = [0, 1, 2, 1000, 2**32 - 1, 2**32, 2**63, 2**64 - 1]
    seeds = {key.fold_in(number).seed for key in map(Key, data) for number in data}
    assert len(seeds) == len(data) ** 2
    assert Key(0).fold_in(1).fold_in(2) != Key(0).fold_in(2).fold_in(1)
    assert Key(0).fold_in(0) != Key(0)
    block = plain_philox([5, 7, MASK, MASK], [3, 9])
    assert Key(9 << 32 | 3).fold_in(7 << 32 | 5).seed == block[1] << 32 | block[0]


def test_no_draw_reaches_the_counters_of_folding() -> None:
    # folding uses counter words 2 and 3 of all ones; a draw's are slot // 2 and attempt
    for limit in (2**31, 2**31):
        assert (limit - 1) // 2 < MASK
        assert limit - 1 < MASK
    for slots, attempts in ((2**31, 0), (0, 2**31)):
        with pytest.raises(ValueError, match=r"must lie in \[0, 2\*\*31\); got 2147483648"):
            random_bits(0, 0, slots, attempts)
    draws = set(random_bits(6, np.arange(2000)[:, None], np.arange(50)).ravel().tolist())
    assert not draws & {Key(6).fold_in(number).seed for number in range(2000)}


def test_keys_are_values() -> None:
    key = Key(np.uint64(7))
    assert key == Key(7)
    assert hash(key) == hash(Key(7))
    assert type(key.seed) is int
    assert as_key(key) is key
    assert as_key(7) == key
    assert [int(part) for part in Key(2**64 - 2).words] == [MASK - 1, MASK]
    with pytest.raises(AttributeError):
        key.seed = 8  # type: ignore[misc]


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_out_of_range_are_errors(seed: int) -> None:
    with pytest.raises(ValueError, match=rf"seed must lie in \[0, 2\*\*64\); got {seed}"):
        Key(seed)
    with pytest.raises(ValueError, match=rf"fold in must lie in \[0, 2\*\*64\); got {seed}"):
        Key(0).fold_in(seed)


@pytest.mark.parametrize("seed", [True, 1.0, "1", None])
def test_seeds_of_other_types_are_errors(seed: object) -> None:
    for make in (Key, as_key, Key(0).fold_in):
        with pytest.raises(TypeError, match="must be an integer; got"):
            make(seed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: random_bits(0, -1), ValueError, r"rows must lie in \[0, 2\*\*63\); got -1"),
        (lambda: random_bits(0, np.uint64(2**63)), ValueError, "rows must lie in .* got 9223"),
        (lambda: random_bits(0, [0.5]), TypeError, "rows must be integers; got float64"),
        (lambda: random_bits(0, 0, [0, -3]), ValueError, "slots must lie in .* got -3"),
        (lambda: random_integers(0, 0, 0), ValueError, r"n must lie in \[1, 2\*\*32\); got 0"),
        (lambda: random_integers(0, 2**32, 0), ValueError, "n must lie in .* got 4294967296"),
        (lambda: random_integers(0, 2.0, 0), TypeError, "n must be an integer; got 2.0"),
    ],
)
def test_bad_arguments_are_errors(call, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_empty_and_scalar_shapes() -> None:
    assert random_bits(0, []).shape == (0,)
    assert random_bits(0, np.zeros((3, 0), int), 1).shape == (3, 0)
    assert random_integers(0, 5, 7).shape == ()
    assert random_floats(0, [1], [[2], [3]]).shape == (2, 1)
    rows = np.zeros(1, np.int64)
    rows.setflags(write=False)
    for call in (
        random_bits,
        random_floats,
        lambda *place: random_integers(place[0], 9, *place[1:]),
    ):
        assert call(0, [0], 5) == call(0, 0, [[5]]) == call(0, rows, 5)


# -- promises across versions and processes --------------------------------------------------------

GOLDEN_SCRIPT = """
import json, numpy as np
from recneg.keys import Key, random_bits, random_floats, random_integers
rows = np.array([0, 1, 2, 1000, 2**32, 2**63 - 1])[:, None]
slots = np.arange(5)
key = Key(2024).fold_in(3)
print(json.dumps({
    "fold_in": [Key(seed).fold_in(data).seed
                for seed in (0, 7, 2**64 - 1) for data in (0, 1, 2**40)],
    "bits": [[str(x) for x in row] for row in random_bits(key, rows, slots).tolist()],
    "attempts": [str(x) for x in random_bits(key, 5, 3, np.arange(4)).tolist()],
    "integers": {n: random_integers(key, int(n), rows, slots).tolist()
                 for n in ("1", "3", "1000", "20000", "4294967295")},
    "floats": [x.hex() for x in random_floats(key, rows, slots).ravel().tolist()],
}))
"""


def test_golden_values_in_a_fresh_process() -> None:
    """Stream version 1 never changes: edit the code, or add a version, but not this file."""
    fresh = subprocess.run([sys.executable, "-c", GOLDEN_SCRIPT], capture_output=True, check=True)
    assert json.loads(fresh.stdout) == json.loads(GOLDEN.read_text())


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(0, 2**40))
def test_numbers_do_not_depend_on_how_rows_are_grouped(size: int, start: int) -> None:
    rows = np.arange(start, start + size)
    together = random_integers(3, 1000, rows[:, None], np.arange(4))
    apart = np.concatenate([random_integers(3, 1000, row, np.arange(4))[None] for row in rows])
    np.testing.assert_array_equal(together, apart)


def test_exported_names_exist() -> None:
    assert all(hasattr(keys, name) for name in keys.__all__)
