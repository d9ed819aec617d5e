"""The hub and its CDN on loopback: metadata, a redirect to another port, ranges, and faults.

One big file, which the CDN gives, and any small ones, which the hub gives itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PIECE_BYTES = 1 << 16


class HubStandIn:
    """Serves one repository. Change the attributes to make it misbehave."""

    def __init__(
        self, payload: bytes, repository: str, file: str, small: dict[str, bytes] | None = None
    ) -> None:
        self.payload = payload
        self.repository = repository
        self.file = file
        self.commit = COMMIT
        self.small = {"README.md": b"0123456789", **(small or {})}
        self.broken_small: set[str] = set()
        """Which of them come with another last byte."""
        self.sha256 = hashlib.sha256(payload).hexdigest()
        self.etag = '"first"'
        self.knows: set[str] = {"main", COMMIT}
        """Revisions."""
        self.hash_key: str | None = "sha256"
        self.cuts: list[int] = []
        """After how many bytes of an answer the connection is cut, one entry an answer."""
        self.statuses: list[int] = []
        """What the CDN answers instead of the file, one entry a request."""
        self.metadata_statuses: list[int] = []
        self.honours_ranges = True
        self.silent_s = 0.0
        """Nothing is answered for so long."""
        self.piece_s = 0.0
        """A pause behind each piece."""
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        """Server ("hub" or "cdn"), path, headers in lower case."""
        self._hub = _server(self, "hub")
        self._cdn = _server(self, "cdn")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._hub.server_port}"

    @property
    def cdn(self) -> str:
        return f"http://127.0.0.1:{self._cdn.server_port}"

    def sent(self, server: str, header: str) -> list[str]:
        """The values of one header of all requests to one server; "" where it was not there."""
        return [headers.get(header, "") for name, _, headers in self.requests if name == server]

    def metadata(self) -> dict[str, Any]:
        size = len(self.payload)
        lfs: dict[str, Any] = {"size": size, "pointerSize": 135}
        if self.hash_key:
            lfs[self.hash_key] = self.sha256
        files: list[dict[str, Any]] = [
            {"rfilename": name, "size": len(raw), "blobId": _git_sha1(raw)}
            for name, raw in self.small.items()
        ]
        files.append({"rfilename": self.file, "size": size, "lfs": lfs})
        return {"id": self.repository, "sha": self.commit, "siblings": files}

    def __enter__(self) -> HubStandIn:
        for server in (self._hub, self._cdn):
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in (self._hub, self._cdn):
            server.shutdown()
            server.server_close()


def _git_sha1(raw: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def _server(stand_in: HubStandIn, name: str) -> ThreadingHTTPServer:
    class Handler(_Handler):
        world = stand_in
        server_name = name

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    world: HubStandIn
    server_name = ""

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        world = self.world
        headers = {key.lower(): value for key, value in self.headers.items()}
        world.requests.append((self.server_name, self.path, headers))
        time.sleep(world.silent_s)
        if self.server_name == "cdn":
            return self._file(headers)
        found = re.fullmatch(
            rf"/api/models/{re.escape(world.repository)}/revision/(\w+)\?blobs=true", self.path
        )
        if found and world.metadata_statuses:
            return self._say(world.metadata_statuses.pop(0))
        if found and found[1] in world.knows:
            return self._say(200, json.dumps(world.metadata()).encode())
        if self.path == f"/{world.repository}/resolve/{world.commit}/{world.file}":
            self.send_response(302)
            self.send_header("Location", f"{world.cdn}/blob?signature=secret-signature")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        name = self.path.removeprefix(f"/{world.repository}/resolve/{world.commit}/")
        if name in world.small:
            raw = world.small[name]
            return self._say(200, raw[:-1] + b"?" if name in world.broken_small else raw)
        return self._say(404)

    def _say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self, headers: dict[str, str]) -> None:
        world = self.world
        if world.statuses:
            return self._say(world.statuses.pop(0))
        first, status = 0, 200
        asked = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
        if asked and world.honours_ranges and headers.get("if-range", world.etag) == world.etag:
            first, status = int(asked[1]), 206
        total = len(world.payload)
        if first >= total:
            return self._say(416, Content_Range=f"bytes */{total}")
        self.send_response(status)
        self.send_header("ETag", world.etag)
        self.send_header("Content-Length", str(total - first))
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
        self.end_headers()
        last = first + world.cuts.pop(0) if world.cuts else total
        for start in range(first, last, PIECE_BYTES):
            try:
                self.wfile.write(world.payload[start : min(start + PIECE_BYTES, last)])
            except OSError:
                return None
            time.sleep(world.piece_s)
        self.close_connection = True
        return None
