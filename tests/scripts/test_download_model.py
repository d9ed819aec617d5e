"""download_model.py as the window and a person run it, against a hub on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gui.models.wizard_catalogue import FITS, offers_of, share_of
from model.catalogue import find
from storage.database import Database
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR, Home
from tests.model.hub_stand_in import HubStandIn

MODEL = find("qwen2.5-7b-instruct")  # its hash is the hub's own
PINNED = find("qwen2.5-1.5b-instruct")
TOKEN = "hf_planted_token"


@pytest.fixture(scope="module")
def payload() -> bytes:
    return next(DEMO_BASE_DIR.glob("*.gguf")).read_bytes()


@pytest.fixture
def hub(payload: bytes) -> Iterator[HubStandIn]:
    with HubStandIn(payload, MODEL.repository, MODEL.file) as stand_in:
        yield stand_in


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def command(home: Home, *arguments: str) -> list[str]:
    script = PROGRAM_DIR / "scripts" / "download_model.py"
    return [sys.executable, str(script), *arguments, "--home", str(home.root)]


def environment(hub: HubStandIn) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "MYNAH_"))}
    return {**kept, "HF_ENDPOINT": hub.endpoint, "HF_TOKEN": TOKEN, "PYTHONUTF8": "1"}


def run(home: Home, hub: HubStandIn, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(home, *arguments),
        env=environment(hub),
        cwd=home.root.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert TOKEN not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_list_is_what_the_window_reads(home: Home, hub: HubStandIn) -> None:
    answer = json.loads(run(home, hub, "list", "--json").stdout)
    offers = offers_of(answer)
    assert MODEL.model_id in [offer.model_id for offer in offers]
    assert all(offer.fit in FITS and offer.licence and not offer.path for offer in offers)
    assert all(offer.memory_bytes > offer.size_bytes for offer in offers)
    assert hub.requests == []
    assert "Apache 2.0" in run(home, hub, "list").stdout


def test_a_model_is_downloaded_with_progress_and_kept(home: Home, hub: HubStandIn) -> None:
    hub.cuts = [400_000]  # a lost connection in the midst of it, taken up a second later
    done = run(home, hub, "get", MODEL.model_id, "--json")
    assert done.returncode == 0, done.stderr
    told, *progress, result = lines_of(done.stdout)
    assert told["licence"] == "Apache 2.0"
    shares = [share_of(line) for line in progress]
    assert None not in shares
    assert shares[-1] == 1.0
    assert all(line["rate"] >= 0 for line in progress)
    assert result["version"] == MODEL.model_id
    assert Path(result["path"]).read_bytes() == hub.payload
    with Database.open(home.database) as database:
        registry = ModelRegistry(database, home)
        assert registry.verify(MODEL.model_id).status == "candidate"
    [offer] = [
        one
        for one in offers_of(json.loads(run(home, hub, "list", "--json").stdout))
        if one.model_id == MODEL.model_id
    ]
    assert offer.path == result["path"]
    hub.requests.clear()
    again = run(home, hub, "get", MODEL.model_id)
    assert f"{MODEL.model_id} is at {result['path']}" in again.stdout
    assert hub.requests == []


def test_who_is_ended_in_the_midst_goes_on(home: Home, hub: HubStandIn) -> None:
    hub.piece_s = 0.05
    process = subprocess.Popen(
        command(home, "get", MODEL.model_id, "--json"),
        env=environment(hub),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    progress: list[dict[str, Any]] = []
    for line in process.stdout:
        progress.append(json.loads(line))
        if progress[-1].get("bytes", 0) > 200_000:
            break
    process.terminate()
    process.stdout.close()
    assert process.wait(20) != 0
    listed = json.loads(run(home, hub, "list", "--json").stdout)["models"]
    kept = next(one["part_bytes"] for one in listed if one["id"] == MODEL.model_id)
    assert 200_000 < kept < len(hub.payload)
    hub.piece_s = 0.0
    done = run(home, hub, "get", MODEL.model_id, "--json")
    assert done.returncode == 0, done.stderr
    assert hub.sent("cdn", "range")[-1] == f"bytes={kept}-"
    assert next(line for line in lines_of(done.stdout) if "bytes" in line)["bytes"] == kept


@pytest.mark.skipif(os.name == "nt", reason="there is no Ctrl-C for one process of a test there")
def test_ctrl_c_keeps_what_has_come(home: Home, hub: HubStandIn) -> None:
    hub.piece_s = 0.05
    process = subprocess.Popen(
        command(home, "get", MODEL.model_id),
        env=environment(hub),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 20
    while not hub.sent("cdn", "range") and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "start again to go on" in errors


def test_another_gguf_by_its_address(home: Home, hub: HubStandIn) -> None:
    url = f"{hub.cdn}/any/Mine.gguf?signature=secret-signature"
    wrong = run(home, hub, "get", "--url", url, "--sha256", "0" * 64)
    assert wrong.returncode == 2
    assert "It was removed" in wrong.stderr
    assert "secret" not in wrong.stderr
    done = run(home, hub, "get", "--url", url, "--sha256", hub.sha256.upper())
    assert done.returncode == 0, done.stderr
    assert "6_manage_models.py deploy mine" in done.stdout
    assert set(hub.sent("cdn", "authorization")) == {""}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("get",), "Name a model"),
        (("get", "gpt-9"), "The catalogue has no model"),
        (("get", "--url", "http://127.0.0.1:9/a.gguf"), "give --sha256"),
        (("get", "--url", "http://127.0.0.1:9/a.gguf", "--sha256", "12"), "64 hex digits"),
        (("get", PINNED.model_id), "There is nothing at"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    home: Home, hub: HubStandIn, arguments: tuple[str, ...], sentence: str
) -> None:
    done = run(home, hub, *arguments, "--json")
    assert done.returncode == 2
    assert sentence in done.stderr.splitlines()[-1]


def test_a_file_that_is_not_the_catalogues_is_refused(home: Home, hub: HubStandIn) -> None:
    hub.repository, hub.file = PINNED.repository, PINNED.file
    hub.knows.add(PINNED.revision)
    done = run(home, hub, "get", PINNED.model_id, "--json")
    assert done.returncode == 2
    assert "than the catalogue names" in done.stderr
    assert hub.sent("cdn", "range") == []
