"""verbatim: what stands word for word in one author's history, against a search through it all."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from data.verbatim import COMMON_AUTHORS, LEAST_TOKENS, Span, longest_span
from storage.database import Database
from storage.records import ChannelRecord, MemberRecord, MessageKind, MessageRecord, Origin
from storage.verbatim_store import MOST_LOOKED_AT

ANNA, BEN, CLEO, BOT = 101, 102, 103, 104
STORY = (
    "when my brother moved out we found the old radio under the stairs, it still played "
    "and nobody knew which station that had been"
)


@dataclass
class Words:
    """A tokenizer: each word and each sign is a token."""

    ids: dict[str, int] = field(default_factory=dict)

    def control_id(self, token: str) -> int:
        return 0

    def text_ids(self, text: str) -> list[int]:
        found = re.findall(r"\w+|[^\w\s]", text)
        return [self.ids.setdefault(word, len(self.ids)) for word in found]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "mynah.db") as opened:
        opened.upsert_channels([ChannelRecord(1, 5_000_000, "Place", "general")])
        people = ((ANNA, "anna"), (BEN, "ben"), (CLEO, "cleo"))
        members = [MemberRecord(member_id, name, name) for member_id, name in people]
        opened.upsert_members([*members, MemberRecord(BOT, "bot", "bot", is_bot=True)])
        yield opened


def say(database: Database, *lines: tuple[int, str], first: int = 1, **more: object) -> None:
    database.upsert_messages(
        MessageRecord(n, 1, author, text, n * 1000, Origin.SAMPLE, **more)  # type: ignore[arg-type]
        for n, (author, text) in enumerate(lines, start=first)
    )


def found(text: str, database: Database, *in_view: str) -> Span | None:
    return longest_span(text, database, in_view, Words())


def test_a_story_is_found_whatever_its_letters_and_blanks(database: Database) -> None:
    say(database, (BEN, "hi"), (ANNA, STORY), (BEN, "wow"))
    for told in (STORY, STORY.upper(), STORY.replace(" ", "  \n"), f"haha {STORY} yes"):
        span = found(told, database)
        assert span is not None
        assert (span.author_id, span.message_id) == (ANNA, 2)
        assert told[span.start : span.end] == span.text
        assert span.tokens >= len(Words().text_ids(STORY)) - 1
    assert longest_span(STORY, database) is not None  # without a tokenizer, too


def test_what_is_shorter_or_told_otherwise_is_not(database: Database) -> None:
    say(database, (ANNA, STORY))
    words = STORY.split()
    assert found(" ".join(words[: LEAST_TOKENS - 2]), database) is None  # and a comma
    assert found(" ".join(words[: LEAST_TOKENS + 1]), database) is not None
    other = [*words[:10], "then", *words[10:18], "then", *words[18:]]
    assert found(" ".join(other), database) is None


def test_what_is_in_view_may_be_repeated(database: Database) -> None:
    say(database, (ANNA, STORY))
    assert found(STORY, database, STORY) is None
    assert found(STORY, database, f"anna told: {STORY.upper()} lol") is None
    assert found(STORY, database, " ".join(STORY.split()[:12])) is not None


def test_what_three_authors_said_is_a_saying(database: Database) -> None:
    say(database, (ANNA, STORY), (BEN, STORY))
    assert found(STORY, database) is not None
    say(database, (BOT, STORY), first=10)
    assert found(STORY, database) is not None
    say(database, (CLEO, f"as they say {STORY}"), first=20)
    assert found(STORY, database) is None


def test_a_span_runs_over_an_authors_lines(database: Database) -> None:
    words = STORY.split()
    first, second = " ".join(words[:12]), " ".join(words[12:])
    say(database, (ANNA, first), (BEN, "really?"), (ANNA, second))
    assert found(STORY, database) is not None
    assert found(f"{first}\n{second}", database) is not None
    assert found(STORY, database, f"{first} {second}") is None


def test_lines_of_two_authors_are_nobodys_span(database: Database) -> None:
    words = STORY.split()
    say(database, (ANNA, " ".join(words[:12])), (BEN, " ".join(words[12:])))
    assert found(STORY, database) is None


def test_links_do_not_count(database: Database) -> None:
    link = "https://example.org/" + "/".join(f"part{n}" for n in range(30))
    say(database, (ANNA, f"see {link} please"))
    assert found(f"see {link} please", database) is None


def test_bots_notices_the_deleted_and_the_playground_are_no_history(database: Database) -> None:
    say(database, (BOT, STORY))
    say(database, (ANNA, STORY), first=2, kind=MessageKind.SYSTEM)
    say(database, (ANNA, STORY), first=3)
    database.mark_deleted([3], 5_000)
    playground = MessageRecord(4, 1, ANNA, STORY, 4_000, Origin.PLAYGROUND)
    database.upsert_messages([playground])
    assert found(STORY, database) is None


def test_what_a_bot_says_over_and_over_hides_no_span(database: Database) -> None:
    say(database, *((BOT, f"{STORY[:40]} {n}") for n in range(MOST_LOOKED_AT + 1)))
    say(database, (ANNA, STORY), first=10_000)
    assert database.said_with(STORY[:40], 9) == []
    assert found(STORY, database) is not None


def test_common_words_do_not_hide_a_span(database: Database) -> None:
    """Where hundreds of messages hold each phrase, longer ones are asked for."""
    say(database, *((BEN, f"{STORY[:40]} number {n}") for n in range(300)))
    say(database, *((CLEO, f"no {n} {STORY[30:]}") for n in range(300)), first=1_000)
    say(database, (ANNA, STORY), first=2_000)
    span = found(STORY, database)
    assert span is not None


def test_it_is_as_a_search_through_everything(database: Database) -> None:
    chance = random.Random(3)
    common = [f"w{n}" for n in range(40)]
    said: list[tuple[int, str]] = []
    for _ in range(400):
        if said and chance.random() < 0.3:  # others repeat
            said.append((chance.choice((ANNA, BEN, CLEO)), chance.choice(said)[1]))
        else:
            line = " ".join(chance.choices(common, k=chance.randint(20, 45)))
            said.append((chance.choice((ANNA, BEN, CLEO)), line))
    say(database, *said)
    answers = []
    for _ in range(150):
        source = chance.choice(said)[1].split()
        at, size = chance.randint(0, len(source) - 1), chance.randint(15, 30)
        told = " ".join(["x", *source[at : at + size], *chance.choices(common, k=3)])
        in_view = [" ".join(source)] if chance.random() < 0.2 else []
        answers.append(is_told(told, said, in_view))
        assert (found(told, database, *in_view) is not None) == answers[-1], told
    assert 20 < sum(answers) < 130


def is_told(text: str, said: Sequence[tuple[int, str]], in_view: Sequence[str]) -> bool:
    """The definition, by looking at each row of words of everything."""
    words = text.split()
    for first in range(len(words) - LEAST_TOKENS + 1):
        row = f" {' '.join(words[first : first + LEAST_TOKENS])} "
        authors = {author for author in (ANNA, BEN, CLEO) if row in history_of(author, said)}
        is_shown = any(row in f" {one} " for one in in_view)
        if authors and len(authors) < COMMON_AUTHORS and not is_shown:
            return True
    return False


def history_of(author: int, said: Sequence[tuple[int, str]]) -> str:
    return f" {' '.join(line for one, line in said if one == author)} "


def test_what_repeats_itself_takes_no_time(database: Database) -> None:
    chance = random.Random(1)
    say(database, (ANNA, "word " * 300), (BEN, "sing me a song " * 80))
    say(
        database,
        *((BEN, " ".join(chance.choices(("ha", "he"), k=300))) for _ in range(50)),
        first=3,
    )
    began_s = time.thread_time()
    assert found("word " * 400, database) is None
    assert found("sing me a song " * 100, database) is not None
    assert found(" ".join(chance.choices(("ha", "he"), k=400)), database) is None
    assert time.thread_time() - began_s < 2
