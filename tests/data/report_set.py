"""A training set made by hand for the tests of its report, and the page as a browser reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from data.dataset import KIND
from data.examples import Example, to_json_line
from model.chat_format import Note, Own, Said, Turn
from storage.database import Database
from storage.manifest import write_manifest
from storage.paths import Home
from storage.records import (
    FIRST_SNOWFLAKE,
    ChannelRecord,
    MemberRecord,
    MessageRecord,
    Origin,
)

ID = FIRST_SNOWFLAKE
CHANNEL = ID + 1
MIRA, BOB, KAI = ID + 11, ID + 12, ID + 13
NAMES = {MIRA: "Mira", BOB: "Bob", KAI: "Kai"}
MESSAGE = ID + 1_000_000
PERSONA = "You are Mynah, a regular of The Tavern."
VOID = frozenset({"meta", "link", "img", "br", "hr", "input", "col", "base", "source", "area"})

REPORT: dict[str, Any] = {
    "messages": {"in": 1200, "kept": 1000, "dropped": {"written by a bot": 150, "deleted": 50}},
    "redactions": {"[email]": 4, "[phone]": 2},
    "links": {"reply": 300, "ranked": 600, "starts": 100},
    "examples": {
        "in": 1000,
        "kept": 60,
        "dropped": {"starts a topic": 600, "near-duplicate": 240, "same line too often": 100},
    },
    "training": {"examples": 50, "tokens": 9000, "learned_tokens": 700},
    "validation": {"examples": 10, "tokens": 1800, "learned_tokens": 140},
    "members": {"count": 3, "top": [{"member_id": MIRA, "examples": 25, "share": 0.5}]},
    "consent": {
        "mode": "opt_in",
        "declared": 'op declared: "open data"',
        "coverage": "3 of 5 members, 80% of messages",
        "members": 5,
        "members_learned_from": 3,
        "left_out": {"author has not opted in": 200},
    },
    "tokens_counted_by": "the vocabulary of demo-base.gguf",
    "activity": [[day * 24 + hour for hour in range(24)] for day in range(7)],
    "blend": {
        "members": {
            str(MIRA): {"before": 0.6, "wanted": 0.3, "after": 0.5},
            str(BOB): {"before": 0.3, "wanted": 0.4, "after": 0.3},
            str(KAI): {"before": 0.1, "wanted": 0.3, "after": 0.2},
        },
        "gave_way": ["the cap (50.0% instead of 12% for one member)"],
        "kept": 50,
        "of": 60,
        "hours": {"before": [], "after": [], "moved": 0.02},
        "conversational": {"before": 0.9, "after": 0.88},
    },
    "lengths": {
        "reply_tokens": {"upto": [4, 8, 16, 32], "count": [5, 20, 20, 5]},
        "example_tokens": {"upto": [64, 128, 300], "count": [10, 30, 10]},
        "context_lines": {"upto": [1, 2, 4, 8], "count": [0, 25, 20, 5]},
    },
    "kinds": {"pair": 10, "long": 40},
    "conversation_sizes": {"upto": [1, 2, 4, None], "count": [40, 30, 20, 3]},
    "reactions": {"\U0001f389": 40, ":soup:": 12},
    "preferences": {
        "kto": {"training": {"well": 30, "badly": 4}, "validation": {"well": 3, "badly": 1}},
        "pairs": {"training": 4, "validation": 1},
        "to_sample": {"training": 26, "validation": 2},
        "remark": "",
    },
}


def example(number: int, turns: Sequence[Turn], reply: str, author: int = MIRA) -> Example:
    """One whose messages are `number` * 100 and on: a message a turn, the reply last."""
    first = MESSAGE + number * 100
    ids = tuple(range(first, first + len(turns) + 1))
    return Example(
        str(ids[-1]),
        PERSONA,
        tuple(turns),
        reply,
        author,
        ids,
        CHANNEL,
        first,
        tokens=10 * number + 20,
        learned_tokens=number + 2,
        reply_ids=ids[-1:],
    )


def other_than(one: Example) -> int:
    """Who says the lines before a usual one's reply."""
    return KAI if one.target_author_id == BOB else BOB


def usual(count: int = 50) -> list[Example]:
    """Examples of all kinds, by three members in turn."""
    made = []
    for number in range(count):
        author = (MIRA, BOB, KAI)[number % 3]
        other = NAMES[KAI if author == BOB else BOB]
        turns: list[Turn] = [Said(other, f"line {number} of the talk")]
        if number % 2:
            turns += [Own("so I said"), Said(other, "and then?", goes_on=False)]
        if number % 5 == 0:
            turns.insert(0, Note(f'{other} on 3 May 2025: "soup {number}"'))
        made.append(example(number, turns, f"reply {number} it is", author))
    return made


def write_set(
    folder: Path, examples: Sequence[Example], report: object = REPORT, **more_lines: int
) -> Path:
    """A set's folder with its manifest; `more_lines` are lines of other files, by their stem."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(map(to_json_line, examples))
    (folder / "training_data.jsonl").write_text(text, encoding="utf-8")
    aside = [example(9000 + n, [Said("Bob", "hi"), Said("Bob", "there")], "oh") for n in range(10)]
    text = "".join(map(to_json_line, aside))
    (folder / "validation_data.jsonl").write_text(text, encoding="utf-8")
    if report is not None:
        (folder / "dataset_report.json").write_text(
            json.dumps(report, ensure_ascii=False), encoding="utf-8"
        )
    for stem, count in more_lines.items():
        (folder / f"{stem}.jsonl").write_text("{}\n" * count, encoding="utf-8")
    counts = {"training": len(examples), "validation": len(aside)}
    write_manifest(folder, KIND, {"persona_name": "Mynah"}, counts)
    return folder


def fill(home: Home, examples: Sequence[Example] = ()) -> Database:
    """The database of a home with these people, and the messages of these examples."""
    database = Database.open(home.database, backups=home.backups)
    database.upsert_channels([ChannelRecord(CHANNEL, ID, "The Tavern", "hearth")])
    database.upsert_members(MemberRecord(i, name.lower(), name) for i, name in NAMES.items())
    database.upsert_messages(
        MessageRecord(
            message_id,
            CHANNEL,
            one.target_author_id if message_id in one.reply_ids else other_than(one),
            "words",
            message_id,
            Origin.SAMPLE,
        )
        for one in examples
        for message_id in one.source_ids
    )
    return database


class Page(HTMLParser):
    """Fails on a tag that is not closed, or closed twice; keeps what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.pictures: dict[str, list[str]] = {}
        """The texts of the elements in each picture that hold text, in their order."""
        self.talks: list[list[tuple[str, str]]] = []
        """Of each example its pieces: look and text."""
        self.text = ""
        self._open: list[tuple[str, dict[str, str]]] = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        assert len(found) == len(attrs), f"an attribute twice: {attrs}"
        self.tags.append((tag, found))
        if found.get("class") == "talk":
            self.talks.append([])
        elif self._is_in("class", "talk"):
            self.talks[-1].append((found["class"], ""))
        if tag not in VOID:
            self._open.append((tag, found))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop()[0] == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self._is_in("class", "talk"):
            look, text = self.talks[-1].pop()
            self.talks[-1].append((look, text + data))
        picture = next((a["data-picture"] for _, a in self._open if "data-picture" in a), "")
        if picture and data.strip():
            self.pictures.setdefault(picture, []).append(data.strip())
        if not any(tag == "style" for tag, _ in self._open):
            self.text += data

    def _is_in(self, name: str, value: str) -> bool:
        return any(attributes.get(name) == value for _, attributes in self._open)

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]
