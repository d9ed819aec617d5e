"""The Lantern: the same bytes for a seed, the right size, and lines that hardly repeat."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from data.samples.cast import DISCORD_EPOCH_MS, SampleMessage, Simulation
from data.samples.community import simulate
from data.samples.lantern import (
    EXCLUDED_MEMBER_IDS,
    PLANTED_PERSONAL_DATA,
    lantern,
    write_lantern,
)
from data.samples.others import other_community

A_TIME = re.compile(
    r"\b(\d{1,2}(:\d\d)?|six|seven|eight|nine|ten|half past|quarter|\w+day|tomorrow|next|weekend|"
    r"weeks|later|after the patch)\b",
    re.I,
)


@pytest.fixture(scope="module")
def whole() -> Simulation:
    return simulate(lantern(), 7, 20_000)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_lantern(tmp_path_factory.mktemp("lantern"), message_count=3_000)


def long_lines(messages: list[SampleMessage]) -> list[str]:
    return [m.content for m in messages if m.kind in ("Default", "Reply") and words(m) >= 4]


def words(message: SampleMessage) -> int:
    return len(message.content.split())


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    exported: list[Path], tmp_path: Path
) -> None:
    again = write_lantern(tmp_path / "again", message_count=3_000)
    other = write_lantern(tmp_path / "other", seed=8, message_count=3_000)
    assert [p.name for p in again] == [p.name for p in exported]
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in exported]
    assert other[0].read_bytes() != exported[0].read_bytes()


def test_size_members_channels_and_span(whole: Simulation) -> None:
    messages = whole.all_messages()
    text_channels = [c for c in whole.channels if c.kind == "GuildTextChat"]
    people = {m.author.id for m in messages if not m.author.is_bot}
    days = (messages[-1].timestamp_ms - messages[0].timestamp_ms) / 86_400_000
    assert abs(len(messages) - 20_000) < 60
    assert len(text_channels) == 6
    assert len(whole.channels) > 6
    assert len(people) == 12
    assert set(EXCLUDED_MEMBER_IDS) < people
    assert 530 < days < 560


def test_activity_is_heavy_tailed(whole: Simulation) -> None:
    counts = Counter(m.author.id for m in whole.all_messages() if not m.author.is_bot)
    shares = sorted((n / counts.total() for n in counts.values()), reverse=True)
    assert 0.15 < shares[0] < 0.26
    assert 0.01 < shares[-1] < 0.04


def test_long_lines_hardly_repeat(whole: Simulation) -> None:
    lines = long_lines(whole.all_messages())
    assert len(set(lines)) / len(lines) >= 0.97
    for at in range(0, len(lines) - 1_000, 1_000):
        window = lines[at : at + 1_000]
        assert len(set(window)) >= 970


def test_ids_are_snowflakes_of_their_times_and_rise(whole: Simulation) -> None:
    everything = [m.id for channel in whole.messages.values() for m in channel]
    assert len(set(everything)) == len(everything)
    for channel in whole.messages.values():
        ids = [int(m.id) for m in channel]
        assert ids == sorted(set(ids))
        assert all((int(m.id) >> 22) + DISCORD_EPOCH_MS == m.timestamp_ms for m in channel)


def test_links_point_to_earlier_lines_of_the_same_channel(whole: Simulation) -> None:
    replies = 0
    for channel in whole.messages.values():
        known: set[str] = set()
        for message in channel:
            for link in (message.reference_id, message.answers_id):
                assert link is None or link in known
            replies += message.kind == "Reply"
            known.add(message.id)
    answering = sum(m.answers_id is not None for m in whole.all_messages())
    assert 0.10 < replies / answering < 0.22


def test_when_questions_are_answered_with_a_time(whole: Simulation) -> None:
    answers: dict[str, list[SampleMessage]] = {}
    for message in whole.all_messages():
        answers.setdefault(message.answers_id or "", []).append(message)
    asks = [m for m in whole.all_messages() if m.asked == "when"]
    first = [answers[m.id][0].content for m in asks if m.id in answers]
    timed = sum(bool(A_TIME.search(text)) for text in first)
    assert len(first) > 200
    assert timed / len(first) > 0.9


def test_most_questions_get_an_answer(whole: Simulation) -> None:
    answered = {m.answers_id for m in whole.all_messages()}
    asks = [m for m in whole.all_messages() if m.act == "ask" and m.asked]
    assert sum(m.id in answered for m in asks) / len(asks) > 0.95


def test_conversations_are_entangled(whole: Simulation) -> None:
    hearth = whole.messages[whole.channels[0].id]
    seen: set[int] = set()
    returns = 0
    for before, after in pairwise(hearth):
        returns += after.conversation != before.conversation and after.conversation in seen
        seen.add(before.conversation)
    assert returns > len(hearth) * 0.1


def test_every_planted_personal_string_is_exported(exported: list[Path]) -> None:
    text = "".join(p.read_text(encoding="utf-8") for p in exported)
    assert 15 <= len(PLANTED_PERSONAL_DATA) <= 25
    assert [s for s in PLANTED_PERSONAL_DATA if s not in text] == []


def test_export_has_the_exporters_shape(exported: list[Path]) -> None:
    kinds: Counter[str] = Counter()
    for path in exported:
        document = json.loads(path.read_text(encoding="utf-8"))
        assert {"guild", "channel", "dateRange", "exportedAt", "messages"} <= set(document)
        assert document["messageCount"] == len(document["messages"])
        assert path.name.endswith(f"[{document['channel']['id']}].json")
        for message in document["messages"]:
            kinds[message["type"]] += 1
            at = datetime.fromisoformat(message["timestamp"])
            assert message["timestamp"].endswith("+00:00")
            shifted = (int(message["id"]) >> 22) + DISCORD_EPOCH_MS
            assert round(at.timestamp() * 1000) == shifted
            assert (message["type"] in ("Reply", "ChannelPinnedMessage")) == (
                "reference" in message
            )
            assert "conversation" not in message
    assert {"Default", "Reply", "GuildMemberJoin", "ThreadCreated"} <= set(kinds)


def test_lantern_jokes_do_not_leak_into_other_communities() -> None:
    ours = lantern()
    names = {m.nick.lower() for m in ours.members} | {m.name.lower() for m in ours.members}
    keys = ("game", "boss", "item", "place", "npc", "newgame")
    places = {value.lower() for key in keys for value in ours.entities[key]}
    for seed in range(30):
        other = other_community(seed)
        assert not names & {m.nick.lower() for m in other.members}
        assert not set(ours.custom_emoji) & set(other.custom_emoji)
        assert not places & {v.lower() for key in keys for v in other.entities[key]}
        assert not set(ours.sayings) & set(other.sayings)
        assert not re.search(r"soup incident|gerald|ladle|lanterns?\b", other.extra_bank, re.I)
