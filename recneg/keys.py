"""Counter-based random bits: the same numbers in NumPy, Numba and torch, on any device.

The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
SC 2011): a keyed bijection of 128-bit counters. There is no state to carry, share or seed: draw
``slot`` of row ``row`` under a key is a pure function of the three. Hence any split of the work,
over threads, workers or machines, gives the same numbers.

Stream version 1
----------------
A `Key` is 64 bits, kept as two 32-bit words. Numbers are made from 64-bit words. Word `word(slot,
attempt)` of a row is one half of the Philox block at counter
``(row low, row high, slot // 2, attempt)``: output words 0 and 1 (low, high) for an even slot,
2 and 3 for an odd one. A number that is rejected takes the next attempt.

- *bounded integers* in ``[0, n)``: the high half of ``word * n``, rejected where the low half is
  below ``2**64 mod n`` (Lemire 2019), hence exactly unbiased;
- *floats* in ``[0, 1)``: the upper 53 bits of the word times ``2**-53``, all equally likely.

`Key.fold_in` uses the counters whose last two words are all ones, which no draw reaches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recneg.jit import kernel, merged

if TYPE_CHECKING:
    import torch

__all__ = [
    "STREAM_VERSION",
    "Key",
    "as_key",
    "below",
    "bounded",
    "fill_words",
    "philox",
    "philox_torch",
    "random_bits",
    "random_bits_torch",
    "random_floats",
    "random_integers",
    "shuffled",
    "words_at",
]

STREAM_VERSION = 1

_M0, _M1 = 0xD2511F53, 0xCD9E8D57  # round multipliers
_W0, _W1 = 0x9E3779B9, 0xBB67AE85  # key increments (golden ratio, sqrt(3) - 1)
_LOW = 0xFFFFFFFF
_ROUNDS = 10

U64 = np.uint64
_U64_LOW = np.uint64(_LOW)
_U64_32 = np.uint64(32)
_NM0, _NM1 = np.uint64(_M0), np.uint64(_M1)
_NW0, _NW1 = np.uint64(_W0), np.uint64(_W1)


@merged
def philox_round(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Return the counter after one round, and the next round's key; all are uint64 below 2**32."""
    p0, p1 = c0 * _NM0, c2 * _NM1
    return (
        (p1 >> _U64_32) ^ c1 ^ k0, p1 & _U64_LOW, (p0 >> _U64_32) ^ c3 ^ k1, p0 & _U64_LOW,
        (k0 + _NW0) & _U64_LOW, (k1 + _NW1) & _U64_LOW,
    )  # fmt: skip


@merged
def philox_block(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Return `philox` in uint64 below 2**32: without a loop or a call, so that loops over blocks
    become vector instructions, which makes them two to five times as fast.
    """
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    return c0, c1, c2, c3


@kernel
def philox(
    c0: np.uint32, c1: np.uint32, c2: np.uint32, c3: np.uint32, k0: np.uint32, k1: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """Return the Philox4x32-10 block of counter ``(c0, c1, c2, c3)`` under key ``(k0, k1)``.

    Callable from Python and from other kernels; all arguments and results are uint32.
    """
    x0, x1, x2, x3 = philox_block(
        np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3), np.uint64(k0), np.uint64(k1)
    )
    return np.uint32(x0), np.uint32(x1), np.uint32(x2), np.uint32(x3)


@kernel
def word(k0: np.uint32, k1: np.uint32, row: int, slot: int, attempt: int) -> np.uint64:
    """Return the 64-bit word of ``(row, slot, attempt)``; see the module's stream definition."""
    r = np.uint64(row)
    x0, x1, x2, x3 = philox(
        np.uint32(r), np.uint32(r >> _U64_32), np.uint32(slot >> 1), np.uint32(attempt), k0, k1
    )
    if slot & 1:
        return (np.uint64(x3) << _U64_32) | np.uint64(x2)
    return (np.uint64(x1) << _U64_32) | np.uint64(x0)


@kernel
def fill_words(
    k0: np.uint32,
    k1: np.uint32,
    first_rows: NDArray[np.int64],
    counts: NDArray[np.int64],
    num_slots: int,
    words: NDArray[np.uint64],
) -> None:
    """Fill the attempt-0 words of the slots of ``counts[g]`` rows from ``first_rows[g]`` on.

    `words`: one after the other, of all g. Two slots of a row share a Philox block.
    """
    key0, key1, filled = np.uint64(k0), np.uint64(k1), 0
    zero: Any = np.int64(0)  # for a literal `word` would be compiled once more
    if num_slots == 1:  # a word a row: note the rows first, then one loop for all of them
        for group in range(first_rows.size):
            for offset in range(counts[U64(group)]):
                words[U64(filled)] = np.uint64(first_rows[U64(group)] + offset)
                filled += 1
        for index in range(filled):
            row = words[U64(index)]
            x0, x1, _, _ = philox_block(row & _U64_LOW, row >> _U64_32, U64(0), U64(0), key0, key1)
            words[U64(index)] = (x1 << _U64_32) | x0
        return
    for group in range(first_rows.size):
        for offset in range(counts[U64(group)]):
            row = np.uint64(first_rows[U64(group)] + offset)
            low, high = row & _U64_LOW, row >> _U64_32
            for pair in range(num_slots >> 1):
                x0, x1, x2, x3 = philox_block(low, high, U64(pair), U64(0), key0, key1)
                words[U64(filled + 2 * pair)] = (x1 << _U64_32) | x0
                words[U64(filled + 2 * pair + 1)] = (x3 << _U64_32) | x2
            if num_slots & 1:
                words[U64(filled + num_slots - 1)] = word(
                    k0, k1, first_rows[U64(group)] + offset, num_slots - 1, zero
                )
            filled += num_slots


@kernel
def words_at(
    k0: np.uint32,
    k1: np.uint32,
    rows: NDArray[np.int64],
    slots: NDArray[np.int64],
    attempts: NDArray[np.int64],
    words: NDArray[np.uint64],
) -> None:
    """Fill the words of any rows, slots and attempts, arrays of one size."""
    key0, key1 = np.uint64(k0), np.uint64(k1)
    for index in range(words.size):
        row, slot = np.uint64(rows[U64(index)]), np.uint64(slots[U64(index)])
        x0, x1, x2, x3 = philox_block(
            row & _U64_LOW, row >> _U64_32, slot >> U64(1), np.uint64(attempts[U64(index)]),
            key0, key1,
        )  # fmt: skip
        odd = (slot & U64(1)) != U64(0)
        low, high = x2 if odd else x0, x3 if odd else x1
        words[U64(index)] = (high << _U64_32) | low


@kernel
def bounded(x: np.uint64, n: int) -> tuple[np.int64, np.uint64]:
    """Return the high and low 64 bits of ``x * n`` for ``1 <= n < 2**32``.

    The high half is a bounded integer, the low half a uniform fraction inside its cell.
    """
    m = np.uint64(n)
    low = (x & _U64_LOW) * m
    high = (x >> _U64_32) * m + (low >> _U64_32)
    return np.int64(high >> _U64_32), (high << _U64_32) | (low & _U64_LOW)


@kernel
def rejected(low: np.uint64, n: int) -> bool:
    """Tell whether the low half of ``x * n`` marks a word that would bias the result."""
    m = np.uint64(n)
    return bool(low < m and low < (np.uint64(0) - m) % m)


@kernel
def below(k0: np.uint32, k1: np.uint32, row: int, slot: int, n: int) -> np.int64:
    """Return the integer in ``[0, n)`` of ``(row, slot)``, exactly unbiased; ``1 <= n < 2**32``."""
    attempt: Any = np.int64(0)
    value, low = bounded(word(k0, k1, row, slot, attempt), n)
    while rejected(low, n):
        attempt += 1
        value, low = bounded(word(k0, k1, row, slot, attempt), n)
    return value


@kernel
def bounded_wide(x: np.uint64, n: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the high and low 64 bits of ``x * n`` for any ``n < 2**64``."""
    x0, x1 = x & _U64_LOW, x >> _U64_32
    n0, n1 = n & _U64_LOW, n >> _U64_32
    low = x0 * n0
    middle = x1 * n0 + (low >> _U64_32)
    other = x0 * n1 + (middle & _U64_LOW)
    high = x1 * n1 + (middle >> _U64_32) + (other >> _U64_32)
    return high, (other << _U64_32) | (low & _U64_LOW)


@dataclass(frozen=True, slots=True)
class Key:
    """A 64-bit key of the random stream; equal keys give equal numbers, everywhere.

    Parameters
    ----------
    seed : int
        In ``[0, 2**64)``.

    Examples
    --------
    >>> key = Key(7).fold_in(3)  # the key of epoch 3, say
    >>> key == Key(7).fold_in(3), key == Key(7).fold_in(4)
    (True, False)
    """

    seed: int

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, (int, np.integer)):
            raise TypeError(f"a key's seed must be an integer; got {self.seed!r}")
        if not 0 <= self.seed < 1 << 64:
            raise ValueError(f"a key's seed must lie in [0, 2**64); got {self.seed}")
        object.__setattr__(self, "seed", int(self.seed))

    def fold_in(self, data: int) -> Key:
        """Return a new key that depends on this one and on the integer `data` in ``[0, 2**64)``."""
        if isinstance(data, bool) or not isinstance(data, (int, np.integer)):
            raise TypeError(f"data to fold in must be an integer; got {data!r}")
        if not 0 <= data < 1 << 64:
            raise ValueError(f"data to fold in must lie in [0, 2**64); got {data}")
        low, high = np.uint32(int(data) & _LOW), np.uint32(int(data) >> 32)
        ones = np.uint32(_LOW)
        x0, x1, _, _ = philox(low, high, ones, ones, *self.words)
        return Key((int(x1) << 32) | int(x0))

    @property
    def words(self) -> tuple[np.uint32, np.uint32]:
        """The key's low and high 32 bits."""
        return np.uint32(self.seed & _LOW), np.uint32(self.seed >> 32)


def as_key(key: int | Key) -> Key:
    """Return `key` itself, or the key of an integer seed."""
    return key if isinstance(key, Key) else Key(key)


def random_bits(
    key: int | Key, rows: ArrayLike, slots: ArrayLike = 0, attempts: ArrayLike = 0
) -> NDArray[np.uint64]:
    """Return one 64-bit word for each ``(row, slot, attempt)``.

    Parameters
    ----------
    key : int or Key
    rows, slots, attempts : array_like of int
        Broadcast against each other. Rows in ``[0, 2**63)``; slots and attempts in ``[0, 2**31)``.

    Returns
    -------
    numpy.ndarray of uint64, of the broadcast shape
    """
    r, s, a = np.broadcast_arrays(
        _counters(rows, "rows", 63),
        _counters(slots, "slots", 31),
        _counters(attempts, "attempts", 31),
    )
    out = np.empty(r.shape, np.uint64)
    k0, k1 = as_key(key).words
    words_at(k0, k1, r.flatten(), s.flatten(), a.flatten(), out.reshape(-1))
    return out


def shuffled(key: int | Key, ids: NDArray[np.integer[Any]]) -> NDArray[Any]:
    """Return distinct ids in an order that depends on the key and on what the ids are.

    Examples
    --------
    >>> sorted(shuffled(7, np.arange(5)).tolist())
    [0, 1, 2, 3, 4]
    """
    return ids[np.argsort(random_bits(key, ids), kind="stable")]


def _counters(values: ArrayLike, name: str, bits: int) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name} must be integers; got {array.dtype}")
    if array.size and (array.min() < 0 or array.max() >= 1 << bits):
        worst = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"{name} must lie in [0, 2**{bits}); got {worst}")
    return array.astype(np.int64, copy=False)


@kernel
def _integers(
    k0: np.uint32,
    k1: np.uint32,
    n: int,
    rows: NDArray[np.int64],
    slots: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None:
    for index in range(out.size):
        out[index] = below(k0, k1, rows[index], slots[index], n)


def random_integers(
    key: int | Key, n: int, rows: ArrayLike, slots: ArrayLike = 0
) -> NDArray[np.int64]:
    """Return exactly unbiased integers in ``[0, n)``, ``1 <= n < 2**32``, one per (row, slot)."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise TypeError(f"n must be an integer; got {n!r}")
    if not 1 <= n < 1 << 32:
        raise ValueError(f"n must lie in [1, 2**32); got {n}")
    r, s = np.broadcast_arrays(_counters(rows, "rows", 63), _counters(slots, "slots", 31))
    out = np.empty(r.shape, np.int64)
    k0, k1 = as_key(key).words
    _integers(k0, k1, int(n), r.flatten(), s.flatten(), out.reshape(-1))
    return out


def random_floats(
    key: int | Key, rows: ArrayLike, slots: ArrayLike = 0, attempts: ArrayLike = 0
) -> NDArray[np.float64]:
    """Return floats in ``[0, 1)``, multiples of ``2**-53``, one per ``(row, slot, attempt)``."""
    bits = random_bits(key, rows, slots, attempts) >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53


def philox_torch(counter: torch.Tensor, key: int | Key) -> torch.Tensor:
    """Return Philox4x32-10 blocks on the counter's own device.

    Parameters
    ----------
    counter : torch.Tensor of int64, shape (..., 4)
        Words in ``[0, 2**32)``.
    key : int or Key

    Returns
    -------
    torch.Tensor of int64, shape (..., 4)
        Words in ``[0, 2**32)``, bit for bit those of `philox`.
    """
    import torch

    c0, c1, c2, c3 = counter.unbind(-1)
    k0, k1 = (int(part) for part in as_key(key).words)
    for _ in range(_ROUNDS):
        p0, p1 = c0 * _M0, c2 * _M1  # the product modulo 2**64 holds the right bits
        c0, c1, c2, c3 = (
            ((p1 >> 32) & _LOW) ^ c1 ^ k0,
            p1 & _LOW,
            ((p0 >> 32) & _LOW) ^ c3 ^ k1,
            p0 & _LOW,
        )
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return torch.stack((c0, c1, c2, c3), -1)


def random_bits_torch(
    key: int | Key, rows: torch.Tensor, slots: torch.Tensor, attempts: torch.Tensor
) -> torch.Tensor:
    """Return the words of `random_bits` as int64 of the same bits, on the tensors' device."""
    import torch

    rows, slots, attempts = torch.broadcast_tensors(rows.long(), slots.long(), attempts.long())
    counter = torch.stack((rows & _LOW, (rows >> 32) & _LOW, slots >> 1, attempts), -1)
    block = philox_torch(counter, key)
    odd = (slots & 1).bool()
    low = torch.where(odd, block[..., 2], block[..., 0])
    high = torch.where(odd, block[..., 3], block[..., 1])
    return (high << 32) | low
