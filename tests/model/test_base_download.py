"""base_download: a base comes whole through cuts and kills, by its hashes, licence first."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from model.base_check import check_base
from model.base_download import BaseDownload, LicenceError
from model.base_models import BaseModel, NoSuchBaseError, find_base, known_base
from model.base_shape import read
from model.download import Download, NoSpaceError, OnProgress, StoppedError, WrongHashError
from model.hub import Hub, Source
from model.web import ConnectionLostError, DownloadError
from storage.manifest import read_manifest, verify_manifest
from storage.paths import DEMO_BASE_DIR, Home
from tests.model.hub_stand_in import COMMIT, HubStandIn

TOKEN = "hf_planted_token"
WEIGHTS = (DEMO_BASE_DIR / "model.safetensors").read_bytes()
SMALL = {
    name: (DEMO_BASE_DIR / name).read_bytes()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json")
}
BASE = BaseModel(
    "small", "Small", "someone/Small", "", "Apache 2.0", "https://x.org", read(DEMO_BASE_DIR)
)


@pytest.fixture
def hub() -> Iterator[HubStandIn]:
    small = {
        **SMALL,
        "original/consolidated.00.pth": b"not wanted",
        "pytorch_model.bin": b"nor this",
    }
    with HubStandIn(WEIGHTS, BASE.repository, "model.safetensors", small) as stand_in:
        yield stand_in


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


def patient(source: Source, part: Path, on_progress: OnProgress) -> Download:
    return Download(source, part, on_progress=on_progress, timeout_s=5.0, waits_s=(0.0,) * 3)


def getting(hub: HubStandIn, home: Home, base: BaseModel = BASE, **more: object) -> BaseDownload:
    asked = Hub(hub.endpoint, TOKEN, timeout_s=5.0, waits_s=(0.0, 0.0))
    options: dict[str, object] = {"make": patient, **more}
    return BaseDownload(base, home, asked, **options)  # type: ignore[arg-type]


def test_a_base_comes_with_what_belongs_to_it_and_nothing_else(hub: HubStandIn, home: Home) -> None:
    said: list[tuple[int, int]] = []
    download = getting(hub, home, on_progress=lambda done, total: said.append((done, total)))
    assert download.run()
    manifest = verify_manifest(download.folder)
    assert set(manifest.files) == {*SMALL, "model.safetensors"}
    assert manifest.files["model.safetensors"].sha256 == hub.sha256
    assert manifest.config["revision"] == COMMIT
    assert (manifest.config["repository"], manifest.config["licence"]) == (
        "someone/Small",
        "Apache 2.0",
    )
    assert check_base(download.folder).layout.name == "chatml/1"
    total = len(WEIGHTS) + sum(map(len, SMALL.values()))
    assert said[-1] == (total, total)
    assert said == sorted(said)
    assert sorted(path.name for path in download.folder.parent.iterdir()) in (
        [".small.lock", "small"],
        ["small"],
    )
    assert not download.run(), "it is there already"
    # The token goes to the hub, and never to where it sends one on to.
    assert set(hub.sent("cdn", "authorization")) == {""}


def test_it_goes_on_at_any_byte(hub: HubStandIn, home: Home) -> None:
    """Cut off again and again, by the network and by whoever stops it: no byte comes twice."""
    chance = random.Random(3)
    download = getting(hub, home)
    while not download.is_there:
        hub.cuts = [chance.randrange(1, len(WEIGHTS) // 3), 0, 0, 0, 0, 0]
        with pytest.raises(ConnectionLostError, match="kept"):
            download.run()
        hub.cuts = []
        if download.part_bytes > len(WEIGHTS) // 2:
            assert download.run()
    asked = [
        int(value.removeprefix("bytes=").rstrip("-") or 0) for value in hub.sent("cdn", "range")
    ]
    assert asked == sorted(asked)
    assert len(set(asked)) > 2
    verify_manifest(download.folder)


def test_whoever_stops_it_loses_nothing(hub: HubStandIn, home: Home) -> None:
    stop = threading.Event()

    def stopping(source: Source, part: Path, on_progress: OnProgress) -> Download:
        def told(done: int, total: int) -> None:
            on_progress(done, total)
            if done > len(WEIGHTS) // 2:
                stop.set()

        return Download(source, part, on_progress=told, stop=stop, waits_s=(0.0,))

    download = getting(hub, home, make=stopping)
    with pytest.raises(StoppedError):
        download.run()
    assert download.part_bytes > len(WEIGHTS) // 2
    hub.requests.clear()
    assert getting(hub, home).run()
    [begin] = hub.sent("cdn", "range")
    assert int(begin.removeprefix("bytes=").rstrip("-")) > len(WEIGHTS) // 2
    assert not [path for _, path, _ in hub.requests if path.endswith("config.json")]


def test_the_commit_that_was_begun_with_is_kept(hub: HubStandIn, home: Home) -> None:
    hub.cuts = [5, 0, 0, 0, 0]
    with pytest.raises(ConnectionLostError):
        getting(hub, home).run()
    hub.cuts, hub.knows = [], {COMMIT}  # main is another commit by now
    assert getting(hub, home).run()
    pinned = replace(BASE, base_id="other", revision="1" * 40)
    with pytest.raises(DownloadError, match="404"):
        getting(hub, home, pinned).run()
    hub.knows.add(pinned.revision)
    with pytest.raises(DownloadError, match="another commit of someone/Small"):
        getting(hub, home, pinned).run()


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_what_has_another_hash_is_refused(hub: HubStandIn, home: Home, name: str) -> None:
    if name == "model.safetensors":
        hub.payload = WEIGHTS[:-1] + bytes([WEIGHTS[-1] ^ 1])
        expected: type[DownloadError] = WrongHashError
    else:
        hub.broken_small.add(name)
        expected = DownloadError
    download = getting(hub, home)
    with pytest.raises(expected, match=r"hash|SHA-256"):
        download.run()
    assert not download.is_there
    hub.payload = WEIGHTS
    hub.broken_small.clear()
    assert download.run()


def test_a_licence_with_conditions_is_accepted_once(hub: HubStandIn, home: Home) -> None:
    base = replace(BASE, is_open=False, licence="Llama 3.2 Community License")
    with pytest.raises(LicenceError, match=r"Llama 3\.2 Community.*x\.org.*--accept-licence"):
        getting(hub, home, base).run()
    assert hub.requests == []
    hub.cuts = [5, 0, 0, 0, 0]
    with pytest.raises(ConnectionLostError):
        getting(hub, home, base).run(accept_licence=True)
    hub.cuts = []
    download = getting(hub, home, base)
    assert download.run()
    manifest = read_manifest(download.folder)
    assert manifest is not None
    kept = json.loads((download.folder.parent / "accepted_licences.json").read_text("utf-8"))
    assert kept["small"]["accepted_at_ms"] == manifest.config["licence_accepted_at_ms"] > 0


def test_a_gated_base_says_how_to_get_a_token(hub: HubStandIn, home: Home) -> None:
    base = replace(BASE, is_gated=True)
    without = BaseDownload(base, home, Hub(hub.endpoint))
    with pytest.raises(LicenceError, match=r"someone/Small.*HF_TOKEN"):
        without.run()
    assert hub.requests == []
    assert getting(hub, home, base).run()


def test_a_full_disk_is_said_before_anything_comes(hub: HubStandIn, home: Home) -> None:
    with pytest.raises(NoSpaceError, match=r"12 MB free.*needed"):
        getting(hub, home, free=lambda folder: 12_000_000).run()
    assert hub.sent("cdn", "range") == []


def test_a_repository_without_a_base_is_refused(hub: HubStandIn, home: Home) -> None:
    del hub.small["tokenizer.json"]
    with pytest.raises(DownloadError, match="no base that can be trained"):
        getting(hub, home).run()


def test_bases_are_found_by_name_and_by_path(home: Home, tmp_path: Path) -> None:
    assert find_base("demo-base", home) == DEMO_BASE_DIR
    assert find_base(tmp_path, home) == tmp_path
    wanted = r"has not been downloaded.*get qwen2\.5-3b-instruct --accept-licence"
    with pytest.raises(NoSuchBaseError, match=wanted):
        find_base("qwen2.5-3b-instruct", home)
    with pytest.raises(NoSuchBaseError, match=r'no base "gpt-5".*demo-base, qwen2\.5-3b-instruct'):
        find_base("gpt-5", home)


@pytest.mark.parametrize(
    ("base_id", "parameters"),
    [
        ("qwen2.5-0.5b-instruct", 494_032_768),
        ("qwen2.5-1.5b-instruct", 1_543_714_304),
        ("qwen2.5-3b-instruct", 3_085_938_688),
        ("qwen3-4b-instruct-2507", 4_022_468_096),
        ("llama-3.2-3b-instruct", 3_212_749_824),
        ("gemma-3-1b-it", 999_885_952),
    ],
)
def test_the_figures_are_those_that_are_published(base_id: str, parameters: int) -> None:
    assert known_base(base_id).parameters == parameters
