"""A script's edge: asked to stop, it stops, wherever it is just then."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from storage.paths import PROGRAM_DIR

COLLECTING = """
import signal, sys, time
sys.path.insert(0, ".")
from scripts.edge import ending_in_a_sentence, stop_when_terminated

class Thing:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)  # what is raised in here goes nowhere

def main():
    stop_when_terminated()
    try:
        Thing()
        time.sleep(20)
    finally:
        print("put away")
    return 0

sys.exit(ending_in_a_sentence(main, stopped="Stopped."))
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_it_is_not_lost_while_something_is_collected() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLLECTING],
        cwd=PROGRAM_DIR,
        capture_output=True,
        text=True,
        timeout=15,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "put away\n", "Stopped.\n")
