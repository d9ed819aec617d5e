"""Forgets: a member with all they wrote, or single messages that were deleted; to the last byte.

One path for both. First it is noted in the database, for a member with the tombstone and in one
transaction: from then on nothing of theirs comes in, and whatever stops the process, `resume` goes
on. Then the rows go, the full-text index is merged and the log emptied, and then each place that
was derived from them is written anew. Each place does nothing the second time.

The words themselves are never held here: a record is known by its ids.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from data.bundle import FOLDER as BUNDLES
from data.erased import Erased
from data.exporting import rewriting
from data.forgetting_databases import CopyUnusableError, erase_from_database, is_database
from data.forgetting_files import LEFT_ALONE, Swept, rewrite_one, sweep
from data.forgetting_models import Tainted, fall_back, strip, taint
from data.forgetting_rewrite import holds_one
from data.forgetting_rules import Rules
from data.sampled import take_back
from storage.database import Database
from storage.erasure_store import Erasure
from storage.errors import MynahError
from storage.paths import Home
from storage.records import DELETED_MESSAGE, FORGOTTEN_MEMBER
from storage.scratch import sweep_scratch

log = logging.getLogger(__name__)

LOCK_S = 600.0
"""How long another process that erases is waited for."""
BUILDER_S = 30.0
"""How long a process that builds the memory is waited for."""

Progress = Callable[[str, int, int], None]
"""Called with the place that comes next, how many are done, and of how many."""


class ForgettingBusyError(MynahError):
    """Something else holds a place that is to be written anew."""


@dataclass(frozen=True)
class ForgetReport:
    """What forgetting did."""

    member_ids: tuple[int, ...]
    messages: int
    """How many are erased."""
    changed: dict[str, int]
    """By place: how many rows, vectors or files were."""
    removed: tuple[str, ...]
    """Files that went as a whole, for nothing could be taken out of them."""
    tainted: tuple[Tainted, ...]
    """Models that learned it."""
    answers_now: str
    """The model version that answers instead of a tainted one; "": no change."""
    unfinished: dict[str, str]
    """By place: why it is not done yet. It is tried again at the next start."""
    seconds: float

    @property
    def is_done(self) -> bool:
        return not self.unfinished

    def as_json(self) -> dict[str, Any]:
        """For `--json`; ids as texts."""
        return {**asdict(self), "member_ids": [str(i) for i in self.member_ids]}


@dataclass
class _Work:
    """One run through the places."""

    home: Home
    database: Database
    erasures: Sequence[Erasure]
    forgotten: Erased = field(default_factory=Erased)
    deleted: Erased = field(default_factory=Erased)
    removed: list[str] = field(default_factory=list)
    tainted: list[Tainted] = field(default_factory=list)
    answers_now: str = ""

    def __post_init__(self) -> None:
        for one in self.erasures:
            if one.member_id is None:
                self.deleted |= Erased(message_ids=one.message_ids)
            else:
                ids = frozenset({one.member_id})
                self.forgotten |= Erased(ids, one.message_ids, frozenset(one.names))
        self.erased = self.forgotten | self.deleted
        self.rules = Rules(self.erased)

    def swept(self, folders: Iterable[Path], rules: Rules | None = None) -> int:
        """Sweep them all; a folder that is being made, or is in use, bars none of the others."""
        count = 0
        held: MynahError | OSError | None = None
        for folder in folders:
            try:
                count += self.noted(sweep(folder, rules or self.rules))
            except (MynahError, OSError) as error:
                held = error
        if held is not None:
            raise held
        return count

    def noted(self, swept: Swept) -> int:
        self.removed += swept.removed
        return swept.count


def forget_member(
    home: Home,
    database: Database,
    member_id: int,
    *,
    by: str,
    progress: Progress = lambda place, done, total: None,
    begun: Callable[[], None] = lambda: None,
) -> ForgetReport:
    """Forget a member. Blocking: seconds to minutes.

    `begun` is called once their tombstone stands and before anything goes: for telling a running
    bot. What cannot be done now stands in the report, and is done by `resume`. Raises DatabaseError
    (a missing tombstone key among it), and then nothing was begun.
    """
    database.begin_forgetting(member_id, by, _now_ms())
    begun()
    return _finish(home, database, progress, LOCK_S)


def forget_messages(
    home: Home,
    database: Database,
    message_ids: Iterable[int],
    *,
    progress: Progress = lambda place, done, total: None,
) -> ForgetReport:
    """Somebody deleted these: erase them everywhere. Raises DatabaseError."""
    database.mark_deleted(message_ids, _now_ms())
    return _finish(home, database, progress, LOCK_S)


def resume(
    home: Home,
    database: Database,
    *,
    progress: Progress = lambda place, done, total: None,
) -> list[ForgetReport]:
    """Finish what is pending: what a kill cut off, what was in use, and deletions on Discord.

    Nothing where there is nothing, which costs one look-up, or where another process is at it.
    """
    if not database.has_erasures():
        return []
    try:
        return [_finish(home, database, progress, 0.0)]
    except ForgettingBusyError:
        return []


def _finish(home: Home, database: Database, progress: Progress, wait_s: float) -> ForgetReport:
    with alone(home, wait_s):
        return _erase(_Work(home, database, database.erasures()), progress)


@contextmanager
def alone(home: Home, wait_s: float = LOCK_S) -> Iterator[None]:
    """No other process erases meanwhile. Raises ForgettingBusyError."""
    try:
        with FileLock(home.data_storage / "forgetting.lock", timeout=wait_s):
            yield
    except Timeout:
        raise ForgettingBusyError(
            "Another process is erasing just now; what is noted will be erased by it, or at the "
            "next start."
        ) from None


def _erase(work: _Work, progress: Progress) -> ForgetReport:
    began_s = time.monotonic()
    changed: dict[str, int] = {}
    unfinished: dict[str, str] = {}
    ids = [one.erasure_id for one in work.erasures]
    for done, (place, erase) in enumerate(PLACES):
        if not work.erased or all(place in one.done for one in work.erasures):
            continue
        progress(place, done, len(PLACES))
        try:
            changed[place] = erase(work)
            work.database.note_erased(ids, place)
        except (MynahError, OSError) as error:
            unfinished[place] = str(error)
            log.warning("Erasing is not done in %s (%s)", place, type(error).__name__)
    if not unfinished:
        try:
            _end(work, ids)
        except (MynahError, OSError) as error:
            unfinished["the database's log"] = str(error)
    return ForgetReport(
        member_ids=tuple(sorted(work.erased.member_ids)),
        messages=len(work.erased.message_ids),
        changed={place: count for place, count in changed.items() if count},
        removed=tuple(work.removed),
        tainted=tuple(work.tainted),
        answers_now=work.answers_now,
        unfinished=unfinished,
        seconds=round(time.monotonic() - began_s, 2),
    )


def _end(work: _Work, ids: Sequence[int]) -> None:
    """Nothing is kept of whom it was; a line that came into a transcript meanwhile goes."""
    _rows(work)
    work.database.empty_erasures(ids)
    work.database.scrub(is_rewritten=True)
    work.database.end_erasures(ids)


# -- the places -----------------------------------------------------------------------------------


def _rows(work: _Work) -> int:
    for one in work.erasures:
        if one.member_id is not None:
            work.database.forget_member(one)
    work.database.drop_context(work.erased.message_ids)
    work.database.drop_rehearsed(work.erased.message_ids)
    return len(work.erased.message_ids)


def _log(work: _Work) -> int:
    """What the rows left in the database's pages and in its log."""
    work.database.scrub()
    return 0


def _models(work: _Work) -> int:
    """Before the sets change: an older version is traced by the set that it was made from."""
    home, database = work.home, work.database
    found: dict[str, Tainted] = {}
    for erased, because in (
        (work.deleted, DELETED_MESSAGE),
        (work.forgotten, FORGOTTEN_MEMBER),
    ):
        if erased:
            found.update({one.version_id: one for one in taint(home, database, erased, because)})
    work.tainted += found.values()
    version = fall_back(home, database) if work.forgotten else None
    work.answers_now = version.version_id if version else ""
    strip(home, work.forgotten, FORGOTTEN_MEMBER)
    strip(home, work.deleted, DELETED_MESSAGE)
    return len(found)


def _vectors(work: _Work) -> int:
    """LanceDB keeps what it deletes: the table is written anew. What cannot be read goes."""
    folder = work.home.embeddings
    for aside in folder.parent.glob(f"{folder.name}*broken*"):
        _remove(aside, work.removed)
    if not folder.is_dir():
        return 0
    from storage.vectordb import VectorError, rebuild_without  # LanceDB: half a second to import

    try:
        with FileLock(work.home.data_storage / "embeddings.lock", timeout=BUILDER_S):
            swept = Swept()
            for path in folder.glob("*.json"):
                rewrite_one(path, work.rules, swept)
            return rebuild_without(folder, work.erased.message_ids)
    except Timeout:
        raise ForgettingBusyError(
            "The memory is being built by another process; its vectors are written anew once that "
            "has ended."
        ) from None
    except VectorError:
        _remove(folder, work.removed)
        return 0


def _exports(work: _Work) -> int:
    with rewriting(work.home.messages):
        return work.swept([work.home.messages])


_OTHER_PLACES = frozenset({"backups", "database", "embeddings", "logs", "messages"})
"""What has a place of its own; logs hold ids alone."""


def _files(work: _Work) -> int:
    """Training and preference sets, reports, sheets, quarantine: all else that is kept in files."""
    home = work.home
    for path in home.personal_exports.glob("*"):
        if any(str(member_id) in path.name for member_id in work.erased.member_ids):
            _remove(path, work.removed)
    for path in (home.data_storage / BUNDLES).glob("*"):  # packed again in seconds
        _remove(path, work.removed)
    folders = [
        folder
        for folder in sorted(home.data_storage.iterdir())
        if folder.is_dir() and folder.name not in _OTHER_PLACES
    ]
    loose = Swept()
    for path in sorted(home.data_storage.iterdir()):
        if path.is_file() and path.suffix not in LEFT_ALONE and not is_database(path):
            rewrite_one(path, work.rules, loose)
    held, count = _sampled(work)
    count += _evaluations(work) + work.noted(loose) + work.swept(folders)
    if held is not None:
        raise held
    # In a model's vocabulary a name is a word among others.
    nameless = Rules(Erased(work.erased.member_ids, work.erased.message_ids))
    models = (home.checkpoints, home.finetuned, home.models / "audits")
    return count + work.swept(models, nameless)


def _sampled(work: _Work) -> tuple[MynahError | OSError | None, int]:
    """What models wrote for preference sets: of one that learned what is erased, or of which that
    is not known, it may be that. A set that is in use bars nothing else; how many it were."""
    versions = work.database.model_versions()
    tainted = {one.sha256 for one in versions if one.tainted_because}
    trusted = {one.sha256 for one in versions} - tainted
    held: MynahError | OSError | None = None
    count = 0
    for folder in sorted(work.home.datasets.glob("[!.]*/")):
        try:
            count += take_back(folder, trusted)
        except (MynahError, OSError) as error:
            held = error
    return held, count


def _evaluations(work: _Work) -> int:
    """What models were judged by, where it quotes what is erased, or where what the model says may
    be it: the folder goes as a whole, its figures are in the database. How many."""
    versions = work.database.model_versions()
    trusted = {one.sha256 for one in versions if not one.tainted_because}
    count = 0
    for folder in sorted(work.home.evaluations.glob("*/")):
        files = [path for path in folder.rglob("*") if path.is_file()]
        if _judged_model(folder) not in trusted or any(holds_one(f, work.rules) for f in files):
            _remove(folder, work.removed)
            count += 1
    return count


def _judged_model(folder: Path) -> str:
    """By its SHA-256; "" where that is not known."""
    # The second alone while it goes on, the third where people alone were asked.
    for name in ("evaluation.json", "replies.jsonl", "blind/replies.jsonl"):
        with suppress(OSError, ValueError, KeyError, TypeError, StopIteration):
            with (folder / name).open(encoding="utf-8") as file:
                text = file.read() if name.endswith(".json") else next(file)
            return str(json.loads(text)["model_sha256"])
    return ""


def _copies(work: _Work) -> int:
    """Copies of the database: what migrations left, and what somebody put beside them."""
    live = work.home.database
    tombstones, versions = work.database.tombstones(), work.database.model_versions()
    own = {live.with_name(live.name + end) for end in ("", *_LOGS)}
    changed = sweep_scratch(work.home)
    for path in sorted(work.home.data_storage.rglob("*")):
        if path in own or not path.is_file() or work.home.scratch in path.parents:
            continue  # what is in use there its holder, who was told, sees to
        if path.name.endswith(".db.part") or _is_log_alone(path):
            _remove(path, work.removed)  # of a copy that was never finished, or is gone
        elif path.suffix == ".db" or (path.suffix not in LEFT_ALONE and is_database(path)):
            try:
                changed += erase_from_database(path, work.erased, tombstones, versions)
            except CopyUnusableError:
                for part in path.parent.glob(f"{path.name}*"):  # its log too
                    _remove(part, work.removed)
                changed += 1
    return changed


_LOGS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database, by the ends of their names."""


def _is_log_alone(path: Path) -> bool:
    name, dash, end = path.name.rpartition("-")
    is_log = f"{dash}{end}" in _LOGS and Path(name).suffix == ".db"
    return is_log and not path.with_name(name).exists()


def _backups(work: _Work) -> int:
    from data.backup import erase_from_backups

    return erase_from_backups(work.home, work.erased)


def _remove(path: Path, removed: list[str]) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    removed.append(str(path))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


PLACES: tuple[tuple[str, Callable[[_Work], int]], ...] = (
    ("the database", _rows),
    ("the database's log", _log),
    ("models", _models),
    ("vectors", _vectors),
    ("exports", _exports),
    ("training sets, reports and other files", _files),
    ("copies of the database", _copies),
    ("backups", _backups),
)
"""In this order: what may answer first, then what is found most easily by others."""
