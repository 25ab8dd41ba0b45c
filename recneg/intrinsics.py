"""Two instructions of processors that Numba has no word for; LLVM has them for every processor."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from recneg.jit import inlined

__all__ = ["WINDOW", "count_in_window", "prefetch", "prefetch_row"]

WINDOW = 8
"""Neighbours that `count_in_window` compares at once."""

_I32 = ir.IntType(32)
_LANES = ir.VectorType(_I32, WINDOW)


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Return where entry `index` of a contiguous array stands; nothing is checked."""
    view: Any = make_array(kind)  # type: ignore[no-untyped-call]
    return builder.gep(view(context, builder, array).data, [index])


def _prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Ask for the memory of entry `index` of a contiguous array: a read of it need not wait.

    Reads that miss the caches stop a processor after a few hundred instructions; this does not.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at = _address(context, builder, signature.args[0], *arguments)
        at = builder.bitcast(at, ir.IntType(8).as_pointer())
        shape = ir.FunctionType(ir.VoidType(), [at.type, _I32, _I32, _I32])
        function = builder.module.declare_intrinsic("llvm.prefetch", [at.type], shape)
        to_read, keep, data = _I32(0), _I32(3), _I32(1)
        builder.call(function, [at, to_read, keep, data])
        return context.get_dummy_value()

    return types.void(array, index), generate


def _count_in_window(
    typing_context: Any, held: Any, start: Any, first: Any, end: Any, rank: Any
) -> Any:
    """Return how many of `WINDOW` places of a sorted row have at most `rank` others before them.

    The places are ``first .. first + WINDOW - 1`` of the row, ``held[start ...]`` in memory, all of
    which must be there. Place p counts if ``held - p <= rank``; places below 0 count, those from
    `end` on do not. `held` is a contiguous array of int32; the last three are int32.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, start_, first_, end_, rank_ = arguments
        at = _address(context, builder, signature.args[0], array, start_)
        numbers = builder.load(builder.bitcast(at, _LANES.as_pointer()), align=4)

        def everywhere(number: Any) -> Any:
            undefined = ir.Constant(_LANES, ir.Undefined)
            one = builder.insert_element(undefined, number, _I32(0))
            return builder.shuffle_vector(one, undefined, ir.Constant(_LANES, [0] * WINDOW))

        places = builder.add(everywhere(first_), ir.Constant(_LANES, list(range(WINDOW))))
        others = builder.sub(numbers, places)
        low = builder.icmp_signed("<=", others, everywhere(rank_))
        inside = builder.icmp_signed("<", places, everywhere(end_))
        before = builder.icmp_signed("<", places, ir.Constant(_LANES, [0] * WINDOW))
        counted = builder.or_(before, builder.and_(inside, low))
        bits = builder.bitcast(counted, ir.IntType(WINDOW))
        return builder.zext(builder.ctpop(bits), _I32)

    contiguous = types.Array(types.int32, 1, "C")
    number = types.int32
    return number(contiguous, start, number, number, number), generate


prefetch: Any = intrinsic(_prefetch)
count_in_window: Any = intrinsic(_count_in_window)


@inlined
def prefetch_row(table: Any, row: Any) -> Any:
    """Ask for a row of a matrix of float32, a line of 64 bytes after the other."""
    for column in range(0, table.shape[1], 16):
        prefetch(table, np.uint64(row) * np.uint64(table.shape[1]) + np.uint64(column))
