"""What plain C reaches on this machine: sides of the sampling benchmark that have no contract.

``ceilings.c`` is compiled with the machine's C compiler for every processor feature that it has.
"""

import ctypes
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from negatives import EXPONENT, Side
from numpy.typing import NDArray

from recneg import Interactions
from recneg.parallel import get_num_threads

__all__ = ["CEILINGS", "EXACT_CEILINGS", "why_not_compiled"]

POINTER = ctypes.c_void_p


class _Law(ctypes.Structure):
    _fields_ = (
        ("num_items", ctypes.c_int64),
        ("indptr", POINTER),
        ("indices", POINTER),
        ("bits", POINTER),
        ("chances", POINTER),
        ("excludes", ctypes.c_int),
    )


@cache
def _library() -> Any:
    flags = ["-O3", "-march=native", "-fopenmp", "-shared", "-fPIC"]
    source = Path(__file__).with_name("ceilings.c")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "ceilings.so"
        command = ["cc", *flags, str(source), "-o", str(made)]
        subprocess.run(command, check=True, capture_output=True)
        return ctypes.CDLL(str(made))


def why_not_compiled() -> str | None:
    """Return why the C side cannot be built here, None if it can."""
    try:
        _library()
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, "stderr", b"") or b""
        return f"skipped: {error} {detail.decode(errors='replace')[:200]}".strip()
    return None


class _Ceiling(Side):
    """Draws by C loops; `exclude` is "bisection", "bitmap" or "nothing"."""

    exclude = "nothing"

    def __init__(self, train: Interactions, law: str) -> None:
        self._held: list[NDArray[Any]] = []  # C keeps pointers alone
        self._law = _Law(num_items=train.num_items, excludes=self.exclude != "nothing")
        self._law.indptr = self._kept(train.indptr.astype(np.int64))
        self._law.indices = self._kept(train.indices.astype(np.int32))
        if self.exclude == "bitmap":
            places = train.users().astype(np.uint64) * np.uint64(train.num_items)
            places += train.indices.astype(np.uint64)
            bits = np.zeros(train.num_users * train.num_items // 64 + 1, np.uint64)
            np.bitwise_or.at(bits, places >> np.uint64(6), np.uint64(1) << (places & np.uint64(63)))
            self._law.bits = self._kept(bits)
        if law != "uniform":
            counts = train.item_counts().astype(np.float64)
            self._law.chances = self._kept(_alias_table(np.where(counts, counts**EXPONENT, 0.0)))
        self._calls = 0

    def _kept(self, array: NDArray[Any]) -> int:
        self._held.append(np.ascontiguousarray(array))
        return int(self._held[-1].ctypes.data)

    def __call__(self, users: NDArray[np.int64], count: int) -> NDArray[np.int32]:
        """Draw on as many threads as recneg has."""
        self._calls += 1
        out = np.empty((len(users), count), np.int32)
        _library().draw(
            ctypes.byref(self._law), POINTER(users.ctypes.data), ctypes.c_int64(len(users)),
            ctypes.c_int64(count), ctypes.c_uint64(self._calls << 32), POINTER(out.ctypes.data),
            get_num_threads(),
        )  # fmt: skip
        return out


class CBisection(_Ceiling):
    """Looks draws up in the sorted history."""

    exclude = "bisection"


class CBitmap(_Ceiling):
    """Looks draws up in a bit for every pair of user and item."""

    exclude = "bitmap"


class CNothing(_Ceiling):
    """Excludes nothing."""


def _alias_table(weights: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Return Walker's table: chances to keep in high halves of entries, what stands in in low ones.

    By Vose's method (IEEE Transactions on Software Engineering 17, 1991).
    """
    scaled = weights * len(weights) / weights.sum()
    other = np.arange(len(weights))
    small, large = list(np.flatnonzero(scaled < 1)), list(np.flatnonzero(scaled >= 1))
    while small and large:
        less, more = small.pop(), large[-1]
        other[less] = more
        scaled[more] -= 1.0 - scaled[less]
        if scaled[more] < 1:
            small.append(large.pop())
    scaled[small + large] = 1.0
    chances = np.minimum(np.floor(scaled * 2.0**32), 2.0**32 - 1).astype(np.uint64)
    return (chances << np.uint64(32)) | other.astype(np.uint64)


EXACT_CEILINGS: dict[str, type[Any]] = {"C, bisection": CBisection, "C, bitmap": CBitmap}
CEILINGS: dict[str, type[Any]] = EXACT_CEILINGS | {"C, no exclusion": CNothing}
