"""Threads change nothing but the speed: order, errors, forks, nesting and the setting."""

import os
import threading
import time
import warnings

import numpy as np
import pytest

from recneg import parallel
from recneg.keys import random_bits
from recneg.parallel import get_num_threads, map_blocks, map_tasks, set_num_threads


@pytest.fixture(autouse=True)
def restore(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RECNEG_NUM_THREADS", raising=False)
    yield
    set_num_threads(None)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_results_come_in_order(threads: int) -> None:
    def slow_first(index: int) -> int:
        time.sleep(0.002 * (5 - index))
        return index * index

    expected = [index * index for index in range(5)]
    assert map_tasks(slow_first, 5, threads) == expected
    set_num_threads(threads)
    assert map_tasks(slow_first, 5) == expected
    assert map_tasks(slow_first, 0) == []


@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 1000])
@pytest.mark.parametrize("size", [1, 10, 2000])
def test_blocks_cover_the_rows_once_in_order(rows: int, size: int) -> None:
    blocks = map_blocks(lambda start, stop: (start, stop), rows, size)
    assert [row for start, stop in blocks for row in range(start, stop)] == list(range(rows))
    assert all(0 < stop - start <= size for start, stop in blocks)


@pytest.mark.parametrize("size", [0, -1])
def test_block_size_must_be_positive(size: int) -> None:
    with pytest.raises(ValueError, match=f"block_size must be at least 1; got {size}"):
        map_blocks(lambda start, stop: None, 5, size)


@pytest.mark.parametrize("threads", [1, 3])
def test_exceptions_reach_the_caller_and_the_pool_lives_on(threads: int) -> None:
    def fail(index: int) -> int:
        if index == 2:
            raise KeyError("row 2")
        return index

    set_num_threads(threads)
    with pytest.raises(KeyError, match="row 2"):
        map_tasks(fail, 6)
    assert map_tasks(abs, 3) == [0, 1, 2]


def test_tasks_really_run_at_once() -> None:
    barrier = threading.Barrier(3, timeout=10)
    assert len(map_tasks(lambda _: barrier.wait(), 3, 3)) == 3
    set_num_threads(3)
    assert len(map_tasks(lambda _: barrier.wait(), 3)) == 3


def test_a_task_may_map_tasks_itself() -> None:
    set_num_threads(2)
    done: list[list[list[int]]] = []
    thread = threading.Thread(
        target=lambda: done.append(map_tasks(lambda _: map_tasks(abs, 4), 4)), daemon=True
    )
    thread.start()
    thread.join(timeout=20)
    assert done == [[[0, 1, 2, 3]] * 4]  # and not a wait for ever


def test_two_python_threads_at_once() -> None:
    set_num_threads(2)
    rows = np.arange(20_000)
    expected = random_bits(1, rows)
    results: list[bool] = []

    def work() -> None:
        for _ in range(5):
            parts = map_blocks(lambda start, stop: random_bits(1, rows[start:stop]), 20_000, 999)
            results.append(bool(np.array_equal(np.concatenate(parts), expected)))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert results == [True] * 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_can_map_after_the_parent_did() -> None:
    set_num_threads(2)
    rows = np.arange(5000)
    expected = np.concatenate(map_blocks(lambda a, b: random_bits(1, rows[a:b]), 5000, 100))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads alive: the point
        child = os.fork()
    if child == 0:  # no assert or exit handler may run here
        same = False
        try:
            parts = map_blocks(lambda a, b: random_bits(1, rows[a:b]), 5000, 100)
            same = bool(np.array_equal(np.concatenate(parts), expected))
        finally:
            os._exit(0 if same else 1)
    for _ in range(2000):
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            break
        time.sleep(0.01)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(status) == 0
    assert len(map_tasks(abs, 5)) == 5  # the parent's pool is whole


def test_where_the_number_of_threads_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_num_threads() == parallel.available_cores() >= 1
    monkeypatch.setenv("RECNEG_NUM_THREADS", "3")
    assert get_num_threads() == 3
    set_num_threads(5)
    assert get_num_threads() == 5
    set_num_threads(None)
    assert get_num_threads() == 3
    monkeypatch.setenv("RECNEG_NUM_THREADS", "")
    assert get_num_threads() == parallel.available_cores()


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", " "])
def test_bad_settings_are_errors(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("RECNEG_NUM_THREADS", value)
    with pytest.raises(ValueError, match="RECNEG_NUM_THREADS must be a positive integer; got "):
        get_num_threads()


@pytest.mark.parametrize("number", [0, -2])
def test_bad_numbers_of_threads_are_errors(number: int) -> None:
    with pytest.raises(ValueError, match=f"num_threads must be an integer .* got {number}"):
        set_num_threads(number)
