"""REST of interactions: how the bot answers a slash command or a button, and what follows."""

from __future__ import annotations

import time

from tests.discord_stand_in import message_payloads
from tests.discord_stand_in.refusals import ApiError
from tests.discord_stand_in.rest import Answer, Ask, Route, Upload, route
from tests.discord_stand_in.rest_messages import change_message, check_content, make_message
from tests.discord_stand_in.sayings import Interaction, Message, Response
from tests.discord_stand_in.things import Json
from tests.discord_stand_in.world import World

EPHEMERAL = 1 << 6
LOADING = 1 << 7
TOKEN_LIVES_S = 900.0


def post_callback(world: World, ask: Ask) -> Answer:
    """The first answer."""
    interaction = world.interactions.get(ask.words["interaction_token"])
    unknown = ApiError(404, 10062, "Unknown interaction")
    if interaction is None or interaction.id != ask.ids["interaction_id"]:
        raise unknown
    if interaction.acknowledged:
        raise ApiError(400, 40060, "Interaction has already been acknowledged.")
    if time.monotonic() - interaction.asked_s > world.answer_within_s:
        raise unknown
    message = _answer(world, interaction, ask)
    if ask.query.get("with_response") not in ("1", "true", "True"):
        return 204, None
    return 200, _callback_json(world, interaction, ask.body["type"], message)


def _answer(world: World, interaction: Interaction, ask: Ask) -> Message | None:
    kind, data = ask.body["type"], ask.body.get("data") or {}
    hidden = bool(int(data.get("flags") or 0) & EPHEMERAL)
    response = Response(kind, data, hidden)
    message: Message | None = None
    if kind == 4:
        message = _say(world, interaction, data, ask.files)
    elif kind == 5:
        interaction.deferred = True
        message = _say(world, interaction, {"flags": int(data.get("flags") or 0) | LOADING}, [])
    elif kind in (6, 7):
        interaction.original_id = interaction.message_id
        message = world.any_message(interaction.message_id or 0)
        if kind == 7:
            change_message(world, message, data, ask.files)
            response.is_ephemeral = message.is_ephemeral
    if kind in (4, 5) and message is not None:
        interaction.original_id = message.id
    response.message_id = None if message is None else message.id
    interaction.responses.append(response)
    return message


def _say(world: World, interaction: Interaction, data: Json, files: list[Upload]) -> Message:
    """A message that answers; one with the ephemeral flag is seen by the asker alone."""
    if not int(data.get("flags") or 0) & LOADING:
        check_content(data, has_files=bool(files))
    message = make_message(world, world.channel(interaction.channel_id), data, files)
    message.type = 20 if interaction.kind == 2 else 19
    message.interaction = interaction
    message.is_ephemeral = bool(message.flags & EPHEMERAL)
    if message.is_ephemeral:
        world.unseen[message.id] = message
    else:
        world.posted.append(message)
        world.store(message)
    return message


def _callback_json(
    world: World, interaction: Interaction, kind: int, message: Message | None
) -> Json:
    told: Json = {"id": str(interaction.id), "type": interaction.kind}
    if message is None:
        return {"interaction": told}
    told |= {
        "response_message_id": str(message.id),
        "response_message_loading": bool(message.flags & LOADING),
        "response_message_ephemeral": message.is_ephemeral,
    }
    if kind not in (4, 7):
        return {"interaction": told}
    resource = {"type": kind, "message": message_payloads.message_json(world, message)}
    return {"interaction": told, "resource": resource}


def _by_token(world: World, ask: Ask) -> Interaction:
    interaction = world.interactions.get(ask.words["webhook_token"])
    if interaction is None or not interaction.acknowledged:
        raise ApiError(404, 10015, "Unknown Webhook")
    if time.monotonic() - interaction.asked_s > TOKEN_LIVES_S:
        raise ApiError(401, 50027, "Invalid Webhook Token")
    return interaction


def post_followup(world: World, ask: Ask) -> Answer:
    """A further message; after "thinking" the first one is what was thought about."""
    interaction = _by_token(world, ask)
    data = ask.body or {}
    if interaction.deferred:
        return _edit(world, interaction, interaction.original_id or 0, data, ask.files)
    message = _say(world, interaction, data, ask.files)
    interaction.responses.append(Response("followup", data, message.is_ephemeral, message.id))
    return 200, message_payloads.message_json(world, message)


def _edit(
    world: World, interaction: Interaction, message_id: int, data: Json, files: list[Upload]
) -> Answer:
    message = _message(world, interaction, message_id)
    interaction.deferred = False
    message.flags &= ~LOADING
    change_message(world, message, data, files)
    interaction.responses.append(Response("edit", data, message.is_ephemeral, message.id))
    return 200, message_payloads.message_json(world, message)


def _message(world: World, interaction: Interaction, message_id: int) -> Message:
    known = [one.message_id for one in interaction.responses]
    found = world.messages.get(message_id) or world.unseen.get(message_id)
    if found is None or message_id not in known:
        raise ApiError(404, 10008, "Unknown Message")
    return found


def _asked_for(ask: Ask, interaction: Interaction) -> int:
    return ask.ids.get("message_id") or interaction.original_id or 0


def get_answer(world: World, ask: Ask) -> Answer:
    interaction = _by_token(world, ask)
    message = _message(world, interaction, _asked_for(ask, interaction))
    return 200, message_payloads.message_json(world, message)


def patch_answer(world: World, ask: Ask) -> Answer:
    interaction = _by_token(world, ask)
    return _edit(world, interaction, _asked_for(ask, interaction), ask.body or {}, ask.files)


def delete_answer(world: World, ask: Ask) -> Answer:
    interaction = _by_token(world, ask)
    message = _message(world, interaction, _asked_for(ask, interaction))
    if world.unseen.pop(message.id, None) is None:
        world.delete(message.id)
    return 204, None


_WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"

ROUTES: tuple[Route, ...] = (
    route("POST", "/interactions/{interaction_id}/{interaction_token}/callback", post_callback),
    route("POST", _WEBHOOK, post_followup),
    route("GET", f"{_WEBHOOK}/messages/@original", get_answer),
    route("PATCH", f"{_WEBHOOK}/messages/@original", patch_answer),
    route("DELETE", f"{_WEBHOOK}/messages/@original", delete_answer),
    route("GET", _WEBHOOK + "/messages/{message_id}", get_answer),
    route("PATCH", _WEBHOOK + "/messages/{message_id}", patch_answer),
    route("DELETE", _WEBHOOK + "/messages/{message_id}", delete_answer),
)
