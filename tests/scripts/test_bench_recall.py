"""The recall bench, on a talk of ours in LoCoMo's form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.bench_recall import evidence_of, read
from storage.errors import MynahError
from storage.paths import PROGRAM_DIR
from tests.model.tiny import minilm_gguf, session_folder


def talk() -> dict[str, Any]:
    return {
        "sample_id": "inn-1",
        "conversation": {
            "speaker_a": "Mira",
            "speaker_b": "Bob",
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": [
                {"speaker": "Mira", "dia_id": "D1:1", "text": "Who baked that plum cake?"},
                {"speaker": "Bob", "dia_id": "D1:2", "text": "My grandmother did, on Sunday."},
            ],
            "session_2_date_time": "10:00 am on 3 June, 2023",
            "session_2": [
                {
                    "speaker": "Mira",
                    "dia_id": "D2:1",
                    "text": "Look at what I found in the cellar!",
                    "blip_caption": "a rusty lantern",
                },
            ],
        },
        "qa": [
            {"question": "Who baked the cake?", "evidence": ["D1:2"], "category": 1},
            {"question": "What did Mira find in June 2023?", "evidence": ["D2:1"], "category": 2},
            {"question": "What is the meaning of it?", "category": 5},
            {"question": "What is lost?", "evidence": ["D9:9"], "category": 5},
        ],
    }


def test_turns_and_evidence_are_read(tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    file.write_text(json.dumps([talk()]), encoding="utf-8")
    [plain], [shown] = read(file, captions=False), read(file, captions=True)
    assert [m.message_id for m in plain.messages] == [1, 2, 3]
    assert plain.messages[1].created_at_ms - plain.messages[0].created_at_ms == 30_000
    assert plain.messages[2].created_at_ms == 1_685_786_400_000
    assert plain.messages[2].content == "Look at what I found in the cellar!"
    assert shown.messages[2].content.endswith("[shares a rusty lantern]")
    assert [one.evidence for one in plain.questions] == [(2,), (3,), (), (0,)]
    assert evidence_of(["D1:1; D1:2", "D"], {"D1:1": 1, "D1:2": 2}) == (1, 2, 0)


def test_another_file_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text("{}")
    assert read(file, captions=False) == []
    file.write_text('[{"qa": []}]')
    with pytest.raises(MynahError, match="LoCoMo"):
        read(file, captions=False)


def test_it_asks_what_serves(tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    file.write_text(json.dumps([talk()]), encoding="utf-8")
    command = [sys.executable, "scripts/bench_recall.py", "--locomo", str(file), "--json"]
    command += ["--embedder", str(minilm_gguf(session_folder()))]
    out = subprocess.run(command, cwd=PROGRAM_DIR, capture_output=True, text=True, timeout=300)
    assert out.returncode == 0, out.stderr
    report = json.loads(out.stdout)
    assert (report["questions"], report["turns"], report["conversations"]) == (4, 3, 1)
    assert report["R@10"] == report["ways"]["with speaker and time"]["R@10"] == 75.0
    assert report["ways"]["full text alone"]["R@10"] < 75.0
    assert list(report["R@10_of_each"]) == ["inn-1"]
