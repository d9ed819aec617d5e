"""Erases words from a copy of mynah.db, of any revision: what a migration left, or a backup holds.

The file is nobody's but ours while that goes on. sqlite3 alone: no pooled connection keeps it open.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterable
from contextlib import closing
from pathlib import Path

from data.erased import Erased
from storage.errors import MynahError
from storage.records import ModelVersion

_PRAGMAS = ("PRAGMA secure_delete=ON", "PRAGMA journal_mode=DELETE")
_MAGIC = b"SQLite format 3\0"
_IN_LIST = "(SELECT value FROM json_each(?))"
_CHOSEN = f"""
    CREATE TEMP TABLE chosen AS
    SELECT message_id, author_id IN {_IN_LIST} AS is_theirs FROM messages
    WHERE is_theirs OR message_id IN {_IN_LIST}
"""
_CHOSEN_ONES = "message_id IN (SELECT message_id FROM chosen)"
_THEIRS = "message_id IN (SELECT message_id FROM chosen WHERE is_theirs)"
_SHOWN_ONE = """
    source_ids <> '[]' AND EXISTS (
        SELECT 1 FROM json_each(source_ids) WHERE value IN (SELECT message_id FROM chosen)
    )
"""
_EMPTIED = "content = '', attachment_names = '[]', deleted_at_ms = ?"
_NOT_EMPTY = "(deleted_at_ms IS NULL OR content <> '')"
_TAINT = """
    UPDATE model_versions SET tainted_at_ms = ?, tainted_because = ?, retrain_by_ms = ?
    WHERE version_id = ? AND tainted_because <> ?
"""
_MENTIONS = """
    UPDATE messages SET mentioned_ids = (
        SELECT json_group_array(value) FROM json_each(mentioned_ids)
        WHERE value NOT IN (SELECT value FROM json_each(?1))
    ) WHERE EXISTS (
        SELECT 1 FROM json_each(mentioned_ids) WHERE value IN (SELECT value FROM json_each(?1))
    )
"""


class CopyUnusableError(MynahError):
    """A file that is no copy of Mynah's database, or cannot be read or written."""


def erase_from_database(
    path: Path,
    erased: Erased,
    tombstones: Iterable[tuple[str, int]] = (),
    versions: Iterable[ModelVersion] = (),
) -> bool:
    """Take what is erased out of the copy at `path`; whether there was anything of it.

    Forgotten members' rows go, and `tombstones` (`Database.tombstones()`) are put in, so that they
    hold after a restore too; so are the taints of `versions` (`Database.model_versions()`), where
    the copy's revision has a place for them. Of single messages the words go and the rows stay, as
    they do when one is deleted on Discord. A second time changes nothing. Raises CopyUnusableError.
    """
    try:
        with closing(sqlite3.connect(path, timeout=15, isolation_level=None)) as copy:
            for pragma in _PRAGMAS:
                copy.execute(pragma)
            copy.execute("BEGIN IMMEDIATE")
            found = _erase(copy, erased)
            is_buried = _bury(copy, tombstones) if erased.member_ids else False
            is_tainted = _taint(copy, versions)
            copy.execute("COMMIT")
            if found:
                copy.execute("VACUUM")
    except sqlite3.Error as error:
        raise CopyUnusableError(f"{path} cannot be read or written ({error}).") from error
    return found or is_buried or is_tainted


def is_database(path: Path) -> bool:
    """Whether a file is one of SQLite's, whatever its name. Raises OSError."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except FileNotFoundError:  # somebody took it away meanwhile
        return False


def _erase(copy: sqlite3.Connection, erased: Erased) -> bool:
    tables = {row[0] for row in copy.execute("SELECT name FROM sqlite_master")}
    members = _listed(erased.member_ids)
    copy.execute(_CHOSEN, (members, _listed(erased.message_ids)))
    changes: list[tuple[str, tuple[object, ...]]] = [
        (f"DELETE FROM conversation_context WHERE {_CHOSEN_ONES}", ()),
        (f"DELETE FROM messages WHERE {_THEIRS}", ()),
        (f"UPDATE messages SET {_EMPTIED} WHERE {_CHOSEN_ONES} AND {_NOT_EMPTY}", (_now_ms(),)),
    ]
    if "verdicts" in tables:
        changes.append((f"DELETE FROM verdicts WHERE {_THEIRS}", ()))
    if "rehearsed" in tables:
        changes.append((f"DELETE FROM rehearsed WHERE {_CHOSEN_ONES} OR {_SHOWN_ONE}", ()))
    if "erasures" in tables:  # what was pending when the copy was made is done since, or is now
        changes.append(("DELETE FROM erasures", ()))
    if erased.member_ids:
        changes.append((_MENTIONS, (members,)))
        changes.append((f"DELETE FROM members WHERE member_id IN {_IN_LIST}", (members,)))
    changed = sum(copy.execute(sql, values).rowcount for sql, values in changes)
    if changed:
        copy.execute("INSERT INTO messages_fts (messages_fts) VALUES ('rebuild')")
    return changed > 0


def _bury(copy: sqlite3.Connection, tombstones: Iterable[tuple[str, int]]) -> bool:
    copy.execute(
        "CREATE TABLE IF NOT EXISTS tombstones "
        "(hash TEXT NOT NULL PRIMARY KEY, at_ms INTEGER NOT NULL)"
    )
    put = "INSERT INTO tombstones (hash, at_ms) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING"
    return sum(copy.execute(put, row).rowcount for row in tombstones) > 0


def _taint(copy: sqlite3.Connection, versions: Iterable[ModelVersion]) -> bool:
    """A model is not clean again because a copy from before is restored."""
    columns = {row[1] for row in copy.execute("PRAGMA table_info(model_versions)")}
    if "tainted_at_ms" not in columns:
        return False
    rows = [
        (one.tainted_at_ms, one.tainted_because, one.retrain_by_ms, one.version_id)
        for one in versions
        if one.tainted_at_ms is not None
    ]
    return sum(copy.execute(_TAINT, (*row, row[1])).rowcount for row in rows) > 0


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _listed(ids: Collection[int]) -> str:
    return json.dumps(sorted(ids))
