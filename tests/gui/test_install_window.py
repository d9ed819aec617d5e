"""The first start's window: progress, log, Cancel, failures. A real install: test_launcher."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gui.install_window import FAILED, INSTALLED, STEPS, STOPPED, InstallWindow, Progress
from storage.paths import PROGRAM_DIR
from tests.gui.window import pump, settle


@contextmanager
def installing(code: str) -> Iterator[InstallWindow]:
    """The window, at work with a program of this code in the installer's place."""
    shown = InstallWindow([sys.executable, "-c", f"import sys, time\n{code}"])
    try:
        shown.begin()
        yield shown
    finally:
        with suppress(Exception):  # it has closed itself
            shown.window.destroy()


def said(*lines: str) -> str:
    return "\n".join(f"print({line!r}, file=sys.stderr, flush=True)" for line in lines)


def is_open(shown: InstallWindow) -> bool:
    try:
        return bool(shown.window.winfo_exists())
    except Exception:  # tkinter.TclError: the application has been destroyed
        return False


def marks(shown: InstallWindow) -> str:
    return "".join(str(label.cget("text"))[0] for label in shown.steps)


def test_how_far_it_is_by_what_it_says() -> None:
    progress = Progress()
    for line, step in [
        ("Making Mynah's environment (.venv). The first time takes some minutes.\n", 0),
        ("   0:00  making .venv with Python 3.12.1\n", 0),
        ("llama-cpp-python==0.3.36: no ready wheel for this system; building it.\n", 1),
        ("   3:10  still building llama-cpp-python, 3:10\n", 1),
        ("\n", 1),
        ("Installing the packages.\n", 2),
        ("   4:00  collecting llama-cpp-python\n", 2),
        ("   5:11  the environment is ready\n", 3),
    ]:
        progress.read(line)
        assert progress.step == step, line
    assert progress.doing == "the environment is ready"
    assert progress.text.count("\n") == 7


def test_it_shows_steps_and_log_and_closes_when_it_is_done(xvfb: str) -> None:
    code = said("Making Mynah's environment (.venv).", "Installing the packages.")
    code += "\ntime.sleep(0.4)\n" + said("   0:01  the environment is ready")
    with installing(code) as shown:
        settle(shown.window)
        assert marks(shown) == "\u25cf\u25cb\u25cb\u25cb"
        pump(shown.window, lambda: shown.progress.step == 2)
        assert marks(shown) == "\u2713\u2713\u25cf\u25cb"
        assert "Installing the packages." in shown.log.get("1.0", "end")
        pump(shown.window, lambda: shown.result is not None or not is_open(shown))
        assert shown.result == INSTALLED
        assert not is_open(shown)


def test_a_failure_is_its_sentence_and_the_log_can_be_copied(xvfb: str, tmp_path: Path) -> None:
    flag = tmp_path / "second"
    code = (
        f"import os\nif os.path.exists({str(flag)!r}): sys.exit(0)\nopen({str(flag)!r}, 'w')\n"
        + said("Making Mynah's environment (.venv).", "The disk is full; make room.")
        + "\nsys.exit(2)"
    )
    with installing(code) as shown:
        pump(shown.window, lambda: shown.result == FAILED)
        assert shown.says.cget("text") == "The disk is full; make room."
        shown.copy.invoke()
        assert "Making Mynah's environment" in shown.window.clipboard_get()
        assert shown.stop.cget("text") == "Close"
        pump(shown.window, shown.again.winfo_viewable)
        shown.again.invoke()
        pump(shown.window, lambda: shown.result == INSTALLED)


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
def test_cancel_stops_what_it_started_even_where_ctrl_c_is_ignored(
    xvfb: str, tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    code = (
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        + said("Installing the packages.")
        + f"\ntry: time.sleep(60)\nexcept KeyboardInterrupt: open({str(stopped)!r}, 'w')\n"
        + "sys.exit(130)"
    )
    with installing(code) as shown:
        pump(shown.window, lambda: shown.progress.step == 2)
        shown.window.focus_force()
        shown.window.update()
        shown.window.event_generate("<Escape>")
        began_s = time.monotonic()
        pump(shown.window, lambda: shown.result == STOPPED)
        assert time.monotonic() - began_s < 5
        assert stopped.exists()


def test_it_needs_the_standard_library_alone() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(PROGRAM_DIR)!r}); import gui.install_window; "
        "import gui.no_window; print(sorted({n.split('.')[0] for n in sys.modules} - "
        "set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['__main__', 'gui', 'storage']\n"


def test_every_step_has_a_name_and_a_sign() -> None:
    source = (PROGRAM_DIR / "scripts" / "environment.py").read_text(encoding="utf-8").lower()
    for _, sign in STEPS:
        assert sign in source
