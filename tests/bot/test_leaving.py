"""bot/leaving.py in processes of its own: nothing that is still busy holds up the end."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from storage.paths import PROGRAM_DIR

STUCK = """
import asyncio, sys, threading, time
from bot.leaving import LastResort, leave, run_loop, threads_ended
stuck = lambda: time.sleep(60)
"""


def run(text: str) -> tuple[int, float, str]:
    """Exit status, seconds, what it said."""
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", STUCK + text], cwd=PROGRAM_DIR, capture_output=True, timeout=50
    )
    return done.returncode, time.monotonic() - began_s, (done.stdout + done.stderr).decode()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("async def work():\n    asyncio.ensure_future(asyncio.to_thread(stuck))\n"
         "    await asyncio.sleep(0.1)\n    return 7\nleave(run_loop(work()))", 7),
        ("threading.Thread(target=stuck).start()\nleave(20)", 20),
        ("LastResort(lambda: print('last words', flush=True)).arm(10, 0.2)\nstuck()", 10),
        ("LastResort(lambda: 1 / 0).arm(10, 0.2)\nstuck()", 10),
        ("leave(0)", 0),
    ],
    ids=["worker", "thread", "last resort", "its words fail", "idle"],
)  # fmt: skip
def test_the_process_ends_in_time_with_its_code(text: str, code: int) -> None:
    returned, seconds, said = run(text)
    assert returned == code, said
    assert seconds < 10
    assert ("last words" in said) == ("last words" in text)


def test_between_two_lives_the_threads_of_the_first_are_waited_for() -> None:
    text = "threading.Thread(target=time.sleep, args=(0.3,)).start()\n"
    text += "print(threads_ended(0.1), threads_ended(), threads_ended(0.1))\nleave(0)"
    assert run(text)[2].split() == ["False", "True", "True"]


def test_tasks_are_ended_and_their_last_acts_done() -> None:
    text = """
async def lasting():
    try:
        await asyncio.sleep(60)
    finally:
        print("closed")

async def work():
    asyncio.ensure_future(lasting())
    await asyncio.sleep(0)

run_loop(work())
"""
    assert run(text)[2].split() == ["closed"]
