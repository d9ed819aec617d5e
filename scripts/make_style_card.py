"""Makes the home's style card, how its people write, and shows what each prompt then begins with.

    python scripts/make_style_card.py            make it from the history as it is now
    python scripts/make_style_card.py --show     show the one that is kept
    python scripts/make_style_card.py --show --channel tavern

A model that was not tuned here is told the voice and shown a few exchanges. A training begins each
example with the voice alone, made from what may be learned from. A running bot uses a new card
within a minute. Nothing leaves this machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tqdm import tqdm

from data.persona_file import PersonaFile
from data.style.card import StyleCard, make_style_card, path_in, read_style_card
from data.style.exchanges import shown_in
from data.style.pace import as_json as pace_as_json
from data.whole_persona import is_written, joined, serving_persona
from scripts.edge import add_home, add_json, ending_in_a_sentence, stop_when_terminated
from scripts.erasures import finish_erasing
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home, find_home
from storage.records import ChannelRecord, community_name
from storage.settings import load


class NoCardError(MynahError):
    """There is none to show, or no such channel."""


def main() -> int:
    arguments = parse_arguments()
    stop_when_terminated()
    home = find_home(arguments.home).ensure()
    with Database.open(home.database, backups=home.backups) as database:
        finish_erasing(home, database)
        card = read_style_card(home, database) if arguments.show else made(home, database)
        if card is None:
            raise NoCardError("There is no style card yet; without --show one is made.")
        print(in_words(home, database, card, arguments.channel))
        if arguments.json:
            print(json.dumps(as_json(home, card), ensure_ascii=False))
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_home(parser)
    parser.add_argument("--show", action="store_true", help="make none, show the one that is kept")
    parser.add_argument(
        "--channel", metavar="NAME", help="what a prompt in that channel begins with"
    )
    add_json(parser, "end with the card as one line of JSON")
    return parser.parse_args()


def made(home: Home, database: Database) -> StyleCard:
    with tqdm(file=sys.stderr, unit=" lines", leave=False, disable=None) as bar:

        def show(step: str, done: int, total: int) -> None:
            bar.set_description(step)
            bar.total = total
            bar.update(done - bar.n)

        return make_style_card(home, database, show)


def in_words(home: Home, database: Database, card: StyleCard, channel_name: str | None) -> str:
    """What a prompt of a model that was not tuned here begins with."""
    settings, _ = load(database.config_rows())
    channels = [c for c in database.channels() if c.name == channel_name]
    if channel_name is not None and not channels:
        raise NoCardError(f'There is no channel "{channel_name}".')
    exchanges = (
        card.exchanges_for(channels[0]) if channels else shown_in(card.exchanges, (), card.commons)
    )
    file = persona_file_in(home, database, channels[0]) if channels else None
    text = joined(
        serving_persona(
            settings,
            name=settings.text("persona_name"),
            server=channels[0].guild_name if channels else community_name(database.channels()),
            voice=card.voice,
            exchanges=exchanges,
            file=file,
        )
    )
    note = ""
    if file is not None:
        note = f"\nThe persona file {file.stem}.md counts there."
    elif is_written(settings):
        note = "\nThe setting persona was written by somebody, so it stands alone."
    elif not card.voice:
        note = "\nToo little was said to tell how people write here."
    return f"{text}{note}\n{path_in(home)}"


def persona_file_in(home: Home, database: Database, channel: ChannelRecord) -> PersonaFile | None:
    from bot.persona_files import PersonaFiles  # half the bot: a card is made without it
    from bot.pipeline import settings_in

    settings, _ = load(database.config_rows())
    names = {one.channel_id: one.name for one in database.channels()}
    files = PersonaFiles(home.personas)
    files.read()
    its_own = settings_in(channel, settings, database.channel_config_rows())
    return files.counting(its_own, channel, names.get(channel.parent_id or 0, ""))


def as_json(home: Home, card: StyleCard) -> dict[str, object]:
    return {
        "file": str(path_in(home)),
        "voice": card.voice,
        "learned_voice": card.learned_voice,
        "pace": pace_as_json(card.pace),
        "exchanges": [
            {"line": e.line, "answer": e.answer, "message_ids": e.message_ids}
            for e in card.exchanges
        ],
    }


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main, failed="The style card could not be made"))
