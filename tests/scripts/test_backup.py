"""7_backup.py as a user runs it; and the rehearsal: delete the home, restore, the same reply."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model.embedder import copy_embedder
from storage.database import Database
from storage.manifest import sha256_file, write_manifest
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR, Home
from tests.bot.scene import fill
from tests.model import tiny
from tests.storage.rows import version

SCRIPTS = PROGRAM_DIR / "scripts"


def run(
    script: str, *arguments: str, said: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    names = ("PYTHONPATH", "MYNAH_HOME", "MYNAH_BACKUP_PASSPHRASE")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    return subprocess.run(
        [sys.executable, str(SCRIPTS / script), *arguments],
        env={**environment, **variables},
        input=said,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A community, the small base as its deployed model, an embedder and vectors."""
    home = Home(tmp_path / "home").ensure()
    folder = home.finetuned / "lantern-1"
    folder.mkdir(parents=True)
    gguf = folder / "lantern-1.gguf"
    shutil.copy(next(DEMO_BASE_DIR.glob("*.gguf")), gguf)
    write_manifest(folder, "gguf", {}, {})
    with Database.open(home.database, backups=home.backups) as database:
        fill(database)
        for name, value in (("seed", "7"), ("threads", "1"), ("context_tokens", "512")):
            database.set_config(name, value)
        registry = ModelRegistry(database, home)
        values: dict[str, Any] = {"sha256": sha256_file(gguf), "size_bytes": gguf.stat().st_size}
        registry.register(version("lantern-1", gguf_path=home.relative(gguf), **values))
        registry.deploy("lantern-1")
    return home


def reply(home: Home) -> tuple[str, list[str], int]:
    """The reply, the notes that were recalled for it, and how long its prompt was."""
    said = json.dumps({"say": "who brought cake into the dungeon?"}) + "\n"
    done = run("playground.py", "--home", str(home.root), said=said)
    assert done.returncode == 0, done.stderr
    assert '"lantern-1"' in done.stdout
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    told = next(line for line in lines if line.get("reply"))
    return told["reply"], told["notes"], told["prompt_tokens"]


@pytest.mark.slow
def test_delete_the_home_restore_it_and_the_bot_answers_as_before(
    home: Home, tmp_path: Path
) -> None:
    copy_embedder(tiny.minilm_gguf(tiny.session_folder()), home)
    assert run("5_build_memory.py", "--home", str(home.root)).returncode == 0
    assert run("7_backup.py", "create", "--home", str(home.root)).returncode == 0
    before = reply(home)
    assert before[1]  # something was recalled
    shutil.copytree(home.backups, tmp_path / "stick")
    shutil.rmtree(home.root)
    (archive,) = (tmp_path / "stick").glob("*.zip")
    done = run("7_backup.py", "restore", str(archive), "--home", str(home.root))
    assert done.returncode == 0, done.stderr
    assert "manage_token.py" in done.stdout
    assert not home.embeddings.exists()
    assert run("5_build_memory.py", "--home", str(home.root)).returncode == 0
    assert reply(home) == before


def test_create_list_verify_restore(home: Home, tmp_path: Path) -> None:
    def backup(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run("7_backup.py", *arguments, "--home", str(home.root))

    assert "no backup yet" in backup("list").stdout
    assert backup("verify").returncode == 2
    made = json.loads(backup("create", "--without-model", "--json").stdout)["created"]
    assert (made["messages"], made["is_encrypted"], made["models_bytes"]) == (8, False, 0)
    listed = backup("list").stdout
    assert made["name"] in listed
    assert "verified 20" in listed
    assert "is whole: 8 messages" in backup("verify").stdout
    refused = backup("restore", made["name"])
    assert refused.returncode == 2
    assert "not empty" in refused.stderr
    done = backup("restore", made["name"], "--into", str(tmp_path / "new"))
    assert "Restored 8 messages" in done.stdout
    assert "deploy another one" in done.stdout
    assert "before-restore.db" in backup("restore", made["name"], "--replace").stdout
    assert "There is no backup x.zip" in backup("restore", "x.zip").stderr
    path = home.backups / made["name"]
    path.write_bytes(path.read_bytes()[:2000])
    assert backup("verify").returncode == 1
    assert "damaged" in backup("list").stdout
    schedule = backup("schedule").stdout
    assert f"0 4 * * 1 {sys.executable}" in schedule
    assert "schtasks /Create" in schedule


@pytest.mark.slow
def test_a_passphrase_comes_from_a_file_or_the_environment(home: Home, tmp_path: Path) -> None:
    words = tmp_path / "words"
    at_home = ("--home", str(home.root))
    assert run("7_backup.py", "encrypt", *at_home).returncode == 2  # no terminal to ask at
    latin = tmp_path / "latin"
    latin.write_bytes("vier Wörter sind genug\n".encode("latin-1"))
    refused = run("7_backup.py", "encrypt", "--passphrase-file", str(latin), *at_home)
    assert (refused.returncode, "not UTF-8" in refused.stderr) == (2, True)
    words.write_bytes(b"\xef\xbb\xbffour words are enough\r\n")  # as Windows' editors save it
    encrypt = run("7_backup.py", "encrypt", "--passphrase-file", str(words), *at_home)
    assert "keep it where this computer is not" in encrypt.stdout
    made = json.loads(run("7_backup.py", "create", "--json", *at_home).stdout)["created"]
    assert made["is_encrypted"]
    refused = run("7_backup.py", "verify", *at_home)
    assert refused.returncode == 2
    assert "passphrase" in refused.stderr
    given = {"MYNAH_BACKUP_PASSPHRASE": "four words are enough"}
    assert run("7_backup.py", "verify", *at_home, **given).returncode == 0
    assert run("7_backup.py", "encrypt", "--off", *at_home).returncode == 0
    made = json.loads(run("7_backup.py", "create", "--json", *at_home).stdout)["created"]
    assert not made["is_encrypted"]
