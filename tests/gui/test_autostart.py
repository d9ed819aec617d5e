"""Starting with the system: each system's text to the letter, and Linux' own really written."""

from __future__ import annotations

import plistlib
import subprocess
import sys
from pathlib import Path

import pytest

from gui import autostart
from gui.autostart import APPROVED_KEY, RUN_KEY, Entry
from storage.paths import PROGRAM_DIR, Home

PLAIN = Entry("mynah", ("/opt/mynah/.venv/bin/python", "/opt/mynah/launcher.py"))
ODD = Entry(
    "mynah-1a2b3c4d",
    ("/opt/my bird/python", "/opt/my bird/launcher.py", "--home", '/srv/50% "off" $x\\y`z'),
)


class FakeRegistry:
    """Values by key and name."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], str | bytes] = {}

    def get(self, key: str, name: str) -> str | bytes | None:
        return self.values.get((key, name))

    def set(self, key: str, name: str, value: str | bytes) -> None:
        self.values[key, name] = value

    def delete(self, key: str, name: str) -> None:
        self.values.pop((key, name), None)


def test_linux_text() -> None:
    assert autostart.desktop_text(PLAIN) == (
        "[Desktop Entry]\n"
        "Type=Application\n"
        "Name=Mynah\n"
        "Comment=Opens Mynah's window when you log in\n"
        'Exec="/opt/mynah/.venv/bin/python" "/opt/mynah/launcher.py"\n'
        "Terminal=false\n"
        "X-GNOME-Autostart-enabled=true\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="asks a shell")
def test_linux_text_is_read_back_as_it_was_meant() -> None:
    line = autostart.desktop_text(ODD).splitlines()[4]
    value = line.removeprefix("Exec=")
    assert value == (
        '"/opt/my bird/python" "/opt/my bird/launcher.py" "--home" '
        '"/srv/50%% \\\\"off\\\\" \\\\$x\\\\\\\\y\\\\`z"'
    )
    unescaped = value.replace("\\\\", "\\")  # first as any string of a desktop file
    command = f"printf '%s\\n' {unescaped}"  # a shell quotes as the specification does
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.replace("%%", "%").splitlines() == list(ODD.command)


@pytest.mark.parametrize(
    ("line", "is_on"),
    [
        ("", True),
        ("Hidden=true", False),
        ("Hidden = true", False),
        ("X-GNOME-Autostart-enabled=false", False),
        ("X-GNOME-Autostart-enabled=true", True),
    ],
)
def test_a_desktops_own_switch_is_honoured(line: str, is_on: bool) -> None:
    assert autostart.is_desktop_on(f"[Desktop Entry]\n{line}\n") is is_on


def test_macos_text() -> None:
    assert autostart.plist_text(PLAIN).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
        '"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n'
        '<plist version="1.0">\n'
        "<dict>\n"
        "\t<key>Label</key>\n"
        "\t<string>io.github.mynah</string>\n"
        "\t<key>ProgramArguments</key>\n"
        "\t<array>\n"
        "\t\t<string>/opt/mynah/.venv/bin/python</string>\n"
        "\t\t<string>/opt/mynah/launcher.py</string>\n"
        "\t</array>\n"
        "\t<key>RunAtLoad</key>\n"
        "\t<true/>\n"
        "\t<key>ProcessType</key>\n"
        "\t<string>Interactive</string>\n"
        "\t<key>LimitLoadToSessionType</key>\n"
        "\t<string>Aqua</string>\n"
        "</dict>\n"
        "</plist>\n"
    )
    odd = plistlib.loads(autostart.plist_text(ODD))
    assert (odd["Label"], odd["ProgramArguments"]) == (
        "io.github.mynah-1a2b3c4d",
        list(ODD.command),
    )


def test_windows_value() -> None:
    entry = Entry("mynah", (r"C:\My Bird\.venv\Scripts\pythonw.exe", r"C:\My Bird\launcher.pyw"))
    assert autostart.run_value(entry) == (
        r'"C:\My Bird\.venv\Scripts\pythonw.exe" "C:\My Bird\launcher.pyw"'
    )


def test_windows_honours_the_task_managers_switch() -> None:
    registry = FakeRegistry()
    assert not autostart.is_on_in(registry, PLAIN)
    autostart.switch_in(registry, PLAIN, True)
    assert registry.values == {(RUN_KEY, "mynah"): autostart.run_value(PLAIN)}
    assert autostart.is_on_in(registry, PLAIN)
    switched_off = bytes([3, 0, 0, 0]) + bytes(range(8))
    registry.set(APPROVED_KEY, "mynah", switched_off)
    assert not autostart.is_on_in(registry, PLAIN)
    autostart.switch_in(registry, PLAIN, True)
    assert autostart.is_on_in(registry, PLAIN)
    assert registry.get(APPROVED_KEY, "mynah") == bytes([2]) + bytes(11)
    autostart.switch_in(registry, PLAIN, False)
    assert registry.values == {}


def test_which_command_is_started(tmp_path: Path) -> None:
    python = tmp_path / "python"
    own = autostart.entry_for(Home(PROGRAM_DIR), python)
    assert own.name == "mynah"
    assert own.command[0] == str(python)
    assert (PROGRAM_DIR / own.command[1]).is_file()
    elsewhere = autostart.entry_for(Home(tmp_path), python)
    assert elsewhere.name.startswith("mynah-")
    assert elsewhere.command[2:] == ("--home", str(tmp_path))


def test_no_black_window_at_each_login(tmp_path: Path) -> None:
    console = tmp_path / "python.exe"
    assert autostart.without_console(console) == console
    (tmp_path / "pythonw.exe").touch()
    assert autostart.without_console(console).name == "pythonw.exe"
    assert autostart.without_console(tmp_path / "python3").name == "python3"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="writes as a Linux desktop reads")
def test_linux_is_really_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    home = Home(tmp_path / "home")
    assert not autostart.is_on(home)
    autostart.switch(home, True)
    assert autostart.is_on(home)
    (file,) = (tmp_path / "config" / "autostart").iterdir()
    assert file.suffix == ".desktop"
    assert str(home.root) in file.read_text()
    file.write_text(file.read_text() + "Hidden=true\n")
    assert not autostart.is_on(home)
    autostart.switch(home, False)
    assert not file.exists()
    autostart.switch(home, False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(file.parent.parent / "no-folder"))
    (tmp_path / "config" / "no-folder").write_text("a file in the folder's place")
    with pytest.raises(autostart.AutostartError, match="could not be made to start"):
        autostart.switch(home, True)
