"""Every context is what the database holds before the reply, told apart without the code that makes
it; and the two sides share nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

import pytest

from data.budget import EstimatedTokenizer, TokenCount
from data.conversations import in_true_order, link
from data.examples import Example
from data.naming import Renaming
from data.personas import Personas, PersonaText
from data.preprocessor import clean
from data.split import TRAINING, VALIDATION, on_both_sides, split
from data.windows import Planner, WindowOptions
from model.chat_format import Note, Own, Said, as_text, render
from storage.database import Database
from tests.data.talk import MEMBERS, history

NAME_OF = {member.member_id: member.nickname for member in MEMBERS}
Row = tuple[int, int, int, str, int, int | None]
"""Message, channel, author, content, time, what it replies to."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, list[Row]]]:
    records, channels = history(2500, seed=5)
    with Database.open(tmp_path_factory.mktemp("db") / "a.db") as database:
        database.upsert_channels(channels)
        database.upsert_messages(
            record
            if record.content.startswith("http")
            else replace(record, content=f"{record.content} about fact{number % 171}")
            for number, record in enumerate(records)
        )
        database.upsert_members(MEMBERS)
        found = [
            (r.message_id, r.channel_id, r.author_id, r.content, r.created_at_ms, r.reply_to_id)
            for r in database.messages()
            if NAME_OF[r.author_id] not in ("Robot", "shade")
            and r.kind.value == "default"
            and not r.content.startswith("http")
        ]
        yield database, sorted(found, key=lambda row: (row[1], row[4], row[0]))


@pytest.fixture(scope="module")
def made(rows: tuple[Database, list[Row]]) -> dict[str, list[Example]]:
    messages = in_true_order(clean(rows[0].messages(), MEMBERS)[0])
    links = link(messages)
    channels = {k: list(v) for k, v in groupby(messages, key=lambda m: m.channel_id)}
    regions = split(channels, links, seed=1, validation_share=0.3)
    torn = on_both_sides(regions, channels, links)
    sides: dict[str, list[Example]] = {TRAINING: [], VALIDATION: []}
    for channel_id, own in channels.items():
        planner = Planner(
            own,
            links,
            renaming=Renaming(MEMBERS),
            personas=Personas.blend(PersonaText("Mynah", "You are Mynah.")),
            count=TokenCount(EstimatedTokenizer()),
            options=WindowOptions(max_tokens=600),
        )
        here = [region for region in regions if region.channel_id == channel_id]
        for plan in planner.plan(here, torn):
            if not isinstance(plan, str):
                sides[plan.side].append(planner.build(plan))
    return sides


def as_heard(rows: list[Row], author_id: int) -> str:
    """A context line by line, as its author hears it, in the layout written out by hand."""
    own_name = NAME_OF[author_id]
    text, before = "", None
    for row in rows:
        _, _, speaker, content, at_ms, reply_to = row
        goes_on = (
            before is not None
            and speaker == before[2]
            and at_ms - before[4] <= 120_000
            and reply_to is None
        )
        if speaker == author_id:
            said = re.sub(r"^(mira|bob|Dove|kai):", r"\1,", content)
            text += f"\n{said}" if goes_on else f"<OWN>{said}"
        else:
            said = re.sub(rf"\b{own_name}\b", "Mynah", content)
            text += f"\n  {said}" if goes_on else f"<LINE>{NAME_OF[speaker]}: {said}"
        before = row
    return text


def heard(example: Example) -> str:
    """The same of an example's turns, as they are rendered."""
    text = ""
    turns = [turn for turn in example.turns if not isinstance(turn, Note)]
    for at, turn in enumerate(turns):
        if isinstance(turn, Own):
            text += f"<OWN>{turn.text}"
            continue
        shown = as_text(render("", turns[: at + 1])).removeprefix(as_text(render("", turns[:at])))
        line = shown.split("<|im_start|>user\n")[-1].removesuffix("\n")
        text += f"\n{line}" if line.startswith("  ") else f"<LINE>{line}"
    return text


def test_every_context_is_the_channel_s_true_order(
    rows: tuple[Database, list[Row]], made: dict[str, list[Example]]
) -> None:
    by_channel = {k: list(v) for k, v in groupby(rows[1], key=lambda row: row[1])}
    place = {row[0]: at for own in by_channel.values() for at, row in enumerate(own)}
    examples = made[TRAINING] + made[VALIDATION]
    true = joined = 0
    for example in examples:
        notes = sum(isinstance(turn, Note) for turn in example.turns)
        ids = example.source_ids[notes:]
        channel = by_channel[example.channel_id]
        first, last = place[ids[0]], place[ids[-1]]
        window = channel[first : last + 1]
        before = window[: -len(example.reply_ids)]
        author = example.target_author_id
        whole = as_heard(window, author).removeprefix(as_heard(before, author))
        assert whole == f"<OWN>{example.reply}", "the reply is all that was said in a row"
        assert place[example.source_ids[0]] <= last
        true += [row[0] for row in window] == list(ids) and heard(example) == as_heard(
            before, author
        )
        joined += "\n  " in heard(example)
    assert true == len(examples) > 600
    assert joined > 60


def test_the_sides_share_no_message_notes_included(made: dict[str, list[Example]]) -> None:
    shown = {side: {i for e in made[side] for i in e.source_ids} for side in made}
    assert min(len(shown[TRAINING]), len(shown[VALIDATION])) > 300
    assert not shown[TRAINING] & shown[VALIDATION]
    assert any(isinstance(turn, Note) for e in made[TRAINING] for turn in e.turns)
    assert all(isinstance(e.turns[-1], Said) for side in made for e in made[side])
