#!/usr/bin/env python3
"""The tray's helper process: pystray and PIL live here, beside the window's own process.

JSON lines. On stdin, from the window:

    {"face": {"colour", "mark", "tooltip", "entries"}}      gui/tray_face.py
    {"notify": "The bot is back."}

On stdout, to the window:

    {"tray": true, "backend": "xorg"}       there is a tray with our icon in it, or not (any longer)
    {"chosen": "exit"}                      an entry of the menu; "show" is also a click on the icon
    {"menu_at": [x, y]}                     the window shall draw the menu: this tray has none
    {"tip_at": [x, y]}                      as with the tooltip; null: take it away

Ends when stdin does: with the window, however that ended.
"""

from __future__ import annotations

import json
import os
import queue
import select
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path[0:1] = [str(Path(__file__).resolve().parent.parent)]

from gui import tray_backends, tray_icon


class TrayProcess:
    """One icon. `run` on the main thread, which macOS wants; what is said to it on another."""

    def __init__(self, backend: str) -> None:
        self._backend = backend
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._face: dict[str, Any] = {}
        self._told: dict[str, Any] | None = None
        self._icon: Any = None
        self._woken_by, self._wakes = os.pipe()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Until the window ends. A tray that goes takes the icon along; then a new one is made."""
        threading.Thread(target=self._read, daemon=True).start()
        self._note(self._said.get())  # the first face
        while True:
            icon = self._make()
            if self._backend == "xorg":
                icon.between, icon.woken_by = self._between, self._woken_by
                icon.run(setup=lambda icon: None)
            else:
                self._icon = icon
                icon.run(setup=self._stay)
            self._tell_tray(False)
            time.sleep(0.2)

    def _make(self) -> Any:
        import pystray

        kind = tray_backends.icon_class(self._backend, self._tell)
        if sys.platform == "darwin":
            _be_no_application()
        return kind("mynah", self._picture(), self._tooltip, pystray.Menu(self._items))

    def _items(self) -> list[Any]:
        import pystray

        items = []
        for entry in self._face.get("entries", []):
            if not entry["name"]:
                items.append(pystray.Menu.SEPARATOR)
                continue
            items.append(
                pystray.MenuItem(
                    entry["text"],
                    self._teller(entry["name"]),
                    default=entry["name"] == "show",
                    enabled=entry["is_enabled"],
                )
            )
        return items

    def _teller(self, name: str) -> Any:
        return lambda icon, item: self._tell({"chosen": name})

    def _picture(self) -> Any:
        return tray_icon.draw(
            self._face.get("colour", "#7d8694"),
            self._face.get("mark", "stopped"),
            has_ground=self._backend == "xorg",
        )

    @property
    def _tooltip(self) -> str:
        return str(self._face.get("tooltip", "Mynah"))

    def _stay(self, icon: Any) -> None:
        """In pystray's own thread for what is to be done once its loop runs."""
        icon.visible = True
        self._tell_tray(True)
        while icon is self._icon:
            said = self._said.get()
            self._note(said)
            self._do(icon, said)

    def _between(self, icon: Any) -> None:
        """In X11's thread, between two events."""
        if not icon.visible:
            icon.visible = True
        elif not icon.is_docked:
            icon._show()
        if not icon.is_docked:
            self._tell_tray(False)  # that there is one is told when it takes the icon in
        if select.select([self._woken_by], [], [], 0)[0]:
            os.read(self._woken_by, 1000)
        while not self._said.empty():
            said = self._said.get()
            self._note(said)
            self._do(icon, said)

    def _do(self, icon: Any, said: dict[str, Any]) -> None:
        if "face" in said:
            _on_main_thread(self._redraw, icon)
        if "notify" in said:
            with suppress(Exception):  # a desktop without notifications is none to complain of
                tray_backends.notify(icon, str(said["notify"]))

    def _redraw(self, icon: Any) -> None:
        icon.icon = self._picture()
        icon.title = self._tooltip
        icon.update_menu()

    def _note(self, said: dict[str, Any]) -> None:
        self._face = said.get("face", self._face)

    # The pipes

    def _read(self) -> None:
        for line in sys.stdin:
            with suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict):
                    self._said.put(said)
                    if self._backend == "xorg":
                        os.write(self._wakes, b".")
        os._exit(0)  # the icon goes with the process, on every system

    def _tell_tray(self, is_there: bool) -> None:
        self._tell({"tray": is_there, "backend": self._backend})

    def _tell(self, message: dict[str, Any]) -> None:
        with self._lock:
            if "tray" in message and message == self._told:
                return
            if "tray" in message:
                self._told = message
            try:
                print(json.dumps(message), flush=True)
            except OSError:
                os._exit(0)


def _on_main_thread(call: Any, *arguments: Any) -> None:
    """macOS draws on the main thread alone; elsewhere pystray sees to it itself."""
    if sys.platform == "darwin":
        from PyObjCTools import AppHelper

        AppHelper.callAfter(call, *arguments)
    else:
        call(*arguments)


def _be_no_application() -> None:
    """macOS: no icon in the Dock beside the window's own."""
    with suppress(Exception):
        import AppKit

        accessory = AppKit.NSApplicationActivationPolicyAccessory
        AppKit.NSApplication.sharedApplication().setActivationPolicy_(accessory)


def main() -> int:
    try:
        TrayProcess(tray_backends.choose()).run()
    except Exception as error:  # no display, no library: the window carries on without a tray
        print(json.dumps({"tray": False, "backend": f"none ({type(error).__name__})"}), flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
