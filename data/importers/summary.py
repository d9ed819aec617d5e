"""What an import tells about itself: progress while it runs, the summary at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

SHOWN_CHANNELS = 20


@dataclass(frozen=True)
class ImportProgress:
    """How far an import is. Bytes are those of the files on disk, packed or not; of entries of zip
    archives, unpacked."""

    file_name: str
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    messages: int
    quarantined: int
    seconds: float


@dataclass
class ChannelCount:
    """One channel's share. `messages` = new + changed + unchanged."""

    channel_id: int
    name: str
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    quarantined: int = 0
    excluded: int = 0
    """Left out: their authors are excluded."""
    forgotten: int = 0
    """Left out: their authors asked to be forgotten."""
    first_ms: int | None = None
    last_ms: int | None = None

    @property
    def messages(self) -> int:
        return self.new + self.changed + self.unchanged

    def widen(self, times_ms: Iterable[int]) -> None:
        """Let `first_ms` and `last_ms` span these too."""
        known = (ms for ms in (self.first_ms, self.last_ms) if ms is not None)
        both = [*known, *times_ms]
        if both:
            self.first_ms, self.last_ms = min(both), max(both)


@dataclass
class PackageCount:
    """What a member's data package held."""

    file: str
    member: str
    messages: int = 0
    """Read; known ones too."""
    private_channels: int = 0
    private_messages: int = 0
    """In direct messages, group messages and private threads: counted, not read."""
    elsewhere_channels: int = 0
    elsewhere_messages: int = 0
    """On servers that this home does not know."""
    servers: list[str] = field(default_factory=list)
    """The servers whose messages were read."""

    def __str__(self) -> str:
        where = f" on {_listed(self.servers)}" if self.servers else ""
        told = f"data package of {self.member}: {_many(self.messages, 'message')}{where}"
        left = []
        if self.private_channels:
            left.append(
                f"{_many(self.private_messages, 'private message')} in "
                f"{_many(self.private_channels, 'conversation')} (said to others in confidence)"
            )
        if self.elsewhere_channels:
            left.append(
                f"{_many(self.elsewhere_messages, 'message')} in "
                f"{_many(self.elsewhere_channels, 'channel')} of servers that this home does not "
                "know (import or fetch a server's own history first)"
            )
        return told + (f"; left out: {' and '.join(left)}" if left else "")


@dataclass
class ImportSummary:
    """The whole import; complete once `import_paths` returns it."""

    channels: dict[int, ChannelCount] = field(default_factory=dict)
    files_imported: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """Files that are no export: path and what was missed."""
    broken: list[tuple[str, str]] = field(default_factory=list)
    """Exports that break off or have a useless header: path and reason; quarantined too."""
    missing: list[str] = field(default_factory=list)
    """Parts of partitioned exports that are not there, while later ones are."""
    packages: list[PackageCount] = field(default_factory=list)
    quarantine_files: list[str] = field(default_factory=list)
    members: int = 0
    """Accounts met as authors or in mentions, bots included."""
    bots: int = 0
    quarantined: int = 0
    """Records kept aside; a file that breaks off counts as one more."""
    repairs: Counter[str] = field(default_factory=Counter)
    """Replaced bytes and characters by kind (json_bytes.py)."""
    seconds: float = 0.0

    @property
    def new(self) -> int:
        return sum(channel.new for channel in self.channels.values())

    @property
    def changed(self) -> int:
        return sum(channel.changed for channel in self.channels.values())

    @property
    def unchanged(self) -> int:
        return sum(channel.unchanged for channel in self.channels.values())

    @property
    def excluded(self) -> int:
        return sum(channel.excluded for channel in self.channels.values())

    @property
    def forgotten(self) -> int:
        return sum(channel.forgotten for channel in self.channels.values())

    @property
    def messages(self) -> int:
        return self.new + self.changed + self.unchanged

    @property
    def span_ms(self) -> tuple[int, int] | None:
        """The first and the last message's time, or None without messages."""
        firsts = [c.first_ms for c in self.channels.values() if c.first_ms is not None]
        lasts = [c.last_ms for c in self.channels.values() if c.last_ms is not None]
        return (min(firsts), max(lasts)) if firsts else None

    def as_dict(self) -> dict[str, Any]:
        """For --json: counts, dates in ISO 8601, channels by size."""
        span = self.span_ms
        return {
            "messages": self.messages,
            "new": self.new,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "quarantined": self.quarantined,
            "excluded": self.excluded,
            "forgotten": self.forgotten,
            "members": self.members,
            "bots": self.bots,
            "first": _iso(span[0]) if span else None,
            "last": _iso(span[1]) if span else None,
            "files_imported": self.files_imported,
            "files_skipped": [{"file": file, "reason": why} for file, why in self.skipped],
            "files_broken": [{"file": file, "reason": why} for file, why in self.broken],
            "files_missing": self.missing,
            "packages": [asdict(package) for package in self.packages],
            "quarantine_files": self.quarantine_files,
            "repairs": dict(self.repairs),
            "seconds": round(self.seconds, 3),
            "messages_per_s": round(self.messages / self.seconds) if self.seconds else 0,
            "channels": [{**asdict(c), "messages": c.messages} for c in self.by_size()],
        }

    def by_size(self) -> list[ChannelCount]:
        return sorted(self.channels.values(), key=lambda c: (-c.messages, c.name, c.channel_id))

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """For people, about a screen."""
        rate = f", {self.messages / self.seconds:,.0f} a second" if self.seconds else ""
        lines = [
            f"{_many(self.messages, 'message')} in {_many(self.files_imported, 'file')}: "
            f"{self.new:,} new, {self.changed:,} changed, {self.unchanged:,} unchanged "
            f"({self.seconds:.1f} s{rate})",
            f"{_many(self.members, 'member')}, {_many(self.bots, 'bot')} among them",
        ]
        if span := self.span_ms:
            lines.append(f"from {_day(span[0])} to {_day(span[1])}")
        lines += self._table()
        lines += [str(package) for package in self.packages]
        if self.excluded:
            lines.append(f"{_many(self.excluded, 'message')} of excluded members left out")
        if self.forgotten:
            lines.append(f"{_many(self.forgotten, 'message')} of forgotten members left out")
        lines += [f"broken: {file}: {why}" for file, why in self.broken]
        lines += [f"missing: {file}: later parts of it are there" for file in self.missing]
        if self.repairs:
            found = ", ".join(f"{count:,} x {kind}" for kind, count in self.repairs.items())
            lines.append(f"replaced in the text: {found}")
        if self.quarantined:
            where = ", ".join(self.quarantine_files[:3])
            more = len(self.quarantine_files) - 3
            where += f" and {more} more" if more > 0 else ""
            lines.append(f"{_many(self.quarantined, 'record')} kept aside with reasons in {where}")
        if self.skipped:
            lines.append(f"{_many(len(self.skipped), 'file')} skipped:")
            lines += [f"  {file}: {why}" for file, why in self.skipped[:SHOWN_CHANNELS]]
            if len(self.skipped) > SHOWN_CHANNELS:
                lines.append(f"  and {len(self.skipped) - SHOWN_CHANNELS:,} more")
        return lines

    def _table(self) -> list[str]:
        channels = self.by_size()
        shown = channels[:SHOWN_CHANNELS]
        if not shown:
            return []
        width = min(40, max(len(channel.name) for channel in shown) + 1)
        lines = [
            f"{'channel':<{width}} {'messages':>9} {'new':>9} {'changed':>8} {'aside':>6}  days"
        ]
        for c in shown:
            days = f"{_day(c.first_ms)} - {_day(c.last_ms)}" if c.first_ms and c.last_ms else ""
            lines.append(
                f"{'#' + c.name:<{width}.{width}} {c.messages:>9,} {c.new:>9,} {c.changed:>8,}"
                f" {c.quarantined:>6,}  {days}"
            )
        rest = channels[SHOWN_CHANNELS:]
        if rest:
            messages = sum(channel.messages for channel in rest)
            lines.append(
                f"and {_many(len(rest), 'channel')} more with {_many(messages, 'message')}"
            )
        return lines


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _iso(at_ms: int) -> str:
    return _moment(at_ms).isoformat(timespec="milliseconds")


def _day(at_ms: int) -> str:
    return _moment(at_ms).strftime("%Y-%m-%d")


def _moment(at_ms: int) -> datetime:
    moment = datetime.fromtimestamp(at_ms // 1000, tz=timezone.utc)
    return moment.replace(microsecond=at_ms % 1000 * 1000)
