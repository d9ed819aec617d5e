"""scripts/2b_sample_rejected.py with a real GGUF, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from data.consent import check_dataset_may_train
from data.forgetting import forget_member
from data.likeness import nearly_same
from data.preference_rows import PAIRS, PROMPTS, Row, read_rows
from data.rejected import SamplingOptions, sample_rejected
from data.sampled import Drawn, NotSampledError
from model import trained_on
from model.trained_on import TrainedOn
from storage.manifest import sha256_file, verify_manifest
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR
from storage.records import FORGOTTEN_MEMBER, ModelVersion
from tests.data.liked import DEE, Liked, liked

SCRIPT = PROGRAM_DIR / "scripts" / "2b_sample_rejected.py"
GGUF = next(DEMO_BASE_DIR.glob("*.gguf"))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Liked]:
    with liked(tmp_path / "home") as one:
        yield one


def command(made: Liked, *arguments: str) -> list[str]:
    return [sys.executable, str(SCRIPT), "--home", str(made.home.root), *arguments]


def run(made: Liked, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(made, *arguments), capture_output=True, text=True, encoding="utf-8", timeout=300
    )


def sampled(made: Liked) -> list[Row]:
    return [row for row in read_rows(made.folder / PAIRS) if "sampled_by" in row]


def test_it_writes_and_goes_on_and_the_same_seed_says_the_same(made: Liked, tmp_path: Path) -> None:
    first = run(made, "--model", str(GGUF), "--limit", "1", "--json", "--events")
    assert first.returncode == 0, first.stderr
    lines = [json.loads(line) for line in first.stdout.splitlines() if line.startswith("{")]
    assert [line["event"] for line in lines[:-1]][:: len(lines) - 2] == ["begin", "end"]
    assert all(line["stage"] == "sampling" for line in lines[:-1])
    assert (lines[-1]["added"] + lines[-1]["failed"], lines[-1]["left"]) == (1, 2)
    assert "pairs added" in first.stdout

    rest = run(made, "--model", str(GGUF))
    assert rest.returncode == 0, rest.stderr
    pairs, prompts = sampled(made), list(read_rows(made.folder / PROMPTS))
    assert len(pairs) + len(prompts) == 3
    assert pairs
    for row in pairs:
        assert row["rejected"].strip() == row["rejected"] != ""
        assert not nearly_same(row["rejected"], row["chosen"])
        assert row["sampled_by"] == sha256_file(GGUF)
        assert 0 < row["rejected_tokens"] <= 121
    verify_manifest(made.folder)
    check_dataset_may_train(made.folder, made.database)
    page = (made.folder / "dataset_report.html").read_text(encoding="utf-8")
    assert "pairs with one that a model wrote" in page

    with liked(tmp_path / "again") as other:
        at_once = run(other, "--model", str(GGUF))
        assert at_once.returncode == 0, at_once.stderr
        assert {row["id"]: row["rejected"] for row in sampled(other)} == {
            row["id"]: row["rejected"] for row in pairs
        }
    with liked(tmp_path / "seeded") as other:
        run(other, "--model", str(GGUF), "--seed", "5")
        assert [row["rejected"] for row in sampled(other)] != [row["rejected"] for row in pairs]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one child")
def test_ctrl_c_ends_it_with_a_sentence(made: Liked) -> None:
    before = verify_manifest(made.folder).counts
    process = subprocess.Popen(
        command(made, "--model", str(GGUF), "--events"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(2)]  # begun, and at the first prompt
    assert json.loads(told[1])["step"] == 0
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.strip().endswith("start it again to go on.")
    assert "Traceback" not in errors
    counts = verify_manifest(made.folder).counts
    pairs = before["preferences"] + before["preference_prompts"]
    assert counts["preferences"] + counts["preference_prompts"] == pairs
    check_dataset_may_train(made.folder, made.database)


def test_what_cannot_be_done_is_a_sentence(made: Liked, tmp_path: Path) -> None:
    for arguments, what in (
        ((), "No model is deployed here"),
        (("--model", str(tmp_path / "none.gguf")), "none.gguf is no file"),
        (("--model", str(GGUF), "--name", "other"), "no complete training set"),
        (("--model", str(SCRIPT)), "GGUF"),
        (("--temperature", "9"), "a number from 0.1 to 2"),
    ):
        done = run(made, *arguments)
        assert done.returncode == 2, arguments
        assert what in done.stderr
        assert "Traceback" not in done.stderr
    made.database.set_consent(DEE, "opted_out")
    refused = run(made, "--model", str(GGUF))
    assert refused.returncode == 2
    assert "opted out" in refused.stderr


def test_a_model_that_learned_what_is_erased_is_not_listened_to(made: Liked) -> None:
    ModelRegistry(made.database, made.home).register(
        ModelVersion(
            "tuned", "tuned", "candidate", str(GGUF), sha256_file(GGUF), GGUF.stat().st_size, 1,
            "demo-base",
        )
    )  # fmt: skip
    assert [one.version_id for one in forget_member(
        made.home, made.database, DEE, by="test").tainted] == ["tuned"]  # fmt: skip
    refused = run(made, "--model", str(GGUF))
    assert refused.returncode == 2
    assert "learned from messages that are erased now" in refused.stderr
    assert not sampled(made)


def test_somebody_is_forgotten_while_it_writes(made: Liked) -> None:
    """What the model says of them afterwards does not come into the set."""
    script = import_module("scripts.2b_sample_rejected")
    ModelRegistry(made.database, made.home).register(
        ModelVersion(
            "tuned", "tuned", "candidate", str(GGUF), sha256_file(GGUF), GGUF.stat().st_size, 1,
            "demo-base",
        )
    )  # fmt: skip
    asked: list[str] = []

    def write(row: Row, attempt: int) -> Drawn:
        if not asked:
            assert forget_member(made.home, made.database, DEE, by="test").is_done
        asked.append(row["id"])
        return Drawn(f"as dee said {len(asked)}", 5)

    sha256 = sha256_file(GGUF)
    with pytest.raises(NotSampledError, match="learned from messages that are erased now"):
        sample_rejected(
            made.folder,
            write,
            sha256,
            SamplingOptions(),
            alone=lambda: script.while_untainted(made.home, made.database, sha256, GGUF),
        )
    assert len(asked) == 3
    assert not sampled(made)
    for path in made.home.data_storage.rglob("*"):
        assert not path.is_file() or b"as dee said" not in path.read_bytes()


def test_a_file_that_lost_what_it_learned_is_not_listened_to(made: Liked, tmp_path: Path) -> None:
    """One that nobody registered, too."""
    script = import_module("scripts.2b_sample_rejected")
    gguf = tmp_path / "some.gguf"
    script.refuse_tainted(made.database, "ab" * 32, gguf)
    learned = TrainedOn(frozenset(), frozenset(), FORGOTTEN_MEMBER)
    trained_on.write(tmp_path / trained_on.NAME, learned)
    with pytest.raises(NotSampledError, match="are erased now"):
        script.refuse_tainted(made.database, "ab" * 32, gguf)
