"""REST of threads."""

from __future__ import annotations

from tests.discord_stand_in import payloads
from tests.discord_stand_in.rest import Answer, Ask, Route, route
from tests.discord_stand_in.rest_messages import open_channel
from tests.discord_stand_in.things import Allow, Channel, Json
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
    threads = world.threads(channel.guild_id or 0, archived=True)
    return 200, threads_json(world, [one for one in threads if one.parent_id == channel.id])


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
    route("PUT", f"{_CHANNEL}/thread-members/@me", join_thread),
)
