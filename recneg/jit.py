"""One decorator for every compiled kernel: serial, without the GIL, cached on disk where possible.

Kernels never use ``prange``: parallelism comes from `recneg.parallel`, which hands blocks of rows
to threads. That is safe under fork and from several Python threads, and cannot change a result.

A cached kernel counts as current only while no source file with kernels has changed: a kernel
contains the code of those it calls, wherever they stand.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

__all__ = ["inlined", "kernel", "kernel_fast", "merged"]

F = TypeVar("F", bound=Callable[..., Any])


def _digest_of_kernels() -> str:
    """Return a digest of all source files that compile something, or whose numbers kernels hold."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        source = path.read_bytes()
        if b"recneg.jit" in source or b"from numba" in source or path.name == "kinds.py":
            digest.update(source)
    return digest.hexdigest()


_KERNELS = _digest_of_kernels()


def _compile(function: F, **options: Any) -> F:
    dispatcher = numba.njit(**options)(function)
    try:
        dispatcher.enable_caching()
        index = dispatcher._cache._cache_file
        # Numba looks at the file of the function alone, not at those of the functions it calls
        index._source_stamp = (index._source_stamp, _KERNELS)
    except (RuntimeError, AttributeError):  # nowhere to keep a cache, or another Numba
        dispatcher = numba.njit(**options)(function)
    return cast(F, dispatcher)


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


def merged(function: F) -> F:
    """Compile `function` for use inside kernels; LLVM copies it into each caller.

    Unlike `inlined`, its body is compiled once; unlike `kernel`, a loop around it can become vector
    instructions however long it is.
    """
    return _compile(function, nogil=True, error_model="numpy", forceinline=True)


def inlined(function: F) -> F:
    """Compile `function` for use inside kernels only: its body is copied into each caller.

    A call that passes arrays costs some 40 ns in reference counting, more than a whole draw.
    """
    return _compile(function, nogil=True, error_model="numpy", inline="always")
