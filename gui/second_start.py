"""One window a home: a second start asks the first one to show itself, and ends.

The first listens on a loopback port, as the bot does (bot/protocol.py), with a folder of its own:
`data_storage/window`. That there is a first one is known by the supervisor's lock, which a killed
process frees; a file that it left behind opens nothing.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.protocol import ControlError, ControlServer, ask_running, read_endpoint
from storage.paths import Home

log = logging.getLogger(__name__)

FOLDER_NAME = "window"
PATIENCE_S = 3.0
_PAUSE_S = 0.1


def folder_of(home: Home) -> Path:
    """Where the open window of a home says how it is reached."""
    return home.data_storage / FOLDER_NAME


def ask_first(home: Home, patience_s: float = PATIENCE_S) -> bool:
    """Ask the window that is open to show itself; whether it did.

    Waits up to `patience_s`: it may be just starting. For a process without an event loop.
    """
    end_s = time.monotonic() + patience_s
    while True:
        try:
            _let_come_to_front(home)
            if ask_running(folder_of(home), "show", timeout_s=patience_s) is not None:
                return True
        except ControlError as error:
            log.info("The window that is open did not show itself: %s", error)
        if time.monotonic() >= end_s:
            return False
        time.sleep(_PAUSE_S)


def _let_come_to_front(home: Home) -> None:
    """Windows lets a program come to the front only where the one in front says so: that is us."""
    endpoint = read_endpoint(folder_of(home))
    if sys.platform == "win32" and endpoint is not None:
        import ctypes

        ctypes.windll.user32.AllowSetForegroundWindow(endpoint.pid)


class Door:
    """The first window's end. A thread of its own; `show` is called there and must not block."""

    def __init__(self, home: Home, show: Callable[[], object]) -> None:
        self._folder = folder_of(home)
        self._show = show
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None
        self._is_closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="second starts", daemon=True)

    def open(self) -> None:
        """Begin to listen, soon: returns at once. Where that fails, a second start says so."""
        self._thread.start()

    def close(self) -> None:
        """Listen no more; waits for the thread's end. May be called without `open`, and again."""
        with self._lock:
            self._is_closed = True
            if self._loop is not None and self._closing is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._closing.set)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._listen())
        except (ControlError, OSError) as error:
            log.warning("A second start will not find this window: %s", error)

    async def _listen(self) -> None:
        closing = asyncio.Event()
        with self._lock:
            if self._is_closed:
                return
            self._loop, self._closing = asyncio.get_running_loop(), closing
        self._folder.mkdir(parents=True, exist_ok=True)
        server = ControlServer(self._folder, hello=dict, handlers={"show": self._shown})
        await server.start()
        await closing.wait()
        await server.close(grace_s=0.2)

    async def _shown(self, data: dict[str, Any]) -> dict[str, Any]:
        self._show()
        return {}
