"""REST of accounts, servers and the application with its commands."""

from __future__ import annotations

from tests.discord_stand_in import payloads
from tests.discord_stand_in.refusals import ApiError, form_error
from tests.discord_stand_in.rest import Answer, Ask, Route, route
from tests.discord_stand_in.rest_threads import threads_json
from tests.discord_stand_in.things import Guild, Json, Member
from tests.discord_stand_in.world import World


def get_me(world: World, ask: Ask) -> Answer:
    return 200, payloads.self_json(world.users[world.bot_id])


def get_my_guilds(world: World, ask: Ask) -> Answer:
    made = [payloads.my_guild_json(guild, world.bot_id) for guild in world.guilds.values()]
    return 200, made[: int(ask.query.get("limit", 200))]


def get_user(world: World, ask: Ask) -> Answer:
    user = world.users.get(ask.ids["user_id"])
    if user is None:
        raise ApiError(404, 10013, "Unknown User")
    return 200, payloads.user_json(user)


def open_direct_channel(world: World, ask: Ask) -> Answer:
    user_id = int(ask.body["recipient_id"])
    if user_id not in world.users:
        raise ApiError(400, 50033, "Invalid Recipient(s)")
    return 200, payloads.channel_json(world, world.direct_channel(user_id))


def get_application(world: World, ask: Ask) -> Answer:
    return 200, payloads.application_json(world)


def get_gateway(world: World, ask: Ask) -> Answer:
    return 200, {"url": world.gateway_url}


def get_gateway_bot(world: World, ask: Ask) -> Answer:
    limit = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
    return 200, {"url": world.gateway_url, "shards": 1, "session_start_limit": limit}


def _guild(world: World, ask: Ask) -> Guild:
    guild = world.guilds.get(ask.ids["guild_id"])
    if guild is None:
        raise ApiError(404, 10004, "Unknown Guild")
    return guild


def get_guild(world: World, ask: Ask) -> Answer:
    guild = _guild(world, ask)
    made = payloads.guild_json(guild)
    if ask.query.get("with_counts") in ("1", "true"):
        made |= {"approximate_member_count": len(guild.members), "approximate_presence_count": 1}
    return 200, made


def get_channels(world: World, ask: Ask) -> Answer:
    channels = [c for c in _guild(world, ask).channels.values() if not c.is_thread]
    return 200, [payloads.channel_json(world, channel) for channel in channels]


def get_roles(world: World, ask: Ask) -> Answer:
    return 200, [payloads.role_json(role) for role in _guild(world, ask).roles.values()]


def get_emojis(world: World, ask: Ask) -> Answer:
    return 200, [payloads.emoji_json(emoji) for emoji in _guild(world, ask).emojis.values()]


def get_active_threads(world: World, ask: Ask) -> Answer:
    return 200, threads_json(world, world.threads(_guild(world, ask).id, archived=False))


def get_member(world: World, ask: Ask) -> Answer:
    member = _guild(world, ask).members.get(ask.ids["user_id"])
    if member is None:
        raise ApiError(404, 10007, "Unknown Member")
    return 200, payloads.member_json(member)


def get_members(world: World, ask: Ask) -> Answer:
    if not world.privileged_intents:
        raise ApiError(403, 50001, "Missing Access")
    after = int(ask.query.get("after", 0))
    members = [m for _, m in sorted(_guild(world, ask).members.items()) if m.id > after]
    return 200, [payloads.member_json(m) for m in members[: int(ask.query.get("limit", 1))]]


def search_members(world: World, ask: Ask) -> Answer:
    begin = ask.query["query"].casefold()
    found = [m for m in _guild(world, ask).members.values() if _begins(m, begin)]
    return 200, [payloads.member_json(m) for m in found[: int(ask.query.get("limit", 1))]]


def _begins(member: Member, begin: str) -> bool:
    names = (member.user.name, member.nick or "", member.user.display_name or "")
    return any(name.casefold().startswith(begin) for name in names)


# Application commands


def _commands(world: World, ask: Ask) -> dict[int, Json]:
    if ask.ids["application_id"] != world.bot_id:
        raise ApiError(403, 20012, "You are not authorized to perform this action")
    guild_id = ask.ids.get("guild_id")
    if guild_id is not None and guild_id not in world.guilds:
        raise ApiError(403, 50001, "Missing Access")
    return world.commands[guild_id]


def _made(world: World, ask: Ask, given: Json) -> Json:
    made_id = str(world.new_id())
    rights = given.get("default_member_permissions")
    made = {"type": 1, "description": "", "dm_permission": True, "nsfw": False} | given
    if made["type"] == 1 and not made["description"]:
        raise form_error("description", "BASE_TYPE_REQUIRED", "This field is required")
    made = {n: value for n, value in made.items() if n != "options" or value}
    made["integration_types"] = made.get("integration_types") or [0]
    made |= {"id": made_id, "version": made_id, "application_id": str(world.bot_id)}
    made["default_member_permissions"] = None if rights is None else str(rights)
    return made | ({"guild_id": str(ask.ids["guild_id"])} if "guild_id" in ask.ids else {})


def get_commands(world: World, ask: Ask) -> Answer:
    return 200, list(_commands(world, ask).values())


def put_commands(world: World, ask: Ask) -> Answer:
    made = [_made(world, ask, one) for one in ask.body or []]
    if len({(one["name"], one["type"]) for one in made}) < len(made):
        raise form_error("name", "APPLICATION_COMMANDS_DUPLICATE_NAME", "Names must be unique")
    commands = _commands(world, ask)
    commands.clear()
    commands.update({int(one["id"]): one for one in made})
    return 200, made


def post_command(world: World, ask: Ask) -> Answer:
    commands = _commands(world, ask)
    made = _made(world, ask, ask.body)
    same = [
        old["id"]
        for old in commands.values()
        if (old["name"], old["type"]) == (made["name"], made["type"])
    ]
    if same:
        made["id"] = same[0]
    commands[int(made["id"])] = made
    return (200 if same else 201), made


def _command(world: World, ask: Ask) -> Json:
    found = _commands(world, ask).get(ask.ids["command_id"])
    if found is None:
        raise ApiError(404, 10063, "Unknown application command")
    return found


def get_command(world: World, ask: Ask) -> Answer:
    return 200, _command(world, ask)


def patch_command(world: World, ask: Ask) -> Answer:
    command = _command(world, ask)
    command.update(_made(world, ask, command | ask.body) | {"id": command["id"]})
    return 200, command


def delete_command(world: World, ask: Ask) -> Answer:
    del _commands(world, ask)[int(_command(world, ask)["id"])]
    return 204, None


_GUILD = "/guilds/{guild_id}"
_COMMANDS = ("/applications/{application_id}", "/applications/{application_id}/guilds/{guild_id}")

ROUTES: tuple[Route, ...] = (
    route("GET", "/users/@me", get_me),
    route("GET", "/users/@me/guilds", get_my_guilds),
    route("GET", "/users/{user_id}", get_user),
    route("POST", "/users/@me/channels", open_direct_channel),
    route("GET", "/applications/@me", get_application),
    route("GET", "/oauth2/applications/@me", get_application),
    route("GET", "/gateway", get_gateway),
    route("GET", "/gateway/bot", get_gateway_bot),
    route("GET", _GUILD, get_guild),
    route("GET", f"{_GUILD}/channels", get_channels),
    route("GET", f"{_GUILD}/roles", get_roles),
    route("GET", f"{_GUILD}/emojis", get_emojis),
    route("GET", f"{_GUILD}/threads/active", get_active_threads),
    route("GET", f"{_GUILD}/members", get_members),
    route("GET", f"{_GUILD}/members/search", search_members),
    route("GET", _GUILD + "/members/{user_id}", get_member),
    *(route("GET", f"{place}/commands", get_commands) for place in _COMMANDS),
    *(route("PUT", f"{place}/commands", put_commands) for place in _COMMANDS),
    *(route("POST", f"{place}/commands", post_command) for place in _COMMANDS),
    *(route("GET", place + "/commands/{command_id}", get_command) for place in _COMMANDS),
    *(route("PATCH", place + "/commands/{command_id}", patch_command) for place in _COMMANDS),
    *(route("DELETE", place + "/commands/{command_id}", delete_command) for place in _COMMANDS),
)
