"""Brings a community's history into the home: from Discord, or from DiscordChatExporter's files.

Do it again whenever there is more: what is known is not stored twice, nothing goes back to an older
state. From Discord, only what is newer than the last time is asked for; of a newer export, edits
and reactions are brought up to date too.
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

from data.fetch_report import FetchProgress, FetchReport
from data.fetcher import fetch_history
from data.importers.import_progress import ProgressLine
from data.importers.importing import ImportProgress, ImportSummary, import_paths
from scripts.edge import add_home, add_json, ending_in_a_sentence, stop_when_terminated
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
  python scripts/1_fetch_all_history.py --import exports/
  python scripts/1_fetch_all_history.py --import general.json memes.json.gz --home ~/mynah

From Discord: the channels of the setting discord_channel_ids and their threads, with the bot's
token (scripts/manage_token.py). The bot may run meanwhile. A channel that it may not read is named.

From files: DiscordChatExporter, format JSON. What is no export is skipped and listed; broken
records are kept aside with their reasons in the home's data_storage/quarantine.
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
        help="files (.json, .json.gz) or folders, which are searched all the way down",
    )
    add_home(parser)
    add_json(parser, "print the summary as one JSON object on the last line")
    add_events(parser)
    return parser


def main() -> int:
    """Import what the command line names, or fetch from Discord. Raises MynahError."""
    arguments = build_parser().parse_args()
    stop_when_terminated()
    line = ProgressLine(sys.stderr)
    events = Events(arguments.events)
    done: ImportSummary | FetchReport
    try:
        home = find_home(arguments.home).ensure()
        with Database.open(home.database, backups=home.backups) as db:
            if arguments.paths:
                done = import_files(home, db, arguments.paths, line, events)
            else:
                done = fetch(home, db, arguments.channels or [], line, events)
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
        raise NothingToImport("Nothing was imported: there is no usable DiscordChatExporter file.")
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
    home: Home, database: Database, channels: list[str], line: ProgressLine, events: Events
) -> FetchReport:
    """Fetch the channels with these ids, else those of the settings. Raises MynahError."""
    from bot.config import read_config  # late, as below: an import wants nothing of the bot
    from bot.secret import find_token

    config = read_config(home, database)
    for warning in config.warnings:
        print(warning, file=sys.stderr)
    setting = find("discord_channel_ids")
    named = parse(setting, " ".join(channels)) if channels else config.settings[setting.name]
    settings = Settings({**config.settings, setting.name: named})
    if not settings.ids(setting.name):
        raise NothingToImport(
            "No channel is named: give ids with --channels, or list those that Mynah reads with "
            "scripts/manage_settings.py set discord_channel_ids ID,ID. "
            "DiscordChatExporter files are read with --import."
        )
    return asyncio.run(
        fetched(database, replace(config, settings=settings), find_token(home), line, events)
    )


async def fetched(
    database: Database, config: Config, token: Token, line: ProgressLine, events: Events
) -> FetchReport:
    """Log in to Discord's REST API, without its gateway, and fetch. Raises MynahError."""
    from bot.platforms.discord_addresses import use_addresses
    from bot.platforms.discord_history import DiscordHistory

    def show(progress: FetchProgress) -> None:
        line.write(str(progress))
        events.progress(
            "fetch",
            channel=progress.channel,
            channels_done=progress.channels_done,
            channels_total=progress.channels_total,
            messages=progress.messages,
            per_s=round(progress.per_second, 1),
            reached_ms=progress.reached_ms,
        )

    # What discord.py warns of is waited out (rate limits), or of no use here (no voice).
    logging.getLogger("discord").setLevel(logging.ERROR)
    use_addresses(config.discord_api, config.discord_gateway)
    channels = config.settings.ids("discord_channel_ids")
    async with DiscordHistory.login(token.secret, config.settings) as source:
        return await fetch_history(source, database, channels=channels, progress=show)


if __name__ == "__main__":
    sys.exit(
        ending_in_a_sentence(
            main,
            failed="Not everything was stored; what was stored stays",
            stopped="Interrupted. What was stored up to here stays; "
            "the same command again goes on from there.",
        )
    )
