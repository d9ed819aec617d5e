"""Discord's gateway: identify, resume with replay, heartbeats, zlib-stream, member chunks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import zlib
from collections.abc import Callable, Iterator

from aiohttp import WSMsgType, web

from tests.discord_stand_in import payloads
from tests.discord_stand_in.events import PRIVILEGED, Event, Intent
from tests.discord_stand_in.faults import Faults
from tests.discord_stand_in.session import Session, Socket
from tests.discord_stand_in.things import Allow, Guild, Json
from tests.discord_stand_in.world import World

RESUMABLE_FOR_S = 180.0
CHUNK = 1_000

HELLO, ACK, DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, RESUME = 10, 11, 0, 1, 2, 3, 6
RECONNECT, MEMBERS, INVALID = 7, 8, 9


class Gateway:
    """All sessions and sockets. `identifies` and `resumes` count what was granted."""

    def __init__(
        self, world: World, faults: Faults, token: str, heartbeat_interval_ms: int = 41_250
    ) -> None:
        self.world = world
        self.faults = faults
        self.token = token
        self.heartbeat_interval_ms = heartbeat_interval_ms
        self.on_change: Callable[[], None] = lambda: None
        self.sessions: dict[str, Session] = {}
        self.sockets: set[Socket] = set()
        self.identifies = 0
        self.resumes = 0
        self.heartbeats = 0
        self.close_codes: list[int] = []
        """Those with which clients closed, and those with which they were closed."""

    @property
    def connected(self) -> bool:
        """Whether a client is on the line and has its READY or RESUMED."""
        return any(socket.session is not None for socket in self.sockets)

    def hear(self, event: Event) -> None:
        """Tells an event of the world to the sessions that it concerns."""
        self._forget_old()
        if event.channel is not None and not self.world.bot_may(event.channel, Allow.VIEW_CHANNEL):
            return
        for session in self.sessions.values():
            if event.intent and not session.intents & event.intent:
                continue
            strip = self.world.content_hidden or not session.intents & Intent.CONTENT
            session.dispatch(event.name, event.written(strip))

    def _forget_old(self) -> None:
        limit_s = time.monotonic() - RESUMABLE_FOR_S
        for session in [s for s in self.sessions.values() if s.socket is None]:
            if session.left_s < limit_s:
                del self.sessions[session.id]

    def act(self, what: str, value: int | bool) -> None:
        """A fault on every open socket."""
        if what == "forget":
            self.sessions.clear()
        for socket in list(self.sockets):
            if what == "close":
                socket.close(value)
            elif what == "reconnect":
                socket.send_op(RECONNECT)
            elif what == "invalid":
                socket.send_op(INVALID, value)
            elif what == "zombie":
                socket.is_zombie = True

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The aiohttp handler of the gateway's address."""
        answer = web.WebSocketResponse(max_msg_size=4096 * 4, compress=False, timeout=1.0)
        await answer.prepare(request)
        zipped = request.query.get("compress") == "zlib-stream"
        socket = Socket(answer, request, zlib.compressobj() if zipped else None)
        self.sockets.add(socket)
        writer = asyncio.create_task(socket.write())
        socket.send_op(HELLO, {"heartbeat_interval": self.heartbeat_interval_ms, "_trace": []})
        try:
            await self._listen(socket)
        finally:
            self._leave(socket)
            writer.cancel()
        return answer

    async def _listen(self, socket: Socket) -> None:
        with contextlib.suppress(ConnectionError):
            async for message in socket.line:
                if message.type is not WSMsgType.TEXT:
                    continue
                try:
                    asked = json.loads(message.data)
                except ValueError:
                    socket.close(4002)
                    continue
                if not socket.is_zombie:
                    self._obey(socket, asked)
                    self.on_change()

    def _leave(self, socket: Socket) -> None:
        self.sockets.discard(socket)
        session = socket.session
        code = socket.closed_with or socket.line.close_code
        if code is not None and code != 1006:
            self.close_codes.append(int(code))
        if session is not None and session.socket is socket:
            session.socket = None
            session.left_s = time.monotonic()
            if code in (1000, 1001) and socket.closed_with is None:
                self.sessions.pop(session.id, None)
        self.on_change()

    def _obey(self, socket: Socket, asked: Json) -> None:
        op, data = asked.get("op"), asked.get("d") or {}
        if socket.too_fast():
            socket.close(4008)
        elif op == HEARTBEAT:
            self._heartbeat(socket, asked.get("d"))
        elif op == IDENTIFY:
            self._identify(socket, data)
        elif op == RESUME:
            self._resume(socket, data)
        elif socket.session is None:
            socket.close(4003)
        elif op == MEMBERS:
            self._tell_members(socket.session, data)
        elif op not in (PRESENCE, 4):
            socket.close(4001)

    def _heartbeat(self, socket: Socket, sequence: int | None) -> None:
        self.heartbeats += 1
        if socket.session is not None:
            socket.session.has(sequence)
        if not self.faults.heartbeats_muted:
            socket.send_op(ACK)

    def _refused(self, socket: Socket, data: Json) -> bool:
        if self.faults.token_refused or data["token"] != self.token:
            socket.close(4004)
            return True
        return False

    def _identify(self, socket: Socket, data: Json) -> None:
        intents = Intent(data["intents"])
        if self._refused(socket, data):
            return
        if socket.session is not None:
            socket.close(4005)
        elif intents & PRIVILEGED and not self.world.privileged_intents:
            socket.close(4014)
        elif self.faults.identifies_invalid > 0:
            self.faults.identifies_invalid -= 1
            socket.send_op(INVALID, False)
        else:
            self._welcome(socket, intents)

    def _welcome(self, socket: Socket, intents: Intent) -> None:
        self.identifies += 1
        session = Session(f"session-{self.identifies}", intents)
        session.socket, socket.session = socket, session
        self.sessions[session.id] = session
        guilds = list(self.world.guilds.values())
        application = payloads.application_json(self.world)
        ready = {
            "v": 10,
            "user": payloads.self_json(self.world.users[self.world.bot_id]),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self.world.gateway_url,
            "application": {"id": application["id"], "flags": application["flags"]},
            "private_channels": [],
            "relationships": [],
        }
        session.dispatch("READY", json.dumps(ready))
        for guild in guilds:
            if intents & Intent.GUILDS and not guild.unavailable:
                made = payloads.guild_create_json(self.world, guild)
                session.dispatch("GUILD_CREATE", json.dumps(made))

    def _resume(self, socket: Socket, data: Json) -> None:
        if self._refused(socket, data):
            return
        session = self.sessions.get(data.get("session_id") or "")
        sequence = data.get("seq")
        if session is None or sequence is None or not session.can_replay(sequence):
            socket.send_op(INVALID, False)
            return
        if session.socket is not None:
            session.socket.session = None
            session.socket.abort()
        self.resumes += 1
        session.has(sequence)
        session.socket, socket.session = socket, session
        session.replay()
        session.dispatch("RESUMED", "{}")

    def _tell_members(self, session: Session, data: Json) -> None:
        guild = self.world.guilds.get(int(data["guild_id"]))
        asks_all = "user_ids" not in data and not data.get("query")
        if guild is None or (asks_all and not session.intents & Intent.MEMBERS):
            return
        found = list(_wanted(guild, data))
        chunks = [found[at : at + CHUNK] for at in range(0, len(found), CHUNK)] or [[]]
        for index, chunk in enumerate(chunks):
            made: Json = {
                "guild_id": str(guild.id),
                "members": chunk,
                "chunk_index": index,
                "chunk_count": len(chunks),
            }
            if data.get("nonce"):
                made["nonce"] = data["nonce"]
            session.dispatch("GUILD_MEMBERS_CHUNK", json.dumps(made))


def _wanted(guild: Guild, data: Json) -> Iterator[Json]:
    ids = data.get("user_ids")
    if ids is not None:
        wanted = ids if isinstance(ids, list) else [ids]
        members = [guild.members[int(u)] for u in wanted if int(u) in guild.members]
    else:
        begin = (data.get("query") or "").casefold()
        names = [
            (m, m.user.name.casefold(), (m.nick or "").casefold()) for m in guild.members.values()
        ]
        members = [m for m, name, nick in names if name.startswith(begin) or nick.startswith(begin)]
        members = members[: data.get("limit") or len(members)]
    return (payloads.member_json(member) for member in members)
