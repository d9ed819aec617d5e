"""A model server on loopback that speaks as much of OpenAI's protocol as we do, and its faults."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class ModelServerStandIn:
    """Answers every prompt with `reply`. Change the attributes to make it misbehave."""

    def __init__(self, reply: str = "nine works for me") -> None:
        self.reply = reply
        self.finish_reason = "stop"
        self.models = ["stand-in-4b", "another"]
        self.key = ""
        """Wanted, where it is not empty."""
        self.status = 200
        self.answer: bytes | None = None
        """In place of what it would say."""
        self.silent_s = 0.0
        self.asked: list[dict[str, Any]] = []
        """The completions that were asked for."""
        self.listed = 0
        self.keys: list[str] = []
        world = self

        class Handler(_Handler):
            stand_in = world

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

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

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        world = self.stand_in
        world.listed += 1
        if self.path != "/v1/models":
            return self._say(404, {})
        return self._say(200, {"object": "list", "data": [{"id": name} for name in world.models]})

    def do_POST(self) -> None:
        world = self.stand_in
        body = self.rfile.read(int(self.headers["Content-Length"]))
        world.keys.append(self.headers.get("Authorization", ""))
        if self.path != "/v1/chat/completions":
            return self._say(404, {})
        world.asked.append(json.loads(body))
        time.sleep(world.silent_s)
        if world.key and self.headers.get("Authorization") != f"Bearer {world.key}":
            return self._say(401, {"error": {"message": f"wrong key, you said: {body!r}"}})
        if world.status != 200:
            return self._say(world.status, {"error": {"message": f"you said: {body!r}"}})
        message = {"role": "assistant", "content": world.reply}
        choice = {"index": 0, "message": message, "finish_reason": world.finish_reason}
        usage = {"prompt_tokens": 41, "completion_tokens": 6, "total_tokens": 47}
        return self._say(200, {"id": "x", "choices": [choice], "usage": usage})

    def _say(self, status: int, value: dict[str, Any]) -> None:
        world = self.stand_in
        body = json.dumps(value).encode() if world.answer is None else world.answer
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            return  # nobody waits any more
