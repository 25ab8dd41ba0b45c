"""Blocks of rows on a pool of threads: how serial kernels that release the GIL use all cores."""

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

from recneg.checks import check_count

__all__ = ["get_num_threads", "map_blocks", "map_tasks", "set_num_threads"]

T = TypeVar("T")

_num_threads: int | None = None
_pool: ThreadPoolExecutor | None = None
_pool_size = 0
_pool_lock = threading.Lock()
_here = threading.local()


def _forget_pool() -> None:
    """Drop the pool in a forked child: threads do not survive a fork."""
    global _pool, _pool_lock
    _pool, _pool_lock = None, threading.Lock()


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
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"RECNEG_NUM_THREADS must be a positive integer; got {value!r}")
    return int(value)


def set_num_threads(num_threads: int | None) -> None:
    """Set the number of threads for this process; ``None`` goes back to the default.

    No sampler, split or metric depends on it. Training with more than one thread is lock-free and
    depends on timing.
    """
    global _num_threads
    if num_threads is not None:
        check_count(num_threads, "num_threads")
    _num_threads = num_threads


def _helpers(number: int) -> ThreadPoolExecutor:
    """Return the pool, with at least so many threads; idle ones cost nothing."""
    global _pool, _pool_size
    with _pool_lock:
        if _pool is None or _pool_size < number:
            _pool, _pool_size = ThreadPoolExecutor(number, thread_name_prefix="recneg"), number
        return _pool


def map_tasks(task: Callable[[int], T], num_tasks: int, num_threads: int | None = None) -> list[T]:
    """Return ``[task(0), ..., task(num_tasks - 1)]``, computed on up to `num_threads` threads.

    The calling thread takes its share, so that few tasks do not wait for another to wake up. The
    first exception of a task is raised here, and no task is begun after it. A task that calls this
    itself runs its own tasks one after the other.
    """
    threads = min(get_num_threads() if num_threads is None else num_threads, num_tasks)
    if threads <= 1 or getattr(_here, "busy", False):
        return [task(index) for index in range(num_tasks)]
    waiting = deque(range(num_tasks))
    results: list[Any] = [None] * num_tasks

    def work() -> None:
        _here.busy = True
        try:
            while True:
                try:
                    index = waiting.popleft()
                except IndexError:
                    return
                results[index] = task(index)
        except BaseException:
            waiting.clear()
            raise
        finally:
            _here.busy = False

    pool = _helpers(threads - 1)
    helpers = [pool.submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:
        begun = [helper for helper in helpers if not helper.cancel()]
        wait(begun)
    for helper in begun:
        helper.result()
    return results


def map_blocks(task: Callable[[int, int], T], num_rows: int, block_size: int) -> list[T]:
    """Call ``task(start, stop)`` for consecutive blocks that cover ``range(num_rows)``."""
    if block_size < 1:
        raise ValueError(f"block_size must be at least 1; got {block_size}")
    starts = range(0, num_rows, block_size)

    def run(block: int) -> T:
        start = starts[block]
        return task(start, min(start + block_size, num_rows))

    return map_tasks(run, len(starts))
