"""The records that the rest of Mynah passes around: messages, members, channels, declarations,
verdicts, model versions.

Frozen values, standard library alone. Times are milliseconds since 1970 in UTC and end in `_ms`;
ids are Discord snowflakes as plain integers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from functools import lru_cache
from typing import Any

FIRST_SNOWFLAKE = 1 << 22
"""Ids below are Mynah's own, such as the playground's: Discord never gives one."""

FORGOTTEN_MEMBER = "a member who was forgotten"
DELETED_MESSAGE = "a message that was deleted"
NOBODY = 0
"""Stands where the id of a forgotten member stood."""


class Origin(str, Enum):
    """Where a message came from; what may be done with it depends on it (see docs/consent.md)."""

    DISCORD_API = "discord_api"
    EXPORT = "export"
    """A file of an exporter: counts as content from Discord's API."""
    DATA_PACKAGE = "data_package"
    SAMPLE = "sample"
    """Written by us: the sample community. May be learned from without a declaration."""
    PLAYGROUND = "playground"

    @property
    def needs_declaration(self) -> bool:
        """Whether Discord's Developer Policy, rule 21, asks for a recorded ground before
        training."""
        return self in (Origin.DISCORD_API, Origin.EXPORT)

    @property
    def strictness(self) -> int:
        """How much is asked before it may be learned from (data/consent.py): 0 nothing, 1 the
        member's own hand, 2 a declaration; 3 it never is."""
        return _STRICTNESS[self]


_STRICTNESS = {
    Origin.SAMPLE: 0,
    Origin.DATA_PACKAGE: 1,
    Origin.EXPORT: 2,
    Origin.DISCORD_API: 2,
    Origin.PLAYGROUND: 3,
}


class MessageKind(str, Enum):
    """What Discord calls the message's type, as far as Mynah tells them apart."""

    DEFAULT = "default"
    REPLY = "reply"
    SYSTEM = "system"
    """Joins, pins, thread notices: never somebody's words."""


@dataclass(frozen=True)
class Reaction:
    """How often one emoji stands under a message."""

    emoji: str
    count: int


@dataclass(frozen=True)
class MessageRecord:
    """One message as it stands now, its content in readable form (mentions as @Nick, emoji as
    :name:)."""

    message_id: int
    channel_id: int
    author_id: int
    content: str
    created_at_ms: int
    origin: Origin
    kind: MessageKind = MessageKind.DEFAULT
    edited_at_ms: int | None = None
    deleted_at_ms: int | None = None
    reply_to_id: int | None = None
    reactions: tuple[Reaction, ...] = ()
    mentioned_ids: tuple[int, ...] = ()
    attachment_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class MemberRecord:
    """One account seen in the community."""

    member_id: int
    name: str
    nickname: str
    """What others see and say; equals `name` where no nickname is set."""
    is_bot: bool = False
    is_excluded: bool = False
    consent: str = "unset"
    """unset, opted_in or opted_out."""
    consent_at_ms: int | None = None
    """When that was said; None where nobody was asked, or it was not noted then."""


@dataclass(frozen=True)
class Readers:
    """Who may read a channel, as its platform has it. Administrators may read everything and are
    not named; a thread is read by those who may read its channel."""

    everyone: bool = False
    """Whether whoever is on the server may, but for `without`."""
    may: frozenset[int] = frozenset()
    """Ids of roles and members who may, where not everyone may."""
    without: frozenset[int] = frozenset()
    """Ids of roles and members to whom it is closed."""
    despite: frozenset[int] = frozenset()
    """Ids of roles and members who may all the same where they are among `without`, too."""
    is_private: bool = False
    """Whether it is a private thread: only those who are in it may, whoever they are."""

    def includes_all(self, others: Readers) -> bool:
        """Whether surely all of `others` are among these. Whoever is nobody by now is somebody else
        each time."""
        if self.is_private or not self.without <= others.without - {NOBODY}:
            return False
        if self.without and not others.despite <= self.despite - {NOBODY}:
            return False
        return self.everyone or (not others.everyone and others.may <= self.may - {NOBODY})

    def nameless(self, forgotten: Collection[int]) -> Readers:
        """With nobody's id in the place of these members'."""
        if self.ids.isdisjoint(forgotten):
            return self
        may, without, despite = (
            frozenset(NOBODY if one in forgotten else one for one in ids)
            for ids in (self.may, self.without, self.despite)
        )
        return replace(self, may=may, without=without, despite=despite)

    @property
    def ids(self) -> frozenset[int]:
        """All roles and members that it names."""
        return self.may | self.without | self.despite

    def as_text(self) -> str:
        """As it is stored."""
        return json.dumps(
            {
                "everyone": self.everyone,
                "may": sorted(self.may),
                "without": sorted(self.without),
                "despite": sorted(self.despite),
                "private": self.is_private,
            }
        )

    @staticmethod
    @lru_cache(maxsize=1024)
    def from_text(text: str | None) -> Readers | None:
        """The inverse; None where nobody said, or what is stored is none."""
        if text is None:
            return None
        try:
            value = json.loads(text)
            may, without, despite = (
                frozenset(map(int, value[name])) for name in ("may", "without", "despite")
            )
            return Readers(
                bool(value["everyone"]), may, without, despite, is_private=bool(value["private"])
            )
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True)
class ChannelRecord:
    """One text channel or thread."""

    channel_id: int
    guild_id: int
    guild_name: str
    name: str
    parent_id: int | None = None
    is_allowed: bool = True
    """Whether what is said here may be stored live, recalled and learned from. Where on Discord the
    bot reads and answers at all is the setting `discord_channel_ids`."""
    readers: Readers | None = None
    """None where nobody said: of an imported channel that the bot never saw."""


def community_name(channels: Iterable[ChannelRecord]) -> str:
    """The server that most of the channels are of; "this server" where none is known.

    The playground's channels do not count.
    """
    names = Counter(
        channel.guild_name
        for channel in channels
        if channel.guild_id >= FIRST_SNOWFLAKE and channel.guild_name.strip()
    )
    return min(names, key=lambda name: (-names[name], name)) if names else "this server"


@dataclass(frozen=True)
class Declaration:
    """Somebody's recorded ground for training on content that came from Discord's API."""

    declaration_id: int
    declared_at_ms: int
    who: str
    ground: str


@dataclass(frozen=True)
class VerdictRow:
    """What was decided about one message and what became of it: ids and figures, never words."""

    message_id: int
    channel_id: int
    at_ms: int
    verdict: str
    """reply, silent or order."""
    reason: str
    detail: str = ""
    """More about the reason; never anything that the message says."""
    outcome: str = ""
    """Empty (nothing to do), begun, sending, sent, refused or failed."""
    attempts: int = 0
    """How often answering it was begun."""
    reply_id: int | None = None
    recalled: int = 0
    """How many memory notes were shown to the model."""
    prompt_tokens: int = 0
    evaluated_tokens: int = 0
    reply_tokens: int = 0
    total_s: float = 0.0
    """Seconds from the message's arrival to the end of its handling."""


@dataclass(frozen=True)
class ModelVersion:
    """One GGUF in the registry, with where it came from."""

    version_id: str
    """Readable and unique, such as "lantern-20261120-2140"."""
    kind: str
    """base or tuned."""
    status: str
    """candidate, judged, deployed or retired."""
    gguf_path: str
    """Relative to the home, or absolute where the file ships with the program."""
    sha256: str
    size_bytes: int
    created_at_ms: int
    base: str
    """Name of the base model."""
    dataset_sha256: str = ""
    profile: str = ""
    parents: tuple[str, ...] = ()
    """Version ids this one was made from."""
    notes: str = ""
    tainted_at_ms: int | None = None
    """Since when it is known to have learned words that were erased; None where it has not."""
    tainted_because: str = ""
    """FORGOTTEN_MEMBER or DELETED_MESSAGE; never who, nor what they said."""
    retrain_by_ms: int | None = None
    """When a version that has not learned them should have taken its place."""
    deferred_at_ms: int | None = None
    """When an operator took it on them to let it answer until then all the same."""
    deferred_by: str = ""
    deferred_why: str = ""
    deploy_at: float | None = None
    """The personality score it needs before it is deployed, 0-100; None: it is not judged (a base,
    or one from before there was a judge)."""
    audit_needed: bool = False
    """Whether it has to pass the leak audit before."""
    forced_at_ms: int | None = None
    """When somebody let it answer although it had not passed."""
    forced_by: str = ""
    forced_why: str = ""
    is_pinned: bool = False
    """Whether its files stay, whatever is cleared away."""
    pruned_at_ms: int | None = None
    """When its files were cleared away; the row stays, for what was made from it."""

    @staticmethod
    def from_row(row: Iterable[Any]) -> ModelVersion:
        """As a table's columns give it, in the order of the fields."""
        names = (one.name for one in fields(ModelVersion))
        values = dict(zip(names, row, strict=True))
        values["parents"] = tuple(json.loads(values["parents"]))
        for name in ("audit_needed", "is_pinned"):
            values[name] = bool(values[name])
        return ModelVersion(**values)

    @property
    def is_barred(self) -> bool:
        """Whether it may not answer: it learned from somebody who was forgotten since, and nobody
        took that on them."""
        return self.tainted_because == FORGOTTEN_MEMBER and self.deferred_at_ms is None


@dataclass(frozen=True)
class Evaluation:
    """How a model version did in one test. Figures alone: never anybody's words."""

    evaluation_id: int
    version_id: str
    kind: str
    """personality (scripts/4_evaluate_personality.py), audit (4b_audit_leaks.py) or people (the
    blind sheet)."""
    at_ms: int
    score: float | None
    """0-100 for a personality; None where the test knows only yes and no."""
    needed: float | None
    """What was asked for then."""
    passed: bool
    figures: Mapping[str, Any]
    """By metric, as JSON knows it; nested or not."""
    report: str
    """Where the page about it lies, relative to the home; "" where there is none."""

    @staticmethod
    def from_row(row: Iterable[Any]) -> Evaluation:
        """As the table's columns give it, in the order of the fields."""
        names = (one.name for one in fields(Evaluation))
        values = dict(zip(names, row, strict=True))
        values["figures"] = json.loads(values["figures"])
        return Evaluation(**{**values, "passed": bool(values["passed"])})


DEPLOYED, FORCED, ROLLED_BACK = "deployed", "forced", "rolled back"
RETURNED = "returned"
"""The bot went back by itself: the version before would not run."""
FELL_BACK = "fell back"
"""The version before might not answer any more: it learned what was erased."""


@dataclass(frozen=True)
class Deployment:
    """One time that another version was to answer."""

    deployment_id: int
    version_id: str
    before: str
    """The version that answered before; "" where none did."""
    at_ms: int
    how: str
    """One of the five above."""
    who: str = ""
    why: str = ""
    starts: int = 0
    """The bot's starts with it that did not end well, while it is on trial."""
    settled_at_ms: int | None = None
    """When it had shown that it runs, or nobody watches it; None: it is on trial."""

    @property
    def is_on_trial(self) -> bool:
        return self.settled_at_ms is None
