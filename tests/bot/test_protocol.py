"""protocol: what scripts and the window use of the control channel, and how little it imports."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.protocol import (
    ControlError,
    Endpoint,
    ExitCode,
    ask_running,
    new_key,
    write_endpoint,
)
from storage.paths import PROGRAM_DIR
from tests.bot.wire.sockets import serving


@contextmanager
def bot_in_a_thread(folder: Path) -> Iterator[None]:
    """A server with an event loop of its own, as a bot in another process has it."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    started = threading.Event()

    async def run() -> None:
        async with serving(folder):
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert started.wait(5)
    yield
    loop.call_soon_threadsafe(stop.set)
    thread.join(5)
    loop.close()


def test_a_script_asks_the_running_bot(tmp_path: Path) -> None:
    with bot_in_a_thread(tmp_path):
        assert ask_running(tmp_path, "echo", text="hi") == {"text": "hi"}
        with pytest.raises(ControlError, match="knows no request"):
            ask_running(tmp_path, "sing")
        answers = _in_threads(lambda: ask_running(tmp_path, "echo", a=1), 8)
    assert answers == [{"a": 1}] * 8
    assert ask_running(tmp_path, "echo") is None


def _in_threads(ask: object, number: int) -> list[object]:
    answers: list[object] = []
    threads = [
        threading.Thread(target=lambda: answers.append(ask()))  # type: ignore[operator]
        for _ in range(number)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return answers


def test_where_no_bot_runs_there_is_no_answer(tmp_path: Path) -> None:
    assert ask_running(tmp_path, "ping") is None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    write_endpoint(tmp_path, Endpoint(port, new_key(), 1, 1))
    began_s = time.monotonic()
    assert ask_running(tmp_path, "ping") is None
    assert time.monotonic() - began_s < 3


def test_a_file_with_an_old_key_opens_nothing(tmp_path: Path) -> None:
    with bot_in_a_thread(tmp_path):
        old = tmp_path / "old"
        old.mkdir()
        port = _port(tmp_path)
        write_endpoint(old, Endpoint(port, new_key(), 1, 1))
        assert ask_running(old, "echo") is None
        assert ask_running(tmp_path, "echo") == {}


def _port(folder: Path) -> int:
    from bot.protocol import read_endpoint

    endpoint = read_endpoint(folder)
    assert endpoint is not None
    return endpoint.port


def test_a_bot_that_hangs_is_an_error_not_nobody(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        write_endpoint(tmp_path, Endpoint(listening.getsockname()[1], new_key(), 4_711, 1))
        with pytest.raises(ControlError, match=r"process 4711.* did not answer within 0\.2 s"):
            ask_running(tmp_path, "ping", timeout_s=0.2)


def test_which_exit_codes_are_final() -> None:
    final = {code for code in ExitCode if code.is_final}
    assert final == {ExitCode.BAD_CONFIG, ExitCode.BAD_TOKEN, ExitCode.MISSING_INTENT}
    assert len({int(code) for code in ExitCode}) == 8


def test_the_window_gets_it_for_the_standard_library_alone() -> None:
    script = (
        "import sys; before = set(sys.modules); import bot.protocol\n"
        "tops = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(tops - set(sys.stdlib_module_names)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROGRAM_DIR,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert out.stdout.strip() == "['bot', 'storage']"
