"""What people liked and disliked: draws, partners from like contexts, the files that hold it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data import preferences
from data.candidates import Candidate, Candidates
from data.examples import Example, to_json_line
from data.likeness import hashed, idf, nearly_same, vectors
from data.preference_rows import FILES, KTO, PAIRS, PROMPTS, as_example, read_rows
from data.preferences import TIMES, draw, write_preferences
from data.split import TRAINING, VALIDATION
from data.spool import Spool
from model.chat_format import NOT_SHARED, Note, Said, Turn, as_text, render_ask

HALL, KITCHEN = 500, 600
RAID = ("who leads the raid on friday", "the dragon raid needs a healer and a tank")
SOUP = ("how long does the soup need", "with turnips an hour, peel the garlic first")
STONES = ("did you see the marble bridge", "yes, all that granite in the quarry")


@dataclass(frozen=True)
class Reply:
    """One candidate of a hand-made community."""

    score: float | None
    context: Sequence[str] = RAID
    text: str = ""
    author: int = 1
    channel: int = HALL
    side: str = TRAINING
    emoji: int = 0
    persona: str = "You are Mynah."
    tokens: int = 60
    learned_tokens: int = 8


class Community:
    """Candidates with their spool, as script 2 gathers them."""

    def __init__(self, folder: Path, *replies: Reply) -> None:
        self.folder = folder
        self.spool = Spool(folder / "spool")
        self.candidates = Candidates()
        for number, reply in enumerate(replies, start=1):
            self._add(number * 100, reply)

    def _add(self, message_id: int, reply: Reply) -> None:
        ids = tuple(range(message_id - len(reply.context), message_id + 1))
        turns = tuple(Said("mira", text) for text in reply.context)
        example = Example(
            str(message_id), reply.persona, turns, reply.text or f"words of {message_id}",
            reply.author, ids, reply.channel, ids[0],
            reply.tokens, reply.learned_tokens, ids[-1:],
        )  # fmt: skip
        line = to_json_line(example).encode()
        self.candidates.add(
            Candidate(
                author_id=reply.author, created_at_ms=message_id,
                side=reply.side, kind="", conversational=True, reactions=1, order=message_id,
                tokens=reply.tokens, learned_tokens=reply.learned_tokens,
                context_lines=len(turns), notes=0, score=reply.score, emoji=reply.emoji,
                offset=self.spool.add(line), length=len(line),
            )
        )  # fmt: skip

    def write(self, **options: Any) -> dict[str, Any]:
        return write_preferences(
            self.folder, self.spool, self.candidates.columns(), **{"max_tokens": 1024, **options}
        )

    def rows(self, name: str) -> list[dict[str, Any]]:
        return list(read_rows(self.folder / name))


@pytest.fixture
def community(tmp_path: Path) -> Iterator[Any]:
    made: list[Community] = []

    def build(*replies: Reply) -> Community:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Community(folder, *replies))
        return made[-1]

    yield build
    for one in made:
        one.spool.close()


# -- what is taken --------------------------------------------------------------------------------


def test_a_community_whose_right_answers_are_known(community: Any) -> None:
    home = community(
        Reply(2.0, RAID, "i can tank"),  # 100
        Reply(-1.0, RAID, "raids are for losers"),  # 200
        Reply(0.9, SOUP, "an hour and a half"),  # 300, nothing like it was badly received
        Reply(0.3, RAID),  # not notable
        Reply(None, RAID),  # nobody reacted
        Reply(1.5, RAID, "me too", side=VALIDATION),  # 600, its side has no bad one
    )
    report = home.write(emoji=["👍"])
    kto = {(row["id"], row["completion"], row["label"], row["side"]) for row in home.rows(KTO)}
    assert kto == {
        ("100", "i can tank", True, "training"),
        ("200", "raids are for losers", False, "training"),
        ("300", "an hour and a half", True, "training"),
        ("600", "me too", True, "validation"),
    }
    (pair,) = home.rows(PAIRS)
    assert (pair["chosen"], pair["rejected"]) == ("i can tank", "raids are for losers")
    assert pair["source_ids"] == [98, 99, 100, 200]
    assert pair["reply_ids"] == [100, 200]
    assert pair["rejected_author_id"] == 1
    assert pair["likeness"] == 1.0
    assert [row["id"] for row in home.rows(PROMPTS)] == ["300", "600"]
    assert all("rejected" not in row for row in home.rows(PROMPTS))
    assert report["kto"] == {
        "training": {"well": 2, "badly": 1},
        "validation": {"well": 1, "badly": 0},
    }
    assert report["pairs"] == {"training": 1, "validation": 0}
    assert report["to_sample"] == {"training": 1, "validation": 1}
    assert report["lines"] == {"kto": 4, "preferences": 1, "preference_prompts": 2}
    assert report["led_by"] == {"👍": 3}
    assert report["remark"] == ""


def test_the_prompt_is_the_rendering_of_the_truth_beside_it(community: Any) -> None:
    home = community(Reply(2.0), Reply(-2.0))
    home.write()
    for name in (KTO, PAIRS):
        for row in home.rows(name):
            example = as_example(row, name)
            assert row["prompt"] == as_text(render_ask(example.persona, example.turns))
            assert row["prompt"].endswith("<|im_start|>assistant\n")
            assert not row["prompt"].endswith(example.reply)


def test_the_keys_are_those_that_trl_asks_for_first(community: Any) -> None:
    home = community(Reply(2.0), Reply(-2.0), Reply(2.0, SOUP))
    home.write()
    for name, keys in (
        (KTO, ["prompt", "completion", "label"]),
        (PAIRS, ["prompt", "chosen", "rejected"]),
        (PROMPTS, ["prompt", "chosen", "persona"]),
    ):
        assert [k for k in home.rows(name)[0] if k not in ("id", "side")][:3] == keys


def test_nothing_is_written_of_what_may_not_be_taken(community: Any) -> None:
    home = community(Reply(2.0), Reply(2.0), Reply(-2.0))
    home.write(usable=np.array([True, False, False]))
    assert [row["id"] for row in home.rows(KTO)] == ["100"]
    assert [row["id"] for row in home.rows(PROMPTS)] == ["100"]


def test_where_nothing_is_known_three_empty_files_and_a_remark(community: Any) -> None:
    home = community(Reply(None), Reply(0.0))
    report = home.write()
    assert all((home.folder / name).read_bytes() == b"" for name in FILES.values())
    assert report["remark"].startswith("Nobody reacted")
    home = community(Reply(2.0))
    assert home.write()["remark"].startswith("Nothing was badly received")
    home = community(Reply(-2.0))
    assert home.write()["remark"].startswith("Nothing was well received")
    home = community()
    assert home.write()["lines"] == {"kto": 0, "preferences": 0, "preference_prompts": 0}


def test_the_same_seed_gives_the_same_files(community: Any) -> None:
    replies = [
        Reply((-1.0) ** (n % 3) * 2, (RAID, SOUP)[n % 2], f"reply {n} of {n * 7}", author=n % 5)
        for n in range(200)
    ]
    first, second, third = (community(*replies) for _ in range(3))
    assert first.write(seed=1, most=40) == second.write(seed=1, most=40)
    third.write(seed=2, most=40)
    for name in FILES.values():
        a, b, c = ((one.folder / name).read_bytes() for one in (first, second, third))
        assert a == b
        assert a != c or not a


# -- partners -------------------------------------------------------------------------------------


def pairs(home: Community, **options: Any) -> dict[str, int]:
    """Chosen reply's id -> the rejected one's message."""
    home.write(**options)
    return {row["id"]: row["reply_ids"][-1] for row in home.rows(PAIRS)}


def test_the_likest_context_wins(community: Any) -> None:
    half = (SOUP[0], RAID[1])
    home = community(Reply(2.0, RAID), Reply(-2.0, half), Reply(-2.0, RAID), Reply(-2.0, STONES))
    assert pairs(home) == {"100": 300}


def test_a_context_that_is_not_like_it_is_none(community: Any) -> None:
    home = community(Reply(2.0, RAID), Reply(-2.0, STONES))
    assert pairs(home) == {}
    assert [row["id"] for row in home.rows(PROMPTS)] == ["100"]


def test_the_same_channel_is_preferred(community: Any) -> None:
    home = community(Reply(2.0), Reply(-2.0, channel=KITCHEN), Reply(-2.0, channel=HALL))
    assert pairs(home) == {"100": 300}
    home = community(Reply(2.0), Reply(-2.0, channel=KITCHEN))
    assert pairs(home) == {"100": 200}


def test_sides_and_personas_are_kept_apart(community: Any) -> None:
    home = community(Reply(2.0), Reply(-2.0, side=VALIDATION), Reply(-2.0, persona="You are Bob."))
    assert pairs(home) == {}


def test_a_partner_of_the_same_author_is_as_good_as_any(community: Any) -> None:
    assert pairs(community(Reply(2.0, author=4), Reply(-2.0, author=4))) == {"100": 200}


def test_what_is_nearly_the_same_or_stands_in_the_context_is_no_partner(community: Any) -> None:
    home = community(Reply(2.0, text="i can heal!"), Reply(-2.0, text="I can heal"))
    assert pairs(home) == {}
    # The badly received message 100 is the last line before the well received one.
    home = community(Reply(-2.0, ("a", *RAID)), Reply(2.0, RAID * 60))
    assert pairs(home) == {}


def test_a_pair_fits_into_the_length_with_the_longer_reply(community: Any) -> None:
    replies = (
        Reply(2.0, tokens=100, learned_tokens=10),
        Reply(-2.0, tokens=90, learned_tokens=31),
    )
    assert pairs(community(*replies), max_tokens=120) == {}
    home = community(*replies)
    assert pairs(home, max_tokens=121) == {"100": 200}
    (row,) = home.rows(PAIRS)
    assert (row["tokens"], row["learned_tokens"], row["rejected_tokens"]) == (121, 10, 31)


def test_one_bad_reply_is_not_everybodys_partner(community: Any) -> None:
    home = community(*[Reply(2.0)] * 9, Reply(-2.0), Reply(-2.0, (*RAID, "a word more")))
    assert Counter(pairs(home).values()) == {1000: TIMES, 1100: TIMES}


def test_likeness_by_hand() -> None:
    contexts: list[list[Turn]] = [
        [Said("a", "the dragon raid")],
        [Said("b", "THE DRAGON, raid!"), NOT_SHARED, Note("soup soup soup")],
        [Said("a", "the soup")],
        [Said("a", "")],
        [Said("a", "晩ご飯は何")],
        [Said("a", "晩ご飯は魚")],
    ]
    seen = [hashed(turns) for turns in contexts]
    table = (rows := vectors(seen, idf(seen))) @ rows.T
    assert table[0, 1] == pytest.approx(1)
    assert 0 < table[0, 2] < 0.4
    assert not table[3].any()
    assert table[4, 5] > 0.5
    # The last line weighs most.
    talk = [Said("a", "dragon"), Said("b", "soup")]
    ends = [hashed(talk), hashed([talk[0]]), hashed([talk[1]])]
    near = vectors(ends, np.ones(2048, np.float32))
    assert near[0] @ near[2] == pytest.approx(2 * (near[0] @ near[1]), rel=1e-5)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("nine works for me", "Nine works, for me!", True),
        ("nine works for me", "ten works for me", False),
        ("nine works", "nine works for me", False),
        ("😂", "😂 ", True),
        ("😂", "💀", False),
        ("😂", "lol", False),
        ("", " ", True),
    ],
)
def test_nearly_the_same(one: str, other: str, same: bool) -> None:
    assert nearly_same(one, other) is nearly_same(other, one) is same


# -- draws ----------------------------------------------------------------------------------------


def drawn(home: Community, limit: int, share: float = 1.0) -> tuple[Counter[int], Counter[int]]:
    """How many rows each emoji leads, and each author has."""
    columns = home.candidates.columns()
    rows = draw(np.arange(len(columns.score)), columns, np.random.default_rng(3), limit, share)
    assert len(set(rows.tolist())) == len(rows) <= limit
    emoji = Counter(columns.emoji[rows].tolist())
    return emoji, Counter(columns.member[rows].tolist())


def test_emoji_and_authors_take_turns(community: Any) -> None:
    many = [Reply(2.0, emoji=0, author=n % 2) for n in range(400)]
    some = [Reply(2.0, emoji=1, author=1) for _ in range(30)]
    few = [Reply(2.0, emoji=2, author=2) for _ in range(5)]
    home = community(*many, *some, *few)
    assert drawn(home, 30)[0] == {0: 13, 1: 12, 2: 5}
    assert drawn(home, 100)[0] == {0: 65, 1: 30, 2: 5}
    assert drawn(home, 1000)[0] == {0: 400, 1: 30, 2: 5}
    loud = [Reply(2.0, author=0) for _ in range(300)]
    quiet = [Reply(2.0, author=n) for n in range(1, 21)]
    assert drawn(community(*loud, *quiet), 40)[1] == {0: 20, **dict.fromkeys(range(1, 21), 1)}


def test_no_emoji_leads_more_than_its_share_of_many(
    community: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preferences, "ENOUGH", 50)
    counts = (300, 60, 40, 20)
    home = community(*(Reply(2.0, emoji=e) for e, n in enumerate(counts) for _ in range(n)))
    emoji, _ = drawn(home, 5000, 0.4)
    assert emoji == {0: 80, 1: 60, 2: 40, 3: 20}  # 80 of 200
    one = community(*[Reply(2.0)] * 90)
    assert drawn(one, 5000, 0.4)[0] == {0: 50}  # never less than is enough
    assert drawn(one, 5000)[0] == {0: 90}


def test_the_limits_of_both_sides(community: Any) -> None:
    home = community(
        *[Reply(2.0, text=f"a {n}") for n in range(60)],
        *[Reply(-2.0, text=f"b {n}") for n in range(50)],
        *[Reply(2.0, text=f"c {n}", side=VALIDATION) for n in range(30)],
    )
    report = home.write(most=20)
    assert report["kto"] == {
        "training": {"well": 20, "badly": 20},
        "validation": {"well": 2, "badly": 0},
    }
    assert report["received_training"] == {"well": 60, "badly": 50}
    assert len(home.rows(PAIRS)) + len(home.rows(PROMPTS)) == 22
    labels = [row["label"] for row in home.rows(KTO)]
    assert labels != sorted(labels)  # shuffled
    assert json.dumps(report)
