"""Measures what recall finds, on LoCoMo: long conversations, questions, and the turns that answer.

    python scripts/bench_recall.py --locomo locomo.json --json
    python scripts/bench_recall.py --locomo locomo.json --captions

Each conversation is imported into a home of its own (speakers as members, a session's turns half a
minute apart from its date on), gets its vectors by the embedder that serves, and is asked through
`Recall.rank`, in its channel, by somebody who is not of it, a day after its end. A question's
recall is the share of its evidence turns among the first k; without evidence it is 1; evidence that
names no turn of the conversation counts as missed. What a picture shows (`blip_caption`) is left
out, as Discord tells nothing of the kind, but with --captions. Nothing is kept.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.fusion import Ways
from bot.recall import Asked, Recall
from data.memory import build_memory
from model.embedder import Embedder, ready_embedder
from scripts.edge import add_json, ending_in_a_sentence
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Origin
from storage.vectordb import VectorIndex

AT = (5, 10, 25, 50)
TURN_MS = 30_000
DAY_MS = 24 * 60 * 60 * 1000
CHANNEL = ChannelRecord(1 << 23, 1 << 22, "LoCoMo", "talk")
TABLE: Mapping[str, Ways] = {
    "full text alone": Ways(by_vectors=False, lent=(), reads_names=False),
    "vectors alone": Ways(by_text=False, lent=(), reads_names=False),
    "full text, names apart": Ways(by_vectors=False, lent=(), speaker=0.0, time=0.0),
    "vectors, names apart": Ways(by_text=False, lent=(), speaker=0.0, time=0.0),
    "rank fusion": Ways(by_ranks=True, lent=(), speaker=0.0, time=0.0),
    "standardised sum": Ways(lent=(), speaker=0.0, time=0.0),
    "with neighbours": Ways(speaker=0.0, time=0.0),
    "with speaker": Ways(time=0.0),
    "with speaker and time": Ways(),
}
"""From "names apart" on names and times are no words to look for; from the sum on each has all that
the one before has; the last is what serves."""

_TURN = re.compile(r"D\d+:\d+")


@dataclass(frozen=True)
class Question:
    text: str
    evidence: tuple[int, ...]
    """Message ids; 0: no turn of the conversation."""


@dataclass(frozen=True)
class Talk:
    """One conversation; message ids count from 1."""

    name: str
    members: tuple[MemberRecord, ...]
    messages: tuple[MessageRecord, ...]
    questions: tuple[Question, ...]


def main() -> int:
    arguments = parse_arguments()
    talks = read(arguments.locomo, captions=arguments.captions)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mynah-bench-")))
        gguf = arguments.embedder or ready_embedder(Home(folder / "made").ensure())
        embedder = stack.enter_context(Embedder.load(gguf, threads=1))
        began_s = time.process_time()
        found = [measured(talk, folder / talk.name, embedder) for talk in talks]
        report = summary(talks, found) | {
            "captions": arguments.captions,
            "cpu_s": round(time.process_time() - began_s, 1),
        }
    print(json.dumps(report) if arguments.json else in_words(report))
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--locomo", type=Path, required=True, metavar="FILE", help="its JSON")
    parser.add_argument(
        "--captions", action="store_true", help="count what a picture shows as part of its turn"
    )
    parser.add_argument(
        "--embedder", type=Path, metavar="GGUF", help="this one (default: all-MiniLM-L6-v2)"
    )
    add_json(parser, "the figures")
    return parser.parse_args()


def read(path: Path, *, captions: bool) -> list[Talk]:
    """The file's conversations. Raises MynahError where it is none of LoCoMo's."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return [as_talk(one, captions=captions) for one in value]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MynahError(f"{path} cannot be read as LoCoMo's conversations ({error!r}).") from error


def as_talk(value: dict[str, Any], *, captions: bool) -> Talk:
    talk = value["conversation"]
    names = {talk["speaker_a"]: 101, talk["speaker_b"]: 102}
    ids: dict[str, int] = {}
    messages: list[MessageRecord] = []
    for began_ms, turns in sessions(talk):
        for at, turn in enumerate(turns):
            ids[turn["dia_id"]] = message_id = len(messages) + 1
            shown = turn.get("blip_caption") if captions else None
            text = f"{turn['text']} [shares {shown}]" if shown else turn["text"]
            author = names[turn["speaker"]]
            at_ms = began_ms + at * TURN_MS
            messages.append(
                MessageRecord(message_id, CHANNEL.channel_id, author, text, at_ms, Origin.EXPORT)
            )
    questions = tuple(
        Question(str(one["question"]), evidence_of(one.get("evidence") or (), ids))
        for one in value["qa"]
    )
    members = tuple(MemberRecord(number, name, name) for name, number in names.items())
    return Talk(str(value["sample_id"]), members, tuple(messages), questions)


def sessions(talk: dict[str, Any]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(when it began in ms, its turns) of each session, in their order."""
    numbers = sorted(int(m[1]) for key in talk if (m := re.fullmatch(r"session_(\d+)", key)))
    for number in numbers:
        said = talk[f"session_{number}_date_time"]
        began = datetime.strptime(said, "%I:%M %p on %d %B, %Y").replace(tzinfo=timezone.utc)
        yield int(began.timestamp() * 1000), talk[f"session_{number}"]


def evidence_of(given: Sequence[str], ids: Mapping[str, int]) -> tuple[int, ...]:
    """Some entries name several turns ("D8:6; D9:17"), and a few none."""
    named = [one for entry in given for one in (_TURN.findall(entry) or [entry])]
    return tuple(ids.get(one, 0) for one in dict.fromkeys(named))


def measured(talk: Talk, folder: Path, embedder: Embedder) -> dict[str, list[list[float]]]:
    """By way: for each question its recall at each of AT."""
    home = Home(folder).ensure()
    with Database.open(home.database) as database:
        database.upsert_channels([CHANNEL])
        database.upsert_members(talk.members)
        database.upsert_messages(talk.messages)
        index = VectorIndex(home.embeddings, embedder.dimensions)
        build_memory(database, index, embedder)
        recall = Recall(database, index=index, embedder=embedder)
        found: dict[str, list[list[float]]] = {name: [] for name in TABLE}
        for question in talk.questions:
            at_ms = talk.messages[-1].created_at_ms + DAY_MS
            asked = Asked(question.text, CHANNEL, at_ms, len(talk.messages) + 1)
            rest = recall.named_in(asked.text, asked.at_ms).rest
            plain, told = (recall.embed(text) for text in (asked.text, rest))
            for name, ways in TABLE.items():
                ranked = recall.rank(asked, told if ways.reads_names else plain, ways=ways)
                found[name].append(recalls([f.spoken.message_id for f in ranked], question))
    return found


def recalls(ranked: Sequence[int], question: Question) -> list[float]:
    if not question.evidence:
        return [1.0] * len(AT)
    return [
        sum(one in ranked[:k] for one in question.evidence) / len(question.evidence) for k in AT
    ]


def summary(talks: Sequence[Talk], found: Sequence[dict[str, list[list[float]]]]) -> dict[str, Any]:
    """Means over all questions in percent, and how much they hang on single conversations."""
    serving = list(TABLE)[-1]
    at_10 = AT.index(10)
    each = {
        talk.name: round(100 * statistics.fmean(row[at_10] for row in one[serving]), 1)
        for talk, one in zip(talks, found, strict=True)
    }
    without = [
        percent([row for other in found if other is not one for row in other[serving]])[at_10]
        for one in found
        if len(found) > 1
    ]
    ways = {
        name: dict(zip(_NAMES, percent([row for one in found for row in one[name]]), strict=True))
        for name in TABLE
    }
    return {
        **ways[serving],
        "conversations": len(talks),
        "turns": sum(len(talk.messages) for talk in talks),
        "questions": sum(len(talk.questions) for talk in talks),
        "ways": ways,
        "R@10_of_each": each,
        "R@10_without_one": [min(without), max(without)] if without else [],
    }


_NAMES = tuple(f"R@{k}" for k in AT)


def percent(rows: Sequence[Sequence[float]]) -> list[float]:
    return [round(100 * statistics.fmean(column), 1) for column in zip(*rows, strict=True)]


def in_words(report: dict[str, Any]) -> str:
    lines = [
        f"{report['questions']} questions on {report['turns']} turns of "
        f"{report['conversations']} conversations, {report['cpu_s']} CPU seconds",
        f"{'':<24}" + "".join(f"{name:>7}" for name in _NAMES),
    ]
    for way, figures in report["ways"].items():
        lines.append(f"{way:<24}" + "".join(f"{figures[name]:7.1f}" for name in _NAMES))
    each = ", ".join(f"{name} {figure}" for name, figure in report["R@10_of_each"].items())
    lines.append(f"R@10 of each: {each}")
    if report["R@10_without_one"]:
        lines.append("R@10 without one of them: {} to {}".format(*report["R@10_without_one"]))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
