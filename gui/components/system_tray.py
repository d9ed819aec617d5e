"""The tray, seen from the window: a helper process draws the icon, JSON lines go both ways.

The helper (gui/tray_process.py) has what is heavy and what must own a main thread (macOS). Where it
dies it is started again a few times; without a tray host it waits for one. Tk's thread alone.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import threading
import tkinter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gui.child_process import TOKEN_VARIABLE, console_python
from gui.tray_face import Face
from gui.ui_thread import UiThread
from storage.paths import PROGRAM_DIR

log = logging.getLogger(__name__)

NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
MOST_STARTS = 4
AGAIN_AFTER_MS = 3_000
TIP_GROUND, TIP_TEXT, TIP_AWAY_PX = "#1d2026", "#f4f5f7", 20
PROGRAM = PROGRAM_DIR / "gui" / "tray_process.py"


class SystemTray:
    """One window's. Nothing of it can fail the window: without a tray, `is_there` stays False."""

    def __init__(
        self,
        root: Any,
        ui: UiThread,
        acts: Mapping[str, Callable[[], object]],
        on_tray: Callable[[bool], object],
    ) -> None:
        """`acts` by the name of a menu's entry (gui/tray_face.py); `on_tray` hears whether there is
        a tray, each time that changes or is known first."""
        self._root = root
        self._ui = ui
        self._acts = acts
        self._on_tray = on_tray
        self._face: Face | None = None
        self._process: subprocess.Popen[str] | None = None
        self._starts = 0
        self._is_closed = False
        self.menu: tkinter.Menu | None = None
        """The one that we draw ourselves, where the tray's protocol has none (X11's own)."""
        self.tip: tkinter.Toplevel | None = None
        """Our own tooltip, likewise."""
        self.is_there = False
        self.backend = ""

    @property
    def pid(self) -> int | None:
        """The helper's."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the helper; returns at once."""
        if self._is_closed or self._starts >= MOST_STARTS:
            return
        self._starts += 1
        try:
            self._process = process = _spawn()
        except OSError as error:
            log.warning("There is no tray: its process could not be started (%s).", error)
            return
        threading.Thread(target=self._read, args=(process,), name="tray", daemon=True).start()
        if self._face is not None:
            self._say({"face": self._face.as_json()})

    def show(self, face: Face) -> None:
        """Draw this from now on."""
        if face == self._face:
            return
        self._face = face
        self._say({"face": face.as_json()})

    def notify(self, text: str) -> None:
        """Tell the user, where the system shows notifications; else nothing happens."""
        self._say({"notify": text})

    def close(self) -> None:
        """Take the icon away. Does not wait for the helper, which ends as its stdin does."""
        self._is_closed = True
        if self._process is not None and self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except OSError:
                return

    def _say(self, message: dict[str, Any]) -> None:
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            return  # it has ended; `_ended` hears of it

    def _read(self, process: subprocess.Popen[str]) -> None:
        """On a thread of its own, until the helper has ended."""
        assert process.stdout is not None
        for line in process.stdout:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict):
                self._ui.enqueue(self._hear, said)
        process.wait()
        self._ui.enqueue(self._ended)

    def _hear(self, said: dict[str, Any]) -> None:
        if self._is_closed:
            return
        if "tray" in said:
            self.backend = str(said.get("backend", ""))
            self._note(bool(said["tray"]))
        elif "chosen" in said:
            self._act(str(said["chosen"]))
        elif "menu_at" in said:
            self._post(*said["menu_at"])
        elif "tip_at" in said:
            self._show_tip(said["tip_at"])

    def _ended(self) -> None:
        self._process = None
        if not self._is_closed:
            self._note(False)
            self._ui.after(AGAIN_AFTER_MS, self.start)

    def _note(self, is_there: bool) -> None:
        self.is_there = is_there
        if not is_there:
            self._unpost()
            self._show_tip(None)
        self._on_tray(is_there)

    def _act(self, name: str) -> None:
        act = self._acts.get(name)
        if act is not None:
            act()

    def _post(self, x: int, y: int) -> None:
        """Our own menu where the pointer is."""
        self._unpost()
        self._show_tip(None)
        if self._face is None:
            return
        self.menu = menu = tkinter.Menu(self._root, tearoff=False)
        for entry in self._face.entries:
            if entry.name:
                menu.add_command(
                    label=entry.text,
                    state="normal" if entry.is_enabled else "disabled",
                    command=lambda name=entry.name: self._act(name),  # type: ignore[misc]
                )
            else:
                menu.add_separator()
        menu.tk_popup(x, y)

    def _unpost(self) -> None:
        if self.menu is not None:
            self.menu.destroy()
            self.menu = None

    def _show_tip(self, at: Sequence[int] | None) -> None:
        """The tooltip below the pointer; None takes it away."""
        if self.tip is not None:
            self.tip.destroy()
            self.tip = None
        if at is None or self._face is None or self.menu is not None:
            return
        self.tip = tip = tkinter.Toplevel(self._root, padx=8, pady=4, background=TIP_GROUND)
        tip.wm_overrideredirect(True)
        tkinter.Label(
            tip, text=self._face.tooltip, justify="left", background=TIP_GROUND, foreground=TIP_TEXT
        ).pack()
        tip.update_idletasks()
        x = max(0, min(at[0], tip.winfo_screenwidth() - tip.winfo_reqwidth()))
        below = at[1] + TIP_AWAY_PX
        is_low = below + tip.winfo_reqheight() > tip.winfo_screenheight()
        y = at[1] - TIP_AWAY_PX - tip.winfo_reqheight() if is_low else below
        tip.wm_geometry(f"+{x}+{y}")


def _spawn() -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k != TOKEN_VARIABLE}
    return subprocess.Popen(
        [str(console_python()), str(PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**environment, "PYTHONUTF8": "1"},
        encoding="utf-8",
        errors="replace",
        creationflags=NO_WINDOW,
    )
