"""How the bot's process leaves: in order where that goes, and in time whatever happens.

A thread cannot be ended from outside, and Python waits for each: one that loads gigabytes from a
slow disk, or waits for a locked database, would hold up the end. Nothing is lost by leaving it
behind: what was committed is in the database, and what was not done is read back.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

LEAVE_S = 9.0
"""From the moment the bot is asked to end; a supervisor waits for ten seconds."""

CANCEL_S = 1.0
THREADS_S = 0.5


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """asyncio.run, which would wait for every worker thread, without that wait."""
    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(work)
    finally:
        try:
            loop.run_until_complete(_cancel_all())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CANCEL_S)


def threads_ended(within_s: float | None = None) -> bool:
    """Wait for all other threads that hold up the process's end (None: as long as it takes);
    whether none is left. Main thread alone."""
    until_s = None if within_s is None else time.monotonic() + within_s
    for thread in threading.enumerate():
        if thread.daemon or thread is threading.current_thread():
            continue
        while thread.is_alive():
            if until_s is not None and time.monotonic() > until_s:
                return False
            thread.join(0.05)  # in short waits: Windows' Ctrl-C does not end a long one
    return True


def leave(code: int) -> NoReturn:
    """End the process, with whatever thread is still busy in it. Main thread, all closed."""
    with suppress(KeyboardInterrupt):
        if threads_ended(THREADS_S):
            sys.exit(code)
    if sys.stderr is not None:
        sys.stderr.flush()
    os._exit(code)


class LastResort:
    """Ends the process where ending it in order takes too long."""

    def __init__(self, last_words: Callable[[], None]) -> None:
        """`last_words` is called before, in a thread of its own; it must not take long."""
        self._last_words = last_words

    def arm(self, code: int, after_s: float = LEAVE_S) -> None:
        """The process ends with `code` in so many seconds, if it has not until then."""
        timer = threading.Timer(after_s, self._leave, (code,))
        timer.daemon = True
        timer.start()

    def _leave(self, code: int) -> None:
        try:
            self._last_words()
        finally:
            os._exit(code)
