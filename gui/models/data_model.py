"""What is stored of the community, without a widget: channels, members, and what may be done.

Reading is on a worker. A change goes to the running bot where it knows how, else to a script.
Tk's thread alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gui.app_model import AppModel, sentence_of
from gui.models.words import day_words, many
from storage import readonly
from storage.readonly import ChannelRow, Counts, MemberRow

CHANNEL_IDS = "discord_channel_ids"
MOST_MEMBERS = 1_000
"""Shown at most; a search finds the others."""

CONSENT_WORDS = {"unset": "not said", "opted_in": "opted in", "opted_out": "opted out"}

OnFailed = Callable[[str, str], object]
"""Gets what happened and why."""


@dataclass(frozen=True)
class Stored:
    """What is there, as read from the disk."""

    counts: Counts
    channels: tuple[ChannelRow, ...]
    members: tuple[MemberRow, ...]


class DataModel:
    """One page's. `changed` is called after each change of what stands here."""

    def __init__(
        self,
        app: AppModel,
        changed: Callable[[], object],
        failed: OnFailed,
        said: Callable[[str], object],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`said` gets a line about what was done; `environment` is what a bot inherits."""
        self._app = app
        self._changed = changed
        self._failed = failed
        self._said = said
        self._environment = os.environ if environment is None else environment
        self.stored = Stored(Counts(), (), ())
        self.is_read = False
        self.search = ""
        self.is_busy = False
        """Whether a change is being made: one at a time."""
        self._asked = 0
        """Counts readings: an answer to an earlier one is dropped."""

    # -- what is stored -------------------------------------------------------------------------

    def reload(self) -> None:
        """Read everything anew."""
        self._asked += 1
        asked, path, search = self._asked, self._app.home.database, self.search

        def shown(stored: Stored) -> None:
            if asked == self._asked:
                self.stored, self.is_read = stored, True
                self._changed()

        self._app.ui.run(lambda: read_stored(path, search), shown, self._unreadable)

    def look_for(self, search: str) -> None:
        """Show the members whose name holds this."""
        if search != self.search:
            self.search = search
            self.reload()

    @property
    def live_ids(self) -> tuple[int, ...]:
        """The channels that the bot reads and answers in."""
        return self._app.settings.ids(CHANNEL_IDS)

    @property
    def channels(self) -> tuple[ChannelRow, ...]:
        """Those that something is known of; also those that are read and said nothing yet."""
        known = {channel.channel_id for channel in self.stored.channels}
        new = (
            ChannelRow(one, f"channel {one}", "", None, True)
            for one in self.live_ids
            if one not in known
        )
        return (*self.stored.channels, *new) if self.is_read else ()

    def channel(self, row_id: str | None) -> ChannelRow | None:
        return next((c for c in self.channels if str(c.channel_id) == row_id), None)

    def member(self, row_id: str | None) -> MemberRow | None:
        return next((m for m in self.stored.members if str(m.member_id) == row_id), None)

    def is_live(self, channel: ChannelRow) -> bool:
        """Whether the bot reads and answers there; a thread is where its channel is."""
        return channel.channel_id in self.live_ids or channel.parent_id in self.live_ids

    def is_live_by_parent(self, channel: ChannelRow) -> bool:
        return channel.channel_id not in self.live_ids and channel.parent_id in self.live_ids

    @property
    def overridden(self) -> str:
        """A sentence where the environment names the channels instead; "" where it does not."""
        if not self._environment.get("DISCORD_CHANNEL_IDS", "").strip():
            return ""
        return (
            "The environment variable DISCORD_CHANNEL_IDS says which channels are read live, "
            "until it is taken away."
        )

    # -- changes --------------------------------------------------------------------------------

    def set_live(self, channel: ChannelRow, is_live: bool) -> None:
        """Have the bot read and answer in a channel from now on, or no longer."""
        ids = [one for one in self.live_ids if one != channel.channel_id]
        if is_live:
            ids.append(channel.channel_id)
        done = f"#{channel.name} is {'read and answered' if is_live else 'no longer read'} live."
        if self._begin():
            self._app.set_setting(
                CHANNEL_IDS, ",".join(map(str, ids)), lambda: self._done(done), self._refused
            )

    def set_allowed(self, channel: ChannelRow, is_allowed: bool) -> None:
        """Put a channel on the allow-list or take it off; a running bot looks there itself."""
        now = "may be learned from." if is_allowed else "is closed: nothing of it is learned."
        if self._begin():
            self._app.run_script(
                "manage_channels.py",
                "allow" if is_allowed else "close",
                str(channel.channel_id),
                "--json",
                done=lambda result: self._done(f"#{channel.name} {now}"),
                failed=self._refused,
            )

    def set_excluded(self, member: MemberRow, is_excluded: bool) -> None:
        """Leave a member out of everything, or take that back."""
        now = "is left out of everything." if is_excluded else "takes part again."
        if not self._begin():
            return

        def done(answer: dict[str, Any]) -> None:
            self._done(f"{member.nickname} {now}")

        if self._app.is_online:
            self._app.ask(
                "exclude", done, self._refused, member_id=member.member_id, is_excluded=is_excluded
            )
        else:
            self._app.run_script(
                "manage_members.py",
                "exclude" if is_excluded else "include",
                str(member.member_id),
                "--json",
                done=done,
                failed=self._refused,
            )

    def set_consent(self, member: MemberRow, may_learn: bool) -> None:
        """Keep what a member said about being learned from; a running bot is told."""
        now = "may be learned from." if may_learn else "is neither recalled nor learned from."
        if self._begin():
            self._app.run_script(
                "privacy.py",
                "optin" if may_learn else "optout",
                "--member",
                str(member.member_id),
                "--json",
                done=lambda result: self._done(f"{member.nickname} {now}"),
                failed=self._refused,
            )

    def look_up(self, member: MemberRow, done: Callable[[dict[str, Any]], object]) -> None:
        """What is stored of a member, as `scripts/privacy.py show --json` says it. Takes seconds
        where training sets are large."""

        def shown(view: dict[str, Any]) -> None:
            self.is_busy = False
            self._changed()
            done(view)

        if self._begin():
            self._app.run_script(
                "privacy.py",
                "show",
                "--member",
                str(member.member_id),
                "--json",
                done=shown,
                failed=lambda reason: self._refused(
                    reason, "What is stored could not be looked up."
                ),
            )

    def _begin(self) -> bool:
        """Whether a change may begin."""
        if self.is_busy:
            return False
        self.is_busy = True
        self._changed()
        return True

    def _done(self, words: str) -> None:
        self.is_busy = False
        self._said(words)
        self._app.tell("data")
        self._changed()

    def _refused(self, reason: str, what: str = "This could not be changed.") -> None:
        self.is_busy = False
        self._failed(what, reason)
        self._changed()

    def _unreadable(self, error: Exception) -> None:
        self.is_read = True
        self._failed("What is stored cannot be read.", sentence_of(error))
        self._changed()


def read_stored(path: Path, search: str = "") -> Stored:
    """Blocking: on a worker. Raises StorageUnreadableError."""
    return Stored(
        readonly.counts(path), readonly.channels(path), readonly.members(path, MOST_MEMBERS, search)
    )


# -- in words -----------------------------------------------------------------------------------


def summary_words(counts: Counts) -> str:
    """How much there is, and from when to when; "" where there is nothing."""
    if not counts.messages:
        return ""
    span = [day_words(counts.first_ms), day_words(counts.last_ms)]
    when = f" of {span[0]}" if span[0] == span[1] else f" from {span[0]} to {span[1]}"
    return (
        f"{many(counts.messages, 'message')}{when} · {many(counts.channels, 'channel')} · "
        f"{many(counts.members, 'member')}"
    )


def channel_cells(channel: ChannelRow, model: DataModel) -> tuple[str, ...]:
    """Name, messages, first day, last day, read live, learned from."""
    live = "yes" if model.is_live(channel) else "no"
    if model.is_live_by_parent(channel):
        live = "yes (thread)"
    return (
        f"#{channel.name}",
        f"{channel.messages:,}",
        day_words(channel.first_ms) or "\u2014",
        day_words(channel.last_ms) or "\u2014",
        live,
        "yes" if channel.is_allowed else "no",
    )


def channel_order(channel: ChannelRow, model: DataModel) -> tuple[Any, ...]:
    """What sorts each of these columns."""
    return (
        channel.name.casefold(),
        channel.messages,
        channel.first_ms or 0,
        channel.last_ms or 0,
        model.is_live(channel),
        channel.is_allowed,
    )


def channel_tone(channel: ChannelRow, model: DataModel) -> str:
    """The colour of its row."""
    if not channel.is_allowed:
        return "muted"
    return "good" if model.is_live(channel) else ""


def member_cells(member: MemberRow) -> tuple[str, ...]:
    """Nickname, account, messages, what they said about being learned from, excluded."""
    return (
        member.nickname,
        member.name,
        f"{member.messages:,}",
        consent_of(member),
        "yes" if member.is_excluded else "no",
    )


def member_order(member: MemberRow) -> tuple[Any, ...]:
    """What sorts each of these columns."""
    return (
        member.nickname.casefold(),
        member.name.casefold(),
        member.messages,
        consent_of(member),
        member.is_excluded,
    )


def member_tone(member: MemberRow) -> str:
    """The colour of its row."""
    if member.is_excluded or member.consent == "opted_out":
        return "warn"
    if member.is_bot:
        return "muted"
    return "good" if member.consent == "opted_in" else ""


def consent_of(member: MemberRow) -> str:
    """What a member said about being learned from, in words."""
    return "bot: never" if member.is_bot else CONSENT_WORDS[member.consent]
