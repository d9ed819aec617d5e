"""Starting with the system: an entry in the place where each system keeps such, as texts and files.

    Windows  a value of HKCU\\...\\Run; the Task Manager's switch (StartupApproved\\Run) is honoured
    Linux    ~/.config/autostart/mynah.desktop (XDG)
    macOS    ~/Library/LaunchAgents/io.github.mynah.plist, with RunAtLoad

What counts is what the system has: `is_on` reads it, and so sees what was switched off there. The
texts are made by pure functions; what writes is thin. Files and the registry only: any thread.
"""

from __future__ import annotations

import hashlib
import os
import plistlib
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from storage.errors import MynahError
from storage.paths import PROGRAM_DIR, Home

RUN_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"
APPROVED_KEY = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"
APPROVED = bytes([2]) + bytes(11)
"""What the Task Manager writes for an entry that is on; where it is off, the first byte is odd."""
LABEL = "io.github.mynah"


class AutostartError(MynahError):
    """The entry could not be written or taken away."""


@dataclass(frozen=True)
class Entry:
    """What is started, and under which name the system knows it."""

    name: str
    command: tuple[str, ...]


class Registry(Protocol):
    """HKEY_CURRENT_USER. Raises OSError."""

    def get(self, key: str, name: str) -> str | bytes | None:
        """None where there is no such value."""

    def set(self, key: str, name: str, value: str | bytes) -> None: ...

    def delete(self, key: str, name: str) -> None:
        """No error where there is none."""


def entry_for(home: Home, python: Path | None = None, program: Path = PROGRAM_DIR) -> Entry:
    """Starts the window of this home with this Python. A home elsewhere has a name of its own."""
    launcher = program / ("launcher.pyw" if sys.platform == "win32" else "launcher.py")
    command = [str(python or without_console(Path(sys.executable))), str(launcher)]
    if home.root == program:
        return Entry("mynah", tuple(command))
    digest = hashlib.sha256(str(home.root).encode()).hexdigest()[:8]
    return Entry(f"mynah-{digest}", (*command, "--home", str(home.root)))


def without_console(python: Path) -> Path:
    """pythonw.exe in place of python.exe, which would open a black window at each login."""
    silent = python.with_name("pythonw.exe")
    return silent if python.name.lower() == "python.exe" and silent.exists() else python


# -- the texts ---------------------------------------------------------------------------------


def desktop_text(entry: Entry) -> str:
    """The .desktop file, as the Desktop Entry Specification wants it."""
    return "\n".join(
        [
            "[Desktop Entry]",
            "Type=Application",
            "Name=Mynah",
            "Comment=Opens Mynah's window when you log in",
            f"Exec={' '.join(_desktop_word(word) for word in entry.command)}",
            "Terminal=false",
            "X-GNOME-Autostart-enabled=true",
            "",
        ]
    )


def is_desktop_on(text: str) -> bool:
    """Whether a desktop's own settings left it switched on."""
    lines = {line.replace(" ", "").lower() for line in text.splitlines()}
    return "hidden=true" not in lines and "x-gnome-autostart-enabled=false" not in lines


def plist_text(entry: Entry) -> bytes:
    """The LaunchAgent's property list."""
    label = LABEL + entry.name.removeprefix("mynah")
    return plistlib.dumps(
        {
            "Label": label,
            "ProgramArguments": list(entry.command),
            "RunAtLoad": True,
            "ProcessType": "Interactive",
            "LimitLoadToSessionType": "Aqua",
        },
        sort_keys=False,
    )


def run_value(entry: Entry) -> str:
    """The command line of the Run key, quoted as Windows' own parser reads it."""
    return subprocess.list2cmdline(entry.command)


def is_approved(value: str | bytes | None) -> bool:
    """Whether the Task Manager's switch is on; it is where it was never touched."""
    return not isinstance(value, bytes) or not value or value[0] % 2 == 0


def _desktop_word(word: str) -> str:
    """One argument of Exec: quoted, and backslashes written twice, once for each reader."""
    quoted = "".join("\\" + char if char in '"`$\\' else char for char in word)
    return '"' + quoted.replace("\\", "\\\\").replace("%", "%%") + '"'


# -- the places --------------------------------------------------------------------------------


def desktop_file(entry: Entry, environment: Mapping[str, str] = os.environ) -> Path:
    config = environment.get("XDG_CONFIG_HOME", "")
    folder = Path(config) if Path(config).is_absolute() else Path.home() / ".config"
    return folder / "autostart" / f"{entry.name}.desktop"


def plist_file(entry: Entry) -> Path:
    label = LABEL + entry.name.removeprefix("mynah")
    return Path.home() / "Library" / "LaunchAgents" / f"{label}.plist"


def is_on(home: Home) -> bool:
    """Whether the system starts Mynah at login. False too where that cannot be read."""
    entry = entry_for(home)
    try:
        if sys.platform == "win32":
            return is_on_in(_windows_registry(), entry)
        if sys.platform == "darwin":
            return plist_file(entry).is_file()
        return is_desktop_on(desktop_file(entry).read_text(encoding="utf-8"))
    except OSError:
        return False


def switch(home: Home, on: bool) -> None:
    """Make the entry, or take it away. Raises AutostartError."""
    entry = entry_for(home)
    try:
        if sys.platform == "win32":
            switch_in(_windows_registry(), entry, on)
        elif sys.platform == "darwin":
            _write(plist_file(entry), plist_text(entry) if on else None)
        else:
            _write(desktop_file(entry), desktop_text(entry).encode() if on else None)
    except OSError as error:
        what = "made to start" if on else "kept from starting"
        raise AutostartError(
            f"Mynah could not be {what} with the system ({error.strerror or error}); your system's "
            "settings for startup programs may do it."
        ) from error


def is_on_in(registry: Registry, entry: Entry) -> bool:
    """Windows: there, and not switched off in the Task Manager."""
    is_there = registry.get(RUN_KEY, entry.name) is not None
    return is_there and is_approved(registry.get(APPROVED_KEY, entry.name))


def switch_in(registry: Registry, entry: Entry, on: bool) -> None:
    """Windows. Who switches it on here wants it on, whatever the Task Manager was told before."""
    if on:
        registry.set(RUN_KEY, entry.name, run_value(entry))
        if not is_approved(registry.get(APPROVED_KEY, entry.name)):
            registry.set(APPROVED_KEY, entry.name, APPROVED)
    else:
        registry.delete(RUN_KEY, entry.name)
        registry.delete(APPROVED_KEY, entry.name)


def _write(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)


def _windows_registry() -> Registry:
    from gui.windows_registry import WindowsRegistry

    return WindowsRegistry()
