"""Shows how the bot of a home talks: a transcript over the tests' stand-in for Discord, with times.

    python scripts/show_talk.py --home DEMO_HOME                    60 lines within 5 minutes
    python scripts/show_talk.py --home DEMO_HOME --set response_rate=0.3 --json

The home is one of `launcher.py --demo`; it is left as it is: the bot's real process runs on a copy
of its database and memory, with its deployed model and as it ships, but that it speaks in public. A
later day of The Lantern is told in its own order, silences cut and compressed, with lines to, about
and past the bot between (scripts/lantern_talk.py); attention and cooldowns are shortened as much as
the talk is, pauses between the bot's own lines are not. It is for reading with the question: would
I take this for a regular?

keys of --json: `lines` (at_s, channel, who, text; of the members' lines `aside`, `verdict`,
`reason`, `detail`; of the bot's `asked`, `after_s` since the line it answers, `line` among the
lines of that answer, `refers`: whether it shows what it answers, `said_before`: a member said
exactly that in the home's history, `prompt_tokens`; of reactions `reacted`) and `figures`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.composition import model_to_answer_with, stored_settings
from data.samples.lantern import EXCLUDED_MEMBER_IDS, lantern
from scripts.edge import add_home, add_json, ending_in_a_sentence, stop_when_terminated
from scripts.lantern_talk import ASIDES, Aside, LanternWorld, Told, later_talk
from scripts.talk_transcript import Evening, figures, printed, said_in, transcript, verdicts
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home, find_home
from storage.settings import find, parse
from tests.discord_stand_in.stand_in import StandInThread
from tests.live.process import running

NOT_NEEDED = ("messages", "training", "backups", "logs", "quarantine", "exports", "rehearsing")
ANSWERED_WITHIN_S = 25.0
"""How long whoever asked waits before they go on."""
EXCLUDED = frozenset(map(int, EXCLUDED_MEMBER_IDS))
IN_TIME = ("attention_seconds", "unasked_channel_minutes", "unasked_member_minutes")
LISTENS_S = 2.0
"""Behind an answer, before the same member says more."""


class ShowError(MynahError):
    """There is nothing to be shown; the sentence says what to do."""


def copied_home(
    home: Home, root: Path, discord: StandInThread, given: dict[str, str], pressed: float
) -> Home:
    """A home at `root` with the same database, memory and model, for the stand-in's bot, and with
    the settings `given`. `pressed`: how many times faster than in truth the talk is told."""
    if not home.database.is_file():
        raise ShowError(f"{home.root} holds no community: run launcher.py --demo --home DIR first.")
    ignored = shutil.ignore_patterns(*NOT_NEEDED, "database", "*.lock")
    shutil.copytree(home.data_storage, root / "data_storage", ignore=ignored)
    copy = Home(root).ensure()
    for here, there in ((home.embedder, copy.embedder), (home.personas, copy.personas)):
        if here.is_dir():
            shutil.copytree(here, there)
    with (
        closing(sqlite3.connect(home.database)) as before,
        closing(sqlite3.connect(copy.database)) as after,
    ):
        before.backup(after)
    with Database.open(home.database, backups=home.backups) as database:
        settings = stored_settings(database)
        _, model = model_to_answer_with(home, database, settings)
    values = {"speaks_in_public": "on"}
    values |= {"model_path": str(model)} if isinstance(model, Path) else {}
    values |= {name: str(round(settings.whole(name) / pressed)) for name in IN_TIME}
    values |= given
    with Database.open(copy.database, backups=copy.backups) as database:
        for name, value in values.items():
            database.set_config(name, value)
    channels = ",".join(one.id for one in lantern().channels)
    copy.env_file.write_text(
        f"DISCORD_BOT_TOKEN={discord.token}\nDISCORD_CHANNEL_IDS={channels}\n", encoding="utf-8"
    )
    copy.env_file.chmod(0o600)
    return copy


@dataclass
class Telling:
    """The members say their lines, and whoever asks the bot waits for it."""

    discord: StandInThread
    home: Home
    persona_name: str
    asides: dict[int, str] = field(default_factory=dict)
    """What each was for, by the message's id."""
    told: dict[int, int] = field(default_factory=dict)
    """What the stand-in calls each line of the talk."""
    people: list[Told] = field(default_factory=list)
    """The lines of those whom the bot may answer, so far."""

    def tell(self, talk: list[Told], seconds: float) -> None:
        """All lines within so many seconds and the waits behind asides."""
        whole_s = sum(one.gap_s for one in talk) or 1.0
        every = max(1, len(talk) // (len(ASIDES) + 1))
        for number, one in enumerate(talk):
            time.sleep(one.gap_s * seconds / whole_s)
            answered = self.told.get(one.answers_id or 0)
            self.told[one.own_id] = self.discord.world.say(
                one.channel_id, one.member_id, one.text, reply_to=answered
            )
            if one.member_id not in EXCLUDED:
                self.people.append(one)
            group, rest = divmod(number + 1, every)
            if not rest and group <= len(ASIDES) and self.people:
                self._put_between(ASIDES[group - 1])
        self._wait_for({*self.told.values(), *self.asides})

    def _put_between(self, asides: tuple[Aside, ...]) -> None:
        """Whoever spoke last says these, in the same channel."""
        last = self.people[-1]
        others = [one.nick for one in self.people if one.nick != last.nick]
        for aside in asides:
            time.sleep(LISTENS_S)
            text = aside.text.format(
                bot=f"<@{self.discord.bot_id}>",
                name=self.persona_name,
                other=others[-1] if others else "Wren",
            )
            posts = self.discord.posts(last.channel_id)
            said = self.discord.world.say(
                last.channel_id,
                last.member_id,
                text,
                reply_to=posts[-1].id if aside.is_direct and posts else None,
            )
            self.asides[said] = aside.what
            self._wait_for({said})

    def _wait_for(self, said: set[int]) -> None:
        """Until each of these has its verdict, and its answer where it gets one."""
        deadline = time.monotonic() + ANSWERED_WITHIN_S
        while time.monotonic() < deadline:
            judged = verdicts(self.home)
            if all(judged.get(one, _WAITING)["outcome"] not in UNDER_WAY for one in said):
                return
            time.sleep(0.1)


UNDER_WAY = ("begun", "sending")
_WAITING = {"outcome": "begun"}


@contextmanager
def shown(home: Home, given: dict[str, str], talk: list[Told], seconds: float) -> Iterator[Evening]:
    """The evening, once all of it was told; the bot is ended behind it."""
    with (
        tempfile.TemporaryDirectory(prefix="mynah-talk-", ignore_cleanup_errors=True) as folder,
        StandInThread(world=LanternWorld(), check_every=50) as discord,
    ):
        pressed = max(1.0, sum(one.gap_s for one in talk) / seconds)
        copy = copied_home(home, Path(folder) / "home", discord, given, pressed)
        with Database.open(copy.database, backups=copy.backups) as database:
            name = stored_settings(database).text("persona_name")
        with running(copy, discord) as bot:
            telling = Telling(discord, copy, name)
            telling.tell(talk, seconds)
            bot.end()
        yield Evening(discord, copy, name, telling.asides)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_home(parser)
    parser.add_argument("--lines", type=int, default=60, metavar="N", help="of the later day (60)")
    parser.add_argument("--minutes", type=float, default=5.0, metavar="N", help="for them (5)")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings beside its own"
    )
    parser.add_argument("--seed", type=int, default=11, metavar="N", help="draws the talk (11)")
    add_json(parser, "one object on the last line")
    arguments = parser.parse_args()
    stop_when_terminated()
    home = find_home(arguments.home)
    talk = later_talk(arguments.lines, arguments.seed)
    given = {name: value for name, _, value in (one.partition("=") for one in arguments.set)}
    for name, value in given.items():
        parse(find(name), value)  # raises SettingError
    with shown(home, given, talk, 60 * arguments.minutes) as evening:
        before = said_in(home)
        rows = transcript(evening, before)
    found = figures(rows, before)
    if arguments.json:
        print(json.dumps({"lines": rows, "figures": found}, ensure_ascii=False))
        return 0
    print("\n".join(printed(row) for row in rows))
    print(json.dumps(found, ensure_ascii=False, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
