"""The compute worker: one thread that owns llama.cpp, for decoding and for embedding.

llama.cpp has no lock inside, and two computations at once on a laptop's few cores are slower than
one after the other. So everything that computes is a short job here, one batch or one embedding
long, and what somebody waits for goes first.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ParamSpec, TypeVar

from storage.errors import MynahError

P = ParamSpec("P")
T = TypeVar("T")


class Level(IntEnum):
    """Who goes first."""

    ASKED = 0
    """Somebody waits for it."""
    BESIDE = 1
    """Nobody waits, but it is short: vectors of new messages."""
    READING = 2
    """Reading along."""


class WorkerClosed(MynahError):
    """The compute worker takes nothing more."""


@dataclass(frozen=True)
class _Job:
    compute: Callable[[], Any]
    future: Future[Any]
    not_before_s: float


class ComputeWorker:
    """Any thread may submit and close."""

    def __init__(self) -> None:
        self._lanes: tuple[deque[_Job], ...] = tuple(deque() for _ in Level)
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="mynah-compute", daemon=True)
        self._thread.start()

    def submit(
        self,
        function: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Future[T]:
        """Have it run before everything that nobody waits for. Raises WorkerClosed."""
        return self.submit_at(Level.ASKED, lambda: function(*args, **kwargs))

    def submit_at(
        self, level: Level, compute: Callable[[], T], *, not_before_s: float = 0.0
    ) -> Future[T]:
        """Have it run after what has a lower level, and not before `not_before_s`
        (time.monotonic()). Raises WorkerClosed."""
        job = _Job(compute, Future(), not_before_s)
        with self._changed:
            if self._is_closed:
                raise WorkerClosed("Mynah's compute worker is closed.")
            self._lanes[level].append(job)
            # All, for one thread: Ctrl-C within `notify` leaves a waiter behind that is gone, and
            # the next `notify` would wake that one alone.
            self._changed.notify_all()
        return job.future

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`submit`, awaited."""
        return await asyncio.wrap_future(self.submit(function, *args, **kwargs))

    def close(self) -> None:
        """Do what was submitted at ASKED, leave the rest, end the thread. Again does nothing."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            _carry_out(job)
            del job  # what it holds must not live until the next one comes

    def _next(self) -> _Job | None:
        """Wait for the next job; None at the end."""
        with self._changed:
            while True:
                now_s, waits_s = time.monotonic(), float("inf")
                lanes = self._lanes[:1] if self._is_closed else self._lanes
                for lane in lanes:
                    for job in lane:
                        if job.not_before_s <= now_s:
                            lane.remove(job)
                            return job
                        waits_s = min(waits_s, job.not_before_s - now_s)
                if self._is_closed:
                    self._cancel_what_is_left()
                    return None
                self._changed.wait(None if waits_s == float("inf") else waits_s)

    def _cancel_what_is_left(self) -> None:
        for lane in self._lanes:
            for job in lane:
                job.future.cancel()
            lane.clear()


def _carry_out(job: _Job) -> None:
    if not job.future.set_running_or_notify_cancel():
        return
    try:
        result = job.compute()
    except BaseException as error:
        # The edge of the thread: whoever waits gets it.
        job.future.set_exception(error)
    else:
        job.future.set_result(result)
