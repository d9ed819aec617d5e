"""Measures guard: what of hostile drafts gets out, and what it costs ordinary ones.

    python scripts/bench_guard.py --json
    python scripts/bench_guard.py --history DIR --chat DIR --json

Hostile drafts are made from a seed (scripts/hostile_drafts.py), and an oracle of its own looks at
what was allowed. Ordinary drafts are people's lines, each with the lines before it in view: half of
them The Lantern's last days with the days before as history, half those of --chat (exports, such as
../shared/data/ubuntu_irc/dev) with --history (such as .../train). Who said the line is the persona:
what they said before is its own, as the bot's own messages are. The home is a scratch one.

keys of --json:
  hostile     drafts, allowed, changed, and left over: pings, invites, links, spoken, controls,
              again (allowed, and not allowed unchanged when it is asked again); ms_p50, ms_p95
  ordinary    by source: lines, blocked_percent, changed_percent, blocked and changed by reason,
              ms_p50, ms_p95, ms_max with the look-up in the history (CPU time), history_messages
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.guard import guard
from bot.guarding.surroundings import Surroundings
from bot.messages import Allowed, GuardVerdict
from data.importers.importing import import_paths
from data.preprocessor import CleanMessage, why_no_words
from data.privacy import redact
from data.samples.lantern import write_lantern
from model.chat_format import Own, Said, Tokenizer, Turn
from model.tokenizers import VocabularyFile
from scripts.edge import add_json, ending_in_a_sentence
from scripts.export_days import read_channels
from scripts.hostile_drafts import ALLOWED, NAMES, PERSONA_NAME, hostile, left_of
from storage.database import Database
from storage.paths import DEMO_BASE_DIR
from storage.records import MessageRecord, Origin
from storage.statistics import nearest_rank

IN_VIEW = 30
"""Lines before a draft."""
LANTERN_LINES = 20_000
_KINDS = {
    "pings": "ping",
    "invites": "invite",
    "links": "link",
    "spoken": "spoken",
    "controls": "control",
}


@dataclass(frozen=True)
class Case:
    """An ordinary draft: who said it, what, and what stood before."""

    author_id: int
    name: str
    text: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class OthersHistory:
    """What everybody but one said."""

    database: Database
    author_id: int

    def said_with(self, phrase: str, limit: int) -> list[MessageRecord]:
        found = self.database.said_with(phrase, limit)
        return [message for message in found if message.author_id != self.author_id]

    def said_around(self, message: MessageRecord) -> list[str]:
        return self.database.said_around(message)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--drafts", type=int, default=10_000, metavar="N", help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--history", type=Path, metavar="DIR", help="exports: what was said before")
    parser.add_argument("--chat", type=Path, metavar="DIR", help="exports: the ordinary drafts")
    parser.add_argument("--gguf", type=Path, metavar="FILE", help="whose tokens count a span")
    parser.add_argument("--words", action="store_true", help="count a span's words and signs")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N of the touched")
    add_json(parser, "print one JSON object")
    arguments = parser.parse_args()
    vocabulary = arguments.gguf or DEMO_BASE_DIR / "demo-base-q4_k_m.gguf"
    ordinary: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, VocabularyFile(vocabulary) as opened:
        tokenizer = None if arguments.words else opened.tokenizer
        for source in _sources(Path(folder), arguments.history, arguments.chat):
            cases, database, name = source
            share = arguments.drafts // (2 if arguments.chat else 1)
            chosen = random.Random(arguments.seed).sample(cases, min(share, len(cases)))
            with database:
                ordinary[name] = on_ordinary(chosen, database, tokenizer, arguments.show)
    result = {"hostile": on_hostile(arguments.drafts, arguments.seed), "ordinary": ordinary}
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=1))
    return 0


def on_hostile(count: int, seed: int) -> dict[str, Any]:
    """What of hostile drafts gets out."""
    around = Surroundings(allowed_links=ALLOWED)
    left = Counter(dict.fromkeys((*_KINDS, "again"), 0))
    figures: Counter[str] = Counter()
    took: list[float] = []
    for draft in hostile(count, seed):
        verdict = _timed(took, draft.text, "raid tonight?", NAMES, PERSONA_NAME, around)
        if not isinstance(verdict, Allowed):
            continue
        figures.update(allowed=1, changed=bool(verdict.changes))
        left.update(name for name, kind in _KINDS.items() if left_of(kind, verdict.text))
        again = _timed([], verdict.text, "raid tonight?", NAMES, PERSONA_NAME, around)
        left.update(again=again != Allowed(verdict.text))
    return {"drafts": count, **figures, **left, **_percentiles(took)}


def on_ordinary(
    cases: Sequence[Case], database: Database, tokenizer: Tokenizer | None, show: int
) -> dict[str, Any]:
    """What guard does to people's lines."""
    members = frozenset(member.nickname for member in database.members())
    blocked: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    took: list[float] = []
    shown: list[str] = []
    touched = 0
    for case in cases:
        in_view = {turn.name for turn in case.turns if isinstance(turn, Said)}
        names = frozenset(members | in_view - {case.name}) - {case.name}
        history = OthersHistory(database, case.author_id)
        around = Surroundings("", case.turns, (), history, tokenizer)
        asked = next((t.text for t in reversed(case.turns) if isinstance(t, Said)), "")
        verdict = _timed(took, case.text, asked, names, case.name, around)
        if isinstance(verdict, Allowed):
            changed.update(verdict.changes)
            touched += bool(verdict.changes)
        else:
            blocked[verdict.reason.name.lower()] += 1
        if not isinstance(verdict, Allowed) or verdict.changes:
            now = verdict.text if isinstance(verdict, Allowed) else ""
            shown.append(f"{verdict}\n    {case.text!r}\n    {now!r}")
    for line in random.Random(0).sample(shown, min(show, len(shown))):
        print(line)
    return {
        "lines": len(cases),
        "blocked_percent": round(100 * blocked.total() / max(1, len(cases)), 2),
        "changed_percent": round(100 * touched / max(1, len(cases)), 2),
        "blocked": dict(blocked.most_common()),
        "changed": dict(changed.most_common()),
        "history_messages": sum(database.message_counts().values()),
        **_percentiles(took),
    }


def _timed(
    took: list[float],
    text: str,
    asked: str,
    names: Sequence[str] | frozenset[str],
    persona_name: str,
    around: Surroundings,
) -> GuardVerdict:
    began = time.thread_time()
    verdict = guard(text, asked=asked, names=names, persona_name=persona_name, surroundings=around)
    took.append(1000 * (time.thread_time() - began))
    return verdict


def _percentiles(took: list[float]) -> dict[str, float]:
    ascending = sorted(took)
    shares = {"ms_p50": 0.5, "ms_p95": 0.95, "ms_p99": 0.99, "ms_max": 1.0}
    return {name: round(nearest_rank(ascending, share) or 0.0, 3) for name, share in shares.items()}


# -- people's lines --------------------------------------------------------------------------------


def _sources(
    folder: Path, history: Path | None, chat: Path | None
) -> Iterator[tuple[list[Case], Database, str]]:
    """(drafts, a home with what was said on other days, name)."""
    exports = folder / "lantern"
    write_lantern(exports, message_count=LANTERN_LINES)
    channels = read_channels(exports)
    times = sorted(m.created_at_ms for messages in channels.values() for m in messages)
    since_ms = times[int(0.7 * len(times))]
    database = _opened(folder / "lantern.db", exports)
    database.mark_deleted(
        (m.message_id for found in channels.values() for m in found if m.created_at_ms >= since_ms),
        since_ms,
    )
    yield list(_cases(channels.values(), since_ms)), database, "the lantern"
    if chat is not None:
        database = _opened(folder / "chat.db", history or chat)
        yield list(_cases(read_channels(chat).values(), 0)), database, chat.name


def _opened(path: Path, exports: Path) -> Database:
    database = Database.open(path)
    import_paths(database, [exports], origin=Origin.EXPORT, quarantine=path.parent / "quarantine")
    return database


def _cases(channels: Iterator[list[CleanMessage]] | Any, since_ms: int) -> Iterator[Case]:
    for messages in channels:
        usable = [m for m in messages if not why_no_words(m.text)]
        texts = [redact(m.text) for m in usable]
        for n, message in enumerate(usable):
            if message.created_at_ms >= since_ms and n >= IN_VIEW:
                before = range(n - IN_VIEW, n)
                turns = tuple(_turn(usable[i], texts[i], message.name) for i in before)
                yield Case(message.author_id, message.name, texts[n], turns)


def _turn(message: CleanMessage, text: str, own_name: str) -> Turn:
    return Own(text) if message.name == own_name else Said(message.name, text)


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
