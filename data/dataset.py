"""Makes a training set: history -> clean -> conversations -> split -> examples -> a folder.

What went in and what came out is counted: every message and every candidate that is missing has a
reason in dataset_report.json, and so has what nobody consented to (data/consent.py).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from data.budget import TokenCount
from data.consent import (
    EXCLUDED_MEMBER,
    ConsentError,
    Rules,
    coverage,
    declared_words,
    remedy,
    state_of,
)
from data.conversations import in_true_order, link
from data.erased import Erased
from data.examples import LAYOUT, to_json_line
from data.naming import Renaming
from data.preprocessor import CleanMessage, clean, without_words
from data.split import SIDES, TRAINING, VALIDATION, on_both_sides, split
from data.windows import (
    NO_CONTEXT,
    SHORT_CONTEXT,
    PlannedExample,
    Planner,
    WindowOptions,
    choose,
)
from model.chat_format import Tokenizer
from storage.database import Database
from storage.errors import MynahError
from storage.manifest import making, read_manifest, write_manifest
from storage.records import FIRST_SNOWFLAKE, MessageRecord

KIND = "dataset"
FILES = {TRAINING: "training_data.jsonl", VALIDATION: "validation_data.jsonl"}
REPORT_FILE = "dataset_report.json"
VALIDATION_SHARE = 0.1
_MEMBERS_SHOWN = 10

Progress = Callable[[str, int, int], None]
"""Called with the step, how much is done, and of how much."""


class NoExamplesError(MynahError):
    """The history gives no example; the sentence says what became of it."""


@dataclass(frozen=True)
class PersonaText:
    """Who the model is trained to be."""

    name: str
    text: str
    """The persona as every prompt begins with it, names filled in."""


@dataclass(frozen=True)
class DatasetOptions:
    """What a person may ask of a set."""

    windows: WindowOptions = field(default_factory=WindowOptions)
    validation_share: float = VALIDATION_SHARE
    token_counts_by: str = ""
    """What the tokens were counted with, for the report."""


def make_dataset(
    database: Database,
    folder: Path,
    tokenizer: Tokenizer,
    persona: PersonaText,
    options: DatasetOptions,
    progress: Progress = lambda step, done, total: None,
) -> dict[str, Any]:
    """Make the set at `folder` (an old one is replaced) and return its report.

    Raises ConsentError before anything is written, NoExamplesError, OSError.
    """
    history = history_of(database)  # before: what changes meanwhile makes the set out of date
    seen = _Seen(database, progress)
    members = database.members()
    rules = Rules.of(database)
    closed = {c.channel_id for c in database.channels() if not c.is_allowed}
    redactions: Counter[str] = Counter()
    messages, message_drops = clean(
        seen.messages(), members, rules=rules, closed_channels=closed, redactions=redactions
    )
    not_learned = Counter(message.not_learned for message in messages if message.not_learned)
    if messages and not_learned.total() == len(messages):
        raise ConsentError(remedy(not_learned))

    messages = in_true_order(messages)
    links = link(messages)
    messages = [without_words(message) for message in messages]
    channels = _by_channel(messages)
    regions = split(
        channels,
        links,
        seed=options.windows.seed,
        validation_share=options.validation_share,
    )
    planner = Planner(
        channels,
        links,
        renaming=Renaming(messages, members, persona.name),
        count=TokenCount(tokenizer, persona.text),
        persona=persona.text,
        options=options.windows,
    )
    plans: list[PlannedExample] = []
    example_drops: Counter[str] = Counter()
    for done, planned in enumerate(planner.plan(regions, on_both_sides(regions, channels, links))):
        if isinstance(planned, str):
            example_drops[planned] += 1
        else:
            plans.append(planned)
        if done % 1000 == 0:
            progress("choosing examples", done, len(messages))
    kept, more_drops = choose(plans, channels, options.windows.limit)
    example_drops += more_drops
    _assert_counted(seen.count, len(messages), message_drops)
    _assert_counted(len(messages), len(kept), example_drops)
    if not kept:
        raise NoExamplesError(_why_none(seen.count, message_drops + example_drops))

    report: dict[str, Any] = {
        "messages": _in_kept_dropped(seen.count, len(messages), message_drops),
        "redactions": dict(sorted(redactions.items())),
        "links": dict(sorted(Counter(one.how.value for one in links.values()).items())),
        "conversations": len({one.conversation_id for one in links.values()}),
        "examples": _in_kept_dropped(len(messages), len(kept), example_drops),
        **{side: _side_report(kept, side) for side in SIDES},
        "members": _members(kept, channels),
        "origins": dict(sorted(Counter(m.origin.value for m in messages).items())),
        "consent": _consent_report(database, rules, not_learned, message_drops),
        "tokens_counted_by": options.token_counts_by,
    }
    config = {
        "layout": LAYOUT,
        "history": history,
        "seed": options.windows.seed,
        "max_tokens": options.windows.max_tokens,
        "limit": options.windows.limit,
        "validation_share": options.validation_share,
        "persona": persona.text,
        "persona_name": persona.name,
        "tokens_counted_by": options.token_counts_by,
    }
    with making(folder) as work:
        _write_examples(work, planner, kept, progress)
        text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        (work / REPORT_FILE).write_text(text, encoding="utf-8")
        counts = {side: report[side]["examples"] for side in SIDES}
        write_manifest(work, KIND, config, counts)
        _take_out_erased(work, database, messages)
    return report


def _take_out_erased(work: Path, database: Database, messages: Sequence[CleanMessage]) -> None:
    """What was erased since it was read. Whoever erases from now on sees the folder that is being
    made, and comes again."""
    missing, deleted = database.lost([message.message_id for message in messages])
    if missing or deleted:
        from data.forgetting_files import sweep  # late: it knows this module's files
        from data.forgetting_rules import Rules as ErasedRules

        sweep(work, ErasedRules(Erased(message_ids=frozenset(missing | deleted))))


def history_of(database: Database) -> dict[str, Any]:
    """What a set depends on in the database: messages, names, and who may be learned from."""
    rules = Rules.of(database)
    members = [
        (m.member_id, m.nickname, m.is_bot, state_of(m).value)
        for m in database.members()
        if m.member_id >= FIRST_SNOWFLAKE
    ]
    return {
        **database.history_state(),
        "members": hashlib.sha256(json.dumps(sorted(members)).encode()).hexdigest(),
        "consent_mode": rules.mode.value,
        "declarations": [d.declaration_id for d in database.declarations()],
        "closed_channels": sorted(
            str(c.channel_id) for c in database.channels() if not c.is_allowed
        ),
    }


def is_current(folder: Path, database: Database, persona: PersonaText, max_tokens: int) -> bool:
    """Whether a whole set for this persona and length is there, made from the history as it is."""
    manifest = read_manifest(folder)
    wanted = {
        "layout": LAYOUT,
        "history": history_of(database),
        "persona": persona.text,
        "persona_name": persona.name,
        "max_tokens": max_tokens,
    }
    return manifest is not None and all(manifest.config.get(k) == v for k, v in wanted.items())


def _consent_report(
    database: Database, rules: Rules, not_learned: Counter[str], drops: Counter[str]
) -> dict[str, Any]:
    """Under which rules the set was made, and what was left out because of them.

    `not_learned` stand as placeholders in others' examples; what excluded members said is absent.
    """
    covered = coverage(database, rules.mode, rules.is_declared)
    excluded = {EXCLUDED_MEMBER: drops[EXCLUDED_MEMBER]} if drops[EXCLUDED_MEMBER] else {}
    return {
        "mode": rules.mode.value,
        "declared": declared_words(database.declarations()),
        "coverage": str(covered),
        "members": covered.members,
        "members_learned_from": covered.members_learned_from,
        "left_out": {**dict(not_learned.most_common()), **excluded},
    }


def _why_none(came_in: int, drops: Counter[str]) -> str:
    """The sentence for a history that gives no example: the main reason first."""
    if not came_in:
        return (
            "There is no history to learn from: import one with "
            "python scripts/1_fetch_all_history.py --import FILE"
        )
    reason, count = drops.most_common(1)[0]
    remedy = " Import more history." if reason in (NO_CONTEXT, SHORT_CONTEXT) else ""
    return (
        f"{came_in:,} messages gave no example to learn from, mostly for this reason: {reason} "
        f"({count:,}). All reasons: {_reasons(drops)}.{remedy}"
    )


class _Seen:
    """The messages on their way from the database, counted independently of the cleaning."""

    def __init__(self, database: Database, progress: Progress) -> None:
        self._database = database
        self._progress = progress
        self.count = 0

    def messages(self) -> Iterator[MessageRecord]:
        total = sum(self._database.message_counts().values())
        for message in self._database.messages(include_deleted=True):
            self.count += 1
            if self.count % 1000 == 0:
                self._progress("reading and cleaning", self.count, total)
            yield message


def _by_channel(messages: Sequence[CleanMessage]) -> dict[int, list[CleanMessage]]:
    return {key: list(group) for key, group in groupby(messages, key=lambda m: m.channel_id)}


def _write_examples(
    work: Path, planner: Planner, plans: Sequence[PlannedExample], progress: Progress
) -> None:
    with ExitStack() as stack:
        files: dict[str, TextIO] = {
            side: stack.enter_context((work / name).open("w", encoding="utf-8", newline="\n"))
            for side, name in FILES.items()
        }
        for done, plan in enumerate(plans):
            files[plan.side].write(to_json_line(planner.build(plan)))
            if done % 1000 == 0:
                progress("writing examples", done, len(plans))


def _assert_counted(came_in: int, kept: int, drops: Counter[str]) -> None:
    assert came_in == kept + drops.total(), f"{came_in} in, {kept} kept, {drops.total()} dropped"


def _in_kept_dropped(came_in: int, kept: int, drops: Counter[str]) -> dict[str, Any]:
    return {"in": came_in, "kept": kept, "dropped": dict(drops.most_common())}


def _side_report(plans: Sequence[PlannedExample], side: str) -> dict[str, Any]:
    own = [plan for plan in plans if plan.side == side]
    with_notes = sum(1 for plan in own if plan.notes)
    return {
        "examples": len(own),
        "tokens": sum(plan.tokens for plan in own),
        "learned_tokens": sum(plan.learned_tokens for plan in own),
        "tokens_p50": _percentile([plan.tokens for plan in own], 0.5),
        "tokens_p90": _percentile([plan.tokens for plan in own], 0.9),
        "reply_tokens_p50": _percentile([plan.learned_tokens for plan in own], 0.5),
        "reply_tokens_p90": _percentile([plan.learned_tokens for plan in own], 0.9),
        "context_lines_p50": _percentile([plan.target - plan.start for plan in own], 0.5),
        "context_lines_p90": _percentile([plan.target - plan.start for plan in own], 0.9),
        "share_with_notes": round(with_notes / len(own), 4) if own else 0.0,
    }


def _members(
    plans: Sequence[PlannedExample], channels: Mapping[int, Sequence[CleanMessage]]
) -> dict[str, Any]:
    """Whose replies are learned, by member id: the file outlives nicknames and memberships."""
    authors = Counter(channels[p.channel_id][p.target].author_id for p in plans)
    top = sorted(authors.items(), key=lambda item: (-item[1], item[0]))[:_MEMBERS_SHOWN]
    return {
        "count": len(authors),
        "top": [
            {"member_id": member_id, "examples": n, "share": round(n / len(plans), 4)}
            for member_id, n in top
        ],
    }


def _percentile(values: Sequence[int], share: float) -> int:
    """The nearest-rank percentile, 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def _reasons(drops: Counter[str]) -> str:
    return ", ".join(f"{reason}: {n:,}" for reason, n in drops.most_common())
