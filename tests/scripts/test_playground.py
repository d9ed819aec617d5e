"""scripts/playground.py as the window runs it: JSON lines over pipes, with the small base."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from storage.manifest import sha256_file
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR, Home
from storage.records import Origin
from tests.bot.scene import fill
from tests.storage.rows import version

GGUF = next(DEMO_BASE_DIR.glob("*.gguf"))


class Talk:
    """The running script."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr and self.process.stderr.read()
        value: dict[str, Any] = json.loads(line)
        return value

    def until(self, name: str) -> list[dict[str, Any]]:
        """The lines up to the one that has this name, which is the last of them."""
        lines = [self.read()]
        while name not in lines[-1]:
            lines.append(self.read())
        return lines

    def ask(self, **request: Any) -> list[dict[str, Any]]:
        """The answers, a side each."""
        self.send(json.dumps(request))
        *answers, done = self.until("done")
        assert done == {"done": next(iter(request))}
        return answers

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


@contextmanager
def talking(home: Home, *versions: str) -> Iterator[Talk]:
    """The script, loaded; it has to end by itself when its input does."""
    process = start(home, *versions)
    talk = Talk(process)
    yield talk
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""


def start(home: Home, *versions: str) -> subprocess.Popen[str]:
    flags = [part for version_id in versions for part in ("--version", version_id)]
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MYNAH_HOME")}
    return subprocess.Popen(
        [
            sys.executable,
            str(PROGRAM_DIR / "scripts" / "playground.py"),
            *flags,
            "--home",
            str(home.root),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment, "PYTHONUTF8": "1"},
        encoding="utf-8",
        cwd=home.root,
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """With a small community's history and two versions, the same file under two names."""
    home = Home(tmp_path).ensure()
    with Database.open(home.database) as db:
        fill(db)
        db.set_config("threads", "1")
        registry = ModelRegistry(db, home)
        for name in ("first", "second"):
            registry.register(
                version(
                    name,
                    gguf_path=str(GGUF),
                    sha256=sha256_file(GGUF),
                    size_bytes=GGUF.stat().st_size,
                )
            )
        registry.deploy("second")
    return home


def test_a_line_is_answered_with_all_that_the_reply_took(home: Home) -> None:
    with talking(home) as talk:
        loading, ready = talk.until("ready")
        assert loading == {"loading": "second", "number": 1, "of": 1}
        assert ready["ready"] == ["second"]
        [answer] = talk.ask(say="is the healer in the dungeon?")
    assert (answer["side"], answer["version"]) == (0, "second")
    assert answer["reply"]
    assert answer["verdict"] == "reply: asked in the playground"
    assert any("healer" in note for note in answer["notes"])
    assert answer["prompt_tokens"] >= answer["evaluated_tokens"] > 0
    assert answer["reply_tokens"] > 0
    assert answer["guard"].startswith("allowed")
    assert {"recalled", "composed", "generated", "guarded"} <= set(answer["timings_s"])
    assert answer["total_s"] == pytest.approx(sum(answer["timings_s"].values()), abs=0.01)
    with Database.open(home.database) as db:
        assert Origin.PLAYGROUND in db.origins()


def test_again_takes_the_last_reply_out_and_asks_the_same_prompt(home: Home) -> None:
    with talking(home) as talk:
        talk.until("ready")
        [first] = talk.ask(say="never a dungeon before nine?")
        replies = {first["reply"]}
        for _ in range(4):
            [again] = talk.ask(again=True)
            replies.add(again["reply"])
            assert again["prompt_tokens"] == first["prompt_tokens"]
            assert again["notes"] == first["notes"]
        [second] = talk.ask(say="why")
        assert second["prompt_tokens"] > first["prompt_tokens"]
        talk.ask(clear=True)
        [fresh] = talk.ask(say="never a dungeon before nine?")
        assert fresh["prompt_tokens"] == first["prompt_tokens"]
        assert fresh["notes"] == first["notes"]
    assert len(replies) > 1
    with Database.open(home.database) as db:
        said = [m for m in db.messages(include_deleted=True) if m.origin is Origin.PLAYGROUND]
        taken_back = [m for m in said if m.deleted_at_ms is not None]
        assert (len(said), len(taken_back)) == (2 * 7, 2 * 4)
        assert {m.content for m in taken_back} == {""}


def test_again_says_something_else_also_where_the_seed_is_set(home: Home) -> None:
    with Database.open(home.database) as db:
        db.set_config("seed", "7")
        db.set_config("temperature", "1.0")
    with talking(home) as talk:
        talk.until("ready")
        replies = {talk.ask(say="what a day")[0]["reply"]}
        replies |= {talk.ask(again=True)[0]["reply"] for _ in range(4)}
    assert len(replies) > 1


def test_two_versions_answer_beside_each_other_each_in_its_own_talk(home: Home) -> None:
    with talking(home, "first", "") as talk:
        *loading, ready = talk.until("ready")
        assert [line["loading"] for line in loading] == ["first", "second"]
        assert ready["ready"] == ["first", "second"]
        answers = talk.ask(say="who brought cake")
        assert [(a["side"], a["version"]) for a in answers] == [(0, "first"), (1, "second")]
        assert answers[0]["prompt_tokens"] == answers[1]["prompt_tokens"]


def test_a_setting_counts_from_the_next_line_on(home: Home) -> None:
    with talking(home) as talk:
        talk.until("ready")
        assert talk.ask(say="never a dungeon before nine?")[0]["notes"]
        with Database.open(home.database) as db:
            db.set_config("recall_enabled", "false")
        assert talk.ask(say="the healer overslept?")[0]["notes"] == []


@pytest.mark.parametrize("line", ["no json", "[]", '{"say": " "}', '{"again": 1}', '{"do": 1}'])
def test_another_line_is_refused_and_the_talk_goes_on(home: Home, line: str) -> None:
    with talking(home) as talk:
        talk.until("ready")
        talk.send(line)
        assert "A line is" in talk.read()["error"]
        [nothing] = talk.ask(again=True)
        assert "Nothing was said" in nothing["error"]
        assert talk.ask(say="hi")


def test_what_cannot_be_loaded_ends_in_a_sentence(home: Home) -> None:
    for versions, sentence in (
        (("third",), "no model version third"),
        (("first", "second", "third"), "At most 2"),
    ):
        process = start(home, *versions)
        output, said = process.communicate(timeout=30)
        assert (process.returncode, output) == (2, "")
        assert sentence in said
        assert "Traceback" not in said
