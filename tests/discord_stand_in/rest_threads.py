"""REST of threads."""

from __future__ import annotations

from datetime import datetime

from tests.discord_stand_in import payloads
from tests.discord_stand_in.rest import Answer, Ask, Route, route
from tests.discord_stand_in.rest_messages import open_channel
from tests.discord_stand_in.things import Allow, Channel, ChannelKind, Json
from tests.discord_stand_in.world import World


def post_thread(world: World, ask: Ask) -> Answer:
    channel = open_channel(world, ask, Allow.SEND_MESSAGES)
    message_id = ask.ids.get("message_id")
    thread = world.add_thread(
        channel.id, ask.body["name"], owner_id=world.bot_id, thread_id=message_id
    )
    return 201, payloads.channel_json(world, thread)


def get_archived_threads(world: World, ask: Ask) -> Answer:
    channel = open_channel(world, ask, Allow.READ_MESSAGE_HISTORY)
    return 200, _archived_page(world, ask, channel, ChannelKind.PUBLIC_THREAD)


def get_private_threads(world: World, ask: Ask) -> Answer:
    channel = open_channel(world, ask, Allow.READ_MESSAGE_HISTORY, Allow.MANAGE_THREADS)
    return 200, _archived_page(world, ask, channel, ChannelKind.PRIVATE_THREAD)


def get_joined_threads(world: World, ask: Ask) -> Answer:
    """Newest id first, where the others go by when they were archived."""
    channel = open_channel(world, ask, Allow.READ_MESSAGE_HISTORY)
    before = int(ask.query.get("before", 1 << 63))
    threads = [c for c in _archived(world, channel, ChannelKind.PRIVATE_THREAD) if c.id < before]
    threads = [c for c in threads if world.bot_id in c.thread_members]
    return 200, _page(world, ask, sorted(threads, key=lambda c: -c.id))


def _archived(world: World, channel: Channel, kind: ChannelKind) -> list[Channel]:
    threads = world.threads(channel.guild_id or 0, archived=True)
    return [one for one in threads if one.parent_id == channel.id and one.kind is kind]


def _archived_page(world: World, ask: Ask, channel: Channel, kind: ChannelKind) -> Json:
    threads = sorted(_archived(world, channel, kind), key=lambda c: -c.archived_ms)
    if "before" in ask.query:
        before_ms = datetime.fromisoformat(ask.query["before"]).timestamp() * 1000
        threads = [one for one in threads if one.archived_ms < round(before_ms)]
    return _page(world, ask, threads)


def _page(world: World, ask: Ask, threads: list[Channel]) -> Json:
    limit = int(ask.query.get("limit", 50))
    return threads_json(world, threads[:limit]) | {"has_more": len(threads) > limit}


def join_thread(world: World, ask: Ask) -> Answer:
    open_channel(world, ask)
    return 204, None


def threads_json(world: World, threads: list[Channel]) -> Json:
    shown = [payloads.channel_json(world, thread) for thread in threads]
    return {"threads": shown, "members": [], "has_more": False}


_CHANNEL = "/channels/{channel_id}"

ROUTES: tuple[Route, ...] = (
    route("POST", f"{_CHANNEL}/threads", post_thread),
    route("POST", _CHANNEL + "/messages/{message_id}/threads", post_thread),
    route("GET", f"{_CHANNEL}/threads/archived/public", get_archived_threads),
    route("GET", f"{_CHANNEL}/threads/archived/private", get_private_threads),
    route("GET", f"{_CHANNEL}/users/@me/threads/archived/private", get_joined_threads),
    route("PUT", f"{_CHANNEL}/thread-members/@me", join_thread),
)
