"""The whole way once: sample, examples, training, GGUF, deployment, a reply; what a start skips.

One home is made for the module, in about two minutes, with scripts/demo.py as launcher.py calls it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from data.samples.community import write_exports
from data.samples.others import other_community
from scripts import bench_demo
from storage.database import Database
from storage.manifest import sha256_file
from storage.model_registry import ModelRegistry, RegistryError
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR, Home
from storage.records import ModelVersion, Origin
from storage.settings import Settings

WORDS = "what time is the raid tonight?"


def start(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM_DIR / "scripts" / "demo.py"), "--home", str(home), *arguments],
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"},
        timeout=1200,
    )


def answer(home: Path) -> dict[str, Any]:
    """One more start; the object on its last line."""
    done = start("--say", WORDS, "--json", home=home)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    home = tmp_path_factory.mktemp("demo") / "a home, with ümlaut"
    return home, answer(home)


@pytest.mark.slow
def test_the_first_start_does_every_step(made: tuple[Path, dict[str, Any]]) -> None:
    home, said = made
    assert set(said["step_s"]) == {"import", "first reply", "training"}
    assert said["kind"] == "tuned"
    assert said["reply"].strip()
    with Database.open(Home(home).database) as database:
        registry = ModelRegistry(database, Home(home))
        deployed = registry.deployed()
        assert deployed is not None
        assert deployed.version_id == said["version"]
        assert deployed.dataset_sha256
        assert [registry.get(parent).kind for parent in deployed.parents] == ["base"]
        assert sha256_file(registry.path(deployed)) == said["sha256"] == deployed.sha256
        assert database.origins() == {Origin.SAMPLE, Origin.PLAYGROUND}


@pytest.mark.slow
def test_a_second_start_finds_every_step_done(made: tuple[Path, dict[str, Any]]) -> None:
    home, first = made
    again = answer(home)
    assert again["step_s"] == {}
    assert again["sha256"] == first["sha256"]


@pytest.mark.slow
def test_without_json_the_last_line_is_the_reply(made: tuple[Path, dict[str, Any]]) -> None:
    done = start("--say", WORDS, home=made[0])
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert "{" not in done.stdout


@pytest.mark.slow
def test_tuning_brings_the_community_nearer(made: tuple[Path, dict[str, Any]]) -> None:
    home = Home(made[0])
    nll = bench_demo.losses(home, bench_demo.tuned_gguf(home), examples=120)
    assert nll.tuned_lantern < nll.base_lantern - 0.5
    assert nll.tuned_other > nll.base_other, "what it learned is The Lantern, not chat as such"


@pytest.mark.slow
def test_replies_speak_for_nobody_else(made: tuple[Path, dict[str, Any]]) -> None:
    """By an eye of its own: no line of what guard lets out begins as a member's line does."""
    home = Home(made[0])
    sampled = bench_demo.sample_replies(
        home, bench_demo.tuned_gguf(home), count=120, settings=Settings()
    )
    with Database.open(home.database) as database:
        nicks = [re.escape(member.nickname) for member in database.members()]
    head = re.compile(rf"^\s*(?:{'|'.join(nicks)})\s*:", re.IGNORECASE | re.MULTILINE)
    assert len(sampled.texts) > 110
    assert [text for text in sampled.texts if head.search(text)] == []


@pytest.mark.slow
def test_a_random_model_in_its_place_talks_noise(made: tuple[Path, dict[str, Any]]) -> None:
    """The reply is the deployed file's doing: swap random weights in, and sense is gone."""
    home, first = made
    with Database.open(Home(home).database) as database:
        registry = ModelRegistry(database, Home(home))
        noise = random_gguf(Home(home).models / "noise")
        registry.register(
            ModelVersion(
                version_id="noise",
                kind="tuned",
                status="candidate",
                gguf_path=Home(home).relative(noise),
                sha256=sha256_file(noise),
                size_bytes=noise.stat().st_size,
                created_at_ms=1,
                base="demo-base",
            )
        )
        registry.deploy("noise")
        said = [m.content for m in database.messages() if m.origin is Origin.SAMPLE]
    pairs = {pair for text in said for pair in word_pairs(text)}
    try:
        noisy = answer(home)
        assert noisy["sha256"] == sha256_file(noise) != first["sha256"]
        assert familiar(noisy["reply"], pairs) < 0.3
    finally:
        with Database.open(Home(home).database) as database:
            ModelRegistry(database, Home(home)).rollback()
    tuned = bench_demo.sample_replies(
        Home(home), bench_demo.tuned_gguf(Home(home)), count=30, settings=Settings()
    )
    assert familiar(" . ".join(tuned.texts), pairs) > 0.5


@pytest.mark.slow
def test_training_again_leaves_the_deployed_file_alone(
    made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """A second run of the same name is another file, and rolling back finds the first."""
    home = tmp_path / "copy"
    shutil.copytree(made[0], home, ignore=shutil.ignore_patterns("embeddings*"))
    script = str(PROGRAM_DIR / "scripts" / "3_train_model.py")
    done = subprocess.run(
        [
            sys.executable,
            script,
            "--home",
            str(home),
            "--dataset",
            "demo",
            "--limit",
            "16",
            "--json",
        ],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"},
    )
    assert done.returncode == 0, done.stderr
    version_id = json.loads(done.stdout.splitlines()[-1])["version"]
    with Database.open(Home(home).database) as database:
        registry = ModelRegistry(database, Home(home))
        before = registry.deployed()
        assert before is not None
        assert registry.verify(before.version_id)
        with pytest.raises(RegistryError, match="was not judged yet"):
            registry.deploy(version_id)
        registry.deploy(version_id, force_by="ada", force_why="to see it come back")
        assert registry.rollback().version_id == before.version_id


def test_exports_are_not_trained_on_without_a_declaration(tmp_path: Path) -> None:
    exports = tmp_path / "mine"
    exports.mkdir()
    write_exports(other_community(77), exports, 77, 400)
    home = tmp_path / "home"
    done = start("--say", WORDS, "--import", str(exports), home=home)
    assert done.returncode == 2
    assert "rule 21" in done.stderr
    assert done.stdout == ""
    assert not Home(home).datasets.joinpath("demo").exists()
    with Database.open(Home(home).database) as database:
        assert sum(database.message_counts().values()) > 350
        assert not Home(home).messages.joinpath("the-lantern").exists()

    done = start("--say", WORDS, home=home)  # goes on with what the home holds
    assert done.returncode == 2
    assert not Home(home).messages.joinpath("the-lantern").exists()


def test_nothing_to_import_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("no export")
    done = start("--say", WORDS, "--import", str(tmp_path), home=tmp_path / "home")
    assert done.returncode == 2
    assert "No message was found" in done.stderr
    assert "Traceback" not in done.stderr
    missing = start("--say", WORDS, "--import", str(tmp_path / "gone"), home=tmp_path / "home")
    assert missing.returncode == 2
    assert "does not exist" in missing.stderr


def random_gguf(folder: Path) -> Path:
    """A GGUF of the base's shape and vocabulary with random weights."""
    import torch
    from transformers import AutoConfig, AutoTokenizer, Qwen2ForCausalLM

    from model.export import convert_to_gguf, quantize

    torch.manual_seed(1)
    model = Qwen2ForCausalLM(AutoConfig.from_pretrained(DEMO_BASE_DIR)).to(torch.float16)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(DEMO_BASE_DIR).save_pretrained(folder)
    config = folder / "tokenizer_config.json"
    ours = json.loads((DEMO_BASE_DIR / "tokenizer_config.json").read_text(encoding="utf-8"))
    config.write_text(json.dumps(ours), encoding="utf-8")
    convert_to_gguf(folder, folder / "f16.gguf")
    return quantize(folder / "f16.gguf", folder / "noise-q4_k_m.gguf")


def word_pairs(text: str) -> list[tuple[str, str]]:
    words = re.findall(r"[a-z']+", text.lower())
    return list(pairwise(words))


def familiar(text: str, pairs: set[tuple[str, str]]) -> float:
    """The share of neighbouring words in `text` that stand beside each other in the history."""
    found = word_pairs(text)
    return sum(pair in pairs for pair in found) / max(len(found), 1)
