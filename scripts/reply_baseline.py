"""What `bench_reply.py` measures against: the usual layout through a server, and raw llama.cpp.

The usual layout sends the system prompt and the last 25 messages anew for each reply. The raw loop
is `llama_decode` and `llama_sampler_sample` alone, in a process of its own so that its memory does
not count as the bot's: this file run as a script, a line of JSON in and one out for each reply.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.model_server import Connection, ModelServer, models_in
from model.sampling import Sampling, make_chain
from storage.errors import MynahError
from storage.paths import PROGRAM_DIR

Shown = tuple[str, str]
"""A role of OpenAI's protocol (user, assistant) and the words."""

STARTING_S = 300.0
CONNECTING_S = 10.0
ENDING_S = 5.0
BATCH_TOKENS = 512


class BaselineError(MynahError):
    """What is measured against does not work."""


@dataclass(frozen=True)
class Answer:
    """One reply through a server."""

    ttft_s: float
    """From the request to the first text."""
    full_s: float
    prompt_tokens: int
    """Evaluated, where the server says so; else sent."""
    reply_tokens: int


@dataclass(frozen=True)
class UsualLayout:
    """A server that is asked as usual bots ask."""

    server: ModelServer
    reply_tokens: int
    sampling: Sampling

    async def reply(self, persona: str, last: Sequence[Shown]) -> Answer:
        """Raises MynahError with a sentence."""
        messages = [{"role": role, "content": text} for role, text in [("system", persona), *last]]
        asked = {
            "model": self.server.model,
            "messages": messages,
            "max_tokens": self.reply_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "top_k": self.sampling.top_k,
            "min_p": self.sampling.min_p,
            "repeat_penalty": self.sampling.repeat_penalty,
            "seed": self.sampling.seed,
            "ignore_eos": True,  # every reply is to have all its tokens, as ours has
        }
        began_s = time.perf_counter()
        async with (
            Connection(self.server, connect_s=CONNECTING_S) as connection,
            aclosing(connection.answers(asked)) as chunks,
        ):
            return await _answer(chunks, began_s)


async def _answer(chunks: AsyncIterator[dict[str, Any]], began_s: float) -> Answer:
    first_s = 0.0
    pieces = 0
    usage: dict[str, Any] = {}
    timings: dict[str, Any] = {}
    async for chunk in chunks:
        usage, timings = chunk.get("usage") or usage, chunk.get("timings") or timings
        for choice in chunk.get("choices") or ():
            if (choice.get("delta") or {}).get("content"):
                first_s = first_s or time.perf_counter()
                pieces += 1
    ended_s = time.perf_counter()
    if not first_s and not usage:
        raise BaselineError("The baseline's server sent no reply.")
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Answer(
        ttft_s=(first_s or ended_s) - began_s,
        full_s=ended_s - began_s,
        prompt_tokens=timings.get("prompt_n", usage.get("prompt_tokens", 0) - cached),
        reply_tokens=usage.get("completion_tokens", pieces),
    )


async def reached(server: ModelServer) -> ModelServer:
    """The server with the name of its first model. Raises MynahError with a sentence."""
    async with Connection(server, connect_s=CONNECTING_S) as connection:
        listed = models_in(await connection.get("/models"))
    return replace(server, model=str(listed[0].get("id", "")) if listed else "")


@asynccontextmanager
async def started_server(
    binary: Path, model: Path, *, context_tokens: int, threads: tuple[int, int]
) -> AsyncIterator[ModelServer]:
    """llama-server with this model on a free port of loopback; ended afterwards.

    Its cache is as it is by default. Raises BaselineError.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ModelServer(f"http://127.0.0.1:{port}/v1")
    command = [binary, "-m", model, "-c", context_tokens, "-t", threads[0], "-tb", threads[1]]
    command += ["--host", "127.0.0.1", "--port", port]
    with tempfile.TemporaryFile() as output:
        try:
            process = await asyncio.create_subprocess_exec(
                *map(str, command), stdout=output, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise BaselineError(f"{binary} cannot be started: {error}") from None
        try:
            await _until_healthy(process, f"http://127.0.0.1:{port}/health", output)
            yield await reached(server)
        finally:
            await _end(process)


async def _until_healthy(process: asyncio.subprocess.Process, url: str, output: Any) -> None:
    import aiohttp

    until_s = time.monotonic() + STARTING_S
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < until_s:
            if process.returncode is not None:
                output.seek(0)
                last = output.read().decode("utf-8", "replace").strip().splitlines()[-3:]
                raise BaselineError("The baseline's server ended at once: " + " / ".join(last))
            with suppress(aiohttp.ClientError, OSError):
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.2)
    raise BaselineError(f"The baseline's server was not ready within {STARTING_S:.0f} s.")


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), ENDING_S)
            return
        process.kill()
    await process.wait()


# -- the raw loop ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class RawRates:
    """Tokens a second behind a prompt of the same length, one loop after the other."""

    greedy: float
    """The likeliest token each time: the cheapest sampler there is."""
    sampled: float
    """llama.cpp's own chain as the bot's settings want it."""


class RawLoop:
    """The process that runs the raw loop. Make it with `started_raw_loop`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def measure(self, prompt_tokens: int, reply_tokens: int, sampling: Sampling) -> RawRates:
        """Raises BaselineError."""
        asked = {
            "prompt_tokens": prompt_tokens,
            "reply_tokens": reply_tokens,
            "sampling": asdict(sampling),
        }
        return RawRates(**await self._ask(asked))

    async def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            await self._process.stdin.drain()
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        """Its next line. Raises BaselineError."""
        assert self._process.stdout is not None
        answer = await self._process.stdout.readline()
        if not answer:
            raise BaselineError("The raw loop's process ended; what it said stands above.")
        return dict(json.loads(answer))


@asynccontextmanager
async def started_raw_loop(
    model: Path, *, context_tokens: int, threads: tuple[int, int], use_mmap: bool
) -> AsyncIterator[RawLoop]:
    """A process with the model loaded as the bot has it. Raises BaselineError."""
    arguments = [model, context_tokens, *threads, int(use_mmap)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM_DIR / "scripts" / Path(__file__).name),
        *map(str, arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        raw = RawLoop(process)
        await raw.answer()  # loading takes cores from whatever is measured meanwhile
        yield raw
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class Raw:
    """A context with one sequence. It is filled once; each measurement goes back to its part."""

    def __init__(
        self, model: Path, context_tokens: int, threads: int, batch_threads: int, use_mmap: bool
    ) -> None:
        import llama_cpp

        from model.llama_runtime import load_model

        self._llama = llama_cpp
        self._model, _ = load_model(model, use_mmap=use_mmap)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = context_tokens
        params.n_batch = params.n_ubatch = min(BATCH_TOKENS, context_tokens)
        params.n_threads, params.n_threads_batch = threads, batch_threads
        params.no_perf = True
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        if not self._context:
            raise BaselineError("The raw loop cannot have a context of its own: too little memory.")
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._filled = 0
        self._state = ctypes.create_string_buffer(0)

    def rates(
        self, prompt_tokens: int, reply_tokens: int, sampling: dict[str, Any]
    ) -> dict[str, float]:
        """What `RawRates` holds."""
        self._fill(prompt_tokens)
        choices = {"greedy": Sampling(temperature=0.0), "sampled": Sampling(**sampling)}
        return {
            name: self._rate(prompt_tokens, reply_tokens, choice)
            for name, choice in choices.items()
        }

    def _fill(self, tokens: int) -> None:
        """Have a state of at least so many tokens; what they are does not change the speed."""
        if tokens <= self._filled:
            return
        if self._filled:
            self._go_back(self._filled)
        while self._filled < tokens:
            size = min(BATCH_TOKENS, tokens - self._filled)
            self._decode([100 + (self._filled + i) % 100 for i in range(size)])
            self._filled += size
        llama, context = self._llama, self._context
        size = llama.llama_state_seq_get_size(context, 0)
        self._state = ctypes.create_string_buffer(size)
        llama.llama_state_seq_get_data(context, _bytes(self._state), size, 0)

    def _go_back(self, tokens: int) -> None:
        """Hold the first `tokens` of what it was filled with."""
        llama = self._llama
        llama.llama_memory_clear(self._memory, True)
        size = len(self._state)
        llama.llama_state_seq_set_data(self._context, _bytes(self._state), size, 0)
        llama.llama_memory_seq_rm(self._memory, 0, tokens, -1)

    def _rate(self, prompt_tokens: int, reply_tokens: int, sampling: Sampling) -> float:
        """The first token is drawn behind the prompt; each further one costs a decode."""
        llama, context = self._llama, self._context
        chain = make_chain(llama, self._vocab, sampling, sampling.seed & 0xFFFFFFFF)
        self._go_back(prompt_tokens - 1)
        self._decode([100])
        began_s = time.perf_counter()
        for number in range(reply_tokens):
            token = llama.llama_sampler_sample(chain, context, -1)
            if number + 1 < reply_tokens:
                self._decode([token])
        took_s = time.perf_counter() - began_s
        llama.llama_sampler_free(chain)
        return reply_tokens / took_s

    def _decode(self, ids: Sequence[int]) -> None:
        tokens = (self._llama.llama_token * len(ids))(*ids)
        batch = self._llama.llama_batch_get_one(tokens, len(ids))
        if self._llama.llama_decode(self._context, batch) != 0:
            raise BaselineError("llama.cpp could not decode in the raw loop.")


def _bytes(buffer: Any) -> Any:
    return ctypes.cast(buffer, ctypes.POINTER(ctypes.c_uint8))


def main() -> int:
    """The raw loop's process: until its input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    for name in ("context_tokens", "threads", "batch_threads", "use_mmap"):
        parser.add_argument(name, type=int)
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the bench's: it ends this process
    answers = os.fdopen(os.dup(1), "w")  # llama.cpp may write to standard output
    os.dup2(2, 1)
    raw = Raw(
        given.model, given.context_tokens, given.threads, given.batch_threads, bool(given.use_mmap)
    )
    print("{}", file=answers, flush=True)  # ready
    for line in sys.stdin:
        print(json.dumps(raw.rates(**json.loads(line))), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
