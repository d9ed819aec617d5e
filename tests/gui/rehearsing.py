"""A home with a rehearsal in it, for tests, and a program in the place of scripts/rehearse.py where
a model would take minutes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from storage.database import Database
from storage.paths import Home
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Origin
from storage.rehearsal_store import Rehearsal, Rehearsed

GUILD, GENERAL = 1 << 39, 1 << 40
MIRA, BOB = (1 << 41) + 1, (1 << 41) + 2
FIRST = 1 << 42
DAY_MS = 1_763_600_000_000
"""2025-11-20, 00:53 UTC."""
STEP_MS = 60_000
URGE = {
    "relevance": 0.6, "pressure": 0.2, "presence": 0.0, "learned": 0.0, "total": 0.8,
    "threshold": 0.7, "why": ["asks a question", "said 40 lines since it last spoke"],
}  # fmt: skip


def furnish(home: Home, spoken: int = 6, silent: int = 4, drafts: Mapping[int, str] = {}) -> int:
    """Messages, and a finished rehearsal with a row for every second one; its id."""
    count = 2 * (spoken + silent)
    talk(home, count)
    with Database.open(home.database, backups=home.backups) as db:
        run = db.begin_rehearsal(
            Rehearsal(0, "replay", DAY_MS, DAY_MS + 1, "demo-base", messages=count // 2)
        )
        for n in range(spoken + silent):
            db.keep_rehearsed(row(run, n, n < spoken, drafts.get(n, f"nine works for me {n}")))
    return run


def talk(home: Home, count: int) -> None:
    """What was said, without a rehearsal."""
    with Database.open(home.database, backups=home.backups) as db:
        db.upsert_channels([ChannelRecord(GENERAL, GUILD, "Tavern", "general")])
        db.upsert_members([MemberRecord(MIRA, "mira_77", "Mira"), MemberRecord(BOB, "bob", "Bob")])
        db.upsert_messages(said(n) for n in range(count))


def said(n: int) -> MessageRecord:
    author = (MIRA, BOB)[n % 2]
    return MessageRecord(
        message_id=FIRST + n,
        channel_id=GENERAL,
        author_id=author,
        content=f"line {n}: what time is the raid <@{BOB}>?",
        created_at_ms=DAY_MS + n * STEP_MS,
        origin=Origin.EXPORT,
    )


def row(run: int, n: int, is_spoken: bool, draft: str) -> Rehearsed:
    return Rehearsed(
        run,
        FIRST + 2 * n + 1,
        GENERAL,
        DAY_MS + (2 * n + 1) * STEP_MS,
        "reply" if is_spoken else "silent",
        "unasked: it concerns it enough"
        if is_spoken
        else "not addressed, and it does not concern it",
        parts=URGE if is_spoken else {**URGE, "total": 0.6 if n % 2 else 0.2},
        draft=draft if is_spoken else "",
        guard="allowed" if is_spoken else "",
    )


def answers_in(home: Home) -> dict[int, str]:
    """What is stored, by row."""
    with closing(sqlite3.connect(home.database)) as database:
        rows = database.execute("SELECT rehearsed_id, answer FROM rehearsed WHERE answer <> ''")
        return dict(rows.fetchall())


def stand_in(folder: Path, lines: Iterable[Mapping[str, Any]], end: str = "") -> str:
    """A program that notes its arguments, tells these lines, then does `end`."""
    path = folder / "rehearsing.py"
    path.write_text(
        "import json, pathlib, sys, time\n"
        f"with open({str(folder / 'asked.jsonl')!r}, 'a') as file:\n"
        "    print(json.dumps(sys.argv[1:]), file=file)\n"
        f"for line in json.loads({json.dumps(list(lines))!r}):\n"
        "    print(json.dumps(line), flush=True)\n"
        "    time.sleep(0.02)\n"
        f"{end}\n"
    )
    return str(path)


def asked_in(folder: Path) -> list[list[str]]:
    """The arguments of each of its runs."""
    path = folder / "asked.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
