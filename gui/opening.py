"""Opens a folder in the system's file manager, a file, or a web page in the browser. Never blocks.

open_folder(home.logs, failed=complain)     # from any thread; complain(sentence) on another one
open_url("https://discord.com/developers/applications", failed=complain)
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from gui.child_process import TOKEN_VARIABLE

PORTAL = "https://discord.com/developers/applications"

Failed = Callable[[str], object]
"""Gets a sentence, on a thread of its own: `ui.enqueue` leads back to Tk's."""


def open_folder(folder: Path, failed: Failed = lambda sentence: None) -> None:
    """Show the folder. It is made where it is not there yet."""

    def make_and_open() -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            failed(f"{folder} cannot be opened ({error.strerror or error}).")
            return
        _open(str(folder), failed)

    _beside(make_and_open)


def open_url(url: str, failed: Failed = lambda sentence: None) -> None:
    """Show the page. Anything but https is refused."""
    if not url.startswith("https://"):
        failed(f"{url} is no address of a web page.")
        return
    _beside(lambda: _open(url, failed))


def open_file(path: Path, failed: Failed = lambda sentence: None) -> None:
    """Show a file in the program that is for its kind: a page in the browser."""
    _beside(lambda: _open(str(path), failed))


def opener() -> list[str]:
    """The program that opens things on this system, its argument left out; [] on Windows."""
    if sys.platform == "win32":
        return []
    return ["open"] if sys.platform == "darwin" else ["xdg-open"]


def _open(what: str, failed: Failed) -> None:
    """Blocks: some browsers end only when they are closed."""
    try:
        if sys.platform == "win32":
            os.startfile(what)
            return
        status = subprocess.run(
            [*opener(), what],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE},
            start_new_session=True,
        ).returncode
    except OSError as error:
        failed(f"This computer has nothing to open {what} with ({error.strerror or error}).")
        return
    if status:
        failed(f"{what} could not be opened; open it by hand.")


def _beside(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="opening", daemon=True).start()
