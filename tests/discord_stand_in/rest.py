"""Discord's REST v10: who may ask, what goes wrong on purpose, what was asked and answered."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiohttp import web

from tests.discord_stand_in.faults import Bucket, Faults, Rule, limited_json
from tests.discord_stand_in.openapi import OpenApi
from tests.discord_stand_in.refusals import ApiError
from tests.discord_stand_in.things import Json
from tests.discord_stand_in.world import World

API = "/api/v10"
_GENEROUS = (1000, 1.0)


class Asked(NamedTuple):
    """One request: `route` is its path without /api/v10, `json` its body or (GET) its query. A
    status of 0: its connection was cut."""

    method: str
    route: str
    status: int
    json: Any
    at_s: float = 0.0
    """When it came, on the monotonic clock."""


class Upload(NamedTuple):
    """A file that came with a request."""

    name: str
    content_type: str
    content: bytes


@dataclass
class Ask:
    """A request as a handler gets it. `ids`: the numbers in the path, by name."""

    ids: dict[str, int]
    words: dict[str, str]
    query: dict[str, str]
    body: Any
    files: list[Upload]


Answer = tuple[int, Any]
Handler = Callable[[World, Ask], Answer]


@dataclass(frozen=True)
class Route:
    method: str
    template: str
    handler: Handler
    pattern: re.Pattern[str]
    is_open: bool
    """Whether it is asked without the token: interactions and webhooks carry their own."""


def route(method: str, template: str, handler: Handler) -> Route:
    """A route by its template in Discord's own description."""
    pattern = re.sub(
        r"\{(\w+)\}", _step, re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
    )
    is_open = template.startswith(("/interactions/", "/webhooks/"))
    return Route(method, template, handler, re.compile(pattern), is_open)


def _step(found: re.Match[str]) -> str:
    name = found.group(1)
    return f"(?P<{name}>\\d+)" if name.endswith("_id") else f"(?P<{name}>[^/]+)"


class Rest:
    """Answers every request under /api/v10."""

    def __init__(
        self,
        world: World,
        faults: Faults,
        token: str,
        routes: Iterable[Route],
        api: OpenApi | None,
        check_every: int = 1,
    ) -> None:
        self.world = world
        self.faults = faults
        self.token = token
        self.api = api
        self.check_every = check_every
        """Only every n-th request is checked against the description."""
        self.requests: list[Asked] = []
        self.violations: list[str] = []
        self.on_change: Callable[[], None] = lambda: None
        self._routes: dict[str, list[Route]] = {}
        for one in routes:
            self._routes.setdefault(one.method, []).append(one)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The aiohttp handler."""
        came_s = time.monotonic()
        path = request.path.removeprefix(API)
        ask = await _read(request)
        seen = ask.body if request.method != "GET" else ask.query
        delay_s = self.faults.delay_of(request.method, path)
        if delay_s:
            await asyncio.sleep(delay_s)
        rule = self.faults.met_by(request.method, path)
        found = self._find(request.method, path, ask)
        if found is None or (rule is not None and not rule.after_effect):
            status, body = (404, _NOT_FOUND) if rule is None else (rule.status, None)
        else:
            status, body = self._carry_out(request, found, ask)
            status, body = (status, body) if rule is None else (rule.status, None)
        self.requests.append(Asked(request.method, path, status, seen, came_s))
        self.on_change()
        if rule is not None:
            return _faulty(request, rule)
        bucket = None if found is None else self._bucket(found, ask)
        return _response(status, body, bucket)

    def _find(self, method: str, path: str, ask: Ask) -> Route | None:
        for one in self._routes.get(method, []):
            match = one.pattern.fullmatch(path)
            if match is not None:
                for name, value in match.groupdict().items():
                    if name.endswith("_id"):
                        ask.ids[name] = int(value)
                    else:
                        ask.words[name] = value
                return one
        self.violations.append(f"request {method} {path}: the stand-in does not know it")
        return None

    def _carry_out(self, request: web.Request, found: Route, ask: Ask) -> Answer:
        checks = self.api if len(self.requests) % self.check_every == 0 else None
        if checks is not None:
            self.violations += checks.check_request(
                found.method, found.template, ask.query, ask.body
            )
        status, body = self._decide(request, found, ask)
        if checks is not None and status != 401:
            self.violations += checks.check_response(found.method, found.template, status, body)
        return status, body

    def _decide(self, request: web.Request, found: Route, ask: Ask) -> Answer:
        given = request.headers.get("Authorization")
        if not found.is_open and (self.faults.token_refused or given != f"Bot {self.token}"):
            return 401, {"message": "401: Unauthorized", "code": 0}
        limited = self._limited(found, ask)
        if limited is not None:
            return limited
        try:
            return found.handler(self.world, ask)
        except ApiError as error:
            if error.is_fault:
                self.violations.append(f"request {found.method} {found.template}: {error.body}")
            return error.status, error.body
        except Exception as error:
            logging.exception("The stand-in for Discord broke")
            self.violations.append(f"{found.method} {found.template} broke the stand-in: {error!r}")
            return 500, {"message": "500: Internal Server Error", "code": 0}

    def _limited(self, found: Route, ask: Ask) -> Answer | None:
        if not self.world.real_limits:
            return None
        everything = self.faults.bucket("global", "", *self.faults.global_limit)
        if not found.is_open and not everything.take():
            return 429, limited_json(everything.reset_after_s, True)
        bucket = self._bucket(found, ask)
        if not bucket.take():
            return 429, limited_json(bucket.reset_after_s, False)
        return None

    def _bucket(self, found: Route, ask: Ask) -> Bucket:
        major = "+".join(
            str(ask.ids[name])
            for name in ("channel_id", "guild_id", "webhook_id")
            if name in ask.ids
        )
        name = hashlib.md5(
            f"{found.method} {found.template}".encode(), usedforsecurity=False
        ).hexdigest()
        if not self.world.real_limits:
            return Bucket(*_GENEROUS, _GENEROUS[0] - 1, time.monotonic() + 1, name)
        limit, per_s = self.faults.limits.get((found.method, found.template), _GENEROUS)
        return self.faults.bucket(name, major, limit, per_s)


_NOT_FOUND: Json = {"message": "404: Not Found", "code": 0}


async def _read(request: web.Request) -> Ask:
    query = dict(request.query)
    if not request.can_read_body:
        return Ask({}, {}, query, None, [])
    if not request.content_type.startswith("multipart/"):
        text = await request.text()
        return Ask({}, {}, query, json.loads(text) if text else None, [])
    form = await request.post()
    body = json.loads(str(form.get("payload_json", "{}")))
    files = [
        Upload(part.filename, part.content_type, part.file.read())
        for part in form.values()
        if isinstance(part, web.FileField)
    ]
    return Ask({}, {}, query, body, files)


def _headers(bucket: Bucket) -> dict[str, str]:
    reset_after_s = bucket.reset_after_s
    return {
        "X-RateLimit-Limit": str(bucket.limit),
        "X-RateLimit-Remaining": str(bucket.left),
        "X-RateLimit-Reset": f"{time.time() + reset_after_s:.3f}",
        "X-RateLimit-Reset-After": f"{reset_after_s:.3f}",
        "X-RateLimit-Bucket": bucket.name,
    }


def _response(status: int, body: Any, bucket: Bucket | None) -> web.Response:
    headers = {"Via": "1.1 google"}
    if bucket is not None:
        headers |= _headers(bucket)
    if status == 429:
        headers |= _limit_headers(body["retry_after"], body["global"])
    if body is None:
        return web.Response(status=status, headers=headers)
    written = json.dumps(body, separators=(",", ":")).encode()
    return web.Response(
        status=status, body=written, headers=headers, content_type="application/json"
    )


def _limit_headers(retry_after_s: float, is_global: bool) -> dict[str, str]:
    made = {"Retry-After": str(int(retry_after_s) + 1)}
    if is_global:
        return made | {"X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}
    return made | {"X-RateLimit-Scope": "user"}


def _faulty(request: web.Request, rule: Rule) -> web.Response:
    if rule.status == 429:
        body = limited_json(rule.retry_after_s or 0.0, rule.is_global)
        return _response(429, body, None)
    if rule.status == 0:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
    text = f"upstream connect error or disconnect/reset before headers ({rule.status})"
    return web.Response(status=rule.status, text=text)
