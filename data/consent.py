"""Whose words may be used for what: one function, `may`, its one table, and what follows from it.

Discord's Developer Policy, rule 21, forbids training models on message content obtained through its
API without Discord's express permission. Mynah cannot know who has that permission, so it asks once
for a recorded ground, and keeps who declared it, when, and what. Without one, only retrieval works.

docs/consent.md shows the whole table; tests/data/test_consent.py compares it with `may`.
"""

from __future__ import annotations

import getpass
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from data import carried, preference_rows
from data.examples import LAYOUT, Example, read_examples
from data.preference_rows import read_rows
from model.chat_format import NOT_SHARED
from storage import settings
from storage.errors import MynahError
from storage.manifest import read_manifest, verify_manifest
from storage.records import Declaration, MemberRecord, MessageRecord, Origin

if TYPE_CHECKING:
    from storage.database import Database

RULE_21 = (
    "Discord's Developer Policy (rule 21) forbids training machine-learning models on message "
    "content that was obtained through Discord's API, exporters' files included, unless Discord "
    "has given its express permission."
)
REMEDY = (
    "If you have a ground for training on it (Discord's written permission, or content that is "
    'openly licensed), say which: --declare "your ground". It is asked once and recorded with your '
    "user name and the time. Without it Mynah can still remember and quote these messages, but not "
    "learn from them."
)
PREPARE_AGAIN = "Prepare the set again: python scripts/2_prepare_training_data.py"
LINES_AT_ONCE = 200


class Use(str, Enum):
    """What may be done with somebody's words."""

    STORE = "store"
    RECALL = "recall"
    """Shown to the model as a memory, when it is asked something."""
    CONTEXT = "context"
    """Shown in a training example, before the reply, its memory notes included."""
    TARGET = "target"
    """The reply that a training example teaches."""


class MemberState(str, Enum):
    """What a member, or an admin about a member, has said."""

    UNSET = "unset"
    OPTED_IN = "opted_in"
    OPTED_OUT = "opted_out"
    EXCLUDED = "excluded"


class Mode(str, Enum):
    """What the whole home learns from: the setting `consent_mode`."""

    RETRIEVAL_ONLY = "retrieval_only"
    OPT_IN = "opt_in"
    DECLARED = "declared"


_NOBODY: frozenset[MemberState] = frozenset()
_OPTED_IN = frozenset({MemberState.OPTED_IN})
_WILLING = frozenset({MemberState.UNSET, MemberState.OPTED_IN})
_LEARNED_FROM = {
    # origin            in the modes retrieval_only, opt_in, declared
    Origin.SAMPLE: (_WILLING, _WILLING, _WILLING),
    Origin.DATA_PACKAGE: (_NOBODY, _WILLING, _WILLING),
    Origin.EXPORT: (_NOBODY, _OPTED_IN, _WILLING),
    Origin.DISCORD_API: (_NOBODY, _OPTED_IN, _WILLING),
    Origin.PLAYGROUND: (_NOBODY, _NOBODY, _NOBODY),
}
_COLUMN = {mode: column for column, mode in enumerate(Mode)}


def may(use: Use, state: MemberState, origin: Origin, mode: Mode, *, is_declared: bool) -> bool:
    """Whether a member's message of that origin may be used so. The only place that says it.

    Of other bots, deleted messages and closed channels it knows nothing: those are nobody's words,
    or are not there.
    """
    if use is Use.STORE:
        return state is not MemberState.EXCLUDED
    if use is Use.RECALL:
        return state in _WILLING and origin is not Origin.PLAYGROUND
    is_allowed = state in _LEARNED_FROM[origin][_COLUMN[mode]]
    return is_allowed and (is_declared or not origin.needs_declaration)


def may_recall(state: MemberState, origin: Origin) -> bool:
    """`may` of recalling, which is the same in every mode, declared or not."""
    return may(Use.RECALL, state, origin, Mode.RETRIEVAL_ONLY, is_declared=False)


def state_of(member: MemberRecord | None) -> MemberState:
    """A member's state; UNSET of somebody unknown. An admin's exclusion outweighs any consent."""
    if member is None:
        return MemberState.UNSET
    return MemberState.EXCLUDED if member.is_excluded else MemberState(member.consent)


# -- a home's rules, and reasons ------------------------------------------------------------------

EXCLUDED_MEMBER = "author is excluded"
OPTED_OUT = "author opted out"
PLAYGROUND = "from the playground"
UNDECLARED = "from Discord, and no ground was declared"
RETRIEVAL_ONLY = "consent_mode is retrieval_only"
NOT_OPTED_IN = "author has not opted in"

_REMEDIES = {
    UNDECLARED: f"{RULE_21} {REMEDY}",
    RETRIEVAL_ONLY: (
        "The setting consent_mode stands at retrieval_only: Mynah recalls what was said here and "
        "learns from nobody. Change it with python scripts/manage_settings.py set consent_mode "
        "opt_in (or declared); docs/consent.md says what each means."
    ),
    NOT_OPTED_IN: (
        "The setting consent_mode stands at opt_in, and of those whose messages are here nobody "
        "has opted in. Members do that themselves; docs/consent.md says how."
    ),
    OPTED_OUT: "Those whose messages are here have opted out.",
}


class ConsentError(MynahError):
    """Training is not allowed on this content; the sentence says why and what would allow it."""


@dataclass(frozen=True)
class Rules:
    """What this home has settled on."""

    mode: Mode = Mode.RETRIEVAL_ONLY
    is_declared: bool = False

    @classmethod
    def of(cls, database: Database) -> Rules:
        """As they stand in the database now."""
        chosen, _ = settings.load(database.config_rows())
        return cls(Mode(chosen.text("consent_mode")), bool(database.declarations()))

    def why_not(self, use: Use, state: MemberState, origin: Origin) -> str:
        """Why `may` says no, in words for a report; "" where it says yes."""
        if may(use, state, origin, self.mode, is_declared=self.is_declared):
            return ""
        if state is MemberState.EXCLUDED:
            return EXCLUDED_MEMBER
        if origin is Origin.PLAYGROUND:
            return PLAYGROUND
        if state is MemberState.OPTED_OUT:
            return OPTED_OUT
        if origin.needs_declaration and not self.is_declared:
            return UNDECLARED
        return RETRIEVAL_ONLY if self.mode is Mode.RETRIEVAL_ONLY else NOT_OPTED_IN

    def may_name(self, state: MemberState, origin: Origin) -> bool:
        """Whether a mention in somebody else's message of that origin keeps the nickname.

        Whoever handed over a data package did not hand over those whom it mentions.
        """
        if origin is Origin.DATA_PACKAGE:
            return may(Use.CONTEXT, state, Origin.EXPORT, self.mode, is_declared=True)
        return not self.why_not(Use.CONTEXT, state, origin)


DEFAULT_RULES = Rules()
"""Of a home in which nobody settled on anything."""


def remedy(left_out: Mapping[str, int]) -> str:
    """What to do where nothing may be learned from: for the reason that most messages have."""
    known = [reason for reason in left_out if reason in _REMEDIES] or list(left_out)
    reason = max(known, key=lambda one: (left_out[one], one))
    return _REMEDIES.get(reason, f"Nothing of it may be learned from: {reason}.")


# -- declarations ---------------------------------------------------------------------------------


def declare(database: Database, ground: str) -> Declaration:
    """Record the ground with the operating system's user name and the time now.

    The same ground by the same user is recorded once: the first record is returned. The setting
    `consent_mode` becomes `declared` where it stands at its default.
    Raises ConsentError where `ground` says nothing.
    """
    ground = ground.strip()
    if not any(char.isalnum() for char in ground):
        raise ConsentError(
            'A declaration needs a ground in words: --declare "open data, CC-BY-4.0".'
        )
    who = _user_name()
    same = [d for d in database.declarations() if (d.who, d.ground) == (who, ground)]
    made = same[0] if same else database.record_declaration(who, ground, _now_ms())
    if Rules.of(database).mode.value == settings.find("consent_mode").default:
        database.set_config("consent_mode", Mode.DECLARED.value)
    return made


def declared_words(declarations: Iterable[Declaration]) -> str:
    """The latest declaration in words; "" where there is none."""
    latest = max(declarations, key=lambda d: (d.declared_at_ms, d.declaration_id), default=None)
    return "" if latest is None else f'{latest.who} declared: "{latest.ground}"'


# -- coverage -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Coverage:
    """How many people's messages, and how many messages, a set would be made from; not cleaned."""

    members: int = 0
    """Who said something in an allowed channel; other bots do not count."""
    members_learned_from: int = 0
    messages: int = 0
    messages_learned_from: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    """The other messages by reason."""

    def __str__(self) -> str:
        share = self.messages_learned_from / self.messages if self.messages else 0.0
        return f"{self.members_learned_from:,} of {self.members:,} members, {share:.0%} of messages"


def coverage(database: Database, mode: Mode, is_declared: bool) -> Coverage:
    """Whom may be learned from under these rules. Half a second at a million messages."""
    rules = Rules(mode, is_declared)
    people = {member.member_id: member for member in database.members()}
    members: set[int] = set()
    learned_from: set[int] = set()
    counted = learned = 0
    left_out: Counter[str] = Counter()
    for author_id, origin, count in database.messages_by_author():
        author = people.get(author_id)
        if origin is Origin.PLAYGROUND or (author is not None and author.is_bot):
            continue
        members.add(author_id)
        counted += count
        if reason := rules.why_not(Use.TARGET, state_of(author), origin):
            left_out[reason] += count
        else:
            learned_from.add(author_id)
            learned += count
    return Coverage(len(members), len(learned_from), counted, learned, dict(left_out))


# -- a training set's door ------------------------------------------------------------------------


def check_dataset_may_train(folder: Path, database: Database) -> None:
    """The trainer's door: each line's messages are looked up anew in the database as it is now.
    Where there is no history, as on a box for training, the door that the set came through at home
    counts (data/carried.py).

    Raises ConsentError where the words of any may not be used as the line does, where a message is
    gone or a turn belongs to none; ManifestError where the set was changed since it was made;
    ExampleError where a line is none.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise ConsentError(f"{folder} is no complete training set. {PREPARE_AGAIN}")
    if manifest.config.get("layout") != LAYOUT:
        raise ConsentError(
            f"{folder} was made by an earlier version of Mynah, and does not say all that is asked "
            f"of a set today. {PREPARE_AGAIN}"
        )
    verify_manifest(folder)
    if (checked := carried.read(folder)) is not None and not has_history(database):
        if refusal := checked.why_not(folder):
            raise ConsentError(f"{folder} may not be trained on: {refusal}")
        return
    for where, reason in refused_lines(folder, database):
        remedy_words = _REMEDIES[reason] if reason == UNDECLARED else PREPARE_AGAIN
        raise ConsentError(f"{where} may not be trained on: {reason}. {remedy_words}")


def has_history(database: Database) -> bool:
    """Whether a home knows any message at all; a box for training knows none."""
    return database.history_state()["messages"] > 0


def refused_lines(folder: Path, database: Database) -> Iterator[tuple[str, str]]:
    """Where each line of a set stands that may not be trained on now, and why. Raises
    ExampleError."""
    door = _Door(database)
    for path in sorted(folder.glob("*.jsonl")):
        lines = enumerate(_lines_of(path), start=1)
        while some := list(islice(lines, LINES_AT_ONCE)):
            for number, reason in door.refused(some):
                yield f"Line {number} of {path}", reason


def why_refused(database: Database, examples: Sequence[Example]) -> dict[int, str]:
    """Which of the examples may not be trained on now, by their places, and why."""
    return dict(_Door(database).refused(list(enumerate(examples))))


class _Door:
    """Remembers which messages are fine, for which use; each is looked up once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rules = Rules.of(database)
        self._members = {member.member_id: member for member in database.members()}
        self._closed = {c.channel_id for c in database.channels() if not c.is_allowed}
        self._is_forgotten: dict[int, bool] = {}
        self._fine: dict[Use, set[int]] = {Use.CONTEXT: set(), Use.TARGET: set()}

    def refused(self, lines: list[tuple[int, Example]]) -> Iterator[tuple[int, str]]:
        """The lines that may not be trained on, each with its reason."""
        asked: set[int] = set()
        for _, example in lines:
            for use, ids in _uses(example):
                asked.update(ids.difference(self._fine[use]))
        found = {m.message_id: m for m in self._database.messages_by_id(asked)}
        for number, example in lines:
            if reason := _why_no_line(example) or self._why_refused(example, found):
                yield number, reason

    def _why_refused(self, example: Example, found: Mapping[int, MessageRecord]) -> str:
        for use, ids in _uses(example):
            for message_id in ids.difference(self._fine[use]):
                if reason := self._why_not(use, found.get(message_id)):
                    return reason
                self._fine[use].add(message_id)
        return ""

    def _why_not(self, use: Use, message: MessageRecord | None) -> str:
        if message is None or message.deleted_at_ms is not None:
            return "a message in it is not there any more"
        if message.channel_id in self._closed:
            return "it is from a channel that is not on the allow-list"
        author_id = message.author_id
        if author_id not in self._is_forgotten:
            self._is_forgotten[author_id] = self._database.is_forgotten(author_id)
        if self._is_forgotten[author_id]:
            return "an author asked to be forgotten"
        author = self._members.get(author_id)
        if author is not None and author.is_bot and not self._is_own_reply(message):
            return "a line in it was written by a bot"
        return self._rules.why_not(use, state_of(author), message.origin)

    def _is_own_reply(self, message: MessageRecord) -> bool:
        """Whether it is the persona's own answer, where all that was shown to it may be learned
        from (data/own_replies.py). No member's example shows one; a draft was written behind it."""
        if self._rules.mode is not Mode.DECLARED:
            return False
        return self._database.reply(message.message_id) is not None


def _lines_of(path: Path) -> Iterator[Example]:
    """The lines of any of a set's files. Raises ExampleError, OSError."""
    if path.name in preference_rows.FILES.values():
        return (preference_rows.as_example(row, path.name) for row in read_rows(path))
    return read_examples(path)


def _uses(example: Example) -> tuple[tuple[Use, set[int]], ...]:
    """The messages in a line by what they are used for."""
    targets = set(example.reply_ids)
    return (Use.CONTEXT, set(example.source_ids) - targets), (Use.TARGET, targets)


def _why_no_line(example: Example) -> str:
    """Why a line does not say whose all its words are, or ""."""
    shown = len(example.turns) - example.turns.count(NOT_SHARED)
    replies = example.reply_ids
    if example.is_draft:
        is_whole = not replies and shown <= len(example.source_ids)
        return "" if is_whole else "it does not name the message of each line that it shows"
    if (
        not replies
        or example.source_ids[-len(replies) :] != replies
        or shown > len(example.source_ids) - len(replies)
        or example.example_id not in map(str, replies)
    ):
        return "it does not name the message of each line that it shows"
    return ""


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no account entry, as in some containers
        return "unknown user"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
