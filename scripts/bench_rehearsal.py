"""Lets a scripted owner answer rehearsals of The Lantern: do rate and threshold move the right way,
and does acceptance rise?

    python scripts/bench_rehearsal.py                 both owners, with the small base
    python scripts/bench_rehearsal.py --json

The quiet owner, whose bot starts lively, says yes where a question or the bot's name was answered,
and too much everywhere else. The talkative one, whose bot starts quiet, says so too, and of each
question that was met with silence that it should have spoken. One day is answered and fitted to; it
and another day, that no answer is from, are rehearsed again with what came out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.composition import open_rehearsal
from bot.fitted import changes_of, fitted
from bot.platforms.platform import wall_clock_ms
from bot.rehearsal import Rehearsing
from bot.rehearsal_plan import Wanted, day_of
from data.importers.importing import import_paths
from data.samples.lantern import EXCLUDED_MEMBER_IDS, write_lantern
from scripts.edge import ending_in_a_sentence
from storage.acceptance import Acceptance
from storage.database import Database
from storage.paths import Home
from storage.records import Origin
from storage.rehearsal_store import TOO_MUCH, YES, Rehearsal, Rehearsed

QUIET, TALKATIVE = "quiet", "talkative"
STARTS = {QUIET: ("0.75", "0.6"), TALKATIVE: ("0.03", "0.8")}
"""Rate and threshold that each finds."""
SETTINGS = {"threads": "1", "max_reply_tokens": "50", "channels_read_along": "8"}
WORTH = 100
"""Messages that a day must have to be one of the two."""


@dataclass(frozen=True)
class Line:
    """One rehearsal of a day."""

    owner: str
    when: str
    """before or after the fit."""
    day: str
    is_fitted_to: bool
    rate: float
    threshold: float
    messages: int
    spoken: int
    accepted: int
    low: float
    high: float
    missed: int
    """Questions that were met with silence."""


def answers_of(owner: str, rows: Sequence[Rehearsed], texts: dict[int, str]) -> dict[int, str]:
    """What the owner thinks of each row."""
    found = {}
    for row in rows:
        likes = wants(texts.get(row.message_id, ""))
        if row.is_spoken:
            found[row.rehearsed_id] = YES if likes else TOO_MUCH
        elif owner == TALKATIVE and row.parts and likes:
            found[row.rehearsed_id] = YES
    return found


def wants(text: str) -> bool:
    """Whether an owner likes an answer to that: a question, or its own name."""
    return "?" in text or "mynah" in text.casefold()


async def rehearse(home: Home, database: Database, owner: str, day: str, rounds: int) -> Rehearsal:
    """One day, answered."""
    with open_rehearsal(home, database) as (version_id, parts):
        wanted = Wanted(day=day, seed=rounds)
        kept = await Rehearsing(home, parts, wanted, version_id=version_id).run()
    rows = database.rehearsed(kept.rehearsal_id)
    records = database.messages_by_id(row.message_id for row in rows)
    texts = {record.message_id: record.content for record in records}
    database.answer_rehearsed(answers_of(owner, rows, texts), wall_clock_ms())
    return kept


def line_of(
    database: Database, owner: str, when: str, kept: Rehearsal, day: str, is_it: bool
) -> Line:
    rows = database.rehearsed(kept.rehearsal_id)
    records = database.messages_by_id(row.message_id for row in rows)
    texts = {record.message_id: record.content for record in records}
    found: Acceptance = database.acceptance(kept.rehearsal_id)
    low, high = found.interval or (0.0, 1.0)
    missed = sum(not r.is_spoken and bool(r.parts) and wants(texts[r.message_id]) for r in rows)
    settings = kept.settings
    return Line(
        owner,
        when,
        day,
        is_it,
        settings["response_rate"],
        settings["speak_threshold"],
        kept.messages,
        found.spoken,
        found.accepted,
        round(low, 3),
        round(high, 3),
        missed,
    )


def owner_s(home: Home, database: Database, owner: str, days: Sequence[str]) -> list[Line]:
    """Before and after, on both days. The channels' own values are cleared before."""
    for name, value in zip(("response_rate", "speak_threshold"), STARTS[owner], strict=True):
        database.set_config(name, value)
        for channel_id in database.channel_config_rows():
            database.set_channel_config(channel_id, name, None)
    lines = []
    kept = {}
    for day in days:
        kept[day] = asyncio.run(rehearse(home, database, owner, day, 1))
        lines.append(line_of(database, owner, "before", kept[day], day, day == days[0]))
    found = fitted(database, kept[days[0]].rehearsal_id)
    print(f"{owner}: {found.why}", file=sys.stderr)
    everywhere, channels = changes_of(found)
    for name, text in everywhere.items():
        database.set_config(name, text)
    for channel_id, values in channels.items():
        for name, text in values.items():
            database.set_channel_config(channel_id, name, text)
    for day in days:
        again = asyncio.run(rehearse(home, database, owner, day, 1))
        lines.append(line_of(database, owner, "after", again, day, day == days[0]))
    return lines


def bring(home: Home, database: Database) -> list[str]:
    """The Lantern; two of its last busy days, the later one first."""
    with tempfile.TemporaryDirectory(prefix="mynah-bench-") as folder:
        files = write_lantern(Path(folder))
        import_paths(database, files, origin=Origin.SAMPLE, quarantine=home.quarantine)
    for member_id in EXCLUDED_MEMBER_IDS:
        database.set_excluded(int(member_id), True)
    for name, value in SETTINGS.items():
        database.set_config(name, value)
    said = database.said_by_day([c.channel_id for c in database.channels()], day_of)
    busy = [day for day in sorted(said) if said[day] >= WORTH]
    return [busy[-1], busy[-2]]


def show(lines: Sequence[Line]) -> None:
    """A table."""
    print("owner      when    day         fitted  rate   threshold  spoke  accepted        missed")
    for one in lines:
        share = f"{one.accepted}/{one.spoken} ({100 * one.low:.0f}-{100 * one.high:.0f}%)"
        print(
            f"{one.owner:<10} {one.when:<7} {one.day}  {'yes' if one.is_fitted_to else 'no':<6}  "
            f"{one.rate:<5g}  {one.threshold:<9g}  {one.spoken:<5}  {share:<14}  {one.missed}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="mynah-bench-") as folder:
        home = Home(Path(folder) / "home").ensure()
        with Database.open(home.database) as database:
            days = bring(home, database)
            for owner in (QUIET, TALKATIVE):
                lines += owner_s(home, database, owner, days)
    if arguments.json:
        found: dict[str, Any] = {"lines": [asdict(one) for one in lines]}
        print(json.dumps(found))
    else:
        show(lines)
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
