"""download, hub, downloaded: a model comes whole through every fault, or not at all."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.catalogue import CatalogueModel
from model.download import Download, NoSpaceError, StoppedError, WrongHashError
from model.downloaded import BusyError, Downloaded, wanted_of, wanted_of_url
from model.gguf_check import GgufError
from model.hub import Hub, Source
from model.web import ConnectionLostError, DownloadError, NotThereError, lost, shown
from storage.database import Database
from storage.manifest import read_manifest
from storage.model_registry import ModelRegistry, RegistryError
from storage.paths import DEMO_BASE_DIR, Home
from tests.model.hub_stand_in import COMMIT, HubStandIn

PAYLOAD = next(DEMO_BASE_DIR.glob("*.gguf")).read_bytes()
TOKEN = "hf_planted_token"
MODEL = CatalogueModel(
    "small",
    "Small",
    "Apache 2.0",
    "",
    "someone/Small-GGUF",
    "small-q4_k_m.gguf",
    size_bytes=len(PAYLOAD),
    parameters=6_000_000,
    context_tokens=2048,
    layers=4,
    kv_heads=2,
    head_size=64,
)


@pytest.fixture
def hub() -> Iterator[HubStandIn]:
    with HubStandIn(PAYLOAD, MODEL.repository, MODEL.file) as stand_in:
        yield stand_in


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / ".small.part"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def downloaded(home: Home) -> Iterator[Downloaded]:
    with Database.open(home.database) as database:
        yield Downloaded(home, ModelRegistry(database, home))


def source(hub: HubStandIn, **values: object) -> Source:
    return Source(f"{hub.cdn}/blob", hub.sha256, **values)  # type: ignore[arg-type]


def download(found: Source, part: Path, **values: object) -> Download:
    options: dict[str, object] = {"timeout_s": 5.0, "waits_s": (0.0,) * 6, **values}
    return Download(found, part, **options)  # type: ignore[arg-type]


def asked(hub: HubStandIn) -> Hub:
    return Hub(hub.endpoint, TOKEN, timeout_s=5.0, waits_s=(0.0, 0.0))


# -- one file -------------------------------------------------------------------------------------


def test_it_comes_whole_and_says_how_far_it_is(hub: HubStandIn, part: Path) -> None:
    seen: list[tuple[int, int]] = []
    download(source(hub), part, on_progress=lambda *far: seen.append(far)).run()
    assert part.read_bytes() == PAYLOAD
    assert seen[0] == (0, 0)
    assert seen[-1] == (len(PAYLOAD), len(PAYLOAD))
    assert seen == sorted(seen)


def test_a_cut_connection_is_taken_up_where_it_was(hub: HubStandIn, part: Path) -> None:
    hub.cuts = [300_000, 1, 500_000]
    download(source(hub), part).run()
    assert part.read_bytes() == PAYLOAD
    assert hub.sent("cdn", "range") == ["", "bytes=300000-", "bytes=300001-", "bytes=800001-"]
    assert hub.sent("cdn", "if-range") == ["", *['"first"'] * 3]


def test_another_process_goes_on_and_hashes_what_is_there(hub: HubStandIn, part: Path) -> None:
    hub.cuts = [400_000]
    with pytest.raises(ConnectionLostError, match="are kept; start again to go on"):
        download(source(hub), part, waits_s=()).run()
    assert part.stat().st_size == 400_000
    seen: list[int] = []
    download(source(hub), part, on_progress=lambda done, total: seen.append(done)).run()
    assert seen[0] == 400_000
    assert part.read_bytes() == PAYLOAD
    assert hub.sent("cdn", "range") == ["", "bytes=400000-"]


def test_a_file_that_changed_on_the_server_is_fetched_anew(hub: HubStandIn, part: Path) -> None:
    hub.cuts = [400_000]
    with pytest.raises(ConnectionLostError):
        download(source(hub), part, waits_s=()).run()
    hub.etag = '"second"'
    download(source(hub), part).run()
    assert part.read_bytes() == PAYLOAD


def test_a_server_without_ranges_sends_all_of_it_again(hub: HubStandIn, part: Path) -> None:
    hub.cuts, hub.honours_ranges = [400_000], False
    download(source(hub), part).run()
    assert part.read_bytes() == PAYLOAD


def test_the_part_of_another_file_is_not_gone_on_with(hub: HubStandIn, part: Path) -> None:
    hub.cuts = [400_000]
    with pytest.raises(ConnectionLostError):
        download(Source(f"{hub.cdn}/blob", "0" * 64), part, waits_s=()).run()
    download(source(hub), part).run()
    assert hub.sent("cdn", "range") == ["", ""]


def test_a_part_that_is_too_long_is_begun_again(hub: HubStandIn, part: Path) -> None:
    hub.cuts = [400_000]
    with pytest.raises(ConnectionLostError):
        download(source(hub), part, waits_s=()).run()
    part.write_bytes(PAYLOAD + b"more")  # 416
    download(source(hub), part).run()
    assert part.read_bytes() == PAYLOAD


def test_a_whole_part_needs_no_network(hub: HubStandIn, part: Path) -> None:
    download(source(hub, size_bytes=len(PAYLOAD)), part).run()
    hub.requests.clear()
    download(source(hub, size_bytes=len(PAYLOAD)), part).run()
    assert hub.requests == []


def test_a_wrong_hash_removes_the_part(hub: HubStandIn, part: Path) -> None:
    wrong = Source(f"{hub.cdn}/blob?signature=secret-signature", "0" * 64)
    with pytest.raises(WrongHashError, match="It was removed") as caught:
        download(wrong, part).run()
    assert "secret" not in str(caught.value)
    assert list(part.parent.glob(".small*")) == []


def test_a_damaged_part_never_becomes_a_model(hub: HubStandIn, part: Path) -> None:
    hub.cuts = [400_000]
    with pytest.raises(ConnectionLostError):
        download(source(hub), part, waits_s=()).run()
    part.write_bytes(b"x" * 400_000)
    with pytest.raises(WrongHashError):
        download(source(hub), part).run()
    download(source(hub), part).run()
    assert part.read_bytes() == PAYLOAD


def test_busy_servers_are_asked_again_and_refusals_are_not(hub: HubStandIn, part: Path) -> None:
    hub.statuses = [503, 429]
    download(source(hub), part).run()
    assert len(hub.requests) == 3
    hub.statuses = [403]
    with pytest.raises(DownloadError, match="HF_TOKEN"):
        download(source(hub), part.with_name("other.part")).run()
    assert len(hub.requests) == 4


def test_a_silent_server_is_given_up_in_time(hub: HubStandIn, part: Path) -> None:
    hub.silent_s = 1.0
    with pytest.raises(ConnectionLostError, match="did not answer in time"):
        download(source(hub), part, timeout_s=0.2, waits_s=(0.0,)).run()


def test_no_network_is_a_sentence(part: Path) -> None:
    nobody = Source("http://127.0.0.1:9/model.gguf", "0" * 64)
    with pytest.raises(ConnectionLostError, match=r"cannot be reached.*Check the network"):
        download(nobody, part).run()


def test_a_full_disk_is_said_before_a_byte_is_written(hub: HubStandIn, part: Path) -> None:
    with pytest.raises(NoSpaceError, match="Make room, then start again"):
        download(source(hub), part, free=lambda folder: 100_000_000).run()
    assert not part.exists()


def test_a_file_of_another_size_is_refused(hub: HubStandIn, part: Path) -> None:
    with pytest.raises(DownloadError, match="it is another file"):
        download(source(hub, size_bytes=7_000_000_000), part, free=lambda folder: 10**12).run()


def test_stopping_keeps_what_has_come(hub: HubStandIn, part: Path) -> None:
    stop = threading.Event()
    hub.piece_s = 0.01
    timer = threading.Timer(0.15, stop.set)
    timer.start()
    with pytest.raises(StoppedError, match="are kept"):
        download(source(hub), part, stop=stop).run()
    kept = part.stat().st_size
    assert 0 < kept < len(PAYLOAD)
    hub.piece_s = 0.0
    download(source(hub), part).run()
    assert hub.sent("cdn", "range")[-1] == f"bytes={kept}-"


def test_stopping_ends_a_wait_for_the_network(part: Path) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    began_s = time.monotonic()
    nobody = Source("http://127.0.0.1:9/model.gguf", "0" * 64)
    with pytest.raises(StoppedError):
        download(nobody, part, stop=stop, waits_s=(60.0,)).run()
    assert time.monotonic() - began_s < 10


# -- the hub --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["sha256", "oid"])
def test_the_hub_is_asked_for_the_commit_and_the_hash(hub: HubStandIn, key: str) -> None:
    hub.hash_key = key
    found = asked(hub).find(MODEL)
    assert found.url == f"{hub.endpoint}/{MODEL.repository}/resolve/{COMMIT}/{MODEL.file}"
    assert (found.sha256, found.size_bytes, found.revision) == (hub.sha256, len(PAYLOAD), COMMIT)


def test_the_token_goes_to_the_hub_and_not_to_where_it_leads(
    hub: HubStandIn, part: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = asked(hub).find(MODEL)
    download(found, part).run()
    assert hub.sent("hub", "authorization") == [f"Bearer {TOKEN}"] * 2
    assert hub.sent("cdn", "authorization") == [""]
    assert TOKEN not in repr(found)
    assert "secret" not in repr(Source("http://127.0.0.1/a?signature=secret", ""))
    assert asked(hub).token_for(f"{hub.endpoint}/x") == TOKEN
    assert asked(hub).token_for(f"{hub.cdn}/x") == ""


def test_a_range_is_asked_of_the_cdn_again_through_the_hub(hub: HubStandIn, part: Path) -> None:
    hub.cuts = [400_000]
    download(asked(hub).find(MODEL), part).run()
    assert part.read_bytes() == PAYLOAD
    assert hub.sent("cdn", "range") == ["", "bytes=400000-"]
    assert len([path for name, path, _ in hub.requests if "/resolve/" in path]) == 2


def pinned(**values: object) -> CatalogueModel:
    return CatalogueModel(**{**vars(MODEL), **values})


def test_what_the_catalogue_pins_counts_more_than_the_hub(hub: HubStandIn) -> None:
    with pytest.raises(DownloadError, match=r"another small-q4_k_m\.gguf than the catalogue names"):
        asked(hub).find(pinned(sha256="0" * 64))
    hub.hash_key = None
    assert asked(hub).find(pinned(sha256="1" * 64)).sha256 == "1" * 64
    with pytest.raises(DownloadError, match="nothing could be verified"):
        asked(hub).find(MODEL)


def test_a_pinned_revision_that_is_gone_is_looked_for_at_main(hub: HubStandIn) -> None:
    assert asked(hub).find(pinned(revision="f" * 40, sha256=hub.sha256)).revision == COMMIT
    with pytest.raises(NotThereError):
        asked(hub).find(pinned(revision="f" * 40))


def test_a_repository_without_the_file_or_an_answer_of_somebody_else(hub: HubStandIn) -> None:
    with pytest.raises(DownloadError, match=r"has no gone\.gguf any more"):
        asked(hub).find(pinned(file="gone.gguf"))
    with pytest.raises(NotThereError):
        Hub(f"{hub.endpoint}/x/", waits_s=()).find(MODEL)
    with pytest.raises(DownloadError, match="does not answer as the hub does"):
        Hub(hub.cdn, waits_s=()).find(MODEL)  # a file where JSON should be
    with pytest.raises(DownloadError, match="HF_ENDPOINT"):
        Hub("ftp://127.0.0.1")


def test_a_busy_hub_is_asked_again(hub: HubStandIn) -> None:
    hub.metadata_statuses = [503, 503]
    assert asked(hub).find(MODEL).sha256 == hub.sha256
    hub.metadata_statuses = [503, 503, 503]
    with pytest.raises(ConnectionLostError, match="status 503"):
        asked(hub).find(MODEL)


def test_the_environment_names_a_mirror() -> None:
    hub = Hub.of_environment({"HF_ENDPOINT": "http://127.0.0.1:80/", "HF_TOKEN": TOKEN})
    assert hub.endpoint == "http://127.0.0.1:80"
    assert Hub.of_environment({"HF_ENDPOINT": ""}).endpoint.startswith("https://")


def test_addresses_are_shown_without_what_is_secret() -> None:
    assert shown("https://me:pw@example.org:80/a?token=1#x") == "https://example.org:80/a"
    assert "in time" in str(lost("http://example.org", TimeoutError()))


# -- a home ---------------------------------------------------------------------------------------


def test_a_model_is_put_into_place_and_registered(
    hub: HubStandIn, downloaded: Downloaded, home: Home
) -> None:
    found, wanted = asked(hub).find(MODEL), wanted_of(MODEL)
    assert downloaded.keep(wanted) is None
    version = downloaded.get(wanted, found, download)
    assert (version.version_id, version.kind, version.status) == ("small", "base", "candidate")
    path = home.absolute(version.gguf_path)
    assert path.read_bytes() == PAYLOAD
    manifest = read_manifest(path.parent)
    assert manifest is not None
    assert manifest.config["revision"] == COMMIT
    assert manifest.config["sha256"] == hub.sha256
    assert TOKEN not in (path.parent / "manifest.json").read_text()
    assert list(downloaded.folder.glob("*.part*")) == []
    assert downloaded.find("small") == path
    hub.requests.clear()
    assert downloaded.keep(wanted) == version
    assert downloaded.get(wanted, found, download) == version
    assert hub.requests == []


def test_what_is_there_is_taken_without_links_too(
    hub: HubStandIn, downloaded: Downloaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError("this disk knows no links")

    monkeypatch.setattr("os.link", no_links)
    version = downloaded.get(wanted_of(MODEL), asked(hub).find(MODEL), download)
    assert version.sha256 == hub.sha256


def test_another_file_under_the_same_name_gets_a_name_of_its_own(
    hub: HubStandIn, downloaded: Downloaded
) -> None:
    first = downloaded.get(wanted_of(MODEL), asked(hub).find(MODEL), download)
    hub.payload = PAYLOAD + b"\0" * 64
    hub.sha256 = hashlib.sha256(hub.payload).hexdigest()
    second = downloaded.get(wanted_of(MODEL), asked(hub).find(MODEL), download)
    assert second.version_id == f"small-{hub.sha256[:8]}"
    assert first.sha256 != second.sha256


def test_what_is_no_model_is_not_kept(hub: HubStandIn, downloaded: Downloaded) -> None:
    hub.payload = b"GGUF but no more" * 100
    hub.sha256 = hashlib.sha256(hub.payload).hexdigest()
    with pytest.raises(GgufError):
        downloaded.get(wanted_of(MODEL), asked(hub).find(MODEL), download)
    assert [p for p in downloaded.folder.iterdir() if not p.name.endswith(".lock")] == []
    with pytest.raises(RegistryError):
        downloaded._registry.get("small")


def test_a_model_of_another_layout_stays_and_is_not_registered(
    hub: HubStandIn, downloaded: Downloaded, embedder_gguf: Path
) -> None:
    hub.payload = embedder_gguf.read_bytes()
    hub.sha256 = hashlib.sha256(hub.payload).hexdigest()
    with pytest.raises(DownloadError, match="set model_url"):
        downloaded.get(wanted_of(MODEL), asked(hub).find(MODEL), download)
    path = downloaded.find("small")
    assert path is not None
    assert path.read_bytes() == hub.payload
    with pytest.raises(RegistryError):
        downloaded._registry.get("small")


def test_two_at_once_do_not_meet(
    hub: HubStandIn, downloaded: Downloaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.downloaded.LOCK_S", 0.1)
    downloaded.folder.mkdir(parents=True)
    with downloaded._locked("small"), pytest.raises(BusyError, match="already"):
        downloaded.get(wanted_of(MODEL), asked(hub).find(MODEL), download)


def test_any_other_address_gets_a_name() -> None:
    wanted = wanted_of_url("https://example.org/a/My%20Model_Q4.GGUF?download=true")
    assert (wanted.model_id, wanted.file) == ("my-20model-q4", "my-20model-q4.gguf")
    assert wanted_of_url("https://example.org/", "Mine!").model_id == "mine"
    with pytest.raises(DownloadError, match="--name"):
        wanted_of_url("https://example.org/")
