"""Answers through a model server that speaks OpenAI's protocol (llama-server, Ollama ...).

The same surface as `model.inference.Engine` where the live flow touches it, but for `generate`: a
server has its own chat template and tokenizer, so it gets the persona and the turns as messages and
not as tokens. What is said in the channels goes to that address.
"""

from __future__ import annotations

import asyncio
import math
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from model.chat_format import Own, Turn, line
from model.decoding import EngineError, Generation, Sampling, StoppedBy
from model.model_server import COMPLETIONS, TIMEOUT_S, ModelServer

MOST_STOP_TEXTS = 4
"""OpenAI's own limit; the others are looked for here."""
_SILENCE = "..."
"""Where a chat template wants somebody else's words and there are none."""
_THOUGHTS = re.compile(r"\A\s*<think>.*?(?:</think>|\Z)", re.DOTALL)

P = ParamSpec("P")
T = TypeVar("T")


class EstimatingTokenizer:
    """Counts tokens too high rather than too low: the server's own tokenizer is not known.

    A token of English is about four characters; here three make one, and two bytes of anything
    beyond ASCII (a Chinese character is then 1.5 tokens, an emoji 2). The ids mean nothing.
    """

    def control_id(self, token: str) -> int:
        return 0

    def text_ids(self, text: str) -> list[int]:
        size = len(text.encode("utf-8", "replace"))
        plain = sum(char < "\x80" for char in text)
        return [0] * (math.ceil(plain / 3) + math.ceil((size - plain) / 2))


class RemoteEngine:
    """One server. Connects with the first reply; any thread may `cancel` and `close`."""

    sha256 = ""
    """Nobody knows which file answers."""

    def __init__(
        self, server: ModelServer, *, context_tokens: int = 2048, timeout_s: float = TIMEOUT_S
    ) -> None:
        self.tokenizer = EstimatingTokenizer()
        self.context_tokens = context_tokens
        self._server = server
        self._model = server.model
        self._timeout_s = timeout_s
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="mynah-beside-engine")
        self._running: dict[asyncio.Task[dict[str, Any]], asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    async def generate(
        self,
        persona: str,
        turns: Sequence[Turn],
        *,
        sampling: Sampling,
        stop_texts: Sequence[str] = (),
    ) -> Generation:
        """The server's answer to the turns. Of `sampling` it gets temperature, top_p, max_tokens
        and seed: the others are no part of the protocol. Raises EngineError."""
        began_s = time.perf_counter()
        task = asyncio.ensure_future(self._ask(_messages(persona, turns), sampling, stop_texts))
        with self._lock:
            if self._is_closed:
                task.cancel()
                raise EngineError("the engine is closed")
            self._running[task] = asyncio.get_running_loop()
        try:
            await asyncio.wait({task})
        finally:
            with self._lock:
                self._running.pop(task, None)
            task.cancel()  # where somebody waits no longer
        if task.cancelled():
            return _generation("", {}, began_s, StoppedBy.CANCELLED)
        return _read(task.result(), stop_texts, began_s)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what else computes (embedding a question) on a thread of its own, one at a time."""
        with self._lock:
            if self._is_closed:
                raise EngineError("the engine is closed")
            running = self._worker.submit(function, *args, **kwargs)
        return await asyncio.wrap_future(running)

    def cancel(self) -> None:
        """End what is being written; whoever waits for it gets what a cancelled reply is."""
        with self._lock:
            for task, loop in self._running.items():
                with suppress(RuntimeError):  # the loop is closed already
                    loop.call_soon_threadsafe(task.cancel)

    def close(self) -> None:
        """Cancel what runs. Again does nothing."""
        with self._lock:
            self._is_closed = True
        self.cancel()
        self._worker.shutdown()

    def __enter__(self) -> RemoteEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _ask(
        self, messages: list[dict[str, str]], sampling: Sampling, stop_texts: Sequence[str]
    ) -> dict[str, Any]:
        if not self._model:
            self._model = await self._first_model()
        asked: dict[str, Any] = {
            "model": self._model,
            "messages": messages,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "stream": False,
        }
        if sampling.seed >= 0:
            asked["seed"] = sampling.seed
        if stop_texts:
            asked["stop"] = list(stop_texts)[-MOST_STOP_TEXTS:]
        return await self._server.send(COMPLETIONS, asked, timeout_s=self._timeout_s)

    async def _first_model(self) -> str:
        listed = (await self._server.send("/models", timeout_s=self._timeout_s)).get("data")
        first = listed[0] if isinstance(listed, list) and listed else None
        name = first.get("id") if isinstance(first, dict) else None
        if not isinstance(name, str) or not name:
            raise EngineError(
                f"The model server at {self._server.shown} lists no model. Load one there, or "
                "name it in the setting model_url_name."
            )
        return name


def _messages(persona: str, turns: Sequence[Turn]) -> list[dict[str, str]]:
    """The transcript as a chat template takes it: system, then user and assistant in turns, from
    user to user. Lines are those of `chat_format`, so nobody can write somebody else's."""
    spoken: list[dict[str, str]] = []
    for turn in turns:
        role = "assistant" if isinstance(turn, Own) else "user"
        text = turn.text.strip() if isinstance(turn, Own) else line(turn).rstrip("\n")
        if spoken and spoken[-1]["role"] == role:
            spoken[-1]["content"] += f"\n{text}"
        else:
            spoken.append({"role": role, "content": text})
    if not spoken or spoken[0]["role"] == "assistant":
        spoken.insert(0, {"role": "user", "content": _SILENCE})
    if spoken[-1]["role"] == "assistant":
        spoken.append({"role": "user", "content": _SILENCE})
    return [{"role": "system", "content": persona.strip()}, *spoken]


def _read(answer: dict[str, Any], stop_texts: Sequence[str], began_s: float) -> Generation:
    try:
        choice = answer["choices"][0]
        text = choice["message"].get("content") or ""
        ended = choice.get("finish_reason")
        if not isinstance(text, str):
            raise TypeError
    except (KeyError, IndexError, TypeError, AttributeError):
        raise EngineError(
            "The model server's answer holds no message: it may speak another protocol."
        ) from None
    text = _THOUGHTS.sub("", text)
    stopped_by = StoppedBy.LENGTH if ended == "length" else StoppedBy.END
    found = [at for at in (text.find(stop) for stop in stop_texts) if at >= 0]
    if found:
        text, stopped_by = text[: min(found)], StoppedBy.TEXT
    usage = answer.get("usage")
    return _generation(text, usage if isinstance(usage, dict) else {}, began_s, stopped_by)


def _generation(
    text: str, usage: dict[str, Any], began_s: float, stopped_by: StoppedBy
) -> Generation:
    def count(name: str) -> int:
        value = usage.get(name)
        return value if isinstance(value, int) else 0

    prompt_tokens = count("prompt_tokens")
    return Generation(
        text=text.strip(),
        token_ids=(),
        prompt_tokens=prompt_tokens,
        evaluated_tokens=prompt_tokens,
        reply_tokens=count("completion_tokens"),
        prompt_s=0.0,
        reply_s=time.perf_counter() - began_s,
        stopped_by=stopped_by,
    )
