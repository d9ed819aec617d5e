"""The few reads that a light process needs, such as the window's: sqlite3 alone, never a write.

A file that is missing, empty, or not migrated yet answers as if nothing were stored; a locked or
damaged one raises StorageUnreadableError.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from storage import rehearsal_reading
from storage.acceptance import Acceptance as Acceptance
from storage.errors import MynahError
from storage.gates import Gate as Gate
from storage.gates import Latest as Latest
from storage.gates import gates_of as gates_of
from storage.gates import is_forced as is_forced
from storage.gates import lacking as lacking
from storage.gates import latest_of as latest_of
from storage.gates import said_of_scores as said_of_scores
from storage.manifest import ADDED_LATER, ManifestError, content_hash
from storage.manifest import read_manifest as read_manifest
from storage.records import FIRST_SNOWFLAKE, Deployment, Evaluation, ModelVersion, Origin
from storage.rehearsal_reading import Moment as Moment
from storage.rehearsal_reading import Rehearsal as Rehearsal
from storage.rehearsal_reading import Said as Said
from storage.settings import find, load
from storage.statistics import Summary, summarise
from storage.training_events import TrainingEvent as TrainingEvent
from storage.training_events import read_events as read_events
from storage.training_runs import TrainingRun as TrainingRun
from storage.training_runs import training_runs as training_runs

_FIELDS, _EVALUATION, _DEPLOYMENT = (
    ", ".join(field.name for field in fields(kind))
    for kind in (ModelVersion, Evaluation, Deployment)
)
_TIMEOUT_S = 2.0
_IN_SPAN = "FROM verdicts WHERE at_ms >= ? AND at_ms < ? AND verdict <> 'order'"
_SERIES_COUNTS = f"""
    SELECT (at_ms - ?) / ? AS bucket, count(*), total(outcome = 'sent') {_IN_SPAN} GROUP BY bucket
"""
# By nearest rank, as in storage/statistics.py; one row a bucket, so that little is held here.
_SERIES_MEDIANS = f"""
    SELECT bucket, total_s FROM (
        SELECT bucket, total_s, row_number() OVER (PARTITION BY bucket ORDER BY total_s) AS place,
               count(*) OVER (PARTITION BY bucket) AS answered
        FROM (SELECT (at_ms - ?) / ? AS bucket, total_s {_IN_SPAN} AND outcome = 'sent')
    ) WHERE place = (answered + 1) / 2
"""

# Not by the index on channels: a scan of the table is twice as fast as a look-up for each row.
_CHANNELS = """
    SELECT c.channel_id, c.name, c.guild_name, c.parent_id, c.is_allowed,
           coalesce(m.messages, 0), m.first_ms, m.last_ms
    FROM channels c LEFT JOIN (
        SELECT channel_id, count(*) AS messages, min(created_at_ms) AS first_ms,
               max(created_at_ms) AS last_ms
        FROM messages NOT INDEXED WHERE deleted_at_ms IS NULL GROUP BY channel_id
    ) m USING (channel_id)
    WHERE c.channel_id >= ? ORDER BY c.channel_id
"""
_MEMBERS = """
    SELECT p.member_id, p.name, p.nickname, p.is_bot, p.is_excluded, p.consent,
           coalesce(m.messages, 0) AS said
    FROM members p LEFT JOIN (
        SELECT author_id, count(*) AS messages FROM messages
        WHERE deleted_at_ms IS NULL GROUP BY author_id
    ) m ON m.author_id = p.member_id
    WHERE p.member_id >= ? AND (instr(folded(p.nickname), ?) OR instr(folded(p.name), ?))
    ORDER BY said DESC, p.member_id LIMIT ?
"""
_LEARNABLE = """
    SELECT coalesce(consent, 'unset'), origin, sum(said) FROM (
        SELECT author_id, origin, count(*) AS said FROM messages NOT INDEXED
        WHERE deleted_at_ms IS NULL AND kind <> 'system' AND content <> ''
          AND origin <> 'playground'
          AND channel_id NOT IN (SELECT channel_id FROM channels WHERE NOT is_allowed)
        GROUP BY author_id, origin
    ) LEFT JOIN members ON member_id = author_id
    WHERE NOT coalesce(is_excluded, 0) AND NOT coalesce(is_bot, 0)
    GROUP BY 1, 2
"""


class StorageUnreadableError(MynahError):
    """The database file is there but cannot be read."""


@dataclass(frozen=True)
class Counts:
    """How much is stored; deleted messages do not count."""

    messages: int = 0
    members: int = 0
    channels: int = 0
    first_ms: int | None = None
    last_ms: int | None = None


@dataclass(frozen=True)
class Bucket:
    """What the bot did in one of the equal parts of a span of time."""

    start_ms: int
    seen: int = 0
    """Messages that a verdict was reached on."""
    answered: int = 0
    p50_s: float | None = None
    """The median of the answered ones' seconds from arrival to sent; None where there are none."""


@dataclass(frozen=True)
class LastReply:
    """When the bot last answered, and how long that took it from the message's arrival on."""

    at_ms: int
    total_s: float


def read_config(path: Path) -> dict[str, str]:
    """The config table's rows; `storage.settings.load` makes values of them."""
    return {str(name): str(value) for name, value in _query(path, "SELECT name, value FROM config")}


def deployed_model(path: Path) -> ModelVersion | None:
    """The deployed version, or None."""
    query = f"SELECT {_FIELDS} FROM model_versions WHERE status = 'deployed'"
    return next((ModelVersion.from_row(row) for row in _query(path, query)), None)


def counts(path: Path) -> Counts:
    """How many messages, members and channels, and the span of the messages' times."""
    rows = _query(
        path,
        """
        SELECT count(*), (SELECT count(*) FROM members), (SELECT count(*) FROM channels),
               min(created_at_ms), max(created_at_ms)
        FROM messages WHERE deleted_at_ms IS NULL
        """,
    )
    return Counts(*rows[0]) if rows else Counts()


def summary(path: Path, since_ms: int, now_ms: int) -> Summary:
    """What the bot did from `since_ms` until `now_ms`; all 0 where nothing is stored."""
    return summarise(lambda sql, values: _query(path, sql, values), since_ms, now_ms)


def series(path: Path, since_ms: int, now_ms: int, bucket_ms: int) -> tuple[Bucket, ...]:
    """What the bot did from `since_ms` until `now_ms` in buckets of `bucket_ms`, one after another
    from `since_ms` on; those in which nothing happened are there too. Orders do not count.

    0.5 s over a million verdicts. Raises ValueError where `bucket_ms` is not positive.
    """
    if bucket_ms <= 0:
        raise ValueError("a bucket lasts at least a millisecond")
    span = (since_ms, bucket_ms, since_ms, now_ms)
    counted = {number: figures for number, *figures in _query(path, _SERIES_COUNTS, span)}
    medians_s = dict(_query(path, _SERIES_MEDIANS, span))
    made = []
    for number in range(-(-max(now_ms - since_ms, 0) // bucket_ms)):
        seen, answered = counted.get(number, (0, 0))
        start_ms = since_ms + number * bucket_ms
        made.append(Bucket(start_ms, seen, int(answered), medians_s.get(number)))
    return tuple(made)


def last_reply(path: Path) -> LastReply | None:
    """The newest message that was answered, None where none was within what is kept (31 days)."""
    rows = _query(
        path,
        """
        SELECT at_ms, total_s FROM verdicts WHERE outcome = 'sent' AND verdict <> 'order'
        ORDER BY at_ms DESC LIMIT 1
        """,
    )
    return LastReply(*rows[0]) if rows else None


def rehearsals(path: Path) -> tuple[Rehearsal, ...]:
    """All rehearsals, the newest first."""
    return rehearsal_reading.runs(lambda sql, values: _query(path, sql, values))


def moments(path: Path, rehearsal_id: int) -> tuple[Moment, ...]:
    """What was judged in one rehearsal, in order of time; excluded members are left out."""
    return rehearsal_reading.moments(lambda sql, values: _query(path, sql, values), rehearsal_id)


def last_said_ms(path: Path) -> int | None:
    """When something was said last; None where nothing is stored."""
    return rehearsal_reading.last_said_ms(lambda sql, values: _query(path, sql, values))


def _folded(text: object) -> str:
    """For a search that does not tell cases apart, also beyond ASCII."""
    return str(text).casefold()


def _query(path: Path, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not path.is_file():
        return []
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=_TIMEOUT_S)) as connection:
            connection.create_function("folded", 1, _folded, deterministic=True)
            return connection.execute(query, values).fetchall()
    except sqlite3.DatabaseError as error:
        if "no such table" in str(error) or "no such column" in str(error):
            return []
        raise StorageUnreadableError(
            f"{path} cannot be read just now ({error}); try again, or restore a backup."
        ) from error


def model_versions(path: Path) -> list[ModelVersion]:
    """All versions, oldest first."""
    query = f"SELECT {_FIELDS} FROM model_versions ORDER BY created_at_ms, version_id"
    return [ModelVersion.from_row(row) for row in _query(path, query)]


def evaluations(path: Path) -> list[Evaluation]:
    """How all versions did, oldest first."""
    query = f"SELECT {_EVALUATION} FROM evaluations ORDER BY at_ms, evaluation_id"
    return [Evaluation.from_row(row) for row in _query(path, query)]


def last_deployment(path: Path) -> Deployment | None:
    """The one by which the present version answers; None where none ever was deployed."""
    query = f"SELECT {_DEPLOYMENT} FROM deployments ORDER BY deployment_id DESC LIMIT 1"
    return next((Deployment(*row) for row in _query(path, query)), None)


def dataset_names(folder: Path) -> dict[str, str]:
    """The finished data sets below `Home.datasets` by their content's hash, as a model version
    names the one that it was trained on."""
    names: dict[str, str] = {}
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        with suppress(ManifestError):
            names[content_hash(place, ADDED_LATER)] = place.name
    return names


@dataclass(frozen=True)
class ChannelRow:
    """One channel or thread, and what is stored of it; deleted messages do not count."""

    channel_id: int
    name: str
    guild_name: str
    parent_id: int | None
    is_allowed: bool
    messages: int = 0
    first_ms: int | None = None
    last_ms: int | None = None


@dataclass(frozen=True)
class MemberRow:
    """One account, and how much of it is stored; deleted messages do not count."""

    member_id: int
    name: str
    nickname: str
    is_bot: bool
    is_excluded: bool
    consent: str
    messages: int = 0


@dataclass(frozen=True)
class Learnable:
    """What a training set would be made from: not yet cleaned, so it gives somewhat fewer."""

    messages: int = 0
    """Once a ground is declared, where one is needed and none was."""
    needs_declaration: bool = False
    """Whether some of it came from Discord's API (rule 21; docs/consent.md)."""
    who: str = ""
    """Who declared a ground for that last; "" where nobody did."""
    ground: str = ""
    declared_at_ms: int = 0
    messages_now: int = 0
    """Without asking for a ground."""
    left_out: int = 0
    """What people said in allowed channels beside, and consent_mode or their own no leaves out."""
    mode: str = "retrieval_only"
    """`consent_mode` as it stands."""


def channels(path: Path) -> tuple[ChannelRow, ...]:
    """All channels of Discord's, by id. 0.37 s where a million messages are stored."""
    return tuple(
        ChannelRow(row[0], row[1], row[2], row[3], bool(row[4]), *row[5:])
        for row in _query(path, _CHANNELS, (FIRST_SNOWFLAKE,))
    )


def members(path: Path, limit: int, search: str = "") -> tuple[MemberRow, ...]:
    """Discord's members whose name or nickname holds `search`, in any case: at most `limit`, who
    said most first. 0.26 s where a million messages of 5,000 members are stored."""
    wanted = search.strip().casefold()
    return tuple(
        MemberRow(row[0], row[1], row[2], bool(row[3]), bool(row[4]), *row[5:])
        for row in _query(path, _MEMBERS, (FIRST_SNOWFLAKE, wanted, wanted, limit))
    )


def learnable(path: Path) -> Learnable:
    """What may be learned from, and the ground that was declared. 0.7 s at a million messages."""
    found = [
        (consent, Origin(origin), count) for consent, origin, count in _query(path, _LEARNABLE)
    ]
    mode = load(read_config(path))[0].text("consent_mode")
    declared = _query(
        path,
        """
        SELECT who, ground, declared_at_ms FROM declarations
        ORDER BY declared_at_ms DESC, declaration_id DESC LIMIT 1
        """,
    )
    # A declaration makes `declared` of the default (data.consent.declare).
    then = "declared" if not declared and mode == find("consent_mode").default else mode
    usable = [(origin, n) for consent, origin, n in found if may_learn(consent, origin, then)]
    messages = sum(n for _, n in usable)
    who, ground, declared_at_ms = declared[0] if declared else ("", "", 0)
    return Learnable(
        messages=messages,
        needs_declaration=any(origin.needs_declaration for origin, _ in usable),
        who=who,
        ground=ground,
        declared_at_ms=declared_at_ms,
        messages_now=sum(
            n
            for consent, origin, n in found
            if may_learn(consent, origin, mode) and (declared or not origin.needs_declaration)
        ),
        left_out=sum(n for _, _, n in found) - messages,
        mode=mode,
    )


def may_learn(consent: str, origin: Origin, mode: str) -> bool:
    """`data.consent.may` of a target, with a ground declared; a test compares the two."""
    if consent == "opted_out" or origin is Origin.PLAYGROUND:
        return False
    if origin is Origin.SAMPLE or mode == "declared":
        return True
    return mode == "opt_in" and (origin is Origin.DATA_PACKAGE or consent == "opted_in")
