"""What Discord's own window makes of a slash command or a button before it tells the bot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tests.discord_stand_in import payloads
from tests.discord_stand_in.sayings import Message
from tests.discord_stand_in.things import Channel, Json

if TYPE_CHECKING:
    from tests.discord_stand_in.world import World

PART, STRING, INTEGER, BOOLEAN, USER, NUMBER = 1, 3, 4, 5, 6, 10


def command_data(world: World, channel: Channel, member_id: int, name: str, options: Json) -> Json:
    """The data of a slash command's interaction: `name` as it is typed, "privacy show" for a part
    of one. Errors as `World.interact` names them."""
    name, _, part_name = name.partition(" ")
    command = _offered(world, channel, name)
    _may_use(world, channel, member_id, command)
    parts = {o["name"]: o for o in command.get("options") or [] if o["type"] == PART}
    if bool(parts) != bool(part_name) or (part_name and part_name not in parts):
        raise LookupError(f"/{name} has the parts {sorted(parts)}, not {part_name!r}")
    shown = f"{name} {part_name}".strip()
    given = _given(shown, parts[part_name] if part_name else command, options)
    made: Json = {"id": command["id"], "name": name, "type": 1, "options": given}
    if part_name:
        made["options"] = [{"name": part_name, "type": PART, "options": given}]
    users = [int(one["value"]) for one in given if one["type"] == USER]
    if users:
        made["resolved"] = _resolved(world, channel, users)
    if command.get("guild_id"):
        made["guild_id"] = command["guild_id"]
    return made


def _given(shown: str, command: Json, options: Json) -> list[Json]:
    known = {option["name"]: option for option in command.get("options") or []}
    for option_name in options:
        if option_name not in known:
            raise ValueError(f"/{shown} has no option {option_name}")
    for option_name, option in known.items():
        if option.get("required") and option_name not in options:
            raise ValueError(f"/{shown} needs {option_name}")
    return [_option(known[option_name], value) for option_name, value in options.items()]


def _offered(world: World, channel: Channel, name: str) -> Json:
    for where in (channel.guild_id, None):
        for command in world.commands.get(where, {}).values():
            if command["name"] == name and command["type"] == 1:
                return command
    raise LookupError(f"the bot offers no command /{name} here")


def _may_use(world: World, channel: Channel, member_id: int, command: Json) -> None:
    wanted = command["default_member_permissions"]
    if channel.guild_id is None or wanted is None:
        return
    member = world.guilds[channel.guild_id].members[member_id]
    if not world.permissions(member, channel) & int(wanted):
        raise PermissionError(f"/{command['name']} is not shown to {member.user.name}")


def _option(option: Json, value: Any) -> Json:
    kind = option["type"]
    name = option["name"]
    fits: dict[int, tuple[type, ...]] = {
        STRING: (str,),
        INTEGER: (int,),
        BOOLEAN: (bool,),
        USER: (int, str),
        NUMBER: (int, float),
    }
    if not isinstance(value, fits.get(kind, (str,))):
        raise ValueError(f"{name} cannot be {value!r}")
    if kind in (INTEGER, NUMBER):
        lowest, highest = option.get("min_value"), option.get("max_value")
        if (lowest is not None and value < lowest) or (highest is not None and value > highest):
            raise ValueError(f"{name} must be {lowest} to {highest}, not {value}")
    choices = [choice["value"] for choice in option.get("choices") or []]
    if choices and value not in choices:
        raise ValueError(f"{name} must be one of {choices}, not {value!r}")
    return {"name": name, "type": kind, "value": str(value) if kind == USER else value}


def _resolved(world: World, channel: Channel, user_ids: Iterable[int]) -> Json:
    users = {str(u): payloads.user_json(world.users[u]) for u in user_ids}
    members = world.guilds[channel.guild_id].members if channel.guild_id is not None else {}
    return {
        "users": users,
        "members": {
            str(u): payloads.member_json(members[u], with_user=False) | {"permissions": "0"}
            for u in user_ids
            if u in members
        },
    }


def button_data(message: Message, custom_id: str) -> Json:
    """The data of a pressed button's interaction. Errors as `World.interact` names them."""
    for component in every_component(message.components):
        if component.get("custom_id") == custom_id:
            if component.get("disabled"):
                raise ValueError(f"the button {custom_id} is greyed out")
            return {"custom_id": custom_id, "component_type": component["type"]}
    raise LookupError(f"no button {custom_id} stands under message {message.id}")


def every_component(components: Iterable[Json]) -> Iterator[Json]:
    """Components and what is inside them, outside first."""
    for component in components:
        yield component
        yield from every_component(component.get("components") or [])


def with_ids(components: Iterable[Json] | None) -> list[Json]:
    """Components as Discord answers them: each with a number of its own."""
    made = [dict(component) for component in components or []]
    counter = iter(range(1, 1_000))

    def number(component: Json) -> Json:
        component["id"] = component.get("id") or next(counter)
        if "components" in component:
            component["components"] = [number(dict(inner)) for inner in component["components"]]
        return component

    return [number(component) for component in made]
