"""6_manage_models.py and make_settings_doc.py as a user runs them: from anywhere."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from storage.database import Database
from storage.manifest import sha256_file
from storage.model_registry import ModelRegistry
from storage.paths import PROGRAM_DIR, Home
from tests.storage.rows import version


def run(script: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MYNAH_HOME")}
    return subprocess.run(
        [sys.executable, str(PROGRAM_DIR / "scripts" / script), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path).ensure()
    with Database.open(home.database) as db:
        registry = ModelRegistry(db, home)
        for name in ("first", "second"):
            path = home.finetuned / f"{name}.gguf"
            path.write_text(name)
            registry.register(
                version(
                    name,
                    gguf_path=home.relative(path),
                    sha256=sha256_file(path),
                    size_bytes=path.stat().st_size,
                )
            )
    return home


def test_a_model_goes_out_and_back(home: Home, tmp_path: Path) -> None:
    def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run("6_manage_models.py", *arguments, "--home", str(home.root), cwd=tmp_path)

    assert "Deployed: first" in manage("deploy", "first").stdout
    assert "Deployed: second" in manage("deploy", "second").stdout
    listed = manage("list").stdout
    assert "* second" in listed
    assert "first" in listed
    back = json.loads(manage("rollback", "--json").stdout)
    assert back["deployed"]["version_id"] == "first"
    assert Path(back["deployed"]["path"]).read_text() == "first"
    assert "sha256" in manage("show", "first").stdout
    assert manage("verify").returncode == 0
    (home.finetuned / "second.gguf").write_text("tamper")
    spoilt = manage("verify", "--json")
    assert spoilt.returncode == 1
    assert json.loads(spoilt.stdout)["verified"]["first"] is None
    assert "SHA-256" in json.loads(spoilt.stdout)["verified"]["second"]
    refused = manage("deploy", "second")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "SHA-256" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_one_that_has_not_passed_takes_a_reason(home: Home, tmp_path: Path) -> None:
    with Database.open(home.database) as db:
        registry = ModelRegistry(db, home)
        first = registry.get("first")
        for name, score in (("low", 60.0), ("lower", 90.0)):
            registry.register(replace(first, version_id=name, deploy_at=85.0))
            registry.record_evaluation(name, "personality", score, 85.0, score > 85.0, {}, "")
        registry.deploy("lower")

    def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run("6_manage_models.py", *arguments, "--home", str(home.root), cwd=tmp_path)

    refused = manage("deploy", "low")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "scored 60.0 of the 85 needed" in refused.stderr
    assert 'deploy low --force --why "..."' in refused.stderr
    assert "go together" in manage("deploy", "low", "--force").stderr
    forced = manage("deploy", "low", "--force", "--why", "for a test server")
    assert "low scores lower (60.0) than lower (90.0)." in forced.stdout
    assert f"let through by {getpass.getuser()}" in forced.stdout
    listed = manage("list").stdout
    assert "for a test server" in listed
    assert "scored 60.0" in listed
    sides = json.loads(manage("compare", "low", "lower", "--json").stdout)["lines"]
    assert {"name": "personality score", "first": 60.0, "second": 90.0, "differs": True} in sides
    assert "* personality score" in manage("compare", "low", "lower").stdout
    assert "its files stay" in manage("pin", "low").stdout
    assert json.loads(manage("prune", "--dry-run", "--json").stdout)["is_trial"] is True
    assert "0 folders went" in manage("prune").stdout
    page = Path(manage("lineage").stdout.strip())
    assert "for a test server" in page.read_text(encoding="utf-8")


def test_an_empty_home_and_an_unknown_version(tmp_path: Path) -> None:
    listed = run("6_manage_models.py", "--home", str(tmp_path), "list", cwd=tmp_path)
    assert "No model" in listed.stdout
    unknown = run("6_manage_models.py", "show", "x", "--home", str(tmp_path), cwd=tmp_path)
    assert unknown.returncode == 2
    assert "no model version x" in unknown.stderr


def test_help_is_worth_reading(tmp_path: Path) -> None:
    said = run("6_manage_models.py", "--help", cwd=tmp_path).stdout
    for part in ("--home", "--json", "deploy", "rollback", "prune", "Exit status", "examples:"):
        assert part in said


def test_the_settings_page_is_up_to_date(tmp_path: Path) -> None:
    checked = run("make_settings_doc.py", "--check", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
