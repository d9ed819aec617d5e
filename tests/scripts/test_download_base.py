"""download_base.py as the window and a person run it, against a hub on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model.base_models import BASES, find_base, known_base
from storage.manifest import verify_manifest
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR, Home
from tests.model.hub_stand_in import HubStandIn
from tests.model.test_base_download import SMALL, TOKEN, WEIGHTS

BASE = known_base("qwen2.5-3b-instruct")
SCRIPT = PROGRAM_DIR / "scripts" / "download_base.py"


@pytest.fixture
def hub() -> Iterator[HubStandIn]:
    """Has the demo base under the name of a real one, at the commit that is pinned."""
    with HubStandIn(WEIGHTS, BASE.repository, "model.safetensors", SMALL) as stand_in:
        stand_in.commit = BASE.revision
        stand_in.knows = {BASE.revision}
        yield stand_in


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def command(home: Home, *arguments: str) -> list[str]:
    return [sys.executable, str(SCRIPT), *arguments, "--home", str(home.root)]


def environment(hub: HubStandIn, token: str = TOKEN) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "MYNAH_"))}
    return {**kept, "HF_ENDPOINT": hub.endpoint, "HF_TOKEN": token, "PYTHONUTF8": "1"}


def run(
    home: Home, hub: HubStandIn, *arguments: str, token: str = TOKEN
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(home, *arguments),
        env=environment(hub, token),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert TOKEN not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_list_says_what_each_would_mean(home: Home, hub: HubStandIn) -> None:
    answer = json.loads(run(home, hub, "list", "--json").stdout)
    rows = {row["base"]: row for row in answer["bases"]}
    assert list(rows) == [base.base_id for base in BASES]
    assert all(
        row["licence"] and row["licence_url"].startswith("https://") for row in rows.values()
    )
    assert rows["llama-3.2-3b-instruct"]["must_be_accepted"]
    assert rows["llama-3.2-3b-instruct"]["needs_token"]
    assert not rows["qwen2.5-1.5b-instruct"]["must_be_accepted"]
    # What the profile's card of 8 GB has room for.
    assert 2e9 < rows["qwen2.5-3b-instruct"]["training_bytes"] < 8e9
    assert answer["demo_base"]["path"] == str(DEMO_BASE_DIR)
    assert hub.requests == []


def test_a_kill_loses_nothing_and_the_same_command_goes_on(home: Home, hub: HubStandIn) -> None:
    refused = run(home, hub, "get", BASE.base_id)
    assert refused.returncode == 2
    assert "Qwen Research" in refused.stderr
    assert "--accept-licence" in refused.stderr

    hub.piece_s = 0.02
    get = command(home, "get", BASE.base_id, "--accept-licence", "--events")
    with subprocess.Popen(
        get, env=environment(hub), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("{") and json.loads(line).get("step", 0) > len(WEIGHTS) // 5:
                running.kill()
                break
    hub.piece_s = 0.0
    hub.requests.clear()
    done = run(home, hub, "get", BASE.base_id, "--json", "--events")
    assert done.returncode == 0, done.stderr
    [asked] = hub.sent("cdn", "range")
    assert int(asked.removeprefix("bytes=").rstrip("-")) > 0
    told = lines_of(done.stdout)
    assert [told[0]["event"], told[-2]["event"]] == ["begin", "end"]
    assert told[-3]["step"] == told[-3]["steps"]
    result = told[-1]
    assert (result["base"], result["revision"], result["made"]) == (
        BASE.base_id,
        BASE.revision,
        True,
    )
    assert find_base(BASE.base_id, home) == Path(result["path"])
    verify_manifest(Path(result["path"]))
    again = lines_of(run(home, hub, "get", BASE.base_id, "--json").stdout)
    assert [one["made"] for one in again] == [False]


def test_a_gated_base_and_an_unknown_one_are_sentences(home: Home, hub: HubStandIn) -> None:
    gated = run(home, hub, "get", "gemma-3-1b-it", "--accept-licence", token="")
    assert gated.returncode == 2
    assert "HF_TOKEN" in gated.stderr
    unknown = run(home, hub, "get", "gpt-5")
    assert unknown.returncode == 2
    assert "Known are: demo-base, qwen2.5-3b-instruct" in unknown.stderr
