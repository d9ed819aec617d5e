"""A real model server on loopback: llama-cpp-python's own, and llama-server where one is named.

MYNAH_LLAMA_SERVER names llama-server's program; without it what needs it is not collected.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from storage.paths import DEMO_BASE_DIR

PYTHON_SERVER = "llama_cpp.server"
LLAMA_SERVER = "llama-server"
PROGRAM = os.environ.get("MYNAH_LLAMA_SERVER", "")
KINDS = (PYTHON_SERVER, LLAMA_SERVER) if PROGRAM else (PYTHON_SERVER,)
START_TIMEOUT_S = 60.0


def rambling_base(folder: Path) -> Path:
    """The small base, but that it does not know how a reply ends: it goes on until it is ended."""
    weights = next(DEMO_BASE_DIR.glob("*.gguf")).read_bytes()
    # llama.cpp knows these by their names, and the one that the file names by its number.
    weights = weights.replace(b"<|im_end|>", b"<|im_sub|>")
    weights = weights.replace(b"<|endoftext|>", b"<|substtext|>")
    key = b"tokenizer.ggml.eos_token_id"
    at = weights.index(key) + len(key) + 4  # behind the type, uint32
    there = folder / "rambling.gguf"
    there.write_bytes(weights[:at] + struct.pack("<I", 4000) + weights[at + 4 :])
    return there


class RealModelServer:
    """One process. `start` it, also again after `kill`: its port stays."""

    def __init__(self, kind: str, gguf: Path, folder: Path, *, context_tokens: int = 2048) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.log = folder / f"{kind}-{port}.txt"
        places = ["--model", str(gguf), "--host", "127.0.0.1", "--port", str(port)]
        tokens = str(context_tokens)
        if kind == PYTHON_SERVER:
            self._command = [
                *(sys.executable, "-m", "llama_cpp.server", *places),
                *("--n_ctx", tokens, "--n_threads", "1", "--n_threads_batch", "1"),
            ]
        else:
            size = ("--ctx-size", tokens, "--threads", "1", "--parallel", "1")
            self._command = [PROGRAM, *places, *size]

    def start(self, *, wait: bool = True) -> RealModelServer:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while wait and not self._answers():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)
        return self

    def kill(self) -> None:
        """As kill -9 does."""
        self.process.kill()
        self.process.wait()

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> RealModelServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/v1/models", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
