"""The door to mynah.db: opens it, migrates it first, and offers all that is kept there.

    with Database.open(home.database, backups=home.backups) as db:
        db.upsert_messages(records)

Where what lies: message_store.py, community_store.py (members, channels, declarations),
live_store.py (what just happened: a batch of messages, reactions), fetch_store.py (pages of a
fetch), verbatim_store.py (who said these very words), verdict_store.py (verdicts, cursors, their
summary), context_store.py (settings, statistics, transcript), model_store.py, evaluation_store.py
(how models did), deployment_store.py, reply_store.py (the persona's own messages),
rehearsal_store.py (what it would have said), erasure_store.py (who and what is to be forgotten,
over tombstones.py); connections.py has the pragmas, migrating.py the migrations, schema.py the
tables. Any thread may call; every function is one short transaction or
several.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from storage.community_store import CommunityStore
from storage.connections import IMPORT_CACHE_KIB, DatabaseBusyError, DatabaseError, explaining
from storage.context_store import ContextLine, ContextStore
from storage.deployment_store import DeploymentStore
from storage.erasure_store import ErasureStore
from storage.evaluation_store import EvaluationStore
from storage.fetch_store import FetchStore
from storage.live_store import LiveStore
from storage.message_store import MessageStore
from storage.migrating import migrate
from storage.model_store import ModelStore
from storage.rehearsal_store import RehearsalStore
from storage.reply_store import ReplyStore
from storage.talk_store import TalkStore
from storage.upserting import UpsertCount
from storage.verbatim_store import VerbatimStore
from storage.verdict_store import VerdictStore

__all__ = ["ContextLine", "Database", "DatabaseBusyError", "DatabaseError", "UpsertCount"]


class Database(
    MessageStore,
    CommunityStore,
    LiveStore,
    FetchStore,
    VerdictStore,
    ContextStore,
    ModelStore,
    EvaluationStore,
    DeploymentStore,
    ErasureStore,
    ReplyStore,
    RehearsalStore,
    VerbatimStore,
    TalkStore,
):
    """One open database file. Make it with `open`, end it with `close` or a with block."""

    @classmethod
    def open(
        cls, path: Path, *, backups: Path | None = None, cache_kib: int = IMPORT_CACHE_KIB
    ) -> Database:
        """Open the file, made or migrated as needed; `cache_kib` is the writer's page cache.

        A backup from before a migration is kept in `backups` (default: a folder beside the file).

        Raises DatabaseError for a file that is damaged, foreign, or of a newer Mynah.
        """
        migrate(path, backups or path.parent / "backups")
        return cls(path, cache_kib=cache_kib)

    def scrub(self, *, is_rewritten: bool = False) -> None:
        """Make deleted words vanish from the file: merge the full-text index, then empty the WAL.

        secure_delete overwrites rows, but the WAL and FTS5's older segments keep copies until this;
        and where SQLite once split a page or balanced two, a row that it moved stays in the unused
        part of the page that it left, until the file `is_rewritten` (seconds a gigabyte, and as
        much room on the disk). Readers of other processes can hold the WAL back: close them first.
        Raises DatabaseBusyError where they do.
        """
        with self.writing() as connection:
            connection.exec_driver_sql(
                "INSERT INTO messages_fts (messages_fts) VALUES ('optimize')"
            )
        self._reader.dispose()
        with self._write_lock:
            raw = self._writer.raw_connection()  # both want no transaction open
            try:
                cursor = raw.cursor()
                if is_rewritten:
                    with explaining(self.path):
                        cursor.execute("VACUUM")
                busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            finally:
                raw.close()
        if busy:
            raise DatabaseBusyError(
                f"{self.path} is being read by another process, so deleted text may still lie in "
                "its log; stop the bot and try again."
            )

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
