"""A set goes to another home, is trained there, and the model comes back and answers; and what
is refused on the way."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from data import carried
from data.backup_archive import BackupDamagedError
from data.bundle import MANIFEST, BundleError, read_bundle
from data.carried import Checked
from data.consent import ConsentError, check_dataset_may_train
from data.dataset import DatasetOptions, make_dataset
from data.forgetting import forget_member
from data.packing import pack_dataset, pack_model
from data.personas import PersonaText
from data.unpacking import Unpacked, unpack
from data.windows import WindowOptions
from model import forge, trained_on
from model.profile import Profile, load
from model.sampling import Sampling
from model.tokenizers import TransformersTokenizer
from scripts.over_ssh import Place, TransferError, fetch, send
from storage import manifest
from storage.database import Database
from storage.model_registry import ModelRegistry, RegistryError
from storage.paths import PROGRAM_DIR, Home
from storage.records import FIRST_SNOWFLAKE, ModelVersion
from tests.data.talk import ID_OF, MEMBERS, history
from tests.model import tiny

NAME = "small"
BOB = FIRST_SNOWFLAKE + ID_OF["bob"]
VERSION = "small-20261121-200000"


@dataclass(frozen=True)
class Way:
    """Both homes and what went between them."""

    home: Home
    box: Home
    there: Path
    back: Path
    unpacked: Unpacked
    profile: Profile


@contextmanager
def opened(home: Home) -> Iterator[Database]:
    with Database.open(home.database, backups=home.backups) as database:
        yield database


def copied(home: Home, to: Path) -> Home:
    shutil.copytree(home.root, to)
    return Home(to)


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Way:
    """Home -> box: the set and the base. There it is trained; box -> home: see `back`."""
    from transformers import AutoTokenizer

    base = tiny.tiny_model_dir(tiny.session_folder())
    root = tmp_path_factory.mktemp("way")
    home, box = Home(root / "home").ensure(), Home(root / "box").ensure()
    profile = load("demo").with_(
        lora={"r": 4, "alpha": 8}, sft={"max_tokens": 4_000}, max_length=128, base=str(base)
    )
    with opened(home) as database:
        said(database)
        tokenizer = TransformersTokenizer(AutoTokenizer.from_pretrained(base))
        options = DatasetOptions(WindowOptions(max_tokens=128))
        persona = PersonaText("Mynah", "You are Mynah.")
        make_dataset(database, home.datasets / NAME, tokenizer, persona, options)
        there, _ = pack_dataset(home, database, NAME, profile, with_base=True)
    with opened(box) as database:
        unpacked = unpack(there, box, database)
        assert unpacked.profile is not None
        trained(box, database, load(str(unpacked.profile)))
        (box.logs / "training" / NAME).mkdir(parents=True)
        (box.logs / "training" / NAME / "events.jsonl").write_text('{"step": 1}\n')
        report = box.data_storage / "evaluations" / VERSION
        report.mkdir(parents=True)
        (report / "report.html").write_text("<p>somebody said this</p>")
        line = {"context": ["hi"], "reply": "soup", "source_ids": [BOB], "author": BOB}
        (report / "replies.jsonl").write_text(json.dumps(line) + "\n")
        ModelRegistry(database, box).record_evaluation(
            VERSION, "personality", score=88.0, needed=50.0, passed=True, figures={"auc": 0.6},
            report=str(report / "report.html"),
        )  # fmt: skip
        back, _ = pack_model(box, database, VERSION)
    return Way(home, box, there, back, unpacked, profile)


def said(database: Database) -> None:
    """A small community's talk, under ids that Discord could have given."""

    def of(number: int) -> int:
        return FIRST_SNOWFLAKE + number

    records, channels = history(300)
    database.upsert_members([replace(one, member_id=of(one.member_id)) for one in MEMBERS])
    database.upsert_channels(channels)
    database.upsert_messages(
        replace(
            one,
            message_id=of(one.message_id),
            author_id=of(one.author_id),
            reply_to_id=None if one.reply_to_id is None else of(one.reply_to_id),
        )
        for one in records
    )


def trained(box: Home, database: Database, profile: Profile) -> None:
    """What script 3 does there."""
    run, dataset, base = forge.Run.at(box, NAME), box.datasets / NAME, Path(profile.base)
    check_dataset_may_train(dataset, database)
    forge.train(run, base, dataset, profile, limit=16)
    forge.merge(run, base)
    assert forge.export_gguf(run, base, dataset) == (run, True)
    made = manifest.verify_manifest(run.gguf_dir)
    assert made.counts["nll_adapter"] == pytest.approx(made.counts["nll_merged"], rel=0.02)
    file = made.files[run.gguf.name]
    version = ModelVersion(
        VERSION, "tuned", "candidate", box.relative(run.gguf), file.sha256, file.size_bytes,
        made.created_at_ms, base="tiny-hf", profile="demo", deploy_at=50.0,
        dataset_sha256=manifest.content_hash(dataset, manifest.ADDED_LATER),
    )  # fmt: skip
    ModelRegistry(database, box).register(version)


def test_trained_in_one_home_and_answering_in_another(way: Way, tmp_path: Path) -> None:
    from model.inference import Engine

    home = copied(way.home, tmp_path / "home")
    with opened(home) as database:
        done = unpack(way.back, home, database)
        registry = ModelRegistry(database, home)
        version = registry.verify(VERSION)
        with opened(way.box) as theirs:
            other = ModelRegistry(theirs, way.box).get(VERSION)
        assert done.version == version == replace(other, status="candidate")
        assert version.dataset_sha256 == manifest.content_hash(
            home.datasets / NAME, manifest.ADDED_LATER
        )
        [judged] = registry.evaluations(VERSION)
        assert (judged.score, (home.root / judged.report).is_file()) == (88.0, True)
        assert (home.checkpoints / NAME / "adapter_model.safetensors").is_file()
        assert (home.logs / "training" / NAME / "events.jsonl").is_file()
        registry.deploy(VERSION)
        engine = Engine.load(registry.path(version), context_tokens=256, threads=1)
        try:
            ids = engine.tokenizer.text_ids("anyone up for the raid")
            reply = engine.generate_blocking(ids, sampling=Sampling(max_tokens=8))
        finally:
            engine.close()
        assert reply.reply_tokens > 0
        again = unpack(way.back, home, database)
        assert again.made == ()
        assert len(registry.evaluations(VERSION)) == 1


def test_what_goes_there(way: Way) -> None:
    bundle = read_bundle(way.there)
    assert bundle.folders == (f"data_storage/training/{NAME}", "models/bases/tiny-hf")
    assert stat.S_IMODE(way.there.stat().st_mode) == 0o600
    assert load(str(way.unpacked.profile)) == way.profile.with_(
        base=str(way.box.models / "bases" / "tiny-hf")
    )
    assert way.unpacked.remarks == ()


# -- the door -------------------------------------------------------------------------------------


def test_the_verdict_is_for_that_set_and_not_for_ever(way: Way, tmp_path: Path) -> None:
    box = copied(way.box, tmp_path / "box")
    folder = box.datasets / NAME
    checked = carried.read(folder)
    assert checked is not None
    with opened(box) as database:
        carried.write(folder, replace(checked, at_ms=checked.at_ms - 31 * 86_400_000))
        with pytest.raises(ConsentError, match="31 days ago"):
            check_dataset_may_train(folder, database)
        carried.write(folder, replace(checked, dataset_sha256="0" * 64))
        with pytest.raises(ConsentError, match="not the set that was checked"):
            check_dataset_may_train(folder, database)
        (folder / carried.NAME).unlink()
        with pytest.raises(ConsentError, match="not there any more"):
            check_dataset_may_train(folder, database)


def test_a_home_with_a_history_asks_that(way: Way, tmp_path: Path) -> None:
    home = copied(way.home, tmp_path / "home")
    carried.write(home.datasets / NAME, Checked.now(home.datasets / NAME))
    with opened(home) as database:
        forget_member(home, database, BOB, by="test")
        for path in (home.datasets / NAME).parent.iterdir():
            shutil.rmtree(path)
        with pytest.raises(ConsentError, match="not there any more"):
            unpack(way.there, home, database)
        assert list(home.datasets.iterdir()) == []
        with pytest.raises(BundleError, match="no training set"):
            pack_dataset(home, database, NAME, way.profile)


def test_who_was_forgotten_meanwhile_does_not_come_back(way: Way, tmp_path: Path) -> None:
    home = copied(way.home, tmp_path / "home")
    with opened(home) as database:
        forget_member(home, database, BOB, by="test")
        done = unpack(way.back, home, database)
        assert done.version is not None
        assert done.version.is_barred
        assert "train a new version" in done.remarks[-1]
        for path in home.models.rglob(trained_on.NAME):
            learned = trained_on.read(path.parent)
            assert learned is not None
            assert BOB not in learned.members
        report = home.data_storage / "evaluations" / VERSION
        assert not (report / "report.html").exists()
        folders = {p.name for p in home.finetuned.joinpath(NAME).iterdir()}
        unpack(way.back, home, database)
        assert {p.name for p in home.finetuned.joinpath(NAME).iterdir()} == folders


# -- what is refused ------------------------------------------------------------------------------


Table = dict[str, Any]
Change = Callable[[Table, dict[str, bytes]], object]


def rewritten(path: Path, to: Path, change: Change) -> Path:
    """A bundle with another table or other files; `change` gets both."""
    with zipfile.ZipFile(path) as archive:
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    table = json.loads(files.pop(MANIFEST))
    change(table, files)
    with zipfile.ZipFile(to, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(MANIFEST, json.dumps(table))
    return to


def moved(table: Table, files: dict[str, bytes], old: str, new: str) -> None:
    table["folders"] = [new if folder == old else folder for folder in table["folders"]]
    for name in [name for name in files if name.startswith(old)]:
        other = new + name[len(old) :]
        files[other] = files.pop(name)
        table["entries"][other] = table["entries"].pop(name)


def brought(table: Table, files: dict[str, bytes], name: str) -> None:
    """One file more, as the table says."""
    files[name] = b"evil"
    sha256 = hashlib.sha256(files[name]).hexdigest()
    table["entries"][name] = {"sha256": sha256, "size_bytes": len(files[name])}


def file_and_folder(table: Table, files: dict[str, bytes]) -> None:
    """Of one name where a system does not tell A from a."""
    brought(table, files, f"{SET}/a")
    brought(table, files, f"{SET}/A/b")


def without(table: Table, files: dict[str, bytes], folder: str) -> None:
    table["folders"].remove(folder)
    for name in [name for name in files if name.startswith(folder)]:
        files.pop(name)
        table["entries"].pop(name)


def brought_in(table: Table, files: dict[str, bytes], folder: str) -> None:
    table["folders"].append(folder)
    brought(table, files, f"{folder}/x")


SET = f"data_storage/training/{NAME}"
HOSTILE: dict[str, Change] = {
    "out of the home": lambda t, f: moved(t, f, SET, "data_storage/training/../../.."),
    "absolute": lambda t, f: moved(t, f, SET, "/etc"),
    "a drive": lambda t, f: moved(t, f, SET, "C:/training/x"),
    "beside a set": lambda t, f: moved(t, f, SET, "data_storage/database"),
    "hidden": lambda t, f: moved(t, f, SET, "data_storage/training/.x"),
    "more files": lambda t, f: f.update({f"{SET}/more.txt": b"x"}),
    "fewer files": lambda t, f: f.pop(f"{SET}/training_data.jsonl"),
    "a changed byte": lambda t, f: f.update(
        {f"{SET}/training_data.jsonl": f[f"{SET}/training_data.jsonl"].replace(b"a", b"b", 1)}
    ),
    "a bomb": lambda t, f: f.update({f"{SET}/training_data.jsonl": b"\0" * 10_000_000}),
    "another format": lambda t, f: t.update(format=0),
    "another kind": lambda t, f: t.update(kind="backup"),
    "no table": lambda t, f: t.clear(),
    "no profile": lambda t, f: t["facts"].pop("profile"),
    "from the root": lambda t, f: brought(t, f, f"{SET}/{Path.cwd().anchor}tmp/mynah-evil"),
    "a blank behind dots": lambda t, f: brought(t, f, f"{SET}/.. /x"),
    "a file and a folder": file_and_folder,
    "a set without a set": lambda t, f: without(t, f, SET),
    "a model in a set": lambda t, f: brought_in(t, f, "models/embedder"),
    "a time without end": lambda t, f: t.update(created_at_ms=float("inf")),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_bundle_is_not_believed(way: Way, tmp_path: Path, how: str) -> None:
    bad = rewritten(way.there, tmp_path / "bad.zip", HOSTILE[how])
    home = Home(tmp_path / "home").ensure()
    before = sorted(p for p in tmp_path.rglob("*") if p.is_file())
    with opened(home) as database:
        with pytest.raises(BackupDamagedError, match="damaged"):
            unpack(bad, home, database)
        assert not (home.datasets / NAME).exists()
        assert [p for p in home.datasets.rglob("*") if p.is_file()] == []
    outside = [p for p in tmp_path.rglob("*") if p.is_file() and home.root not in p.parents]
    assert outside == [p for p in before if home.root not in p.parents]


def test_one_of_a_newer_version_says_so(way: Way, tmp_path: Path) -> None:
    newer = rewritten(way.there, tmp_path / "newer.zip", lambda t, f: t.update(format=2))
    with pytest.raises(BundleError, match="newer version of Mynah"):
        read_bundle(newer)
    with pytest.raises(BundleError, match="There is no file"):
        read_bundle(tmp_path / "none.zip")


def as_version(**values: object) -> Change:
    return lambda table, files: table["facts"]["version"].update(values)


def as_judged(**values: object) -> Change:
    return lambda table, files: table["facts"]["evaluations"][0].update(values)


HOSTILE_MODELS: dict[str, Change] = {
    "a set in a model": lambda t, f: brought_in(t, f, "data_storage/training/x"),
    "a version out of the home": lambda t, f: (
        t.update(name="../x"), as_version(version_id="../x")(t, f)
    ),
    "a model elsewhere": lambda t, f: t["facts"].update(gguf="models/checkpoints/small/x"),
    "a bar of words": as_version(deploy_at="x"),
    "no time": as_version(created_at_ms="x"),
    "a base": as_version(kind="base"),
    "a score of words": as_judged(score="x"),
    "another judge": as_judged(kind="x"),
    "perhaps": as_judged(passed="no"),
}  # fmt: skip


@pytest.mark.parametrize("how", HOSTILE_MODELS)
def test_nor_is_one_of_a_model(way: Way, tmp_path: Path, how: str) -> None:
    bad = rewritten(way.back, tmp_path / "bad.zip", HOSTILE_MODELS[how])
    home = Home(tmp_path / "home").ensure()
    with opened(home) as database:
        with pytest.raises(BackupDamagedError, match="damaged"):
            unpack(bad, home, database)
        assert ModelRegistry(database, home).list() == []
    assert list(home.finetuned.iterdir()) == []


def test_a_verdict_counts_only_where_the_set_is_known(way: Way, tmp_path: Path) -> None:
    """Who was never given the set does not know its hash, and could write any score."""
    forged = rewritten(way.back, tmp_path / "forged.zip", as_version(deploy_at=None))
    for bundle, place in ((way.back, "home"), (forged, "other")):
        home = Home(tmp_path / place).ensure()
        with opened(home) as database:
            done, registry = unpack(bundle, home, database), ModelRegistry(database, home)
            assert registry.evaluations(VERSION) == ()
            assert [gate.state for gate in registry.gates(VERSION)] == ["missing", "missing"]
            assert "does not count here" in done.remarks[0]
            with pytest.raises(RegistryError, match="not judged yet"):
                registry.deploy(VERSION)
    home = copied(way.home, tmp_path / "own")
    shutil.rmtree(home.datasets / NAME)  # made anew since, or somebody deleted a message
    with opened(home) as database:
        done, registry = unpack(forged, home, database), ModelRegistry(database, home)
        assert done.version is not None
        assert done.version.deploy_at == 85.0
        assert registry.gates(VERSION)[0].state == "passed"


def test_what_it_learned_is_not_on_record(way: Way, tmp_path: Path) -> None:
    """Then it is taken for one that learned from whoever was forgotten."""

    def change(table: Table, files: dict[str, bytes]) -> None:
        for name in [name for name in files if name.endswith(trained_on.NAME)]:
            files.pop(name)
            table["entries"].pop(name)

    home = copied(way.home, tmp_path / "home")
    with opened(home) as database:
        forget_member(home, database, BOB, by="test")
        done = unpack(rewritten(way.back, tmp_path / "bad.zip", change), home, database)
        assert done.version is not None
        assert done.version.is_barred


def test_forgetting_takes_the_bundles_too(way: Way, tmp_path: Path) -> None:
    home = copied(way.home, tmp_path / "home")
    bundles = home.data_storage / "bundles"
    (bundles / f".{way.there.name}.part").write_bytes(b"of one that was killed")
    with opened(home) as database:
        report = forget_member(home, database, BOB, by="test")
    assert (list(bundles.iterdir()), report.is_done) == ([], True)


def test_packed_again_it_may_be_trained_on_for_longer(way: Way, tmp_path: Path) -> None:
    box = copied(way.box, tmp_path / "box")
    folder, profiles = box.datasets / NAME, box.data_storage / "profiles"
    checked = carried.read(folder)
    assert checked is not None
    carried.write(folder, replace(checked, at_ms=checked.at_ms - 31 * 86_400_000))
    [mine] = profiles.iterdir()
    mine.write_text("changed by hand")
    with opened(box) as database:
        done = unpack(way.there, box, database)
        check_dataset_may_train(folder, database)
        assert (done.made, carried.read(folder)) == ((), checked)
        assert mine.read_text() == "changed by hand"
        assert done.profile is not None
        assert load(str(done.profile)).name == "demo"
        older = rewritten(
            way.there, tmp_path / "older.zip",
            lambda t, f: t["facts"]["checked"].update(at_ms=checked.at_ms - 1),
        )  # fmt: skip
        unpack(older, box, database)
        assert carried.read(folder) == checked


def test_links_and_cut_zips_are_damaged(way: Way, tmp_path: Path) -> None:
    home = Home(tmp_path / "home").ensure()
    link = shutil.copy(way.there, tmp_path / "link.zip")
    with zipfile.ZipFile(link) as archive:
        files = {info: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(link, "w") as archive:
        for info, content in files.items():
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, content)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(way.there.read_bytes()[:-1000])
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w", zipfile.ZIP_BZIP2) as archive:
        for info, content in files.items():
            archive.writestr(info.filename, content)
    with opened(home) as database:
        for bad in (Path(link), cut, other):
            with pytest.raises(BackupDamagedError, match="damaged"):
                unpack(bad, home, database)


def test_nothing_is_written_over(way: Way, tmp_path: Path) -> None:
    home = Home(tmp_path / "home").ensure()
    (home.datasets / NAME).mkdir(parents=True)
    (home.datasets / NAME / "mine.txt").write_text("mine")
    left = home.datasets / f".{NAME}.making-999999999-0"  # of one that was killed
    left.mkdir()
    with opened(home) as database:
        done = unpack(way.there, home, database)
        assert done.dataset.startswith(f"{NAME}-")
        check_dataset_may_train(home.datasets / done.dataset, database)
        assert (home.datasets / NAME / "mine.txt").read_text() == "mine"
        assert unpack(way.there, home, database).made == ()
        registry = ModelRegistry(database, home)
        registry.register(
            ModelVersion(VERSION, "tuned", "candidate", "models/x.gguf", "f" * 64, 1, 1, "")
        )
        with pytest.raises(BundleError, match="another model's name"):
            unpack(way.back, home, database)
        assert not home.checkpoints.exists()
    with opened(way.box) as database, pytest.raises(BundleError, match="there already"):
        pack_model(way.box, database, VERSION, out=way.back)


# -- over ssh -------------------------------------------------------------------------------------


def test_addresses() -> None:
    assert Place.parse("ssh://me@box:2222/srv/in") == Place("me@box", "2222", "/srv/in")
    assert Place.parse("ssh://box/~/in") == Place("box", "", "in")
    for bad in ("box:/srv", "ssh://-oProxyCommand=x/y", "ssh://box", "ssh://a b/c", "http://x/y"):
        with pytest.raises(TransferError, match="ssh://user@host/path"):
            Place.parse(bad)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TransferError, match="ssh is not installed"):
        send(tmp_path / "x.zip", Place.parse("ssh://box/srv"))
    for program in ("ssh", "scp"):
        (tmp_path / program).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / program).chmod(0o755)
    with pytest.raises(TransferError, match="may not carry over"):
        send(tmp_path / "x.zip", Place.parse("ssh://box/srv/$(reboot)"))
    with pytest.raises(TransferError, match="could not be reached"):
        send(tmp_path / "x.zip", Place.parse("ssh://box/srv"))
    into = tmp_path / "into"
    into.mkdir(mode=0o755)
    for folder in ("ssh://box/srv/", "ssh://box/srv/..", "ssh://box/~/"):
        with pytest.raises(TransferError, match="names no file"):
            fetch(Place.parse(folder), into)
    assert stat.S_IMODE(into.stat().st_mode) == 0o755


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """A real server on loopback with keys of its own: its port, and the ssh that knows it."""
    server = shutil.which("sshd") or "/usr/sbin/sshd"
    if not Path(server).is_file() or shutil.which("rsync") is None:
        pytest.skip("openssh-server or rsync is not installed")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    for key in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / key)], check=True
        )
    port = free_port()
    (tmp_path / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path}/user.pub\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin yes\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n"
    )
    process = subprocess.Popen(
        [server, "-D", "-e", "-f", str(tmp_path / "sshd_config")], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "listening" in line:
            break
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{port} {(tmp_path / 'host.pub').read_text()}")
    yield port, f"ssh -F none -i {tmp_path}/user -o UserKnownHostsFile={known} -o BatchMode=yes"
    process.terminate()
    process.wait(timeout=30)
    process.stderr.close()


def free_port() -> int:
    import socket

    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
    return port


@pytest.mark.parametrize("with_rsync", [True, False])
def test_there_and_back_over_ssh(
    way: Way,
    tmp_path: Path,
    sshd: tuple[int, str],
    monkeypatch: pytest.MonkeyPatch,
    with_rsync: bool,
) -> None:
    port, command = sshd
    monkeypatch.setenv("RSYNC_RSH", command)
    which = shutil.which
    if not with_rsync:
        monkeypatch.setattr(shutil, "which", lambda n: None if n == "rsync" else which(n))
    there, here = tmp_path / "with space", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    address = f"ssh://127.0.0.1:{port}{there}"
    assert send(way.there, Place.parse(address)) == ("rsync" if with_rsync else "scp")
    sent = there / way.there.name
    assert sent.read_bytes() == way.there.read_bytes()
    assert stat.S_IMODE(sent.stat().st_mode) == 0o600
    (here / sent.name).write_bytes(way.there.read_bytes()[:5000])  # where it was cut off
    got = fetch(Place.parse(f"{address}/{sent.name}"), here)
    assert got.read_bytes() == way.there.read_bytes()
    with pytest.raises(TransferError, match="could not be reached, or has no"):
        send(way.there, Place.parse(f"{address}/nowhere/deeper"))


def test_the_script_packs_sends_and_unpacks(
    way: Way, tmp_path: Path, sshd: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, command = sshd
    monkeypatch.setenv("RSYNC_RSH", command)
    (tmp_path / "in").mkdir()
    profile = tmp_path / "p.yaml"
    profile.write_text(json.dumps(way.profile.model_dump(mode="json")))
    sent = script(
        *("pack", "--home", str(way.home.root), "--dataset", NAME, "--profile", str(profile)),
        *("--over", f"ssh://127.0.0.1:{port}{tmp_path}/in", "--json"),
    )
    assert "members' words" in sent.stderr
    assert f"Sent with rsync to ssh://127.0.0.1:{port}{tmp_path}/in" in sent.stderr
    [bundle] = (tmp_path / "in").glob("*.zip")
    box = Home(tmp_path / "box")
    taken = script(
        "unpack", "--over", f"ssh://127.0.0.1:{port}{bundle}", "--home", str(box.root), "--json"
    )
    result = json.loads(taken.stdout)
    assert result["dataset"] == NAME
    assert result["made"] == [f"data_storage/training/{NAME}"]
    assert "3_train_model.py" in taken.stderr
    with opened(box) as database:
        check_dataset_may_train(box.datasets / NAME, database)


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM_DIR / "scripts" / "bundle.py"), *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done
