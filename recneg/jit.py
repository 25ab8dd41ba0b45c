"""One decorator for every compiled kernel: serial, without the GIL, cached on disk where possible.

Kernels never use ``prange``: parallelism comes from `recneg.parallel`, which hands blocks of rows
to threads. That is safe under fork and from several Python threads, and cannot change a result.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["inlined", "kernel", "kernel_fast"]

F = TypeVar("F", bound=Callable[..., Any])


def _compile(function: F, **options: Any) -> F:
    try:
        return cast(F, numba.njit(cache=True, **options)(function))
    except RuntimeError:  # read-only install and no writable home: nowhere to keep a cache
        return cast(F, numba.njit(**options)(function))


def kernel(function: F) -> F:
    """Compile `function` with strict floating point; it releases the GIL.

    The first call in a fresh environment compiles (a second or so a kernel); later processes load
    the result from disk in milliseconds.
    """
    return _compile(function, nogil=True, error_model="numpy")


def kernel_fast(function: F) -> F:
    """Compile `function` with sums in any order, so that inner products use vector instructions.

    NaN and infinity keep their meaning. The last bits of a result may differ between processors.
    """
    return _compile(
        function,
        nogil=True,
        error_model="numpy",
        fastmath={"reassoc", "contract", "nsz", "arcp"},
    )


def inlined(function: F) -> F:
    """Compile `function` for use inside kernels only: its body is copied into each caller.

    A call that passes arrays costs some 40 ns in reference counting, more than a whole draw.
    """
    return _compile(function, nogil=True, error_model="numpy", inline="always")
