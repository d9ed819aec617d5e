"""Folders and pages are opened by the system, never waited for, and what fails is a sentence."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gui.doctor_report import NoReportError, doctor_report
from gui.opening import open_file, open_folder, open_url, opener
from storage.paths import Home
from tests.gui.conftest import eventually

pytestmark = pytest.mark.skipif(not opener(), reason="Windows opens things without a program")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a program of these lines in the place of the system's; what it writes is at the path."""
    folder, log = tmp_path / "bin", tmp_path / "opened.txt"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def put(lines: str) -> Path:
        file = folder / opener()[0]
        file.write_text(f'#!/bin/sh\nlog="{log}"\n{lines}\n')
        file.chmod(0o755)
        return log

    return put


def test_a_folder_is_made_and_opened_without_the_token(
    tmp_path: Path, program: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_BOT_TOKEN", "not-for-others")
    log = program('printf "%s|%s\\n" "$1" "$DISCORD_BOT_TOKEN" >> "$log"')
    open_folder(tmp_path / "a new" / "folder")
    eventually(log.exists)
    eventually(lambda: log.read_text() == f"{tmp_path}/a new/folder|\n")
    assert (tmp_path / "a new" / "folder").is_dir()


def test_a_file_is_opened(tmp_path: Path, program: Callable[[str], Path]) -> None:
    log = program('printf "%s\\n" "$1" >> "$log"')
    page = tmp_path / "a set" / "dataset_report.html"
    open_file(page)
    eventually(log.exists)
    eventually(lambda: log.read_text() == f"{page}\n")
    assert not page.parent.exists()  # nothing is made for it


def test_nothing_waits_for_a_browser(program: Callable[[str], Path]) -> None:
    log = program('printf "%s\\n" "$1" >> "$log"; sleep 3')
    began_s = time.monotonic()
    open_url("https://example.test/a?b=c&d=e")
    assert time.monotonic() - began_s < 0.5
    eventually(log.exists)
    eventually(lambda: log.read_text() == "https://example.test/a?b=c&d=e\n")


def test_what_fails_is_a_sentence(tmp_path: Path, program: Callable[[str], Path]) -> None:
    said: list[str] = []
    program("exit 3")
    open_url("https://example.test/", said.append)
    eventually(lambda: said)
    assert said == ["https://example.test/ could not be opened; open it by hand."]
    (tmp_path / "file").touch()
    open_folder(tmp_path / "file" / "folder", said.append)
    eventually(lambda: len(said) == 2)
    assert "cannot be opened" in said[1]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://example.test", "--help", ""])
def test_only_pages_are_opened(url: str, program: Callable[[str], Path]) -> None:
    said: list[str] = []
    log = program('touch "$log"')
    open_url(url, said.append)
    assert len(said) == 1
    assert not log.exists()


def test_the_report_is_the_doctors(tmp_path: Path) -> None:
    report = doctor_report(Home(tmp_path / "home"))
    assert report.startswith("Mynah:")
    assert "Python:" in report


def test_no_report_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NoReportError, match="home"):
        doctor_report(Home(Path("~nobody-of-this-name/home")))
