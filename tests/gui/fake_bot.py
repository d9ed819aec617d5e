"""A small program in the bot's place: speaks the real protocol, and behaves as it is told.

    python fake_bot.py --home H BEHAVIOUR...

The nth start on a home takes the nth behaviour, later ones the last. A start leaves a line in
`starts.jsonl`: its pid, a monotonic time, and the hash of what it read on stdin.

    ready         serves until it is asked to stop
    loading       heartbeats, never ready
    mute          ready, then no heartbeat and no answer more
    deaf          takes the message to stop and goes on; ends on SIGTERM
    stubborn      neither the message nor SIGTERM moves it
    closes        serves; closes its channel after a moment and opens another
    renews        says that it ends with RESTART, opens another channel and crashes when asked to
    roams         serves; its phase changes at `say`, is told at once, and never by a heartbeat
    keeps         serves, and changes its model for another when it is asked, in half a second
    refuses       the same, but cannot use any
    crash         an exception at once
    assert        as a failed assertion in ggml: a line on stderr, abort()
    silent-N      exits with N at once, without a word
    says-N        becomes ready, says that it ends with N, exits with N
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import psutil
from filelock import FileLock, Timeout

from bot.protocol import ControlServer, ExitCode, Handler
from storage.database import Database
from storage.errors import MynahError
from storage.model_registry import ModelRegistry
from storage.paths import Home

HEARTBEAT_S = 0.05
CHANGE_S = 5.0
"""How long a change of its model takes where nobody looks; else until somebody did."""
REFUSAL = "new was not put to use: it writes nothing. lantern answers as before."


class FakeBot:
    def __init__(self, home: Home, behaviour: str) -> None:
        self.home = home
        self.behaviour = behaviour
        self.is_ready = False
        self.phase = "online"
        self.server: ControlServer
        self.stopping = asyncio.Event()
        self.looked = asyncio.Event()
        self.code, self.reason = 0, "It was asked to stop."

    async def run(self) -> int:
        if sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.terminated)
        server = await self.serve()
        if self.behaviour != "loading":
            self.is_ready = True
            server.broadcast("ready", self.vitals())
        if self.behaviour.startswith("says-"):
            await self.be_heard(server)
            self.end(int(self.behaviour[5:]), "This is what the bot says.")
        if self.behaviour == "closes":
            await asyncio.sleep(0.2)
            await server.close()
            server = await self.serve()
        if self.behaviour == "renews":
            await self.be_heard(server)
            server.broadcast("ended", {"code": int(ExitCode.RESTART), "reason": "Anew."})
            await server.close()
            server = await self.serve()
        self.server = server
        await self.beat(server)
        server.broadcast("ended", {"code": self.code, "reason": self.reason})
        await server.close()
        return self.code

    async def serve(self) -> ControlServer:
        handlers: dict[str, Handler] = {"stop": self.stop, "say": self.say}
        if self.behaviour in ("keeps", "refuses"):
            self.serving = {"name": "lantern", "state": "ready", "reason": "", "reading": "off"}
            more = {"stats": self.stats, "deploy": self.deploy, "follow": self.follow}
            handlers |= more | {"set": self.set_setting}
        server = ControlServer(
            self.home.data_storage,
            hello=self.vitals,
            handlers=handlers,
            began_s=psutil.Process().create_time(),
        )
        await server.start()
        return server

    async def be_heard(self, server: ControlServer) -> None:
        for _ in range(100):
            if server.clients:
                return
            await asyncio.sleep(0.05)

    async def beat(self, server: ControlServer) -> None:
        while not self.stopping.is_set():
            if self.behaviour == "mute":
                await asyncio.sleep(0.3)
                time.sleep(600)  # noqa: ASYNC251 - that is what a hang is
            if self.behaviour != "roams":
                server.broadcast("heartbeat", self.vitals())
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), HEARTBEAT_S)

    def vitals(self) -> dict[str, Any]:
        phase = self.phase if self.is_ready else "loading"
        return {"ready": self.is_ready, "phase": phase, "uptime_s": 1.0}

    async def say(self, data: dict[str, Any]) -> dict[str, Any]:
        if self.behaviour == "roams":
            self.phase = data["text"]
            self.server.broadcast("heartbeat", self.vitals())
        if self.behaviour == "renews":
            os._exit(1)
        return {"reply": data["text"].upper()}

    async def stats(self, data: dict[str, Any]) -> dict[str, Any]:
        self.looked.set()
        return {"phase": self.phase, "serving": self.serving}

    async def set_setting(self, data: dict[str, Any]) -> dict[str, Any]:
        with Database.open(self.home.database) as database:
            database.set_config(data["name"], data["text"])
        return {}

    async def deploy(self, data: dict[str, Any]) -> dict[str, Any]:
        wanted = (data["version_id"], data.get("force_by", ""), data.get("force_why", ""))
        with Database.open(self.home.database) as database:
            ModelRegistry(database, self.home).check_may_answer(*wanted)
        await self.change(data["version_id"])
        with Database.open(self.home.database) as database:
            ModelRegistry(database, self.home).record_deployed(*wanted)
        return {}

    async def follow(self, data: dict[str, Any]) -> dict[str, Any]:
        await self.change("what is named")
        return {}

    async def change(self, name: str) -> None:
        reason = f"{name} is being loaded. {self.serving['name']} answers as before."
        self.serving |= {"state": "changing", "reason": reason}
        self.looked.clear()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.looked.wait(), CHANGE_S)
        if self.behaviour == "refuses":
            self.serving |= {"state": "ready", "reason": REFUSAL}
            raise MynahError(REFUSAL)
        self.serving |= {"name": name, "state": "ready", "reason": ""}

    async def stop(self, data: dict[str, Any]) -> dict[str, Any]:
        if self.behaviour not in ("deaf", "stubborn"):
            self.stopping.set()
        return {}

    def terminated(self) -> None:
        print("terminated", file=sys.stderr, flush=True)
        if self.behaviour != "stubborn":
            self.stopping.set()

    def end(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason
        self.stopping.set()


def note_start(home: Home) -> int:
    """Leave a line; how many starts there were before."""
    given = sys.stdin.readline().strip()
    path = home.root / "starts.jsonl"
    before = len(path.read_text().splitlines()) if path.exists() else 0
    digest = hashlib.sha256(given.encode()).hexdigest() if given else ""
    with path.open("a") as file:
        file.write(json.dumps({"pid": os.getpid(), "at_s": time.monotonic(), "token": digest}))
        file.write("\n")
    return before


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    parser.add_argument("--through", action="store_true", help="be a program that starts the bot")
    parser.add_argument("behaviours", nargs="+")
    arguments = parser.parse_args()
    if arguments.through:  # as python.exe of a venv on Windows does
        command = [argument for argument in sys.argv if argument != "--through"]
        return subprocess.run([sys.executable, *command]).returncode
    home = Home(Path(arguments.home))
    start = note_start(home)
    behaviour = arguments.behaviours[min(start, len(arguments.behaviours) - 1)]
    print(f"start {start + 1}: {behaviour}", file=sys.stderr)
    if behaviour == "crash":
        raise RuntimeError("the bot cannot go on")
    if behaviour == "assert":
        return fail_an_assertion()
    if behaviour.startswith("silent-"):
        return int(behaviour[7:])
    try:
        with FileLock(home.bot_lock, timeout=0):
            return asyncio.run(FakeBot(home, behaviour).run())
    except Timeout:
        return ExitCode.ALREADY_RUNNING


def fail_an_assertion() -> int:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("/src/ggml/src/ggml.c:1729: GGML_ASSERT(ctx->mem) failed", file=sys.stderr)
    for number in range(12):
        print(f"libggml-base.so(+0x1{number:x})", file=sys.stderr)
    sys.stderr.flush()
    os.abort()


if __name__ == "__main__":
    sys.exit(main())
