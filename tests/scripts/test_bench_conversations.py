"""The score by hand and beside the scorer of ../shared, and the bench on small exports."""

from __future__ import annotations

import gzip
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import bench_conversations
from scripts.conversation_score import FIGURES, score
from scripts.export_days import UnreadableExport, read_channels, read_links
from tests.shared import shared_path

TRUE = {1: {1}, 2: {1}, 3: {1}, 4: {4}, 5: {4}, 6: {6}}


def test_what_is_all_right_has_a_hundred_everywhere() -> None:
    figures = score(TRUE, TRUE)
    assert {round(figures[name], 6) for name in FIGURES} == {100.0}
    assert figures["messages"] == 6


def test_the_score_of_a_small_example_by_hand() -> None:
    """Conversations {1 2 3} {4 5} {6}; found {1 2} {3 4 5} {6}."""
    figures = score(TRUE, {2: {1}, 3: {3}, 4: {3}, 5: {4}})
    assert figures["link_f"] == pytest.approx(100 * 4 / 6)
    assert figures["one_to_one"] == pytest.approx(100 * 5 / 6)
    assert (figures["exact_p"], figures["exact_r"]) == (0, 0)
    # H(true | found) = H(found | true) = 3/6 * H(1/3), of log2(6).
    half = 0.5 * 0.9182958
    assert figures["vi"] == pytest.approx(100 - 100 * 2 * half / 2.5849625, abs=1e-4)


def test_links_of_messages_that_nobody_judged_join_nothing() -> None:
    figures = score({1: {1}, 2: {2}}, {1: {1}, 2: {2}, 9: {1, 2}})
    assert figures["one_to_one"] == 100


def test_the_score_agrees_with_the_shared_scorer(tmp_path: Path) -> None:
    scorer = shared_path("tools/score_conversations.py")
    gold = shared_path("data/ubuntu_irc/dev/links.tsv")
    true, rng = read_links(gold), random.Random(2)
    ids = sorted(true)
    found = {one: {rng.choice(ids[max(0, n - 3) : n + 1])} for n, one in enumerate(ids)}
    found = {one: true[one] if rng.random() < 0.7 else parents for one, parents in found.items()}
    lines = [f"{a}\t{b}\n" for a, parents in found.items() for b in parents]
    (tmp_path / "found.tsv").write_text("".join(lines), encoding="utf-8")
    told = subprocess.run(
        [sys.executable, str(scorer), str(gold), str(tmp_path / "found.tsv")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    theirs = [float(number) for number in re.findall(r"\d+\.\d", told)]
    figures = score(true, found)
    assert theirs == pytest.approx([figures[name] for name in FIGURES], abs=0.051)


def write_export(folder: Path) -> None:
    people = {"mira": "11", "bob": "12"}
    lines = [("mira", "has anyone a key?", None), ("bob", "mira: yes", None), ("mira", "ok", "101")]
    messages = [
        {
            "id": str(101 + n),
            "type": "Default",
            "timestamp": f"2024-01-01T10:0{n}:00.000+00:00",
            "content": text,
            "author": {"id": people[name], "name": name, "nickname": name, "isBot": False},
            "mentions": [],
            **({"reference": {"messageId": reply}} if reply else {}),
        }
        for n, (name, text, reply) in enumerate(lines)
    ]
    export = {"guild": {"id": "1"}, "channel": {"id": "7"}, "messages": messages}
    folder.mkdir()
    with gzip.open(folder / "day.json.gz", "wt", encoding="utf-8") as file:
        json.dump(export, file)
    (folder / "links.tsv").write_text("101\t101\n102\t101\n103\t101\n", encoding="utf-8")


def test_the_bench_scores_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "exports", tmp_path / "found.tsv"
    write_export(folder)
    arguments = ["x", "--exports", str(folder), "--links", str(folder / "links.tsv")]
    monkeypatch.setattr(sys, "argv", [*arguments, "--json", "--out", str(out)])
    assert bench_conversations.main() == 0
    figures = json.loads(capsys.readouterr().out)
    assert {*FIGURES, "messages", "linked", "messages_per_s", "rules"} <= set(figures)
    assert (figures["link_f"], figures["messages"], figures["linked"]) == (100.0, 3, 3)
    assert figures["rules"]["line before"]["link_f"] < 70
    assert read_links(out) == {101: {101}, 102: {101}, 103: {101}}
    monkeypatch.setattr(sys, "argv", arguments)
    assert bench_conversations.main() == 0
    assert "addressed or own" in capsys.readouterr().out


def test_what_is_no_export_gives_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnreadableExport, match="holds no"):
        read_channels(tmp_path)
    (tmp_path / "a.json").write_text('{"messages": 3}', encoding="utf-8")
    with pytest.raises(UnreadableExport, match="no export of one channel"):
        read_channels(tmp_path)
    (tmp_path / "links.tsv").write_text("one two\n", encoding="utf-8")
    with pytest.raises(UnreadableExport, match="two message ids"):
        read_links(tmp_path / "links.tsv")
