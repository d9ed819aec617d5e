"""REST of channels: messages, reactions, typing, threads."""

from __future__ import annotations

import bisect
import time
from collections.abc import Sequence
from typing import Any

from tests.discord_stand_in import message_payloads, payloads
from tests.discord_stand_in.orders import with_ids
from tests.discord_stand_in.refusals import ApiError, form_error
from tests.discord_stand_in.rest import Answer, Ask, Route, Upload, route
from tests.discord_stand_in.sayings import Message
from tests.discord_stand_in.things import Allow, Channel, Json
from tests.discord_stand_in.world import World

MAX_CHARACTERS = 2_000
MAX_UPLOAD_BYTES = 10 * 2**20
NONCE_KEPT_S = 300.0


def open_channel(world: World, ask: Ask, *needed: Allow) -> Channel:
    """The channel that was asked about. Raises `ApiError` 403 where the bot may not."""
    channel = world.channel(ask.ids["channel_id"])
    if not world.bot_may(channel, Allow.VIEW_CHANNEL):
        raise ApiError(403, 50001, "Missing Access")
    for permission in needed:
        if not world.bot_may(channel, permission):
            raise ApiError(403, 50013, "Missing Permissions")
    return channel


def _shown(world: World, message: Message) -> Json:
    return message_payloads.message_json(world, message, strip=world.strips_rest)


def get_channel(world: World, ask: Ask) -> Answer:
    return 200, payloads.channel_json(world, open_channel(world, ask))


def history_page(
    world: World,
    channel: Channel,
    limit: int,
    *,
    before: int | None = None,
    after: int | None = None,
    around: int | None = None,
) -> list[Message]:
    """A page, newest first. With `after` it is the oldest `limit` messages after that id."""
    ids = channel.message_ids
    if not world.bot_may(channel, Allow.READ_MESSAGE_HISTORY):
        return []
    if around is not None:
        middle = bisect.bisect_left(ids, around)
        start = max(0, middle - limit // 2)
        page = ids[start : start + limit]
    elif after is not None:
        start = bisect.bisect_right(ids, after)
        page = ids[start : start + limit]
    else:
        end = len(ids) if before is None else bisect.bisect_left(ids, before)
        page = ids[max(0, end - limit) : end]
    return [world.messages[message_id] for message_id in reversed(page)]


def get_messages(world: World, ask: Ask) -> Answer:
    channel = open_channel(world, ask)
    limit = int(ask.query.get("limit", 50))
    if not 1 <= limit <= 100:
        raise form_error("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
    where = {
        name: int(ask.query[name]) for name in ("before", "after", "around") if name in ask.query
    }
    return 200, [_shown(world, one) for one in history_page(world, channel, limit, **where)]


def get_message(world: World, ask: Ask) -> Answer:
    channel = open_channel(world, ask, Allow.READ_MESSAGE_HISTORY)
    return 200, _shown(world, world.message(channel.id, ask.ids["message_id"]))


def post_message(world: World, ask: Ask) -> Answer:
    channel = world.channel(ask.ids["channel_id"])
    if world.direct_refused.intersection(channel.recipients):
        raise ApiError(403, 50007, "Cannot send messages to this user")
    in_thread = Allow.SEND_MESSAGES_IN_THREADS if channel.is_thread else Allow.SEND_MESSAGES
    open_channel(world, ask, in_thread)
    body = dict(ask.body or {})
    check_content(body, has_files=bool(ask.files))
    earlier = _same_nonce(world, channel, body)
    if earlier is not None:
        return 200, _shown(world, earlier)
    message = make_message(world, channel, body, ask.files)
    _refer(world, channel, message, body)
    message.nonce = body.get("nonce")
    if message.nonce is not None:
        world.nonces[channel.id, str(message.nonce)] = (message.id, time.monotonic())
    world.posted.append(message)
    world.store(message)
    return 200, _shown(world, message)


def check_content(body: Json, *, has_files: bool = False) -> None:
    """Raises `ApiError` for what Discord does not take as a message."""
    content = body.get("content") or ""
    if len(content) > MAX_CHARACTERS:
        text = f"Must be {MAX_CHARACTERS} or fewer in length."
        raise form_error("content", "BASE_TYPE_MAX_LENGTH", text)
    parts = ("embeds", "sticker_ids", "components", "poll", "attachments")
    if not content.strip() and not has_files and not any(body.get(name) for name in parts):
        raise ApiError(400, 50006, "Cannot send an empty message", is_fault=True)
    allowed = body.get("allowed_mentions") or {}
    for name in ("users", "roles"):
        if name in (allowed.get("parse") or []) and allowed.get(name):
            text = f'Mutually exclusive with "parse:{name}"'
            raise form_error("allowed_mentions", "MUTUALLY_EXCLUSIVE", text)


def _same_nonce(world: World, channel: Channel, body: Json) -> Message | None:
    if not body.get("enforce_nonce") or body.get("nonce") is None:
        return None
    message_id, at_s = world.nonces.get((channel.id, str(body["nonce"])), (0, 0.0))
    return world.messages.get(message_id) if time.monotonic() - at_s < NONCE_KEPT_S else None


def make_message(world: World, channel: Channel, body: Json, files: list[Upload]) -> Message:
    """A message of the bot, not stored yet, which pings whom its allowed_mentions let through."""
    text = body.get("content") or ""
    message = Message(world.new_id(), channel.id, world.bot_id, text)
    message.flags = int(body.get("flags") or 0)
    message.embeds = [{"type": "rich"} | embed for embed in body.get("embeds") or []]
    message.components = with_ids(body.get("components"))
    _attach(world, message, files)
    message.mentions = _pinged(world, text, body.get("allowed_mentions"))
    message.mention_everyone = _pings_everyone(text, body.get("allowed_mentions"))
    return message


def _attach(world: World, message: Message, files: list[Upload]) -> None:
    """Raises `ApiError` for more than Discord takes from a bot on a server without boosts."""
    if sum(len(one.content) for one in files) > MAX_UPLOAD_BYTES:
        raise ApiError(413, 40005, "Request entity too large", is_fault=True)
    message.files += [(one.name, one.content) for one in files]
    message.attachments = [*message.attachments, *(_attachment(world, one) for one in files)]


def _attachment(world: World, file: Upload) -> Json:
    made_id = str(world.new_id())
    url = f"https://cdn.example/{made_id}/{file.name}"
    made = {"id": made_id, "url": url, "proxy_url": url, "filename": file.name}
    return made | {"size": len(file.content), "content_type": file.content_type}


def _pinged(world: World, text: str, allowed: Json | None) -> list[int]:
    named = [user for user in world.named_in(text) if user in world.users]
    if allowed is not None and "users" not in (allowed.get("parse") or []):
        may = {int(user) for user in allowed.get("users") or []}
        named = [user for user in named if user in may]
    return list(dict.fromkeys(named))


def _pings_everyone(text: str, allowed: Json | None) -> bool:
    may = allowed is None or "everyone" in (allowed.get("parse") or [])
    return may and ("@everyone" in text or "@here" in text)


def _refer(world: World, channel: Channel, message: Message, body: Json) -> None:
    given = body.get("message_reference")
    if not given:
        return
    answered = world.messages.get(int(given["message_id"]))
    if answered is None or answered.channel_id != channel.id:
        if given.get("fail_if_not_exists", True):
            errors = {
                "_errors": [{"code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown message"}]
            }
            raise ApiError(400, 50035, "Invalid Form Body", {"message_reference": errors})
        return
    if not world.bot_may(channel, Allow.READ_MESSAGE_HISTORY):
        raise ApiError(403, 160002, "Cannot reply without permission to read message history")
    message.type = 19
    message.reference = world.reference(channel.id, answered.id)
    allowed = body.get("allowed_mentions")
    pings = True if allowed is None else bool(allowed.get("replied_user"))
    if pings and answered.author_id not in message.mentions:
        message.mentions.append(answered.author_id)


def patch_message(world: World, ask: Ask) -> Answer:
    channel = open_channel(world, ask)
    message = world.message(channel.id, ask.ids["message_id"])
    if message.author_id != world.bot_id:
        raise ApiError(403, 50005, "Cannot edit a message authored by another user")
    change_message(world, message, ask.body or {})
    return 200, _shown(world, message)


def change_message(
    world: World, message: Message, body: Json, files: Sequence[Upload] = ()
) -> None:
    """The bot edits a message of its own. `attachments` in the body names those that stay and those
    that come with it; without it all stay."""
    if "attachments" in body:
        kept = {str(one["id"]) for one in body["attachments"] or []}
        message.attachments = [one for one in message.attachments if one["id"] in kept]
    _attach(world, message, list(files))
    after = {"content": message.content, "embeds": message.embeds, "components": message.components}
    check_content(after | body, has_files=bool(message.attachments))
    more: dict[str, Any] = {}
    if "embeds" in body:
        more["embeds"] = [{"type": "rich"} | embed for embed in body["embeds"] or []]
    if "components" in body:
        more["components"] = with_ids(body["components"])
    text = body.get("content", message.content)
    world.edit(message.id, text or "", **more)


def delete_message(world: World, ask: Ask) -> Answer:
    channel = open_channel(world, ask)
    message = world.message(channel.id, ask.ids["message_id"])
    if message.author_id != world.bot_id:
        open_channel(world, ask, Allow.MANAGE_MESSAGES)
    world.delete(message.id)
    return 204, None


def post_typing(world: World, ask: Ask) -> Answer:
    channel = world.channel(ask.ids["channel_id"])
    open_channel(
        world, ask, Allow.SEND_MESSAGES_IN_THREADS if channel.is_thread else Allow.SEND_MESSAGES
    )
    world.typings.append(ask.ids["channel_id"])
    world.start_typing(ask.ids["channel_id"], world.bot_id)
    return 204, None


def _emoji(ask: Ask) -> str:
    emoji = ask.words["emoji_name"]
    if emoji.isascii() and not emoji.rpartition(":")[2].isdigit():
        raise ApiError(400, 10014, "Unknown Emoji")
    return emoji.removeprefix("a:") if emoji.startswith("a:") else emoji


def put_reaction(world: World, ask: Ask) -> Answer:
    channel = open_channel(world, ask, Allow.READ_MESSAGE_HISTORY)
    message = world.message(channel.id, ask.ids["message_id"])
    if _emoji(ask) not in message.reactions:
        open_channel(world, ask, Allow.ADD_REACTIONS)
    world.react(message.id, world.bot_id, _emoji(ask))
    return 204, None


def delete_own_reaction(world: World, ask: Ask) -> Answer:
    return _unreact(world, ask, world.bot_id)


def delete_reaction(world: World, ask: Ask) -> Answer:
    open_channel(world, ask, Allow.MANAGE_MESSAGES)
    return _unreact(world, ask, ask.ids["user_id"])


def _unreact(world: World, ask: Ask, user_id: int) -> Answer:
    channel = open_channel(world, ask)
    message = world.message(channel.id, ask.ids["message_id"])
    if user_id in message.reactions.get(_emoji(ask), []):
        world.unreact(message.id, user_id, _emoji(ask))
    return 204, None


def get_reactions(world: World, ask: Ask) -> Answer:
    channel = open_channel(world, ask)
    message = world.message(channel.id, ask.ids["message_id"])
    after = int(ask.query.get("after", 0))
    users = [user for user in sorted(message.reactions.get(_emoji(ask), [])) if user > after]
    limit = int(ask.query.get("limit", 25))
    return 200, [payloads.user_json(world.users[user]) for user in users[:limit]]


_MESSAGES = "/channels/{channel_id}/messages"
_ONE = _MESSAGES + "/{message_id}"
_REACTIONS = _ONE + "/reactions/{emoji_name}"

ROUTES: tuple[Route, ...] = (
    route("GET", "/channels/{channel_id}", get_channel),
    route("GET", _MESSAGES, get_messages),
    route("POST", _MESSAGES, post_message),
    route("GET", _ONE, get_message),
    route("PATCH", _ONE, patch_message),
    route("DELETE", _ONE, delete_message),
    route("POST", "/channels/{channel_id}/typing", post_typing),
    route("PUT", _REACTIONS + "/@me", put_reaction),
    route("DELETE", _REACTIONS + "/@me", delete_own_reaction),
    route("DELETE", _REACTIONS + "/{user_id}", delete_reaction),
    route("GET", _REACTIONS, get_reactions),
)
