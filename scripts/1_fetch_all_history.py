"""Brings a community's history into the home: from Discord, or from DiscordChatExporter's files.

Do it again whenever there is more: what is known is not stored twice, nothing goes back to an older
state. From Discord, what is newer than the last time is asked for, and the days before that once
more (the setting fetch_reconcile_days): edits, reactions and deletions are brought up to date. Of a
newer export edits and reactions are, too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.fetch_home import fetch_home
from data.fetch_report import FetchProgress, FetchReport
from data.importers.import_progress import ProgressLine
from data.importers.importing import ImportProgress, ImportSummary, import_paths
from scripts.edge import add_home, add_json, ending_in_a_sentence, stop_when_terminated
from scripts.erasures import finish_erasing
from scripts.events import Events, add_events
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home, find_home
from storage.records import Origin
from storage.settings import Settings, find, parse

if TYPE_CHECKING:
    from bot.config import Config
    from bot.secret import Token

EXAMPLES = """\
examples:
  python scripts/1_fetch_all_history.py
  python scripts/1_fetch_all_history.py --channels 812345678901234567
  python scripts/1_fetch_all_history.py --whole
  python scripts/1_fetch_all_history.py --import exports/
  python scripts/1_fetch_all_history.py --import general.json memes.json.gz --home ~/mynah

From Discord: the channels of the setting discord_channel_ids and their threads and posts, with the
bot's token (scripts/manage_token.py). The bot may run meanwhile. A channel that it may not read is
named. While Discord cannot be reached it waits. Ctrl-C stops it; the same command again goes on.
What was fetched lies in data_storage/messages too, a file a channel.

From files: DiscordChatExporter, format JSON, whole or in parts; Discord's own data packages (the
zip that a member requests, or its folder), of which only that member's words on this home's servers
are taken; Mynah's own files. Zips are read as they are. What is none of these is skipped and
listed; broken records are kept aside with their reasons in the home's data_storage/quarantine.
Exit status: 0 done, 2 it could not be done, 130 interrupted (what was stored stays).
"""


class NothingToImport(MynahError):
    """No file could be used, no channel was named, or none could be read."""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--channels",
        nargs="+",
        action="extend",
        metavar="ID",
        help="fetch these channels and their threads, in place of those of the settings",
    )
    source.add_argument(
        "--import",
        dest="paths",
        nargs="+",
        action="extend",
        type=Path,
        metavar="PATH",
        help="files (.json, .json.gz, .zip) or folders, which are searched all the way down",
    )
    parser.add_argument(
        "--whole",
        action="store_true",
        help="ask again for everything that is known, however old it is; needs no --import",
    )
    add_home(parser)
    add_json(parser, "print the summary as one JSON object on the last line")
    add_events(parser)
    return parser


def main() -> int:
    """Import what the command line names, or fetch from Discord. Raises MynahError."""
    parser = build_parser()
    arguments = parser.parse_args()
    if arguments.whole and arguments.paths:
        parser.error("--whole is for fetching from Discord, not for --import")
    stop_when_terminated()
    line = ProgressLine(sys.stderr)
    events = Events(arguments.events)
    done: ImportSummary | FetchReport
    try:
        home = find_home(arguments.home).ensure()
        with Database.open(home.database, backups=home.backups) as db:
            finish_erasing(home, db)
            if arguments.paths:
                done = import_files(home, db, arguments.paths, line, events)
            else:
                done = fetch(home, db, arguments, line, events)
    finally:
        line.end()
    for text in done.lines():
        print(text)
    print(f"database: {home.database}")
    if arguments.json:
        print(json.dumps({**done.as_dict(), "database": str(home.database)}))
    if isinstance(done, FetchReport) and not done.channels:
        raise NothingToImport("Nothing was fetched: none of the channels could be read.")
    if isinstance(done, ImportSummary) and not done.files_imported:
        why = [f"{Path(file).name}: {reason}." for file, reason in (*done.skipped, *done.broken)]
        raise NothingToImport(
            f"Nothing was imported. {' '.join(why[:1])} Mynah reads exports of DiscordChatExporter "
            "(format JSON) and Discord's own data packages."
        )
    return 0


def import_files(
    home: Home, database: Database, paths: list[Path], line: ProgressLine, events: Events
) -> ImportSummary:
    """Import exporters' files and folders. Raises MynahError."""

    def show(progress: ImportProgress) -> None:
        line.show(progress)
        share = progress.bytes_done / progress.bytes_total if progress.bytes_total else 1.0
        events.progress(
            "import",
            is_last=progress.files_done == progress.files_total,
            bytes_done=progress.bytes_done,
            bytes_total=progress.bytes_total,
            messages=progress.messages,
            per_s=round(progress.messages / progress.seconds, 1) if progress.seconds else 0.0,
            left_s=round(progress.seconds / share - progress.seconds, 1) if share else None,
            file=progress.file_name,
        )

    return import_paths(
        database,
        [Path(os.path.expanduser(path)) for path in paths],  # noqa: PTH111
        origin=Origin.EXPORT,
        quarantine=home.quarantine,
        progress=show,
    )


def fetch(
    home: Home,
    database: Database,
    arguments: argparse.Namespace,
    line: ProgressLine,
    events: Events,
) -> FetchReport:
    """Fetch the channels of the command line, else those of the settings. Raises MynahError."""
    from bot.config import read_config  # late, as below: an import wants nothing of the bot
    from bot.secret import find_token

    config = read_config(home, database)
    for warning in config.warnings:
        print(warning, file=sys.stderr)
    setting = find("discord_channel_ids")
    channels = arguments.channels
    named = parse(setting, " ".join(channels)) if channels else config.settings[setting.name]
    settings = Settings({**config.settings, setting.name: named})
    if not settings.ids(setting.name):
        raise NothingToImport(
            "No channel is named: give ids with --channels, or list those that Mynah reads with "
            "scripts/manage_settings.py set discord_channel_ids ID,ID. "
            "DiscordChatExporter files are read with --import."
        )
    return asyncio.run(
        fetched(
            home,
            database,
            replace(config, settings=settings),
            find_token(home),
            only=settings.ids(setting.name) if channels else (),
            whole=arguments.whole,
            line=line,
            events=events,
        )
    )


async def fetched(
    home: Home,
    database: Database,
    config: Config,
    token: Token,
    *,
    only: tuple[int, ...],
    whole: bool,
    line: ProgressLine,
    events: Events,
) -> FetchReport:
    """Log in to Discord's REST API, without its gateway, and fetch: these channels `only`, or those
    of the settings. Raises MynahError."""
    from bot.platforms.discord_addresses import use_addresses
    from bot.platforms.discord_history import DiscordHistory

    def show(progress: FetchProgress) -> None:
        line.write(str(progress))
        left_s = progress.left_s
        events.progress(
            "fetch",
            channel=progress.channel,
            channels_done=progress.channels_done,
            channels_total=progress.channels_total,
            messages=progress.messages,
            per_s=round(progress.per_second, 1),
            reached_ms=progress.reached_ms,
            left_s=None if left_s is None else round(left_s, 1),
            again=progress.is_again,
            waiting=progress.waiting,
        )

    def wait(what: str) -> None:
        if what:
            line.write(f"waiting: {what}")

    # What discord.py warns of is waited out (rate limits), or of no use here (no voice).
    logging.getLogger("discord").setLevel(logging.ERROR)
    use_addresses(config.discord_api, config.discord_gateway)
    settings = config.settings
    async with DiscordHistory.login(token.secret, settings, on_wait=wait) as source:
        return await fetch_home(
            home, database, source, settings, channels=only, whole=whole, progress=show
        )


if __name__ == "__main__":
    sys.exit(
        ending_in_a_sentence(
            main,
            failed="Not everything was stored; what was stored stays",
            stopped="Interrupted. What was stored up to here stays; "
            "the same command again goes on from there.",
        )
    )
