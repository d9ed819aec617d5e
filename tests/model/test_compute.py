"""The compute worker: what goes first, what waits, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial

import pytest

from model.compute import ComputeWorker, Level, WorkerClosed
from tests.model.engine_parts import WAIT_S, held


@pytest.fixture
def worker() -> Iterator[ComputeWorker]:
    made = ComputeWorker()
    yield made
    made.close()


def test_levels_go_in_their_order_and_each_in_its_own(worker: ComputeWorker) -> None:
    order: list[str] = []
    with held(worker):
        jobs = [
            worker.submit_at(level, partial(order.append, f"{level.name} {number}"))
            for level in (Level.READING, Level.BESIDE, Level.ASKED)
            for number in (1, 2)
        ]
        jobs.append(worker.submit(order.append, "ASKED 3"))
    for job in jobs:
        job.result(WAIT_S)
    assert order == [
        "ASKED 1", "ASKED 2", "ASKED 3", "BESIDE 1", "BESIDE 2", "READING 1", "READING 2",
    ]  # fmt: skip


def test_what_comes_at_a_higher_level_while_another_runs_goes_next(worker: ComputeWorker) -> None:
    order: list[str] = []

    def read() -> None:
        order.append("read")
        if len(order) == 1:
            worker.submit_at(Level.READING, read)
            worker.submit(order.append, "asked")

    worker.submit_at(Level.READING, read).result(WAIT_S)
    worker.submit_at(Level.READING, lambda: None).result(WAIT_S)
    assert order == ["read", "asked", "read"]


def test_not_before_holds_back_that_job_alone(worker: ComputeWorker) -> None:
    order: list[str] = []
    began_s = time.monotonic()
    later = worker.submit_at(
        Level.READING, partial(order.append, "later"), not_before_s=began_s + 0.3
    )
    worker.submit_at(Level.READING, lambda: order.append("now")).result(WAIT_S)
    worker.submit(order.append, "asked").result(WAIT_S)
    assert time.monotonic() - began_s < 0.25
    later.result(WAIT_S)
    assert 0.3 <= time.monotonic() - began_s < 1.0
    assert order == ["now", "asked", "later"]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), asyncio.CancelledError()])
def test_an_exception_reaches_who_waits_and_the_worker_goes_on(
    worker: ComputeWorker, error: BaseException
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises((type(error), CancelledError)):
        worker.submit(fail).result(WAIT_S)
    assert worker.submit(sum, [1, 2]).result(WAIT_S) == 3


async def test_what_was_cancelled_is_not_done(worker: ComputeWorker) -> None:
    done: list[int] = []
    with held(worker):
        task = asyncio.create_task(worker.run(done.append, 1))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await worker.run(sum, [1, 2]) == 3
    assert done == []


def test_close_does_what_somebody_waits_for_and_leaves_the_rest() -> None:
    worker = ComputeWorker()
    done: list[str] = []
    with ThreadPoolExecutor(2) as pool, held(worker):
        asked = worker.submit(done.append, "asked")
        beside = worker.submit_at(Level.BESIDE, lambda: done.append("beside"))
        at_s = time.monotonic() + 60
        later = worker.submit_at(Level.READING, lambda: done.append("later"), not_before_s=at_s)
        closing = [pool.submit(worker.close) for _ in range(2)]
        time.sleep(0.05)
        assert not any(one.done() for one in closing)  # they wait for what runs
        with pytest.raises(WorkerClosed, match="closed"):
            worker.submit(done.append, "too late")
    for one in closing:
        one.result(WAIT_S)
    assert done == ["asked"]
    assert [one.cancelled() for one in (asked, beside, later)] == [False, True, True]
    assert not worker._thread.is_alive()
    worker.close()


def test_a_job_may_close_it() -> None:
    worker = ComputeWorker()
    worker.submit(worker.close).result(WAIT_S)
    worker._thread.join(WAIT_S)
    assert not worker._thread.is_alive()
    with pytest.raises(WorkerClosed):
        worker.submit(sum, [1])


def test_idle_costs_nothing(worker: ComputeWorker) -> None:
    """Neither with nothing to do nor with something for later."""
    worker.submit_at(Level.READING, lambda: None, not_before_s=time.monotonic() + 60)
    worker.submit(lambda: None).result(WAIT_S)
    began_s = time.process_time()
    time.sleep(0.4)
    assert time.process_time() - began_s < 0.1


def test_nothing_is_kept_of_what_is_done(worker: ComputeWorker) -> None:
    class Heavy:
        pass

    def make(_: Heavy) -> Heavy:
        return Heavy()

    one, other = Heavy(), Heavy()
    with held(worker):
        cancelled = worker.submit(id, other)
        cancelled.cancel()
        result = worker.submit(partial(make, one))
    kept = [weakref.ref(one), weakref.ref(other), weakref.ref(result.result(WAIT_S))]
    del one, other, result, cancelled
    deadline_s = time.monotonic() + WAIT_S
    while any(ref() is not None for ref in kept) and time.monotonic() < deadline_s:
        gc.collect()
    assert [ref() for ref in kept] == [None, None, None]
