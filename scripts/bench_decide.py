"""Measures when the persona would speak on recorded talk, with nobody there to write. No home.

    python scripts/bench_decide.py                              2,000 messages of The Lantern
    python scripts/bench_decide.py --exports DIR --messages 2000 --cares "wifi, sound, drivers"
    python scripts/bench_decide.py --rate 0.05 --show 40        the messages it would speak about

The newest messages go through a real pipeline, a database and their own times included, up to the
verdict; a reply is taken as sent right behind its message. What was said before stands in the
database. --cares is what the persona cares about, separated by commas. The same seed draws the same
chances.

keys of --json: `messages`, `days` (from the first to the last of them), `decide_a_cpu_s` (messages
that `decide` alone judges in a processor's second), `pipeline_a_cpu_s` (with facts and storing) and
`rates`, for each rate:
  unasked, asked   replies; asked: addressed, or attention
  share            of the messages that were answered unasked, in percent
  unasked_a_day    replies for each day with messages
  most_a_day, most_an_hour     unasked, the most of any day, and of an hour of one channel
  reasons          how often each verdict
  channels         by channel: messages, unasked, share
  hours            by hour of the day (UTC): messages, unasked, share
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn, cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.answer import Answerer
from bot.decide import Facts, decide
from bot.judged import Judged
from bot.learn import row_of_line
from bot.messages import IncomingMessage, ReplyReason, SentLine, SentReply, Trace
from bot.pipeline import Pipeline
from bot.recall import Recall
from bot.style import Style
from bot.verdicts import SENT, row_of
from data.importers.importing import import_paths
from data.persona_file import Cares
from data.samples.lantern import write_lantern
from scripts.edge import add_json, ending_in_a_sentence
from storage.database import Database
from storage.errors import MynahError
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Origin
from storage.settings import Settings

RATES = (0.0, 0.02, 0.05, 0.1, 0.3, 1.0)
OWN = MemberRecord(1, "mynah", "Mynah", is_bot=True)
DAY_MS = 24 * 60 * 60 * 1000


class NoModel:
    """Nothing is written."""

    engine = None

    def lend(self) -> NoReturn:
        raise MynahError("No model.")


class Nobody:
    """A platform on which nobody hears anything."""

    own_id, origin, can_edit = OWN.member_id, Origin.EXPORT, False

    def listens_to(self, channel_id: int) -> bool:
        return True

    @asynccontextmanager
    async def typing(self, channel_id: int) -> AsyncIterator[None]:
        yield


class Caring(Style):
    """A persona without a voice."""

    def __init__(self, cares: Cares) -> None:
        super().__init__()
        self._cares = cares

    def cares(self, settings: Settings, channel: ChannelRecord) -> Cares:
        return self._cares


class Sends:
    """Takes each reply as sent, as `bot.answer.Answerer` does, but for the words."""

    def __init__(self, database: Database, pipeline: Pipeline, now_ms: Callable[[], int]) -> None:
        self._database, self._pipeline, self._now_ms = database, pipeline, now_ms

    async def answer(self, judged: Judged) -> tuple[Trace, None]:
        asked, at_ms = judged.message, self._now_ms()
        own_id = asked.message_id + 1
        line = SentLine(own_id, asked.channel_id, "...", at_ms, asked.message_id)
        sent = SentReply((line,))
        trace = replace(judged.trace, sent=sent)
        row = row_of(trace, at_ms, outcome=SENT, attempts=1)
        await asyncio.to_thread(self._database.record_verdicts, [row])
        record = MessageRecord(
            own_id, asked.channel_id, OWN.member_id, "...", at_ms, Origin.EXPORT,
            reply_to_id=asked.message_id,
        )  # fmt: skip
        await asyncio.to_thread(self._database.upsert_messages, [record])
        await asyncio.to_thread(self._database.record_replies, [row_of_line(line)])
        self._pipeline.recent.note_spoke(sent, asked, trace.verdict)
        return trace, None


@dataclass(frozen=True)
class Talk:
    """Recorded talk in the order in which it was said."""

    before: Sequence[MessageRecord]
    heard: Sequence[MessageRecord]
    members: Mapping[int, MemberRecord]
    channels: Mapping[int, ChannelRecord]


@dataclass
class Run:
    """One rate's verdicts."""

    traces: list[tuple[IncomingMessage, Trace]] = field(default_factory=list)
    judged: list[tuple[IncomingMessage, Facts]] = field(default_factory=list)
    cpu_s: float = 0.0


def read_talk(paths: Sequence[Path], messages: int) -> Talk:
    """Raises MynahError where the files cannot be read."""
    with (
        tempfile.TemporaryDirectory(prefix="mynah-decide-") as folder,
        Database.open(Path(folder) / "read.db") as database,
    ):
        files = list(paths) or write_lantern(Path(folder))
        import_paths(database, files, origin=Origin.EXPORT, quarantine=Path(folder))
        members = {one.member_id: one for one in database.members()}
        channels = {one.channel_id: one for one in database.channels()}
        records = sorted(database.messages(), key=lambda one: (one.created_at_ms, one.message_id))
    return Talk(records[:-messages], records[-messages:], members, channels)


async def run_at(rate: float, talk: Talk, cares: Cares, values: dict[str, Any], seed: int) -> Run:
    """What it would do about the talk at that rate."""
    now_ms = 0
    clock = lambda: now_ms  # noqa: E731
    run = Run()
    with (
        tempfile.TemporaryDirectory(prefix="mynah-decide-") as folder,
        Database.open(Path(folder) / "mynah.db") as database,
    ):
        database.upsert_channels(talk.channels.values())
        database.upsert_members([*talk.members.values(), OWN])
        database.upsert_messages(talk.before)
        pipeline = Pipeline(
            database=database,
            model=NoModel(),
            recall=Recall(database),
            platform=cast(Any, Nobody()),
            settings=Settings({**values, "speaks_in_public": True, "response_rate": rate}),
            style=Caring(cares),
            chance=random.Random(seed),
            reads_along=False,
            now_ms=clock,
        )
        pipeline._answerer = cast(Answerer, Sends(database, pipeline, clock))
        decided, inner = run.judged, pipeline._decide

        async def noted(message: IncomingMessage, facts: Facts, draw: float) -> Any:
            decided.append((message, facts))
            return await inner(message, facts, draw)

        cast(Any, pipeline)._decide = noted
        began = time.process_time()
        for record in talk.heard:
            now_ms = record.created_at_ms
            message = incoming(record, talk)
            run.traces.append((message, await pipeline.handle(message)))
        run.cpu_s = time.process_time() - began
    return run


def incoming(record: MessageRecord, talk: Talk) -> IncomingMessage:
    return IncomingMessage(record, talk.members[record.author_id], talk.channels[record.channel_id])


def figures(run: Run) -> dict[str, Any]:
    """A rate's row of --json."""
    unasked = [m for m, t in run.traces if _is_unasked(t)]
    messages = [m for m, _ in run.traces]
    sent = sum(trace.sent is not None for _, trace in run.traces)
    days = {_day(m) for m in messages}
    return {
        "unasked": len(unasked),
        "asked": sent - len(unasked),
        "share": round(100 * len(unasked) / max(1, len(messages)), 2),
        "unasked_a_day": round(len(unasked) / max(1, len(days)), 2),
        "most_a_day": max(Counter(map(_day, unasked)).values(), default=0),
        "most_an_hour": max(Counter(map(_channel_hour, unasked)).values(), default=0),
        "reasons": dict(Counter(t.verdict.reason.name for _, t in run.traces).most_common()),
        "channels": _shares(messages, unasked, lambda m: m.channel.name),
        "hours": _shares(messages, unasked, lambda m: f"{_hour(m):02}"),
    }


def _is_unasked(trace: Trace) -> bool:
    return trace.sent is not None and trace.verdict.reason is ReplyReason.RELEVANT


def _day(message: IncomingMessage) -> int:
    return message.record.created_at_ms // DAY_MS


def _hour(message: IncomingMessage) -> int:
    return message.record.created_at_ms // 3_600_000 % 24


def _channel_hour(message: IncomingMessage) -> tuple[int, int]:
    return message.channel_id, message.record.created_at_ms // 3_600_000


def _shares(
    messages: Sequence[IncomingMessage],
    unasked: Sequence[IncomingMessage],
    key: Callable[[IncomingMessage], str],
) -> dict[str, dict[str, float]]:
    whole, some = Counter(map(key, messages)), Counter(map(key, unasked))
    return {
        name: {
            "messages": count,
            "unasked": some[name],
            "share": round(100 * some[name] / count, 2),
        }
        for name, count in sorted(whole.items())
    }


def decide_a_cpu_s(judged: Sequence[tuple[IncomingMessage, Facts]]) -> float:
    """How many verdicts a processor's second gives."""
    began, rounds = time.process_time(), 0
    while time.process_time() - began < 1:
        for message, facts in judged:
            decide(message, facts, 0.5)
        rounds += 1
    return rounds * len(judged) / (time.process_time() - began)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--exports", type=Path, nargs="+", default=[], metavar="PATH", help="not The Lantern")
    add("--messages", type=int, default=2000, help="the newest so many (default 2,000)")
    add("--rate", type=float, nargs="+", default=list(RATES), help="response rates")
    add("--cares", default="", help="what the persona cares about, separated by commas")
    add("--dislikes", default="")
    add("--set", nargs="*", default=[], metavar="NAME=VALUE", help="other settings")
    add("--seed", type=int, default=0)
    add("--show", type=int, default=0, help="so many of the messages it would speak about")
    add_json(parser, "print one JSON object instead of a table")
    arguments = parser.parse_args()
    talk = read_talk(arguments.exports, arguments.messages)
    cares = Cares(listed(arguments.cares), listed(arguments.dislikes))
    values = _values(arguments.set)
    runs = {
        rate: asyncio.run(run_at(rate, talk, cares, values, arguments.seed))
        for rate in arguments.rate
    }
    first = next(iter(runs.values()))
    span_ms = talk.heard[-1].created_at_ms - talk.heard[0].created_at_ms
    result = {
        "messages": len(talk.heard),
        "days": round(span_ms / DAY_MS, 1),
        "decide_a_cpu_s": round(decide_a_cpu_s(first.judged)),
        "pipeline_a_cpu_s": round(len(talk.heard) / max(first.cpu_s, 1e-9)),
        "rates": {f"{rate:g}": figures(run) for rate, run in runs.items()},
    }
    print(json.dumps(result) if arguments.json else _table(result))
    for rate, run in runs.items() if arguments.show else ():
        print(f"\nAt rate {rate:g}:\n" + "\n".join(_shown(run, arguments.show)))
    return 0


def listed(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())


def _values(given: Sequence[str]) -> dict[str, Any]:
    from storage.settings import find, parse

    pairs = (one.partition("=") for one in given)
    return {name: parse(find(name), value) for name, _, value in pairs}


def _table(result: Mapping[str, Any]) -> str:
    lines = [
        f"{result['messages']:,} messages over {result['days']} days; decide judges "
        f"{result['decide_a_cpu_s']:,} a CPU second, the pipeline {result['pipeline_a_cpu_s']:,}"
    ]
    lines.append("rate   unasked  share  a day  most a day  most an hour  asked")
    for rate, row in result["rates"].items():
        lines.append(
            f"{rate:>5}  {row['unasked']:>7}  {row['share']:>4.1f}%  {row['unasked_a_day']:>5}"
            f"  {row['most_a_day']:>10}  {row['most_an_hour']:>12}  {row['asked']:>5}"
        )
    for rate, row in result["rates"].items():
        lines.append(f"\nat {rate}: " + ", ".join(f"{n} {c}" for n, c in row["reasons"].items()))
        for what in ("channels", "hours"):
            some = [
                f"{name} {one['unasked']}/{one['messages']} ({one['share']}%)"
                for name, one in row[what].items()
            ]
            lines.append(f"  {what}: " + ", ".join(some))
    return "\n".join(lines)


def _shown(run: Run, most: int) -> list[str]:
    """The messages that it would speak about unasked, with three lines before each."""
    at = [i for i, (_, trace) in enumerate(run.traces) if _is_unasked(trace)]
    step = max(1, len(at) // most)
    lines: list[str] = []
    for i in at[::step][:most]:
        message, trace = run.traces[i]
        here = [m for m, _ in run.traces[:i] if m.channel_id == message.channel_id]
        lines += [f"      {m.author.nickname}: {m.text}"[:150] for m in here[-3:]]
        urge = trace.verdict.urge
        why = "" if urge is None else f"{', '.join(urge.why)} | {urge}"
        lines.append(f"  --> {message.author.nickname}: {message.text}\n      [{why}]\n")
    return lines


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
