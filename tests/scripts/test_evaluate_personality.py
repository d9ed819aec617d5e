"""scripts/4_evaluate_personality.py with a real GGUF and a real set, as a user runs it."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from data.dataset import DatasetOptions, make_dataset
from data.forgetting import forget_member, forget_messages
from data.importers.importing import import_paths
from data.personas import PersonaText
from data.samples.lantern import write_lantern
from data.windows import WindowOptions
from model.embedder import copy_embedder
from model.evaluate import EvaluationError
from model.judging.blind_answers import KIND, check
from model.judging.page import Earlier, lower_than
from model.judging.replies import HELD_OUT_FILE, TRAINING_FILE, read_held_out
from model.profile import load
from model.tokenizers import VocabularyFile
from storage.database import Database
from storage.errors import MynahError
from storage.manifest import (
    ADDED_LATER,
    content_hash,
    read_manifest,
    sha256_file,
    write_manifest,
)
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR, Home
from storage.records import ModelVersion, Origin
from tests.model import tiny
from tests.model.test_judging import judgement

SCRIPT = PROGRAM_DIR / "scripts" / "4_evaluate_personality.py"
GGUF = next(DEMO_BASE_DIR.glob("*.gguf"))
VERSION, ASKED = "lantern-1", "lantern-2"
REPLIES = 50
script = import_module("scripts.4_evaluate_personality")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The Lantern, a set of it, and the demo base under the name of a version that learned it."""
    folder = tmp_path_factory.mktemp("judged")
    home = Home(folder / "home").ensure()
    copy_embedder(tiny.minilm_gguf(tiny.session_folder()), home)
    few = folder / "few.yaml"
    numbers = {**load("demo").model_dump(), "judge": {"deploy_at": 1.0, "replies": REPLIES}}
    few.write_text(yaml.safe_dump(numbers), encoding="utf-8")
    files = write_lantern(folder / "exports", message_count=3000)
    with Database.open(home.database, backups=home.backups) as database:
        import_paths(database, files, origin=Origin.SAMPLE, quarantine=home.quarantine)
        with VocabularyFile(GGUF) as vocabulary:
            make_dataset(
                database,
                home.datasets / "default",
                vocabulary.tokenizer,
                PersonaText("Mynah", "You are Mynah, a regular of The Lantern."),
                DatasetOptions(windows=WindowOptions(max_tokens=256), validation_share=0.2),
            )
        ModelRegistry(database, home).register(
            ModelVersion(
                version_id=VERSION,
                kind="tuned",
                status="candidate",
                gguf_path=str(GGUF),
                sha256=sha256_file(GGUF),
                size_bytes=GGUF.stat().st_size,
                created_at_ms=time.time_ns() // 1_000_000,
                base="demo-base",
                dataset_sha256=content_hash(home.datasets / "default", ADDED_LATER),
                profile=str(few),
                deploy_at=1.0,
            )
        )
    return home


@pytest.fixture(scope="module")
def judged(home: Home) -> tuple[Path, list[dict[str, Any]]]:
    """The folder that the script wrote, and what it told."""
    done = subprocess.run(
        [
            *(sys.executable, str(SCRIPT), "--home", str(home.root), "--version", VERSION),
            *("--replies", str(REPLIES), "--threads", "1", "--json", "--events"),
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return home.evaluations / VERSION, [json.loads(line) for line in done.stdout.splitlines()]


def test_it_says_what_it_found(home: Home, judged: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, told = judged
    begun = [one["stage"] for one in told if one.get("event") == "begin"]
    assert begun == ["replies", "expecting", "comparing"]
    result = told[-1]
    assert result["passed"]
    assert result["needed"] == 1.0
    assert 1.0 <= result["score"] < result["real_score"]
    assert result["real_score"] > 90
    assert result["left_out"] == [] or result["left_out"] == ["Fits its context"]
    assert {"telling", "length", "meaning", "expects"} <= result["metrics"].keys()
    assert result["metrics"]["expects"]["share"] < 0.9  # it never saw The Lantern
    assert result["expected"]["perplexity"] > 10
    assert result["tokens_per_s"] > 0
    kept = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    assert {**kept, "out": result["out"]} == result


def test_the_page_shows_replies_and_the_card_nobodys_words(
    home: Home, judged: tuple[Path, list[dict[str, Any]]]
) -> None:
    folder, _ = judged
    rows = [json.loads(line) for line in (folder / "replies.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == REPLIES
    if os.name == "posix":  # they hold what members said
        for name in ("replies.jsonl", "report.html"):
            assert (folder / name).stat().st_mode & 0o077 == 0, name
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count('class="worst"') == 12
    assert "prefers-color-scheme: dark" in page
    assert not re.findall(r"<script|(?:src|href)=\"(?!#)", page)
    card = (folder / "model_card.md").read_text(encoding="utf-8")
    figures = (folder / "evaluation.json").read_text(encoding="utf-8")
    assert "Personality score" in card
    with Database.open(home.database, backups=home.backups) as database:
        names = [one.nickname for one in database.members()]
        for text in (card, figures):
            assert not [name for name in names if re.search(rf"\b{re.escape(name)}\b", text)]
            assert not [r["real"] for r in rows if len(r["real"]) > 15 and r["real"] in text]
        registry = ModelRegistry(database, home)
        (recorded,) = registry.evaluations(VERSION)
        assert (recorded.kind, recorded.passed) == ("personality", True)
        assert recorded.report.endswith("report.html")
        assert registry.get(VERSION).status == "judged"


def test_what_it_cannot_judge_is_a_sentence(home: Home, tmp_path: Path) -> None:
    with Database.open(home.database, backups=home.backups) as database:
        for given, what in (
            ({}, "Name what is judged"),
            ({"model": tmp_path / "none.gguf"}, "There is no file"),
            ({"version": "lantern-9"}, "There is no model version"),
            ({"model": GGUF, "data": tmp_path}, "no complete training set"),
        ):
            names = ("version", "model", "data", "out", "replies")
            arguments = argparse.Namespace(**{**dict.fromkeys(names), **given})
            with pytest.raises(MynahError, match=what):
                script.find_subject(home, database, arguments)


def test_a_set_that_changed_meanwhile_is_not_written_about(home: Home) -> None:
    with Database.open(home.database, backups=home.backups) as database:
        names = ("model", "data", "out", "replies")
        arguments = argparse.Namespace(version=VERSION, **dict.fromkeys(names))
        subject = script.find_subject(home, database, arguments)
        script.refuse_erased(home, database, subject)
        files = dict(list(subject.dataset.files.items())[1:])
        other = replace(subject, dataset=replace(subject.dataset, files=files))
        with pytest.raises(EvaluationError, match="changed meanwhile"):
            script.refuse_erased(home, database, other)


def test_a_score_that_fell_is_said() -> None:
    before = [Earlier("a", 90.0, 85.0, 1), Earlier("b", 80.0, 85.0, 2)]
    assert lower_than(79.5, before) == ""
    assert lower_than(75.0, before).startswith("It scores 5.0 less than b")
    assert lower_than(10.0, []) == ""


def test_what_is_tried_until_it_passes_opens_no_gate(home: Home) -> None:
    """Another set, another draw, fewer replies: each makes a score of its own."""
    own, other = home.datasets / "default", home.datasets / "learned"
    shutil.copytree(own, other)
    shutil.copyfile(own / TRAINING_FILE, other / HELD_OUT_FILE)  # what it knows by heart
    made = read_manifest(own)
    assert made is not None
    write_manifest(other, made.kind, made.config, made.counts)
    names = ("version", "model", "data", "out", "replies")
    given = {**dict.fromkeys(names), "version": VERSION, "seed": 0}
    with Database.open(home.database, backups=home.backups) as database:

        def tried(**more: object) -> tuple[str, str]:
            arguments = argparse.Namespace(**{**given, **more})
            subject = script.find_subject(home, database, arguments)
            return subject.not_kept, subject.out.name

        assert tried() == tried(data=own) == tried(replies=REPLIES + 1) == ("", VERSION)
        assert "another set than it learned from" in tried(data=other)[0]
        by_file = tried(version=None, model=GGUF, data=other)
        assert "another set" in by_file[0]  # the registry knows the file
        assert tried(seed=3) == ("with another draw (--seed 3)", f"{VERSION}-tried")
        assert tried(replies=REPLIES - 1)[0] == f"by fewer replies than {REPLIES}"
        registered = ModelRegistry(database, home).get(VERSION)
    shutil.rmtree(other)
    found = judgement()  # neither meaning nor fit is among what it measured
    assert script.why_not_whole(registered, found) == "without an embedder"
    assert script.why_not_whole(replace(registered, kind="base"), found) == ""
    assert script.why_not_whole(None, found) == ""


def test_people_are_asked_and_what_they_found_is_kept(home: Home) -> None:
    names = ("model", "data", "out", "replies", "events", "json")
    given = {"version": ASKED, "blind_sheet": "", "items": 10, "seed": 1, "threads": 1}
    arguments = argparse.Namespace(**{**dict.fromkeys(names), **given})
    folder = home.evaluations / ASKED / "blind"
    with Database.open(home.database, backups=home.backups) as database:
        registry = ModelRegistry(database, home)
        registry.register(replace(registry.get(VERSION), version_id=ASKED, status="candidate"))
        subject = script.find_subject(home, database, arguments)
        assert script.make_blind(home, database, subject, arguments) == 0
        (sheet,), (key,) = folder.glob("sheet-*.html"), folder.glob("key-*.json")
        assert os.name == "nt" or key.stat().st_mode & 0o077 == 0
        items = json.loads(key.read_text("utf-8"))["items"]
        assert [one["is_bot"] for one in items.values()].count(True) == 10
        ids = re.findall(r'"id":"(....)"', sheet.read_text("utf-8"))
        assert ids == list(items)
        assert len(ids) == 20
        answers = dict.fromkeys(ids, "m444")  # one who believes everything
        of = sheet.stem.removeprefix("sheet-")
        row = {"kind": KIND, "sheet": of, "rater": "7", "answers": answers}
        handed_in = folder / "answers.json"
        handed_in.write_text(json.dumps({**row, "check": check(of, "7", answers)}), "utf-8")
        card = folder.parent / "model_card.md"
        card.write_text("| Asked people | not done |", "utf-8")
        arguments.blind_score = [key, handed_in]
        assert script.score_blind(home, database, arguments) == 0
        (recorded,) = registry.evaluations(ASKED)
        assert (recorded.kind, recorded.score, recorded.passed) == ("people", 50.0, True)
        assert card.read_text("utf-8") == f"| Asked people | {recorded.figures['said']} |"
        data = home.datasets / "default"
        origin = script.origin_of(home, database, GGUF, registry.get(ASKED), data)
        assert origin.people == recorded.figures["said"]
        arguments.blind_score = [key]
        with pytest.raises(EvaluationError, match="Name the key, then"):
            script.score_blind(home, database, arguments)


def test_forgetting_takes_the_words_and_leaves_the_figures(
    home: Home, judged: tuple[Path, list[dict[str, Any]]]
) -> None:
    folder, _ = judged
    held = list(read_held_out(home.datasets / "default" / HELD_OUT_FILE))
    row = json.loads((folder / "replies.jsonl").read_text("utf-8").splitlines()[0])
    (key,) = (home.evaluations / ASKED).rglob("key-*.json")
    items = json.loads(key.read_text("utf-8"))["items"]
    quoted = {one["source_ids"][0] for one in [row, *items.values()][:2]}
    with Database.open(home.database, backups=home.backups) as database:
        elsewhere = home.evaluations / "untouched"
        elsewhere.mkdir()
        sha256 = "b" * 64
        (elsewhere / "evaluation.json").write_text(json.dumps({"model_sha256": sha256}), "utf-8")
        ModelRegistry(database, home).register(
            ModelVersion("base-1", "base", "candidate", "x.gguf", sha256, 1, 1, "some")
        )
        asked = home.evaluations / "asked" / "blind"
        asked.mkdir(parents=True)
        (asked / "replies.jsonl").write_text(json.dumps({"model_sha256": sha256}) + "\n", "utf-8")
        made = forget_messages(home, database, quoted)
        assert made.unfinished == {}
        assert not folder.exists()
        assert not (home.evaluations / ASKED).exists()
        assert elsewhere.exists()
        assert asked.exists()
        forget_member(home, database, held[0].author, by="test")
        assert elsewhere.exists()
        (recorded,) = ModelRegistry(database, home).evaluations(VERSION)
        assert recorded.score is not None
        assert "metrics" in recorded.figures
