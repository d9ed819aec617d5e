"""What the running bot does and tells over its control channel (bot/protocol.py).

request     fields            answer
ping                          {}
stats                         whatever the bot counts
say         text, again,      reply, verdict, trace: one line of the playground, answered;
            fresh             again: the last one once more; fresh: what was said is forgotten
stop        reason            {}; the bot begins to stop
restart                       {}; it ends with ExitCode.RESTART
reload                        overridden: the names of settings that the bot's environment sets,
                              over what is stored (absent where it is not known); settings are
                              read again
deploy      version_id        {}; the model of that version answers, and is the deployed one
follow                        {}; what the settings and the registry name now answers
rest                          is_resting: the model left the memory for a training that is marked
                              (bot/resting.py), nobody is answered; where none is, it comes back
verdicts    limit             verdicts: the newest first
rehearse    channel_ids, day, {}; recorded channels are rehearsed in silence: answered at the end,
            last, rate, seed, with events on the way (bot/rehearsal_plan.Wanted)
            limit
rehearse_stop                 {}; a rehearsal ends after the message at hand
set         name, text        {}; a setting is stored and acts, where it is live, at once
exclude     member_id,        {}; a member is left out of everything, or no longer
            is_excluded
forget      member_id         {}; a member is being forgotten, as the database says: nothing of
                              theirs is in a transcript or in the model's memory any more

event       fields            when
heartbeat   phase, ready,     every 5 s, and at once when the phase changes; the hello carries the
            uptime_s,         same, so that a client that comes late knows whether the bot serves
            lag_p50_ms,       already; and began_s, which with its pid tells the process for sure
            lag_p99_ms,       (bot/wire/endpoint.py)
            lag_max_ms
ready       as heartbeat      once, when the bot begins to serve
rehearsal   what, and as      while one goes on: plan, progress, done; fields as
            scripts/rehearse.py run --json prints them
log         ts, level,        for each line of the log, where somebody hands them to `tell`
            logger, message
ended       code, reason      last, before the channel closes
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import psutil

from bot.lag import LagMeter
from bot.protocol import ControlError, ControlServer, Endpoint, ExitCode, Handler
from bot.rehearsal_plan import Wanted, wanted_from

log = logging.getLogger(__name__)

HEARTBEAT_S = 5.0
SAID_CHARS = 4_000
VERDICTS = 20
MAX_VERDICTS = 500


class Bot(Protocol):
    """What the control channel needs of the bot. Called in its event loop.

    Expected failures are MynahErrors; their sentence goes to whoever asked.
    """

    @property
    def phase(self) -> str:
        """In one word or a few, what it does now: "loading", "connecting", "online"."""

    async def stats(self) -> Mapping[str, Any]:
        """What it counts, as JSON."""

    async def say(self, text: str, *, again: bool, fresh: bool) -> Mapping[str, Any]:
        """Answer one line of the playground: `reply` (or None), `verdict`, `trace`.

        `again`: the last line once more, with another seed. `fresh`: what was said is forgotten.
        """

    async def stop(self, reason: str) -> None:
        """Begin to stop and return at once: the answer must go out before the channel closes."""

    async def restart(self) -> None:
        """Begin to end with ExitCode.RESTART and return at once."""

    async def reload(self) -> Mapping[str, Any] | None:
        """Read the settings again and apply what applies live.

        May say `overridden`: the settings, by name, for which the bot's environment counts.
        """

    async def deploy(self, version_id: str, force_by: str, force_why: str) -> None:
        """Serve that version of the model from now on; the last two are "" but where somebody lets
        one answer that has not passed."""

    async def follow(self) -> None:
        """Serve what the settings and the registry name now."""

    async def rest(self) -> bool:
        """Give the model's memory to the training that is marked, or have it back; whether it
        rests now."""

    async def set_setting(self, name: str, text: str) -> object:
        """Store a setting and apply it. Raises SettingError with the range."""

    async def rehearse(self, wanted: Wanted) -> None:
        """Rehearse recorded channels in silence; returns at the end."""

    async def stop_rehearsal(self) -> None:
        """End a rehearsal that is going on."""

    async def exclude(self, member_id: int, is_excluded: bool) -> None:
        """Leave a member out of everything from now on, or take that back."""

    async def forget(self, member_id: int) -> None:
        """Hold nothing any more of a member who is being forgotten."""

    async def verdicts(self, limit: int) -> list[dict[str, Any]]:
        """The last `limit` verdicts as JSON, newest first."""


class Control:
    """The control channel of one running bot. Belongs to the event loop's thread but for `tell`."""

    def __init__(self, folder: Path, bot: Bot, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        """`folder` is the home's `data_storage`."""
        self.lag = LagMeter()
        self._bot = bot
        self._heartbeat_s = heartbeat_s
        self._began_s = time.monotonic()
        self._server = ControlServer(
            folder, hello=self._hello, handlers=self._handlers(), began_s=_process_began_s()
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_ready = False

    async def start(self) -> Endpoint:
        """Open the channel; heartbeats and the measuring of lag begin. Raises ControlError."""
        self._loop = asyncio.get_running_loop()
        endpoint = await self._server.start()
        self._tasks = [asyncio.create_task(work) for work in (self.lag.run(), self._beat())]
        return endpoint

    def ready(self) -> None:
        """Tell that the bot serves now."""
        self._is_ready = True
        self.tell("ready", self.vitals())

    def vitals_changed(self) -> None:
        """Tell a heartbeat at once: to be called when the bot's phase is another. Before `start`
        and after `close` too."""
        self.tell("heartbeat", self.vitals())

    def tell(self, event: str, data: Mapping[str, Any]) -> None:
        """Tell all clients; never waits. From any thread, before `start` and after `close` too."""
        if self._loop is None or self._loop.is_closed():
            return
        try:
            self._loop.call_soon_threadsafe(self._server.broadcast, event, dict(data))
        except RuntimeError:
            log.debug("The event %s came after the loop had closed.", event)

    async def close(self, code: int = ExitCode.DONE, reason: str = "") -> None:
        """Tell how the process ends, then close the channel and remove the endpoint file."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server.broadcast("ended", {"code": int(code), "reason": reason})
        await self._server.close()

    def vitals(self) -> dict[str, Any]:
        """What a heartbeat says."""
        lag = self.lag.lag()
        return {
            "phase": self._bot.phase,
            "ready": self._is_ready,
            "uptime_s": round(time.monotonic() - self._began_s, 1),
            "lag_p50_ms": lag.p50_ms,
            "lag_p99_ms": lag.p99_ms,
            "lag_max_ms": lag.max_ms,
        }

    def _hello(self) -> dict[str, Any]:
        """Asked anew for each client: a clock that was set moves `began_s` too."""
        return {**self.vitals(), "began_s": _process_began_s()}

    async def _beat(self) -> None:
        while True:
            try:
                self._server.broadcast("heartbeat", self.vitals())
            except Exception:
                log.exception("A heartbeat failed.")
            await asyncio.sleep(self._heartbeat_s)

    def _handlers(self) -> dict[str, Handler]:
        return {
            "ping": self._ping,
            "stats": self._stats,
            "say": self._say,
            "stop": self._stop,
            "restart": self._restart,
            "reload": self._reload,
            "deploy": self._deploy,
            "follow": self._follow,
            "rest": self._rest,
            "verdicts": self._verdicts,
            "set": self._set,
            "rehearse": self._rehearse,
            "rehearse_stop": self._rehearse_stop,
            "exclude": self._exclude,
            "forget": self._forget,
        }

    async def _ping(self, data: dict[str, Any]) -> Mapping[str, Any]:
        return {}

    async def _stats(self, data: dict[str, Any]) -> Mapping[str, Any]:
        return await self._bot.stats()

    async def _say(self, data: dict[str, Any]) -> Mapping[str, Any]:
        again, fresh = data.get("again") is True, data.get("fresh") is True
        text = "" if again else _text(data, "text", SAID_CHARS)
        return await self._bot.say(text, again=again, fresh=fresh)

    async def _stop(self, data: dict[str, Any]) -> Mapping[str, Any]:
        reason = data.get("reason")
        await self._bot.stop(reason if isinstance(reason, str) else "")
        return {}

    async def _restart(self, data: dict[str, Any]) -> Mapping[str, Any]:
        await self._bot.restart()
        return {}

    async def _reload(self, data: dict[str, Any]) -> Mapping[str, Any]:
        return await self._bot.reload() or {}

    async def _deploy(self, data: dict[str, Any]) -> Mapping[str, Any]:
        by, why = (str(data.get(name) or "")[:500] for name in ("force_by", "force_why"))
        await self._bot.deploy(_text(data, "version_id", 200), by, why)
        return {}

    async def _follow(self, data: dict[str, Any]) -> Mapping[str, Any]:
        await self._bot.follow()
        return {}

    async def _rest(self, data: dict[str, Any]) -> Mapping[str, Any]:
        return {"is_resting": await self._bot.rest()}

    async def _verdicts(self, data: dict[str, Any]) -> Mapping[str, Any]:
        limit = data.get("limit", VERDICTS)
        if type(limit) is not int or not 1 <= limit <= MAX_VERDICTS:
            raise ControlError(f"verdicts takes a limit from 1 to {MAX_VERDICTS}.")
        return {"verdicts": await self._bot.verdicts(limit)}

    async def _set(self, data: dict[str, Any]) -> Mapping[str, Any]:
        await self._bot.set_setting(_text(data, "name", 100), str(data.get("text", "")))
        return {}

    async def _rehearse(self, data: dict[str, Any]) -> Mapping[str, Any]:
        await self._bot.rehearse(wanted_from(data))
        return {}

    async def _rehearse_stop(self, data: dict[str, Any]) -> Mapping[str, Any]:
        await self._bot.stop_rehearsal()
        return {}

    async def _exclude(self, data: dict[str, Any]) -> Mapping[str, Any]:
        member_id, is_excluded = data.get("member_id"), data.get("is_excluded")
        if type(member_id) is not int or type(is_excluded) is not bool:
            raise ControlError("exclude takes a member_id and is_excluded, true or false.")
        await self._bot.exclude(member_id, is_excluded)
        return {}

    async def _forget(self, data: dict[str, Any]) -> Mapping[str, Any]:
        member_id = data.get("member_id")
        if type(member_id) is not int:
            raise ControlError("forget takes a member_id.")
        await self._bot.forget(member_id)
        return {}


def _process_began_s() -> float:
    """`Endpoint.began_s` of this process, now."""
    return psutil.Process().create_time()


def _text(data: Mapping[str, Any], name: str, max_chars: int) -> str:
    text = data.get(name)
    if not isinstance(text, str) or not text.strip() or len(text) > max_chars:
        raise ControlError(f"{name} must be a text of 1 to {max_chars:,} characters.")
    return text
