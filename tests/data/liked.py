"""A small home with a training set and its preferences, for tests: real SQLite, real files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data.candidates import Candidate, Candidates
from data.dataset import FILES, KIND
from data.examples import LAYOUT, Example, to_json_line
from data.preferences import write_preferences
from data.split import TRAINING, VALIDATION
from data.spool import Spool
from model.chat_format import Said
from storage.database import Database
from storage.manifest import making, write_manifest
from storage.paths import Home
from storage.records import FIRST_SNOWFLAKE, ChannelRecord, MemberRecord, MessageRecord, Origin

HALL = FIRST_SNOWFLAKE + 500
ANN, BOB, CID, DEE, EVE = (FIRST_SNOWFLAKE + n for n in range(1, 6))
NAMES = {ANN: "ann", BOB: "bob", CID: "cid", DEE: "dee", EVE: "eve"}
TALK = {"raid": ("who leads the raid tonight", "the raid needs healers"), "soup": (
    "how much garlic in the soup", "two cloves, then turnips")}  # fmt: skip
REPLIES = (
    # topic, who replies, score, side: ann asks, bob adds, and then:
    ("raid", CID, 2.0, TRAINING),
    ("raid", DEE, -1.5, TRAINING),
    ("soup", CID, 1.5, TRAINING),
    ("soup", EVE, 1.2, TRAINING),
    ("raid", CID, 1.0, VALIDATION),
)


@dataclass(frozen=True)
class Liked:
    """The home, its database, the set's folder, and the ids of the replies in order."""

    home: Home
    database: Database
    folder: Path
    reply_ids: tuple[int, ...]


def message_id(reply: int, line: int) -> int:
    """Of a reply's context, 0 and 1, and of itself, 2."""
    return FIRST_SNOWFLAKE + 1000 + 10 * reply + line


def words(reply: int, line: int) -> str:
    """What stands in a message; each has a word of its own."""
    topic = REPLIES[reply][0]
    return f"{(*TALK[topic], 'so it is')[line]} w{reply}{line}w"


@contextmanager
def liked(root: Path) -> Iterator[Liked]:
    home = Home(root).ensure()
    with Database.open(home.database, backups=home.backups) as database:
        database.upsert_members(MemberRecord(i, name, name) for i, name in NAMES.items())
        database.upsert_channels([ChannelRecord(HALL, FIRST_SNOWFLAKE, "Inn", "hall")])
        database.upsert_messages(
            MessageRecord(
                message_id(at, line), HALL, author, words(at, line),
                1_700_000_000_000 + 60_000 * (10 * at + line), Origin.SAMPLE,
            )
            for at, (_, replier, _, _) in enumerate(REPLIES)
            for line, author in enumerate((ANN, BOB, replier))
        )  # fmt: skip
        folder = home.datasets / "default"
        _make_set(folder)
        yield Liked(home, database, folder, tuple(message_id(n, 2) for n in range(len(REPLIES))))


def _make_set(folder: Path) -> None:
    with making(folder) as work:
        candidates = Candidates()
        with Spool(work / "spool") as spool:
            for at, (_, _, score, side) in enumerate(REPLIES):
                line = to_json_line(_example(at)).encode()
                candidates.add(_candidate(at, score, side, spool.add(line), len(line)))
            report = write_preferences(work, spool, candidates.columns(), max_tokens=512)
        for side, name in FILES.items():
            own = [at for at, reply in enumerate(REPLIES) if reply[3] == side][:1]
            text = "".join(to_json_line(_example(at)) for at in own)
            (work / name).write_text(text, encoding="utf-8")
        counts = {TRAINING: 1, VALIDATION: 1, **report["lines"]}
        write_manifest(work, KIND, {"layout": LAYOUT, "max_tokens": 512}, counts)


def _example(at: int) -> Example:
    ids = tuple(message_id(at, line) for line in range(3))
    turns = (Said("ann", words(at, 0)), Said("bob", words(at, 1)))
    return Example(
        str(ids[-1]), "You are Mynah.", turns, words(at, 2), REPLIES[at][1], ids, HALL, ids[0],
        60, 8, ids[-1:],
    )  # fmt: skip


def _candidate(at: int, score: float, side: str, offset: int, length: int) -> Candidate:
    return Candidate(
        author_id=REPLIES[at][1], created_at_ms=at, side=side,
        kind="", conversational=True, reactions=1, order=at, tokens=60, learned_tokens=8,
        context_lines=2, notes=0, score=score, emoji=0, offset=offset, length=length,
    )  # fmt: skip
