"""Answers through a model server that speaks OpenAI's protocol (llama-server, Ollama ...).

The same surface as `model.inference.Engine` where the live flow touches it, but for `generate`: a
server has its own chat template and tokenizer, so it gets the persona and the turns as messages and
not as tokens. What is said in the channels goes to that address; the key stands in the environment
(MODEL_API_KEY) and nowhere else, least of all in a sentence or a log.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

from model.chat_format import Own, Turn, line
from model.decoding import EngineError, Generation, Sampling, StoppedBy
from model.web import shown
from storage.errors import MynahError

KEY_VARIABLE = "MODEL_API_KEY"
TIMEOUT_S = 60.0
"""For a whole reply; a server that is loading its model takes its time."""
MOST_STOP_TEXTS = 4
"""OpenAI's own limit; the others are looked for here."""
_MOST_ANSWER_BYTES = 4 << 20
_COMPLETIONS = "/chat/completions"
_SILENCE = "..."
"""Where a chat template wants somebody else's words and there are none."""
_THOUGHTS = re.compile(r"\A\s*<think>.*?(?:</think>|\Z)", re.DOTALL)

P = ParamSpec("P")
T = TypeVar("T")


class BadServerError(MynahError):
    """The address is none that can be used."""


@dataclass(frozen=True)
class ModelServer:
    """Where a model server is. `of` judges what somebody wrote."""

    url: str
    """Its base, such as http://127.0.0.1:8080/v1, without a slash at the end."""
    model: str = ""
    """What the server calls the model; "": the first that it lists."""
    key: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str, model: str, environment: Mapping[str, str]) -> ModelServer:
        """Raises BadServerError. A bare host gets /v1, and /chat/completions is taken off."""
        text = url.strip().rstrip("/").removesuffix(_COMPLETIONS)
        try:
            parts = urlsplit(text)
            is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_good = False
        if not is_good:
            raise BadServerError(
                "The model server's address (the setting model_url) has to begin with http:// or "
                "https:// and name a host."
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise BadServerError(
                "The model server's address (the setting model_url) must hold no password and no "
                f"key: put the key into the environment variable {KEY_VARIABLE}."
            )
        base = text if parts.path.strip("/") else f"{text}/v1"
        return cls(base, model.strip(), environment.get(KEY_VARIABLE, "").strip())

    @property
    def label(self) -> str:
        """For people: the model's name, else host and port."""
        return self.model or urlsplit(self.url).netloc


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

    # -- the protocol ---------------------------------------------------------------------------

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
        return await self._send("POST", _COMPLETIONS, asked)

    async def _first_model(self) -> str:
        listed = (await self._send("GET", "/models")).get("data")
        first = listed[0] if isinstance(listed, list) and listed else None
        name = first.get("id") if isinstance(first, dict) else None
        if not isinstance(name, str) or not name:
            raise EngineError(
                f"The model server at {shown(self._server.url)} lists no model. Load one there, or "
                "name it in the setting model_url_name."
            )
        return name

    async def _send(self, method: str, path: str, asked: object = None) -> dict[str, Any]:
        import aiohttp  # discord.py has it loaded; a script at a prompt need not wait for it

        where = shown(self._server.url)
        key = self._server.key
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                    headers={"Authorization": f"Bearer {key}"} if key else {},
                ) as session,
                session.request(
                    method, self._server.url + path, json=asked, allow_redirects=False
                ) as response,
            ):
                _refuse(response.status, where)
                text = await response.content.read(_MOST_ANSWER_BYTES)
                while not response.content.at_eof() and len(text) < _MOST_ANSWER_BYTES:
                    text += await response.content.read(_MOST_ANSWER_BYTES - len(text))
        except asyncio.TimeoutError:  # in Python 3.10 not the built-in one
            raise EngineError(
                f"The model server at {where} did not answer within {self._timeout_s:.0f} s."
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or type(error).__name__
            raise EngineError(
                f"The model server at {where} cannot be reached ({said}). Start it, or correct the "
                "setting model_url."
            ) from None
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise _no_such_server(where)
        return answer


def _refuse(status: int, where: str) -> None:
    """Raise EngineError for an answer that is none. What the server says may quote the prompt."""
    if status == 200:
        return
    if status in (401, 403):
        raise EngineError(
            f"The model server at {where} wants a key (status {status}): put it into the "
            f"environment variable {KEY_VARIABLE}, then start the bot again."
        )
    if status == 404:
        raise EngineError(
            f"The model server at {where} knows no such address or model (status 404): check the "
            "settings model_url and model_url_name."
        )
    if status in (400, 413, 422):
        raise EngineError(
            f"The model server at {where} refuses the prompt (status {status}). Its context may be "
            "smaller than the setting context_tokens."
        )
    raise EngineError(
        f"The model server at {where} answers with status {status}; its log may help."
    )


def _no_such_server(where: str) -> EngineError:
    return EngineError(
        f"What is at {where} does not answer as a model server does: check the setting model_url."
    )


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
