"""A model server that speaks OpenAI's protocol: its address, a request, its refusals in words.

The key stands in the environment (MODEL_API_KEY) and nowhere else, least of all in a sentence or a
log; what a server says of an error may quote the prompt and is not repeated.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from model.decoding import EngineError
from model.web import shown
from storage.errors import MynahError

KEY_VARIABLE = "MODEL_API_KEY"
COMPLETIONS = "/chat/completions"
TIMEOUT_S = 60.0
"""For a whole reply; a server that is loading its model takes its time."""
_MOST_ANSWER_BYTES = 4 << 20


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

    async def send(self, path: str, asked: object = None, *, timeout_s: float) -> dict[str, Any]:
        """What it answers to a POST of `asked`, or to a GET. Raises EngineError with a sentence."""
        import aiohttp  # discord.py has it loaded; a script at a prompt need not wait for it

        where, method = self.shown, "GET" if asked is None else "POST"
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=timeout_s),
                    headers={"Authorization": f"Bearer {self.key}"} if self.key else {},
                ) as session,
                session.request(
                    method, self.url + path, json=asked, allow_redirects=False
                ) as response,
            ):
                _refuse(response.status, where)
                text = await response.content.read(_MOST_ANSWER_BYTES)
                while not response.content.at_eof() and len(text) < _MOST_ANSWER_BYTES:
                    text += await response.content.read(_MOST_ANSWER_BYTES - len(text))
        except asyncio.TimeoutError:  # in Python 3.10 not the built-in one
            raise EngineError(
                f"The model server at {where} did not answer within {timeout_s:.0f} s."
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
