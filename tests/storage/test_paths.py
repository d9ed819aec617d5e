"""One home, and the sentence where it cannot be one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage.database import Database, DatabaseError
from storage.paths import PROGRAM_DIR, Home, HomeError, find_home


def test_the_home_is_the_argument_else_the_environments_else_the_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MYNAH_HOME", raising=False)
    assert find_home().root == PROGRAM_DIR
    monkeypatch.setenv("MYNAH_HOME", str(tmp_path / "a"))
    assert find_home().root == (tmp_path / "a").resolve()
    assert find_home(tmp_path / "b").root == (tmp_path / "b").resolve()


def test_a_home_that_cannot_be_one_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(HomeError, match=r"cannot be the home .*choose another") as refused:
        find_home(file).ensure()
    assert "Errno" not in str(refused.value)
    with pytest.raises(HomeError, match="cannot be the home"):
        find_home("a\0b")
    with pytest.raises(DatabaseError, match="out of reach"):
        Database.open(Home(file).database)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("before", [None, 0o777, 0o755, 0o500])
def test_what_everybody_said_is_its_owners_alone(tmp_path: Path, before: int | None) -> None:
    home = Home(tmp_path / "home")
    if before is not None:
        home.data_storage.mkdir(parents=True)
        home.data_storage.chmod(before)
    old = os.umask(0)
    try:
        home.ensure()
    finally:
        os.umask(old)
    assert home.data_storage.stat().st_mode & 0o777 == 0o700
    assert home.database.parent.is_dir()


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no ~user")
def test_an_unknown_users_folder_is_a_sentence() -> None:
    with pytest.raises(HomeError, match=r"~no-such-user-here/x cannot be the home"):
        find_home("~no-such-user-here/x")
