"""Tombstones: a keyed hash of each member who was forgotten, so that nothing of theirs comes back.

The hash is HMAC-SHA256 over "member:<id>" under 32 random bytes in data_storage/tombstone.key.
Without the key nobody can tell whose tombstone it is, Mynah included: that is said, never passed
over. The first row is the key's own mark, by which a wrong key is known.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from storage.connections import DatabaseError

KEY_BYTES = 32
_MARK = b"tombstone.key"


class TombstoneKeyError(DatabaseError):
    """The key of the tombstones is missing, unreadable, or another one."""


def key_path(database: Path) -> Path:
    """Where the key of a database lies: `Home.tombstone_key`, or beside a file outside a home."""
    folder = database.parent
    return (folder.parent if folder.name == "database" else folder) / "tombstone.key"


def forgotten_among(connection: Connection, member_ids: Collection[int]) -> set[int]:
    """Those of the members whom a tombstone stands for.

    Where there is no tombstone at all that costs one look-up. Raises TombstoneKeyError.
    """
    if connection.exec_driver_sql("SELECT 1 FROM tombstones LIMIT 1").scalar() is None:
        return set()
    key = _stored_key(connection)
    by_hash = {_hash(key, f"member:{member_id}".encode()): member_id for member_id in member_ids}
    found = connection.exec_driver_sql(
        "SELECT hash FROM tombstones WHERE hash IN (SELECT value FROM json_each(?))",
        (json.dumps(list(by_hash)),),
    ).scalars()
    return {by_hash[found_hash] for found_hash in found}


def bury(connection: Connection, member_id: int, at_ms: int) -> None:
    """Put a tombstone for a member, within the caller's transaction; the same again is no error.

    The first one of a home makes the key. Raises TombstoneKeyError.
    """
    if connection.exec_driver_sql("SELECT 1 FROM tombstones LIMIT 1").scalar() is None:
        key = _make_key(_path_of(connection))
        _put(connection, _hash(key, _MARK), at_ms)
    key = _stored_key(connection)
    _put(connection, _hash(key, f"member:{member_id}".encode()), at_ms)


def lift(connection: Connection, member_id: int) -> bool:
    """Take a member's tombstone away, who said so themselves; whether there was one."""
    if not forgotten_among(connection, [member_id]):
        return False
    given = (_hash(_stored_key(connection), f"member:{member_id}".encode()),)
    connection.exec_driver_sql("DELETE FROM tombstones WHERE hash = ?", given)
    return True


def all_tombstones(connection: Connection) -> list[tuple[str, int]]:
    """The rows as they are, (hash, time): the key's mark among them."""
    rows = connection.exec_driver_sql("SELECT hash, at_ms FROM tombstones ORDER BY hash")
    return [(str(row[0]), int(row[1])) for row in rows]


def _stored_key(connection: Connection) -> bytes:
    path = _path_of(connection)
    try:
        key = path.read_bytes()
    except OSError as error:
        raise TombstoneKeyError(
            f"The key of the tombstones, {path}, cannot be read ({error.strerror}), so nobody can "
            "tell who asked to be forgotten, and nothing is stored; put the file back from a "
            "backup."
        ) from error
    mark = connection.exec_driver_sql(
        "SELECT 1 FROM tombstones WHERE hash = ?", (_hash(key, _MARK),)
    )
    if len(key) != KEY_BYTES or mark.scalar() is None:
        raise TombstoneKeyError(
            f"{path} is not the key that this database's tombstones were made with, so nobody can "
            "tell who asked to be forgotten, and nothing is stored; put the right file back from "
            "a backup."
        )
    return key


def _make_key(path: Path) -> bytes:
    """A key that a crash left before its first tombstone is taken as it is."""
    with suppress(OSError):
        key = path.read_bytes()
        if len(key) == KEY_BYTES:
            return key
    key = secrets.token_bytes(KEY_BYTES)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise TombstoneKeyError(
            f"The key of the tombstones could not be written to {path} ({error.strerror}), so "
            "nobody was forgotten; look at the disk's space and the folder's rights."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    return key


def _path_of(connection: Connection) -> Path:
    return key_path(Path(str(connection.engine.url.database)))


def _put(connection: Connection, hashed: str, at_ms: int) -> None:
    connection.exec_driver_sql(
        "INSERT INTO tombstones (hash, at_ms) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING",
        (hashed, at_ms),
    )


def _hash(key: bytes, said: bytes) -> str:
    return hmac.new(key, said, "sha256").hexdigest()
