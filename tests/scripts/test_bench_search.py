"""A small run of scripts/bench_search.py: every figure is there and sensible."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

from storage.paths import PROGRAM_DIR
from tests.model.tiny import WORDS, minilm_gguf, session_folder

NAMES = {"text", "index", "rows", "whole"}


def day(folder: Path, seed: int, lines: int) -> Path:
    """An export with lines of three words and more; some are too short to be recalled."""
    dice = random.Random(seed)
    said = [" ".join(dice.sample(WORDS, dice.randint(1, 9))) for _ in range(lines)]
    folder.mkdir()
    with gzip.open(folder / "2020-01-01.json.gz", "wt", encoding="utf-8") as file:
        json.dump({"messages": [{"content": text} for text in said]}, file)
    return folder


def test_a_small_run(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(minilm_gguf(session_folder()).parent, cache / "models" / "embedder")
    source, queries = day(tmp_path / "source", 1, 300), day(tmp_path / "queries", 2, 60)
    command = [sys.executable, "scripts/bench_search.py", "--messages", "150", "500", "--json"]
    command += ["--embed", "200", "--ask", "20", "--cache", str(cache)]
    command += ["--source", str(source), "--queries", str(queries)]
    done = subprocess.run(
        command, cwd=PROGRAM_DIR, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    small, large = json.loads(done.stdout.splitlines()[-1])
    assert (small["messages"], small["copies"], small["copy_cosine"]) == (150, 0, None)
    assert (large["messages"], large["copies"]) == (500, 300)
    assert 0.5 < large["copy_cosine"] < 1
    for found in (small, large):
        assert found["vectors"] == found["messages"]
        assert (found["recall_at_10"], found["recall_at_24"]) == (1.0, 1.0)  # exact: it is small
        assert found["text_kept"] == 1.0
        for part in NAMES:
            assert 0 < found[part]["p50_ms"] <= found[part]["p95_ms"]


def test_too_few_lines_are_a_sentence(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(minilm_gguf(session_folder()).parent, cache / "models" / "embedder")
    command = [sys.executable, "scripts/bench_search.py", "--cache", str(cache)]
    command += ["--source", str(day(tmp_path / "source", 1, 5))]
    done = subprocess.run(
        command, cwd=PROGRAM_DIR, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert "lines in" in done.stderr
    assert "Traceback" not in done.stderr
