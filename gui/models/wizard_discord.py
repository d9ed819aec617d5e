"""What Discord answers to the setup (scripts/check_discord.py) as values, and how it is listed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PORTAL = "https://discord.com/developers/applications"


@dataclass(frozen=True)
class BotAccount:
    """Whose the token is."""

    name: str
    application_id: int
    invite_url: str
    reads_words: bool
    """Whether the Message Content Intent is switched on."""
    sees_members: bool
    """Whether the Server Members Intent is switched on."""

    @property
    def missing(self) -> list[str]:
        """What is to be switched on, by Discord's own names."""
        both = (
            ("Message Content Intent", self.reads_words),
            ("Server Members Intent", self.sees_members),
        )
        return [name for name, is_on in both if not is_on]

    @property
    def portal_page(self) -> str:
        """Where the intents are switched on."""
        return f"{PORTAL}/{self.application_id}/bot"


@dataclass(frozen=True)
class Channel:
    """One channel with words."""

    channel_id: int
    name: str
    category: str
    can_read: bool
    obstacle: str
    """Why it cannot be read, or what is missing there; "" where all is well."""


@dataclass(frozen=True)
class Server:
    """One server that the bot is on."""

    server_id: int
    name: str
    channels: tuple[Channel, ...] = ()
    """In the order in which Discord shows them."""


@dataclass(frozen=True)
class Person:
    """Somebody on the server."""

    member_id: int
    name: str
    nickname: str
    manages: bool
    """Whether they may manage the server, and so are an admin anyway."""

    @property
    def label(self) -> str:
        """Nickname and name."""
        return f"{self.nickname} ({self.name})" if self.nickname else self.name


def account_of(answer: Mapping[str, Any]) -> BotAccount:
    """Out of what `check_discord.py token` prints."""
    intents = answer["intents"]
    return BotAccount(
        answer["name"],
        answer["application_id"],
        answer["invite_url"],
        intents["message_content"],
        intents["members"],
    )


def servers_of(answer: Mapping[str, Any]) -> list[Server]:
    """Out of what `check_discord.py servers` prints, with --watch or without."""
    return [
        Server(one["id"], one["name"], tuple(_channel(c) for c in one.get("channels", ())))
        for one in answer["servers"]
    ]


def people_of(answer: Mapping[str, Any]) -> list[Person]:
    """Out of what `check_discord.py members` prints."""
    return [
        Person(one["id"], one["name"], one["nickname"], one["manage_guild"])
        for one in answer["members"]
    ]


def _channel(one: Mapping[str, Any]) -> Channel:
    if not one["can_see"]:
        obstacle = "The bot may not see it"
    elif not one["can_read"]:
        obstacle = "The bot may not read its history"
    elif not one["can_send"]:
        obstacle = "The bot may read, but not write here"
    else:
        obstacle = ""
    return Channel(one["id"], one["name"], one["category"], one["can_read"], obstacle)


def by_category(channels: Iterable[Channel], search: str = "") -> list[tuple[str, list[Channel]]]:
    """The channels whose name or category has `search` in it, under their categories, in order."""
    wanted = search.strip().lstrip("#").casefold()
    groups: dict[str, list[Channel]] = {}
    for channel in channels:
        if wanted in channel.name.casefold() or wanted in channel.category.casefold():
            groups.setdefault(channel.category, []).append(channel)
    return list(groups.items())


def found_among(people: Iterable[Person], search: str) -> list[Person]:
    """Those who have `search` in a name."""
    wanted = search.strip().lstrip("@").casefold()
    return [one for one in people if wanted in one.label.casefold()]


def people_shown(found: Iterable[Person], chosen: Mapping[int, str]) -> list[Person]:
    """Who was found, and first of all who is chosen already but is not among them."""
    listed = list(found)
    known = {one.member_id for one in listed}
    absent = [Person(i, name, "", False) for i, name in chosen.items() if i not in known]
    return absent + listed
