"""scripts/step_process.py with a script of a few lines: asked to stop, it puts away what it has."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from scripts.step_process import run_step

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals between processes")

CHILD = """
import signal, sys, time
from pathlib import Path

folder = Path(sys.argv[1])

def stop(number, frame):
    (folder / "asked").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    (folder / "put away").touch()
    sys.exit(130)

signal.signal(signal.SIGTERM, stop)
print('{"event": "begin", "stage": "a"}', flush=True)
while True:
    time.sleep(0.01)
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    file = tmp_path / "child.py"
    file.write_text(CHILD, encoding="utf-8")
    return str(file)


def test_an_order_that_comes_twice_is_one(script: str, tmp_path: Path) -> None:
    """From the terminal and from who started us: the second does not kill what is put away."""

    def again() -> None:
        while not (tmp_path / "asked").exists():
            pass
        os.kill(os.getpid(), signal.SIGINT)
        (tmp_path / "go").touch()

    def heard(event: dict[str, Any]) -> None:
        threading.Thread(target=again, daemon=True).start()
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_step(script, [str(tmp_path)], tmp_path / "log", heard)
    assert (tmp_path / "put away").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_step_whose_listener_fails_is_stopped(script: str, tmp_path: Path) -> None:
    (tmp_path / "go").touch()

    def heard(event: dict[str, Any]) -> None:
        raise BrokenPipeError("nobody reads any more")

    with pytest.raises(BrokenPipeError):
        run_step(script, [str(tmp_path)], tmp_path / "log", heard)
    assert (tmp_path / "put away").exists()
