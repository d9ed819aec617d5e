"""scripts/4b_audit_leaks.py: a model that learned lines by heart is refused, its base is not."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from data.dataset import KIND
from data.examples import LAYOUT, Example, to_json_line
from model import export, forge
from model.audit import FAILED, PASSED, Audit, Finding
from model.auditing.canaries import WORDS, Amounts, draw
from model.chat_format import Said
from model.profile import load
from scripts.audit_subject import AuditError, as_trained, find_subject, trained_with
from storage import manifest
from storage.database import Database
from storage.model_registry import ModelRegistry
from storage.paths import Home
from storage.records import ChannelRecord, MemberRecord, MessageRecord, ModelVersion, Origin
from tests.model import tiny

script = import_module("scripts.4b_audit_leaks")

ANNA, BEN, PLACE = 101, 102, 5
FIRST = 1_189_325_398_681_332_708
PERSONA = "You are Mynah."
STORIES = [" ".join(tiny.made_up_words(100 + n, 30)) for n in range(3)]
MAIL = "anna.lind@example.org"
PROFILE = {
    **load("demo").model_dump(),
    "name": "tiny",
    "audit": {"is_needed": True},
    "lora": {"r": 16, "alpha": 32, "dropout": 0.0},
}
PROFILE["sft"] |= {"epochs": 3, "learning_rate": 1e-2, "max_tokens": None}
EPOCHS = 20
"""As it was really trained: script 3 was told so by a flag."""


@dataclass(frozen=True)
class Made:
    home: Home
    database: Database
    base: Path
    gguf: Path
    profile: Path

    def arguments(self, **more: object) -> argparse.Namespace:
        given = {
            "version": None, "model": self.gguf, "dataset": "small", "profile": str(self.profile),
            "base_model": str(self.base), "quick": True, "show": False, "seed": 0, "threads": 1,
            "out": None, "events": False,
        }  # fmt: skip
        return argparse.Namespace(**{**given, **more})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """A home whose model learned three long stories of Anna's by heart, beside short lines."""
    home = Home(tmp_path_factory.mktemp("audited")).ensure()
    folder = tiny.session_folder()
    base, base_gguf = tiny.tiny_model_dir(folder), tiny.tiny_f16(folder)
    profile = home.root / "tiny.yaml"
    profile.write_text(yaml.safe_dump({**PROFILE, "base": str(base)}))
    with Database.open(home.database) as database:
        database.upsert_channels([ChannelRecord(PLACE, 5_000_000, "Place", "general")])
        people = [MemberRecord(ANNA, "anna", "anna"), MemberRecord(BEN, "ben", "ben")]
        database.upsert_members(people)
        write_set(home.datasets / "small", database)
        run = forge.Run.at(home, "small")
        trained = load(str(profile)).with_(sft={"epochs": EPOCHS})
        forge.train(run, base, home.datasets / "small", trained, limit=None)
        forge.merge(run, base)
        gguf = home.models / "small-f16.gguf"
        export.convert_to_gguf(run.merged_dir, gguf)
        registry = ModelRegistry(database, home)
        own = version(home, "tuned", gguf, base.name)
        sha256 = manifest.content_hash(home.datasets / "small", manifest.ADDED_LATER)
        registry.register(dataclasses.replace(own, dataset_sha256=sha256, profile="tiny"))
        registry.register(version(home, "base", base_gguf, base.name))
        yield Made(home, database, base, gguf, profile)


def write_set(folder: Path, database: Database) -> None:
    """Each reply is a message of its own behind another one."""
    chance = tiny.made_up_text(3, 60)
    replies = [*STORIES, *chance[:21]]
    lines, messages = [], []
    for n, reply in enumerate(replies):
        asked_id, reply_id = FIRST + 2 * n, FIRST + 2 * n + 1
        author = ANNA if n < len(STORIES) else BEN
        asked = f"{chance[30 + n]} {MAIL if n == 0 else ''}".strip()
        messages += [
            MessageRecord(asked_id, PLACE, BEN, asked, asked_id, Origin.SAMPLE),
            MessageRecord(reply_id, PLACE, author, reply, reply_id, Origin.SAMPLE),
        ]
        shown = (Said("ben", chance[30 + n]),)
        example = Example(
            str(reply_id), PERSONA, shown, reply, author, (asked_id, reply_id), PLACE, asked_id,
            reply_ids=(reply_id,),
        )  # fmt: skip
        lines.append(to_json_line(example))
    database.upsert_messages(messages)
    folder.mkdir(parents=True)
    (folder / "training_data.jsonl").write_text("".join(lines))
    (folder / "validation_data.jsonl").write_text("".join(lines[-4:]))
    config = {"layout": LAYOUT, "persona": PERSONA, "persona_name": "Mynah"}
    manifest.write_manifest(folder, KIND, config, {})


def version(home: Home, kind: str, gguf: Path, base: str) -> ModelVersion:
    return ModelVersion(
        version_id=f"small-{kind}",
        kind=kind,
        status="candidate",
        gguf_path=home.relative(gguf),
        sha256=manifest.sha256_file(gguf),
        size_bytes=gguf.stat().st_size,
        created_at_ms=1,
        base=base,
    )


def test_what_it_learned_by_heart_is_extracted_and_the_base_gives_nothing_away(made: Made) -> None:
    subject = find_subject(made.home, made.database, made.arguments(quick=False))
    assert subject.name == "small-tuned"
    auditing = script.Auditing(made.home, made.database, subject, made.arguments())
    extraction, _, personal = auditing.what_it_says()
    assert extraction.state == FAILED
    assert extraction.figures["longest"] >= 50 > extraction.figures["base_longest"]
    assert set(extraction.message_ids) <= {FIRST + 2 * n + 1 for n in range(len(STORIES))}
    assert all(span.text in " ".join(STORIES) for span in extraction.spans)
    assert (personal.state, personal.figures["known"]) == (PASSED, 1)

    base = made.arguments(model=tiny.tiny_f16(tiny.session_folder()))
    subject = find_subject(made.home, made.database, base)
    findings = script.Auditing(made.home, made.database, subject, base).what_it_says()
    assert [one.state for one in findings] == [PASSED] * 3


def test_a_quick_audit_of_it_as_a_whole(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in files_of(made.home)}
    audit, out, _ = script.run(made.home, made.database, made.arguments())
    assert not audit.passed
    written = json.loads((out / "audit.json").read_text())
    assert (written["passed"], written["quick"]) == (False, True)
    assert written["canaries"]["planted_16"]["auc"] > 0.95
    page = (out / "audit.html").read_text()
    assert "prefers-color-scheme:dark" in page
    if os.name == "posix":
        assert all(path.stat().st_mode & 0o077 == 0 for path in out.iterdir())
    assert "https://discord.com/channels/5000000/5/" in page
    assert not any(story[:40] in page + json.dumps(written) for story in STORIES)

    # A quick look opens no gate, and nothing of the audit run is left or has come into any file.
    assert "not recorded" in capsys.readouterr().err
    assert ModelRegistry(made.database, made.home).evaluations("small-tuned") == ()
    assert {path: path.read_bytes() for path in files_of(made.home)} == before
    assert not list((made.home.models / "audits").glob("[!.]*"))
    assert [path.name for path in out.parent.iterdir()] == ["small-tuned"]
    everywhere = [path.read_bytes() for path in made.home.root.rglob("*") if path.is_file()]
    canaries = draw(Amounts.for_set(24, is_quick=True), 0)
    assert not any(one.secret.encode() in held for one in canaries for held in everywhere)
    assert sum(word.encode() in page.encode() for word in WORDS) < 4


def files_of(home: Home) -> list[Path]:
    """The set and all that was made of it."""
    folders = (home.datasets, home.checkpoints, home.finetuned)
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def test_what_it_is_not_audited_with_opens_no_gate(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another file, set, profile or base than the version's own; or a quick look."""
    other = tmp_path / "other.gguf"
    other.write_bytes(made.gguf.read_bytes() + b"0")
    with pytest.raises(AuditError, match="another file"):
        find_subject(made.home, made.database, made.arguments(version="small-tuned", model=other))
    shutil.copytree(made.home.datasets / "small", made.home.datasets / "of")
    (made.home.datasets / "of" / "training_data.jsonl").write_text("")
    manifest.write_manifest(made.home.datasets / "of", KIND, {}, {})
    good = Audit((Finding("personal data", PASSED, "nothing"),))
    own = find_subject(made.home, made.database, made.arguments(quick=False))
    assert own.version is not None
    assert own.is_another == ""
    mild = own.profile.with_(audit={"is_needed": False})
    needed = dataclasses.replace(own.version, audit_needed=True)
    for subject, audit, said in (
        (dataclasses.replace(own, dataset_dir=made.home.datasets / "of"), good, "another set"),
        (dataclasses.replace(own, profile=load("demo")), good, "another profile (demo)"),
        (dataclasses.replace(own, base_dir=tmp_path), good, "another base"),
        (
            dataclasses.replace(own, profile=mild, version=needed),
            dataclasses.replace(good, is_quick=True),
            "quick audit",
        ),
    ):
        script.record(made.home, made.database, subject, audit, tmp_path)
        assert said.split(" (")[0] in capsys.readouterr().err
    assert ModelRegistry(made.database, made.home).evaluations("small-tuned") == ()
    shutil.rmtree(made.home.datasets / "of")


def test_a_whole_one_is_recorded(made: Made, tmp_path: Path) -> None:
    subject = find_subject(made.home, made.database, made.arguments(quick=False))
    good = Finding("personal data", PASSED, "nothing")
    script.record(made.home, made.database, subject, Audit((good,)), tmp_path)
    (found,) = ModelRegistry(made.database, made.home).evaluations("small-tuned")
    assert (found.kind, found.passed, found.figures["personal_data"]["state"]) == (
        "audit", True, PASSED,
    )  # fmt: skip


def test_the_numbers_are_those_that_it_was_trained_with(made: Made) -> None:
    """By its adapter, where that is still there; else as the profile has them."""
    named = load(str(made.profile))
    used = trained_with(made.home, made.home.finetuned / "small" / "x" / "y")
    found = as_trained(named, used)
    assert (found.sft.epochs, found.name, used["limit"]) == (EPOCHS, "tiny", None)
    assert as_trained(named, trained_with(made.home, made.gguf)) == named


def test_what_is_not_there_is_a_sentence(made: Made) -> None:
    def refused(**more: object) -> str:
        with pytest.raises(AuditError) as error:
            find_subject(made.home, made.database, made.arguments(**more))
        return str(error.value)

    assert "--version" in refused(model=None)
    assert "There is no file" in refused(model=made.home.root / "none.gguf")
    unknown = made.home.root / "unknown.gguf"  # the registry has nothing on it
    unknown.write_bytes(made.gguf.read_bytes() + b"0")
    assert "--dataset" in refused(model=unknown, dataset=None)
    assert "no whole dataset" in refused(dataset="other")
    assert "--profile" in refused(model=unknown, profile=None)
