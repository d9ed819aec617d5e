"""What goes wrong on purpose: rate limits, errors, lost connections, close codes."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Protocol

from tests.discord_stand_in.setting import Setting
from tests.discord_stand_in.things import Json

REAL_LIMITS: dict[tuple[str, str], tuple[int, float]] = {
    ("POST", "/channels/{channel_id}/messages"): (5, 5.0),
    ("PATCH", "/channels/{channel_id}/messages/{message_id}"): (5, 5.0),
    ("DELETE", "/channels/{channel_id}/messages/{message_id}"): (5, 1.0),
    ("POST", "/channels/{channel_id}/typing"): (5, 5.0),
    ("GET", "/channels/{channel_id}/messages"): (5, 1.0),
    ("PUT", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me"): (1, 0.25),
    ("POST", "/users/@me/channels"): (10, 10.0),
}
"""With `World.real_limits`: requests and seconds, by channel, server or webhook. Posting, editing
and typing as Discord's headers tell; it documents no figures, so the others are what its clients
report, on the strict side."""

REAL_GLOBAL = (50, 1.0)


class Line(Protocol):
    """What `Faults` pulls at: the stand-in itself."""

    def abort_connections(self) -> None: ...

    def to_gateway(self, act: str, value: int | bool) -> None: ...

    async def down(self) -> None: ...

    async def up(self) -> None: ...


@dataclass
class Rule:
    """One fault for requests that fit `pattern`; `times` None: until `Faults.clear`."""

    pattern: re.Pattern[str]
    times: int | None
    status: int = 0
    """0 with no `retry_after_s` and no `delay_s`: the connection is cut."""
    retry_after_s: float | None = None
    is_global: bool = False
    after_effect: bool = False
    delay_s: float | None = None
    met: int = 0

    def fits(self, method: str, path: str) -> bool:
        left = self.times is None or self.met < self.times
        return left and bool(self.pattern.fullmatch(f"{method} {path}"))


@dataclass
class Bucket:
    """How many requests of one rate limit are left until `until_s` (monotonic)."""

    limit: int
    per_s: float
    left: int = 0
    until_s: float = 0.0
    name: str = ""

    def take(self) -> bool:
        now_s = time.monotonic()
        if now_s >= self.until_s:
            self.left, self.until_s = self.limit, now_s + self.per_s
        if self.left <= 0:
            return False
        self.left -= 1
        return True

    @property
    def reset_after_s(self) -> float:
        return max(0.0, self.until_s - time.monotonic())


def pattern_of(route: str) -> re.Pattern[str]:
    """`POST /channels/*/messages`: `*` and `{...}` stand for one step of the path, `**` for any
    number. Without a method it fits all methods; `*` alone fits everything."""
    if route in ("*", "**"):
        return re.compile(".*")
    if route.startswith("/"):
        route = f"* {route}"
    parts = re.split(r"(\*\*|\*|\{[^}]*\})", route)
    made = [".*" if p == "**" else "[^/ ]+" if p[:1] in "*{" and p else re.escape(p) for p in parts]
    return re.compile("".join(made))


@dataclass
class Faults:
    """What goes wrong. A route is written as `pattern_of` says, without /api/v10."""

    line: Line
    world: Setting
    rules: list[Rule] = field(default_factory=list)
    token_refused: bool = False
    identifies_invalid: int = 0
    """That many IDENTIFYs are answered with op 9."""
    heartbeats_muted: bool = False
    limits: dict[tuple[str, str], tuple[int, float]] = field(
        default_factory=lambda: dict(REAL_LIMITS)
    )
    """What `World.real_limits` puts in force."""
    global_limit: tuple[int, float] = REAL_GLOBAL
    """Requests and seconds, over all routes."""
    _buckets: dict[str, Bucket] = field(default_factory=dict)

    def rate_limit(
        self, route: str, times: int = 1, retry_after_s: float = 0.3, global_: bool = False
    ) -> Rule:
        """The next `times` requests get a 429 that asks to wait `retry_after_s`."""
        return self._add(Rule(pattern_of(route), times, 429, retry_after_s, global_))

    def fail(
        self, route: str, status: int = 503, times: int | None = 1, after_effect: bool = False
    ) -> Rule:
        """The next `times` requests get this status; 0 cuts the connection instead.
        `after_effect`: what was asked is done all the same."""
        return self._add(Rule(pattern_of(route), times, status, after_effect=after_effect))

    def drop(self, route: str, times: int | None = 1, after_effect: bool = False) -> Rule:
        """The next `times` requests end in a cut connection."""
        return self.fail(route, 0, times, after_effect)

    def delay(self, route: str, seconds: float, times: int | None = None) -> Rule:
        """Requests are answered `seconds` later."""
        return self._add(Rule(pattern_of(route), times, delay_s=seconds))

    def _add(self, rule: Rule) -> Rule:
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """No more faults; what was cut stays cut."""
        self.rules.clear()
        self.token_refused = self.world.content_hidden = self.heartbeats_muted = False
        self.identifies_invalid = 0
        self.world.privileged_intents = True

    def met_by(self, method: str, path: str) -> Rule | None:
        """The fault that this request meets, which counts; delays are `delay_of`."""
        for rule in self.rules:
            if rule.delay_s is None and rule.fits(method, path):
                rule.met += 1
                return rule
        return None

    def delay_of(self, method: str, path: str) -> float:
        total_s = 0.0
        for rule in self.rules:
            if rule.delay_s is not None and rule.fits(method, path):
                rule.met += 1
                total_s += rule.delay_s
        return total_s

    def bucket(self, name: str, major: str, limit: int, per_s: float) -> Bucket:
        """The bucket of a route and its channel, server or webhook."""
        return self._buckets.setdefault(f"{name} {major}", Bucket(limit, per_s, name=name))

    # The gateway

    def abort_connections(self) -> None:
        """Cuts every connection, gateway and REST, as a pulled plug does."""
        self.line.abort_connections()

    def close_gateway(self, code: int = 4000, resumable: bool | None = None) -> None:
        """Closes the gateway with a code. The session can be resumed, except after 1000, 1001,
        4004, 4007 and 4010 to 4014 and where `resumable` says otherwise."""
        final = {1000, 1001, 4004, 4007, *range(4010, 4015)}
        kept = code not in final if resumable is None else resumable
        if not kept:
            self.line.to_gateway("forget", True)
        self.line.to_gateway("close", code)

    def op7(self) -> None:
        """Asks the client to reconnect and resume."""
        self.line.to_gateway("reconnect", True)

    def op9(self, resumable: bool = False) -> None:
        """Tells the client that its session is invalid, or only to be resumed."""
        if not resumable:
            self.line.to_gateway("forget", True)
        self.line.to_gateway("invalid", resumable)

    def forget_sessions(self) -> None:
        """No session can be resumed any more; the next RESUME is answered with op 9."""
        self.line.to_gateway("forget", True)

    def zombie(self) -> None:
        """Open sockets go dumb: no event, no heartbeat's answer, no close."""
        self.line.to_gateway("zombie", True)

    def mute_heartbeats(self, muted: bool = True) -> None:
        """Heartbeats are not acknowledged any more."""
        self.heartbeats_muted = muted

    def invalidate_identifies(self, times: int = 1) -> None:
        """The next IDENTIFYs are answered with op 9, as Discord does when they come too fast."""
        self.identifies_invalid = times

    def refuse_token(self, refused: bool = True) -> None:
        """The token is bad: 401 on REST, 4004 on the gateway."""
        self.token_refused = refused

    def disallow_intents(self, allowed: bool = False) -> None:
        """The application may not have privileged intents: 4014, and no content over REST."""
        self.world.privileged_intents = allowed

    def strip_content(self, stripped: bool = True) -> None:
        """No content of others' messages, whatever the intents."""
        self.world.content_hidden = stripped

    async def down(self) -> None:
        """Discord cannot be reached at all: nothing listens on the port any more."""
        await self.line.down()

    async def up(self) -> None:
        """Discord is back, on the same port."""
        await self.line.up()


def limited_json(retry_after_s: float, is_global: bool) -> Json:
    message = "You are being rate limited."
    return {"message": message, "code": 0, "retry_after": retry_after_s, "global": is_global}
