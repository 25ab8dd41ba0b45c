"""Blocks of rows on a pool of threads: how serial kernels that release the GIL use all cores."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["get_num_threads", "map_blocks", "map_tasks", "set_num_threads"]

T = TypeVar("T")

_NAME = "recneg-pool"
_num_threads: int | None = None
_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    """Drop the pool in a forked child: threads do not survive a fork."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def get_num_threads() -> int:
    """Return the number of threads that kernels use: the last one set, else ``RECNEG_NUM_THREADS``,
    else every core that this process may use.
    """
    if _num_threads is not None:
        return _num_threads
    value = os.environ.get("RECNEG_NUM_THREADS", "")
    if not value:
        return available_cores()
    if not value.isdigit() or int(value) < 1:
        raise ValueError(f"RECNEG_NUM_THREADS must be a positive integer; got {value!r}")
    return int(value)


def set_num_threads(num_threads: int | None) -> None:
    """Set the number of threads for this process; ``None`` goes back to the default.

    No sampler, split or metric depends on it. Training with more than one thread is lock-free and
    depends on timing.
    """
    global _num_threads, _pool
    if num_threads is not None and num_threads < 1:
        raise ValueError(f"num_threads must be at least 1; got {num_threads}")
    _num_threads = num_threads
    if _pool is not None:
        _pool.shutdown(wait=True)
    _pool = None


def _threads() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(get_num_threads(), thread_name_prefix=_NAME)
    return _pool


def map_tasks(task: Callable[[int], T], num_tasks: int, num_threads: int | None = None) -> list[T]:
    """Return ``[task(0), ..., task(num_tasks - 1)]``, computed on up to `num_threads` threads.

    The first exception of a task is raised here. A task that calls this itself runs its own tasks
    one after the other.
    """
    threads = get_num_threads() if num_threads is None else num_threads
    nested = threading.current_thread().name.startswith(_NAME)  # would wait for its own pool
    if threads == 1 or num_tasks <= 1 or nested:
        return [task(index) for index in range(num_tasks)]
    if threads == get_num_threads():
        return list(_threads().map(task, range(num_tasks)))
    with ThreadPoolExecutor(threads, thread_name_prefix=_NAME) as pool:
        return list(pool.map(task, range(num_tasks)))


def map_blocks(task: Callable[[int, int], T], num_rows: int, block_size: int) -> list[T]:
    """Call ``task(start, stop)`` for consecutive blocks that cover ``range(num_rows)``."""
    if block_size < 1:
        raise ValueError(f"block_size must be at least 1; got {block_size}")
    starts = range(0, num_rows, block_size)

    def run(block: int) -> T:
        start = starts[block]
        return task(start, min(start + block_size, num_rows))

    return map_tasks(run, len(starts))
