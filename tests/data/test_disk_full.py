"""A full disk at 50 points of a backup, a restore and an import: clear words, nothing corrupt, and
on it goes once there is room."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from data import backup, restoring
from data.backup import create, figures_of, list_backups, verify
from data.backup_key import Opener
from data.importers.importing import import_paths
from data.restoring import restore
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home
from storage.records import Origin
from tests.data.importers.exports import export, message, write
from tests.data.test_backup import fill
from tests.full_disk import SmallDisk, small_disk

POINTS = 50

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="neither tmpfs nor RLIMIT_FSIZE"),
]


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """Too little room is not seen beforehand, so that the disk itself has to say it."""
    for module in (backup, restoring):
        monkeypatch.setattr(module, "refuse_too_little_room", lambda *_: None)
    with small_disk(tmp_path / "disk") as small:
        yield small


def at_each_point(
    disk: SmallDisk, needed_bytes: int, act: Callable[[], object], look: Callable[[], object]
) -> int:
    """Try with 50 amounts of room from none to enough, and `look` at what is left each time; how
    often it could not be done."""
    said: list[str] = []
    for point in range(POINTS):
        disk.leave(needed_bytes * point // POINTS)
        try:
            act()
        except MynahError as error:
            said.append(str(error))
        finally:
            disk.make_room()
        look()
    assert [s for s in said if not any(w in s for w in ("full", "disk", "room", "space"))] == []
    return len(said)


def test_a_backup_on_a_full_disk(disk: SmallDisk) -> None:
    home = Home(disk.folder / "home")
    fill(home)
    first = create(home)
    before = figures_of(home.database)

    def look() -> None:
        assert figures_of(home.database) == before
        assert not list(home.backups.glob(".making-*"))
        for one in list_backups(home):
            assert one.contents is not None
            verify(home, one.path, Opener(None))
        for path in (home.backups / "models").glob("*"):  # a model that was stored half
            if disk.is_mounted:
                path.unlink()

    shutil.rmtree(home.backups / "models")
    first.path.unlink()
    disk_needed = 8_000_000 if disk.is_mounted else 3_500_000

    def act() -> None:
        create(home).path.unlink()

    failures = at_each_point(disk, disk_needed, act, look)
    assert failures > POINTS // 4
    assert create(home).contents is not None
    print(f"{failures} of {POINTS} backups were refused by the disk")


def test_a_restore_on_a_full_disk(disk: SmallDisk, tmp_path: Path) -> None:
    source = Home(tmp_path / "source")
    fill(source)
    archive = create(source).path
    wanted = figures_of(source.database)
    home = Home(disk.folder / "home")
    home.ensure()
    with Database.open(home.database) as database:
        database.set_config("response_rate", "0.25")
    before = figures_of(home.database)

    def look() -> None:
        found = figures_of(home.database)
        assert found in (before, wanted)
        assert not list(home.data_storage.glob(".making-*"))
        shutil.rmtree(home.root)
        home.ensure()
        with Database.open(home.database) as database:
            database.set_config("response_rate", "0.25")

    failures = at_each_point(
        disk,
        7_000_000 if disk.is_mounted else 3_500_000,
        lambda: restore(archive, home, replace=True),
        look,
    )
    assert failures > POINTS // 4
    restore(archive, home, replace=True)
    assert figures_of(home.database) == wanted
    print(f"{failures} of {POINTS} restores were refused by the disk")


def test_an_import_on_a_full_disk(disk: SmallDisk, tmp_path: Path) -> None:
    many = 4_000
    write(tmp_path / "general.json", export([message(n) for n in range(many)]))
    home = Home(disk.folder / "home")

    def act() -> None:
        home.ensure()
        with Database.open(home.database, backups=home.backups) as database:
            paths = [tmp_path / "general.json"]
            import_paths(database, paths, origin=Origin.EXPORT, quarantine=home.quarantine)

    def look() -> None:
        if home.database.is_file() and home.database.stat().st_size:
            with closing(sqlite3.connect(home.database)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        act()  # goes on where it was
        with Database.open(home.database) as database:
            assert sum(database.message_counts().values()) == many
        shutil.rmtree(home.root)

    failures = at_each_point(disk, 1_000_000, act, look)
    assert failures > POINTS // 4
    print(f"{failures} of {POINTS} imports were refused by the disk")
