"""Looks at Discord with the bot's token: who the bot is, where it is, who is there. REST alone.

For the window's setup and scripts/setup_bot.py. Changes nothing, there or here. The token is the
line on stdin, else the one that is kept; it never goes into a command line.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import discord
import discord.asset
import yarl
from discord.http import Route

from bot.config import API
from bot.env_file import read_env_file
from bot.platforms.discord_addresses import use_addresses
from bot.platforms.discord_client import intents, no_voice
from bot.platforms.discord_errors import PORTAL, is_passing, shown
from bot.platforms.discord_guild import invite_url
from bot.secret import clean, find_token
from scripts.edge import ending_in_a_sentence, home_and_json
from storage.errors import MynahError
from storage.paths import Home, find_home

EXAMPLES = """\
examples:
  python scripts/check_discord.py token              the bot's name, its intents, its invite link
  python scripts/check_discord.py token < token.txt  of a token that is not kept yet
  python scripts/check_discord.py servers            the servers and channels that it can see
  python scripts/check_discord.py members 812345678901234567 --search ann

Exit status: 0 done, 2 Discord refused or could not be reached.
"""

PATIENCE_S = 40.0
"""For one look at Discord, its rate limits waited out."""
PICTURE_PX = 128
MOST_MEMBERS = 1000
"""Of a server's members, as many as Discord lists at once; the search finds the others."""
MOST_SERVERS = 200

_CONTENT = 1 << 18 | 1 << 19
_MEMBERS = 1 << 14 | 1 << 15
_WITH_WORDS = (discord.ChannelType.text, discord.ChannelType.news, discord.ChannelType.forum)


class DiscordCheckError(MynahError):
    """Discord could not be looked at; the sentence says what to do."""


class NobodyReads(Exception):
    """Whoever started this is gone."""


# -- what is looked at ------------------------------------------------------------------------


@asynccontextmanager
async def logged_in(token: str) -> AsyncIterator[discord.Client]:
    """A client without a gateway connection. Raises DiscordCheckError, here and within."""
    no_voice()
    logging.getLogger("discord").setLevel(logging.ERROR)
    client = discord.Client(intents=intents(), max_messages=None)
    try:
        await asyncio.wait_for(client.login(token), PATIENCE_S)
        yield client
    except (discord.DiscordException, OSError, asyncio.TimeoutError) as error:
        raise _in_words(error) from error
    except Exception as error:
        if is_passing(error):  # aiohttp's own
            raise _in_words(error) from error
        raise
    finally:
        with suppress(Exception):
            await client.close()


async def look_at_token(client: discord.Client) -> dict[str, Any]:
    """Whose the token is, which intents are switched on, and the link that invites the bot."""
    application = await client.http.request(Route("GET", "/applications/@me"))
    user, application_id = client.user, int(application["id"])
    assert user is not None
    flags = int(application.get("flags") or 0)
    return {
        "name": user.name,
        "id": user.id,
        "avatar_png_base64": await _picture(user),
        "application_id": application_id,
        "intents": {
            "message_content": bool(flags & _CONTENT),
            "members": bool(flags & _MEMBERS),
        },
        "invite_url": invite_url(application_id),
    }


async def name_servers(client: discord.Client) -> dict[str, Any]:
    """The servers that the bot is on: one request."""
    found = await client.http.get_guilds(MOST_SERVERS, with_counts=False)
    return {"servers": [{"id": int(one["id"]), "name": one["name"]} for one in found or ()]}


async def look_at_servers(client: discord.Client) -> dict[str, Any]:
    """The servers that the bot is on, with their channels: three requests a server."""
    named = (await name_servers(client))["servers"]
    return {"servers": [await _server(client, one["id"]) for one in named]}


async def look_at_members(client: discord.Client, guild_id: int, search: str) -> dict[str, Any]:
    """The people of a server, those who may manage it first; with `search` those whose name begins
    so, else the first 1000 (`complete` says whether that is all)."""
    guild = await client.http.get_guild(guild_id, with_counts=False)
    if search:
        route = Route("GET", "/guilds/{guild_id}/members/search", guild_id=guild_id)
        query: dict[str, Any] = {"query": search[:100], "limit": 100}
        found = await client.http.request(route, params=query)
    else:
        found = await client.http.get_members(guild_id, MOST_MEMBERS, None)
    managing = {str(role["id"]) for role in guild["roles"] if _manages(role["permissions"])}
    people = [
        _person(one, int(guild["owner_id"]), managing, str(guild_id))
        for one in found
        if not one["user"].get("bot")
    ]
    people.sort(key=lambda one: (not one["manage_guild"], _called(one).casefold()))
    return {"members": people, "complete": not search and len(found) < MOST_MEMBERS}


async def _server(client: discord.Client, guild_id: int) -> dict[str, Any]:
    guild = await client.fetch_guild(guild_id, with_counts=False)
    channels = await guild.fetch_channels()
    assert client.user is not None
    me = await guild.fetch_member(client.user.id)
    names = {c.id: c.name for c in channels if isinstance(c, discord.CategoryChannel)}
    places = {c.id: c.position for c in channels if isinstance(c, discord.CategoryChannel)}
    listed = [c for c in channels if c.type in _WITH_WORDS]
    listed.sort(key=lambda c: (places.get(c.category_id or 0, -1), c.position, c.id))
    return {
        "id": guild.id,
        "name": guild.name,
        "channels": [_channel(c, names.get(c.category_id or 0, ""), me) for c in listed],
    }


def _channel(
    channel: discord.abc.GuildChannel, category: str, me: discord.Member
) -> dict[str, Any]:
    may = channel.permissions_for(me)
    return {
        "id": channel.id,
        "name": channel.name,
        "kind": channel.type.name,
        "category": category,
        "can_see": may.view_channel,
        "can_read": may.view_channel and may.read_message_history,
        "can_send": may.view_channel
        and (
            may.send_messages_in_threads
            if channel.type is discord.ChannelType.forum
            else may.send_messages
        ),
    }


def _person(one: Any, owner_id: int, managing: set[str], everyone: str) -> dict[str, Any]:
    user = one["user"]
    roles = {everyone, *one["roles"]}
    return {
        "id": int(user["id"]),
        "name": user["username"],
        "nickname": one.get("nick") or user.get("global_name") or "",
        "manage_guild": int(user["id"]) == owner_id or bool(roles & managing),
    }


def _manages(permissions: str) -> bool:
    may = discord.Permissions(int(permissions))
    return may.administrator or may.manage_guild


def _called(person: dict[str, Any]) -> str:
    return str(person["nickname"] or person["name"])


async def _picture(user: discord.ClientUser) -> str | None:
    """A PNG; None where the bot has no picture of its own or it cannot be had."""
    if user.avatar is None:
        return None
    picture = user.avatar.with_static_format("png").with_size(PICTURE_PX)
    with suppress(discord.DiscordException, OSError, asyncio.TimeoutError):
        return base64.b64encode(await picture.read()).decode("ascii")
    return None


# -- failures as sentences --------------------------------------------------------------------


def _in_words(error: Exception) -> DiscordCheckError:
    if isinstance(error, discord.LoginFailure) or getattr(error, "status", 0) == 401:
        return DiscordCheckError(
            "Discord does not accept this token. Press Reset Token on the Bot page of your "
            f"application ({PORTAL}), copy the new one and try again."
        )
    if isinstance(error, discord.Forbidden):
        return DiscordCheckError(
            "Discord does not let Mynah see who is on the server. Switch on the Server Members "
            "Intent on the Bot page of your application, then try again."
        )
    if isinstance(error, discord.NotFound):
        return DiscordCheckError("The bot is not on that server (any more); invite it there.")
    if isinstance(error, asyncio.TimeoutError):
        said = "it did not answer in time"
    elif isinstance(error, discord.HTTPException):
        said = f"it answered {error.status}"
    else:
        said = shown(error)
    return DiscordCheckError(
        f"Discord could not be reached ({said}). Check this computer's connection to the network "
        "and try again."
    )


# -- the command line -------------------------------------------------------------------------


def use_home_address(home: Home) -> None:
    """Go where the home's .env or the environment says that Discord is, pictures included."""
    api = os.environ.get(API, "").strip() or read_env_file(home.env_file).get(API)
    use_addresses(api, None)
    if api:  # whoever answers in Discord's place has the pictures too
        discord.asset.Asset.BASE = str(yarl.URL(api.strip()).origin())


def token_to_use(home: Home) -> str:
    """The first line of stdin, else the one that is kept. Raises NoTokenError."""
    given = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.readline()
    return clean(given, "your input") if given.strip() else find_token(home).secret


def build_parser() -> argparse.ArgumentParser:
    """The command line. Every answer is one JSON object."""
    common = home_and_json()
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLES,
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("token", help="whose it is, and its intents", parents=[common])
    servers = commands.add_parser(
        "servers", help="servers with their channels, and what the bot may there", parents=[common]
    )
    servers.add_argument(
        "--watch",
        type=float,
        metavar="SECONDS",
        help="their names alone, a line each time; until nobody reads them any more",
    )
    members = commands.add_parser("members", help="people of a server", parents=[common])
    members.add_argument("guild_id", type=int, metavar="GUILD_ID")
    members.add_argument("--search", default="", metavar="TEXT", help="what a name begins with")
    return parser


async def look(arguments: argparse.Namespace, token: str) -> None:
    """Look, and print. Raises DiscordCheckError."""
    async with logged_in(token) as client:
        if arguments.command == "servers" and arguments.watch is not None:
            await _watch(client, max(0.1, arguments.watch))
        elif arguments.command == "servers":
            say(await asyncio.wait_for(look_at_servers(client), PATIENCE_S))
        elif arguments.command == "members":
            looking = look_at_members(client, arguments.guild_id, arguments.search.strip())
            say(await asyncio.wait_for(looking, PATIENCE_S))
        else:
            say(await asyncio.wait_for(look_at_token(client), PATIENCE_S))


async def _watch(client: discord.Client, interval_s: float) -> None:
    """An outage of the network is waited out; a wrong token is not."""
    while True:
        try:
            say(await asyncio.wait_for(name_servers(client), PATIENCE_S))
        except Exception as error:
            if not is_passing(error):
                raise
            print(_in_words(error), file=sys.stderr, flush=True)
        await asyncio.sleep(interval_s)


def say(answer: dict[str, Any]) -> None:
    """One line of JSON. Raises NobodyReads."""
    try:
        print(json.dumps(answer, ensure_ascii=False), flush=True)
    except OSError as error:
        raise NobodyReads from error


def main() -> int:
    """See EXAMPLES for the exit status."""
    arguments = build_parser().parse_args()
    home = find_home(getattr(arguments, "home", None))
    use_home_address(home)
    token = token_to_use(home)
    try:
        asyncio.run(look(arguments, token))
    except NobodyReads:  # nor at the exit, when Python flushes once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
