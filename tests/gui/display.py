"""A display in memory for the window's tests: Xvfb on a number of its own, never the user's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

OPTIONS = ("-screen", "0", "1600x1000x24", "-nolisten", "tcp", "-noreset", "-ac")
_USERS_OWN = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS")


@contextmanager
def virtual_display() -> Iterator[str]:
    """Start Xvfb; DISPLAY names it (":7") meanwhile, for this process and what it starts.

    Skips the test where there is no Xvfb (in CI that is a failure: .ci/run installs it).
    """
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb, a display in memory")
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), *OPTIONS],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as told:
        number = told.readline().strip()
    assert number, f"Xvfb did not start: it ended with {server.wait(10)}"
    before = {name: os.environ.pop(name, None) for name in _USERS_OWN}
    os.environ["DISPLAY"] = f":{number}"
    try:
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(10)
        del os.environ["DISPLAY"]
        os.environ.update({name: value for name, value in before.items() if value is not None})
