"""The way into Tk's thread, and out of it: nothing that blocks runs there, nothing else touches
widgets.

    ui.run(lambda: read_config(path), done=self.show, failed=self.complain)
    ui.enqueue(self.show, snapshot)          # from any thread
"""

from __future__ import annotations

import logging
import queue
import tkinter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

log = logging.getLogger(__name__)

TICK_MS = 40
MOST_A_TICK = 200
"""Calls that are made in one tick: more wait for the next, so that the window stays alive."""

T = TypeVar("T")


class UiThread:
    """One window's. Make it on Tk's thread; only `enqueue` may be called from another."""

    def __init__(self, root: tkinter.Tk) -> None:
        self._root = root
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._workers = ThreadPoolExecutor(4, thread_name_prefix="window")
        self._timers: set[str] = set()
        self._is_closed = False
        self._tick()

    def enqueue(self, call: Callable[..., object], *args: Any) -> None:
        """Have Tk's thread call it soon, in the order in which this was asked."""
        self._calls.put(lambda: call(*args))

    def run(
        self,
        blocking: Callable[[], T],
        done: Callable[[T], object] = lambda result: None,
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        """Run `blocking` on a worker; then `done(result)` or `failed(error)` on Tk's thread.

        Without `failed` an error goes to the window's own report (`report_callback_exception`).
        """

        def work() -> None:
            try:
                result = blocking()
            except Exception as error:
                self.enqueue(failed or self._report, error)
            else:
                self.enqueue(done, result)

        if not self._is_closed:
            self._workers.submit(work)

    def after(self, delay_ms: int, call: Callable[[], object]) -> str:
        """`call` once, later, unless the window is gone; the id is for `cancel`."""
        made: list[str] = []

        def now() -> None:
            self._timers.discard(made[0])
            self._call(call)

        made.append(self._root.after(delay_ms, now))
        self._timers.add(made[0])
        return made[0]

    def cancel(self, timer: str) -> None:
        """Take an `after` back; one that has run is none."""
        if timer in self._timers:
            self._timers.discard(timer)
            self._root.after_cancel(timer)

    def every(self, interval_ms: int, call: Callable[[], object]) -> Callable[[], None]:
        """`call` again and again; what is returned ends it."""
        state = {"timer": "", "ended": ""}

        def again() -> None:
            if not state["ended"]:
                state["timer"] = self.after(interval_ms, again)
                self._call(call)

        def end() -> None:
            state["ended"] = "yes"
            self.cancel(state["timer"])

        state["timer"] = self.after(interval_ms, again)
        return end

    def close(self) -> None:
        """No call is made any more."""
        self._is_closed = True
        for timer in list(self._timers):
            self.cancel(timer)
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _tick(self) -> None:
        for _ in range(MOST_A_TICK):
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                break
            self._call(call)
        if not self._is_closed:
            self.after(TICK_MS, self._tick)

    def _call(self, call: Callable[[], object]) -> None:
        """An error in one call must not end the ticking."""
        if self._is_closed:
            return
        try:
            call()
        except Exception as error:
            self._report(error)

    def _report(self, error: Exception) -> None:
        log.error("something in the window failed", exc_info=error)
        self._root.report_callback_exception(type(error), error, error.__traceback__)
