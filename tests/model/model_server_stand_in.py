"""A model server on loopback that speaks as much of OpenAI's protocol as we do, and its faults."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

USAGE = {
    "prompt_tokens": 41,
    "completion_tokens": 6,
    "total_tokens": 47,
    "prompt_tokens_details": {"cached_tokens": 30},
}


@dataclass(frozen=True)
class Fault:
    """How one request for a reply fails."""

    status: int = 0
    """0: the connection is closed."""
    retry_after: str = ""
    message: str = ""


class ModelServerStandIn:
    """Answers every prompt with `reply`. Change the attributes to make it misbehave."""

    def __init__(self, reply: str = "nine works for me", *, port: int = 0) -> None:
        """`port`: 0 for any that is free."""
        self.reply = reply
        self.thoughts = ""
        """What it tells in `reasoning_content` before."""
        self.finish_reason = "stop"
        self.models: list[Any] = ["stand-in-4b", "another"]
        """Names, or what else is told of a model."""
        self.beside: dict[str, Any] = {}
        """Answers at other addresses."""
        self.key = ""
        """Wanted, where it is not empty."""
        self.faults: deque[Fault] = deque()
        """What the next requests meet."""
        self.status = 200
        self.answer: bytes | None = None
        """In place of what it would say."""
        self.streams = True
        """Else it answers as a whole, whatever was asked."""
        self.refused: tuple[str, ...] = ()
        """What it does not want to find in a request."""
        self.usage: dict[str, Any] | None = USAGE
        self.timings: dict[str, Any] | None = None
        self.silent_s = 0.0
        """Before it says anything."""
        self.between_s = 0.0
        """Between two pieces."""
        self.pieces_then_cut: int | None = None
        """It goes away behind as many."""
        self.may_cut = threading.Event()
        """Cleared: it waits with that until somebody says so."""
        self.may_cut.set()
        self.pieces_then_done: int | None = None
        """It ends behind as many and does not say why."""
        self.asked: list[dict[str, Any]] = []
        """The completions that were asked for."""
        self.listed = 0
        self.keys: list[str] = []
        self.hung_up = 0
        """How often nobody waited for the rest."""
        self.at_once = 0
        self.most_at_once = 0
        world = self

        class Handler(_Handler):
            stand_in = world

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> ModelServerStandIn:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    stand_in: ModelServerStandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        world = self.stand_in
        if self.path in world.beside:
            return self._say(200, world.beside[self.path])
        if self.path != "/v1/models":
            return self._say(404, {})
        world.listed += 1
        models = [one if isinstance(one, dict) else {"id": one} for one in world.models]
        return self._say(200, {"object": "list", "data": models})

    def do_POST(self) -> None:
        world = self.stand_in
        body = self.rfile.read(int(self.headers["Content-Length"]))
        world.keys.append(self.headers.get("Authorization", ""))
        if self.path != "/v1/chat/completions":
            return self._say(404, {})
        asked = json.loads(body)
        world.asked.append(asked)
        self._is_writing = True
        world.at_once += 1
        world.most_at_once = max(world.at_once, world.most_at_once)
        try:
            self._answer(asked, body)
        finally:
            self._end_writing()

    def _end_writing(self) -> None:
        """Before the last bytes go: whoever has them may ask again at once."""
        self.stand_in.at_once -= self._is_writing
        self._is_writing = False

    def _answer(self, asked: dict[str, Any], body: bytes) -> None:
        world = self.stand_in
        said = {"error": {"message": f"you said: {body!r}"}}
        if world.faults:
            return self._fail(world.faults.popleft())
        time.sleep(world.silent_s)
        if world.key and self.headers.get("Authorization") != f"Bearer {world.key}":
            return self._say(401, said)
        if world.status != 200:
            return self._say(world.status, said)
        if any(name in asked for name in world.refused if asked.get(name)):
            return self._say(400, {"error": {"message": "Extra inputs are not permitted"}})
        if asked["stream"] and world.streams:
            return self._stream(asked)
        self._end_writing()
        message = {"role": "assistant", "content": world.reply}
        if world.thoughts:
            message["reasoning_content"] = world.thoughts
        choice = {"index": 0, "message": message, "finish_reason": world.finish_reason}
        told = {"id": "x", "choices": [choice], "usage": world.usage, "timings": world.timings}
        return self._say(200, told, world.answer)

    def _fail(self, fault: Fault) -> None:
        self.close_connection = True
        if fault.status:
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            self._say(fault.status, {"error": {"message": fault.message}}, headers=headers)

    def _stream(self, asked: dict[str, Any]) -> None:
        world = self.stand_in
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            if world.answer is not None:
                self._chunk(world.answer)
                return self._chunk(b"")
            for number, piece in enumerate(_pieces(world)):
                if number == world.pieces_then_cut:
                    world.may_cut.wait(30)
                    return None
                if number == world.pieces_then_done:
                    break
                self._chunk(b": still there\n\n" + _event({"choices": [piece]}))
                time.sleep(world.between_s)
            if world.usage and asked.get("stream_options", {}).get("include_usage"):
                more = {"timings": world.timings} if world.timings else {}
                self._chunk(_event({"choices": [], "usage": world.usage, **more}))
            self._end_writing()
            self._chunk(b"data: [DONE]\n\n")
            return self._chunk(b"")
        except OSError:
            world.hung_up += 1

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")

    def _say(
        self,
        status: int,
        value: dict[str, Any],
        body: bytes | None = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> None:
        body = json.dumps(value).encode() if body is None else body
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, text in (headers or {}).items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.stand_in.hung_up += 1


def _pieces(world: ModelServerStandIn) -> Iterator[dict[str, Any]]:
    """The choices of a stream: role, thoughts, words, the end."""
    yield {"index": 0, "delta": {"role": "assistant", "content": None}, "finish_reason": None}
    for field, text in (("reasoning_content", world.thoughts), ("content", world.reply)):
        for word in text.replace(" ", "\x00 ").replace("\n", "\x00\n").split("\x00"):
            if word:
                yield {"index": 0, "delta": {field: word}, "finish_reason": None}
    yield {"index": 0, "delta": {}, "finish_reason": world.finish_reason}


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
