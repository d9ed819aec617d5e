"""Sets Mynah up in a terminal: token, server, channels, admins, model, in about five minutes.

What is answered is stored at once. Start it again to go on, or to change something: Enter keeps
what stands there.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import discord

from bot.config import read_config
from bot.platforms.discord_errors import PORTAL
from bot.secret import NoTokenError, clean, find_token, keep_token
from scripts.check_discord import (
    DiscordCheckError,
    logged_in,
    look_at_members,
    look_at_servers,
    look_at_token,
    use_home_address,
)
from scripts.edge import add_home, ending_in_a_sentence
from scripts.manage_token import read_token
from scripts.running_bot import tell_running_bot
from scripts.setup_model import ModelQuestion
from scripts.setup_questions import StoppedError, agreed, ask, choose_many, choose_one
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home, find_home
from storage.settings import Settings

EXAMPLES = """\
examples:
  python scripts/setup_bot.py
  python scripts/setup_bot.py --home ~/mynah

The window asks the same (its page Setup). The token is typed without an echo and kept in the
system's keyring, else in the home's .env; it is never taken from the command line.
Exit status: 0 set up, 2 stopped or refused, 130 interrupted (what was answered stays).
"""

WELCOME = """\
Mynah is a bot for your Discord server that learns to talk like one of its regulars; everything
stays on this computer. It reads and answers only in the channels that you list. Discord's rules
(Developer Policy, rule 21) forbid training a model on messages that come through its interface
without Discord's permission: Mynah remembers and quotes them, and trains on them only after you
declared on what ground you may. Tell your members that it reads along, and exclude whoever does
not want that. You need a Discord account and the right Manage Server."""


class Setup:
    """One run of the questions, in their order."""

    def __init__(self, home: Home, database: Database) -> None:
        self.home = home
        self.database = database
        self.secret = ""
        self.account: dict[str, Any] = {}
        self.guild: dict[str, Any] = {}

    @property
    def settings(self) -> Settings:
        """What is stored now."""
        return read_config(self.home, self.database).settings

    def store(self, name: str, value: object) -> None:
        self.database.set_config(name, str(value))

    def look(self, at: Callable[[discord.Client], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Ask Discord. Raises DiscordCheckError."""

        async def looked() -> dict[str, Any]:
            async with logged_in(self.secret) as client:
                return await at(client)

        return asyncio.run(looked())

    def patiently(
        self, at: Callable[[discord.Client], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any]:
        """Ask Discord until it answers, or nobody wants to wait. Raises StoppedError."""
        while True:
            try:
                return self.look(at)
            except DiscordCheckError as error:
                print(error)
                ask("Press Enter to try again, Ctrl-C to stop.")

    # -- the steps ------------------------------------------------------------------------------

    def token(self) -> None:
        """A token that Discord accepts, kept, with both intents switched on."""
        step(1, "Token")
        account = self._kept_account()
        while account is None:
            print(f"Make an application at {PORTAL}, open its Bot page, press Reset")
            print("Token and paste what is shown. (You will not see what you type.)")
            account = self._new_account()
        print(f"The bot is called {account['name']}.")
        while missing := _missing(account):
            print(f"Switch on the {missing} on the Bot page of its application, and save:")
            print(f"  {PORTAL}/{account['application_id']}/bot")
            ask("Press Enter when that is done.")
            account = self.patiently(look_at_token)
        self.account = account

    def _kept_account(self) -> dict[str, Any] | None:
        try:
            token = find_token(self.home)
        except NoTokenError:
            return None
        self.secret = token.secret
        try:
            account = self.look(look_at_token)
        except DiscordCheckError as error:
            print(f"There is a token in {token.source} already. {error}")
            return None
        print(f"There is a token in {token.source} already: it belongs to {account['name']}.")
        return account if agreed("Keep it?") else None

    def _new_account(self) -> dict[str, Any] | None:
        try:
            text = read_token()
            if not text:
                raise StoppedError("Stopped. Start again to go on.")
            self.secret = clean(text, "your input")
            account = self.look(look_at_token)
        except (NoTokenError, DiscordCheckError) as error:
            print(error)
            return None
        print(f"Kept in {keep_token(self.home, self.secret)}.")
        return account

    def server(self) -> None:
        """The server, once the bot is on one."""
        step(2, "Server")
        print("The link that invites the bot (it takes the right Manage Server):")
        print(f"  {self.account['invite_url']}")
        while not (servers := self.patiently(look_at_servers)["servers"]):
            ask("The bot is on no server yet. Press Enter when you have invited it.")
        ids = [one["id"] for one in servers]
        before = self.settings.ids("discord_server_id")
        place = ids.index(before[0]) if before and before[0] in ids else 0
        if len(servers) > 1:
            place = choose_one([one["name"] for one in servers], place)
        self.guild = servers[place]
        self.store("discord_server_id", self.guild["id"])
        print(f"Mynah lives on {self.guild['name']}.")

    def channels(self) -> None:
        """What is read and answered in."""
        step(3, "Channels")
        channels = [one for one in self.guild["channels"] if one["can_read"]]
        if not channels:
            raise MynahError("The bot can read no channel there; give it the rights, start again.")
        category = None
        for n, one in enumerate(channels, start=1):
            if one["category"] != category:
                category = one["category"]
                print(category or "Without category")
            print(f"  {n:>3}  # {one['name']}{'' if one['can_send'] else '  (it may not write)'}")
        closed = ", ".join(f"#{c['name']}" for c in self.guild["channels"] if not c["can_read"])
        if closed:
            print(f"The bot may not read: {closed}")
        listed = self.settings.ids("discord_channel_ids")
        before = [n for n, one in enumerate(channels) if one["id"] in listed]
        places = choose_many("Which ones does Mynah read and answer in?", len(channels), before, 1)
        here = {one["id"] for one in self.guild["channels"]}
        others = [one for one in listed if one not in here]  # single threads
        ids = [channels[n]["id"] for n in places] + others
        self.store("discord_channel_ids", ",".join(map(str, ids)))

    def admins(self) -> None:
        """Who may give orders, besides those who may manage the server."""
        step(4, "Admins")
        print("Whoever may manage the server is an admin already.")
        chosen = list(self.settings.ids("admin_user_ids"))
        if chosen:
            print(f"Others: {len(chosen)}, by their ids {', '.join(map(str, chosen))}.")
            if not agreed("Keep them?"):
                chosen = []
        while search := ask("Add somebody: what their name begins with (Enter: nobody)."):
            chosen += [one for one in self._found(search) if one not in chosen]
        self.store("admin_user_ids", ",".join(map(str, chosen)))

    def _found(self, search: str) -> list[int]:
        def at(client: discord.Client) -> Awaitable[dict[str, Any]]:
            return look_at_members(client, self.guild["id"], search)

        people = self.patiently(at)["members"]
        if not people:
            print("Nobody is called so.")
            return []
        for n, one in enumerate(people, start=1):
            nickname = f" ({one['nickname']})" if one["nickname"] else ""
            print(f"  {n:>3}  {one['name']}{nickname}")
        return [people[n]["id"] for n in choose_many("Which ones?", len(people), [])]

    def model(self) -> None:
        """What answers."""
        step(5, "Model")
        ModelQuestion(self.home, self.settings, self.store).answer()


def step(number: int, name: str) -> None:
    print(f"\n{number} of 5  {name}")


def _missing(account: dict[str, Any]) -> str:
    names = {"message_content": "Message Content Intent", "members": "Server Members Intent"}
    return " and the ".join(names[one] for one, is_on in account["intents"].items() if not is_on)


def main() -> int:
    """See EXAMPLES for the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_home(parser)
    home = find_home(parser.parse_args().home).ensure()
    use_home_address(home)
    print(WELCOME)
    with Database.open(home.database, backups=home.backups) as database:
        setup = Setup(home, database)
        for ask_about in (setup.token, setup.server, setup.channels, setup.admins, setup.model):
            ask_about()
    (home.data_storage / "setup.json").unlink(missing_ok=True)  # the window's, half-way
    tell_running_bot(home, "restart", "The running bot starts anew with these choices.")
    print(f"\nMynah is set up in {home.root}. Start it with: python3 launcher.py --headless")
    print("It listens in silence until you have seen what it would say: scripts/rehearse.py --help")
    return 0


if __name__ == "__main__":
    sys.exit(
        ending_in_a_sentence(
            main, stopped="\nStopped. What was answered is stored; start again to go on."
        )
    )
