"""A model server that speaks OpenAI's protocol: its address, a request, its refusals in words.

The key stands in the environment (MODEL_API_KEY) and nowhere else, least of all in a sentence or a
log; what a server says of an error may quote the prompt and is not repeated.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from model.event_stream import events
from model.llama_runtime import EngineError
from model.web import shown
from storage.errors import MynahError

if TYPE_CHECKING:
    import aiohttp

KEY_VARIABLE = "MODEL_API_KEY"
COMPLETIONS = "/chat/completions"
_BESIDE = ("/props", "/api/ps", "/api/v0/models")
"""Where llama-server, Ollama and LM Studio tell the context that a model was loaded with."""
_MOST_ANSWER_BYTES = 16 << 20
_MOST_REFUSAL_BYTES = 64 << 10
_LONGEST_WAIT_S = 3600.0
_BUSY = (429, 502, 503, 504)
"""May be better in a moment. 500 is not tried again: it may be the prompt that breaks it."""
_ABOUT_LENGTH = re.compile(
    r"context.length|exceed_context|context (size|window)|too long", re.IGNORECASE
)
_LOADING = re.compile(r"loading model|model is loading", re.IGNORECASE)

T = TypeVar("T")


class BadServerError(MynahError):
    """The address is none that can be used."""


class ServerError(EngineError):
    """A model server cannot be reached, or refuses."""

    def __init__(
        self,
        sentence: str,
        *,
        status: int = 0,
        may_pass: bool = False,
        wait_s: float = 0.0,
        is_loading: bool = False,
        is_length: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.status = status
        """Of HTTP; 0 where there is none."""
        self.may_pass = may_pass
        """Whether the same may be answered in a moment."""
        self.wait_s = wait_s
        """How long it asked us to wait."""
        self.is_loading = is_loading
        """Whether it reads its model and will be there."""
        self.is_length = is_length
        """Whether it says that the prompt is too long."""


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for, in seconds."""

    connect_s: float = 5.0
    first_s: float = 120.0
    """Until the first token, all attempts together: a cold server loads its model and reads the
    whole prompt."""
    between_s: float = 60.0
    """Between two tokens: long, as it may be reading another channel's prompt meanwhile."""
    waits_s: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Between the attempts."""
    loading_s: float = 1.0
    """Between the attempts while it is loading its model; of these there is no limit."""
    aside_s: float = 2.0
    """For what is good to know and not needed."""


class Attempts:
    """The attempts at one reply. The first one begins with it."""

    def __init__(self, patience: Patience, deadline_s: float | None) -> None:
        self._loading_s = patience.loading_s
        self._waits_s = list(patience.waits_s)
        self.first_s = time.monotonic() + patience.first_s
        """time.monotonic() at which the first token must be there."""
        self._end_s = self.first_s if deadline_s is None else min(self.first_s, deadline_s)

    async def pause(self, error: ServerError) -> None:
        """Wait before the next one. Raises `error` where there is to be none."""
        if not error.may_pass or not (error.is_loading or self._waits_s):
            raise error
        wait_s = max(self._loading_s if error.is_loading else self._waits_s.pop(0), error.wait_s)
        if time.monotonic() + wait_s >= self._end_s:
            raise error
        await asyncio.sleep(wait_s)


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
        text = url.strip().rstrip("/").removesuffix(COMPLETIONS)
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

    @property
    def shown(self) -> str:
        """For sentences."""
        return shown(self.url)


class Connection:
    """Requests to a server from one event loop; an asynchronous context manager.

    One a reply: what was left half read is closed with it, so that the server stops computing, and
    no connection that has died meanwhile is used again.
    """

    def __init__(self, server: ModelServer, *, connect_s: float) -> None:
        import aiohttp  # discord.py has it loaded; a script at a prompt need not wait for it

        self._server = server
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_s),
            headers={"Authorization": f"Bearer {server.key}"} if server.key else {},
        )

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str) -> dict[str, Any]:
        """The object at `path`, below the base. Raises ServerError, EngineError."""
        return await self._get(self._server.url + path)

    async def context_beside(self, model: str, *, wait_s: float) -> int:
        """The context in tokens that the server's own interface, beside OpenAI's, tells of the
        loaded model; 0 where it does not."""
        root = self._server.url.removesuffix("/v1")
        asked = asyncio.gather(
            *(self._get(root + path) for path in _BESIDE), return_exceptions=True
        )
        try:
            told = await within(wait_s, asked)
        except asyncio.TimeoutError:
            return 0
        return max((context_in(one, model) for one in told if isinstance(one, dict)), default=0)

    async def _get(self, url: str) -> dict[str, Any]:
        with self._in_words():
            async with self._session.get(url, allow_redirects=False) as response:
                await self._refuse(response)
                return self._object(b"".join([piece async for piece in _body(response)]))

    async def answers(self, asked: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """What it answers to a POST of `asked`: its pieces one by one where it streams, else the
        whole. Close it (`aclosing`). Raises ServerError, EngineError."""
        url = self._server.url + COMPLETIONS
        with self._in_words():
            async with self._session.post(url, json=asked, allow_redirects=False) as response:
                await self._refuse(response)
                if "event-stream" not in response.headers.get("Content-Type", ""):
                    yield self._object(b"".join([piece async for piece in _body(response)]))
                    return
                async for data in events(_body(response)):
                    if data.strip() == "[DONE]":
                        return
                    yield self._object(data)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Say what the network does as ServerError."""
        import aiohttp

        where = self._server.shown
        try:
            yield
        except asyncio.TimeoutError:  # in Python 3.10 not the built-in one
            raise ServerError(
                f"The model server at {where} cannot be reached (no answer to the call). Start it, "
                "or correct the setting model_url.",
                may_pass=True,
            ) from None
        except aiohttp.ClientConnectorCertificateError:
            raise ServerError(
                f"The certificate of the model server at {where} cannot be verified. Check this "
                "computer's clock and the setting model_url."
            ) from None
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            said = getattr(error, "strerror", None) or type(error).__name__
            raise ServerError(
                f"The model server at {where} cannot be reached ({said}). Start it, or correct the "
                "setting model_url.",
                may_pass=not isinstance(error, aiohttp.InvalidURL),
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise broken_off(where, type(error).__name__) from None

    def _object(self, text: str | bytes) -> dict[str, Any]:
        """Raises EngineError where it is no object, or one that tells of an error."""
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise EngineError(
                f"What is at {self._server.shown} does not answer as a model server does: check "
                "the setting model_url."
            )
        if told := answer.get("error"):
            status = told.get("code") if isinstance(told, dict) else 0
            # Behind a status of 200: it had begun to answer.
            status = status if isinstance(status, int) and 400 <= status < 600 else 500
            raise _refusal(status, self._server.shown, json.dumps(told))
        return answer

    async def _refuse(self, response: aiohttp.ClientResponse) -> None:
        """Raise ServerError for an answer that is none."""
        if response.status == 200:
            return
        asked = response.headers.get("Retry-After", "").strip()
        wait_s = min(float(asked), _LONGEST_WAIT_S) if re.fullmatch(r"\d+(\.\d+)?", asked) else 0.0
        said = await response.content.read(_MOST_REFUSAL_BYTES)
        raise _refusal(response.status, self._server.shown, said.decode("utf-8", "replace"), wait_s)


async def within(timeout_s: float, awaitable: Awaitable[T]) -> T:
    """What it gives. Raises asyncio.TimeoutError.

    Before Python 3.12 `asyncio.wait_for` swallows a cancellation that comes together with the
    result (cpython #86296), and while a server streams there is always a result.
    """
    task = asyncio.ensure_future(awaitable)
    try:
        done, _ = await asyncio.wait({task}, timeout=max(timeout_s, 0.0))
        if not done:
            raise asyncio.TimeoutError
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def _body(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    size = 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > _MOST_ANSWER_BYTES:
            raise EngineError("The model server's answer does not end: it is not a reply.")
        yield piece


def broken_off(where: str, said: str) -> ServerError:
    """It ended in the midst of its answer."""
    return ServerError(
        f"The model server at {where} broke off in the midst of its answer ({said}); its log may "
        "help.",
        may_pass=True,
    )


def _refusal(status: int, where: str, said: str, wait_s: float = 0.0) -> ServerError:
    """What a status means. `said` is looked at and not repeated: it may quote the prompt."""
    if status in (401, 403):
        sentence = (
            f"The model server at {where} wants a key (status {status}): put it into the "
            f"environment variable {KEY_VARIABLE}, then start the bot again."
        )
        return ServerError(sentence, status=status)
    if status == 404:
        sentence = (
            f"The model server at {where} knows no such address or model (status 404): check the "
            "settings model_url and model_url_name."
        )
        return ServerError(sentence, status=status)
    if status in (400, 413, 422):
        sentence = (
            f"The model server at {where} refuses the prompt (status {status}). Its context may be "
            "smaller than the setting context_tokens."
        )
        is_length = status == 413 or bool(_ABOUT_LENGTH.search(said))
        return ServerError(sentence, status=status, is_length=is_length)
    if status == 503 and _LOADING.search(said):
        sentence = f"The model server at {where} is still loading its model: wait a little."
        return ServerError(sentence, status=status, may_pass=True, is_loading=True, wait_s=wait_s)
    sentence = f"The model server at {where} answers with status {status}; its log may help."
    if status == 429:
        asks = f" and asks to wait {wait_s:.0f} s" if wait_s else ""
        sentence = f"The model server at {where} is asked too often (status 429){asks}."
    return ServerError(sentence, status=status, may_pass=status in _BUSY, wait_s=wait_s)


def models_in(listed: dict[str, Any]) -> list[dict[str, Any]]:
    """The models in a list of them: OpenAI's, LM Studio's ("data") or Ollama's ("models")."""
    for name in ("data", "models"):
        if isinstance(found := listed.get(name), list):
            return [one for one in found if isinstance(one, dict)]
    return []


def context_in(told: dict[str, Any], model: str) -> int:
    """The context in tokens that some answer tells of a model; 0 where it tells none."""
    entries, names = models_in(told), (model, f"{model}:latest")
    known = [one for one in entries if any(one.get(n) in names for n in ("id", "name", "model"))]
    known = known or (entries if len(entries) == 1 else [])
    sizes: list[object] = [_within(told, "default_generation_settings", "n_ctx")]  # llama-server
    for one in known[:1]:
        sizes += [
            _within(one, "meta", "n_ctx"),  # llama-server
            one.get("max_model_len"),  # vLLM
            one.get("loaded_context_length"),  # LM Studio
            one.get("context_length"),  # Ollama
        ]
    return next((size for size in sizes if isinstance(size, int) and size > 0), 0)


def _within(told: dict[str, Any], *names: str) -> object:
    value: object = told
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
