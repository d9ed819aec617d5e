"""What the answers to orders look like on Discord: short, at most 2,000 characters, no pings.

Times are written in Discord's own form, which each reader sees in their own time zone. Pure; any
thread.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from bot.durations import duration_text
from storage.records import FIRST_SNOWFLAKE, VerdictRow
from storage.settings import Settings

MOST_CHARS = 2000
_PINGS = re.compile(r"@(?=everyone|here)|<@(?=[!&]?\d)", re.IGNORECASE)
_MARKS = re.compile(r"([\\`*_~|<>\[\]])")


class BotStatus(TypedDict, total=False):
    """How the bot is. A key that is missing is not shown."""

    phase: str
    uptime_s: float
    model: str
    memory_mb: float
    """Resident memory of the bot's process."""
    seen: int
    """Messages within 24 hours, as are the next six."""
    answered: int
    failed: int
    errors: int
    kept_back: dict[str, int]
    """Drafts that guard let nothing out of, by reason."""
    p50_s: float | None
    """From a message's arrival to its answer."""
    p95_s: float | None
    latency_ms: float | None
    """Of Discord's gateway."""
    queued: int
    """Messages that wait for their turn."""


@dataclass(frozen=True)
class ChannelCount:
    """One channel and how many messages of it are stored, deleted ones left out."""

    channel_id: int
    name: str
    messages: int
    is_listed: bool = True
    """Whether the bot reads and answers there."""


@dataclass(frozen=True)
class BotData:
    """What is stored. Times are milliseconds since 1970 in UTC; None: there is none."""

    channels: tuple[ChannelCount, ...] = ()
    members: int = 0
    vectors: int | None = None
    """Messages with a vector in the memory."""
    model: str = ""
    model_note: str = ""
    """That a version was gone back from, and why; "": it was not."""
    dataset_examples: int | None = None
    dataset_made_ms: int | None = None


def present(text: str) -> str:
    """The text as it may be posted: no pings, and whole lines that fit into one message."""
    safe = _PINGS.sub(lambda found: found[0] + "\u200b", text).strip() or "Nothing to say."
    if len(safe) <= MOST_CHARS:
        return safe
    cut = safe[: MOST_CHARS - 4]
    return (cut[: cut.rfind("\n")] if "\n" in cut[1:] else cut) + "\n..."


def plain(name: str) -> str:
    """A name without Discord's formatting coming to life."""
    return _MARKS.sub(r"\\\1", name)


def status_text(status: BotStatus, settings: Settings) -> str:
    """The answer to !status."""
    head = status.get("phase", "").capitalize()
    if "uptime_s" in status:
        head += f", up {duration_text(status['uptime_s'])}"
    rows = [("State", head), ("Model", plain(status.get("model", "")))]
    rows.append(("Response rate", f"{settings.number('response_rate'):g}"))
    if not settings.switch("speaks_in_public"):
        rows.append(("Silent", "nobody accepted a rehearsal yet"))
    if "memory_mb" in status:
        rows.append(("Memory", f"{status['memory_mb']:.0f} MB"))
    rows.append(("24 hours", _day_text(status)))
    latency_ms = status.get("latency_ms")
    if latency_ms is not None:
        rows.append(("Discord", f"{latency_ms:.0f} ms away"))
    if status.get("queued"):
        rows.append(("Waiting", f"{status['queued']} messages"))
    return "\n".join(f"**{name}** {text}" for name, text in rows if text)


def _day_text(status: BotStatus) -> str:
    parts = []
    if "answered" in status:
        seen = f" to {status['seen']:,} messages" if "seen" in status else ""
        parts.append(f"{status['answered']:,} replies{seen}")
    p50_s, p95_s = status.get("p50_s"), status.get("p95_s")
    if p50_s is not None and p95_s is not None:
        parts.append(f"half within {p50_s:.1f} s, 95% within {p95_s:.1f} s")
    if kept_back := status.get("kept_back"):
        reasons = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in kept_back.items())
        parts.append(f"{sum(kept_back.values()):,} drafts kept back ({reasons})")
    for name in ("failed", "errors"):
        if status.get(name):
            parts.append(f"{status[name]} {name}")
    return ", ".join(parts)


def botdata_text(data: BotData, now_ms: int) -> str:
    """The answer to !botdata: the sums, then the channels with the most messages first."""
    total = sum(channel.messages for channel in data.channels)
    lines = [
        f"**Stored** {total:,} messages of {data.members:,} members "
        f"in {len(data.channels)} channels"
    ]
    if data.vectors is not None:
        lines.append(f"**Memory** {data.vectors:,} messages with a vector")
    lines.append(f"**Model** {plain(data.model) or 'none'}")
    if data.model_note:
        lines.append(plain(data.model_note))
    lines.append(f"**Training set** {_dataset_text(data, now_ms)}")
    fullest = sorted(data.channels, key=lambda c: (-c.messages, c.name))
    for channel in fullest:
        linked = f"<#{channel.channel_id}>"
        name = linked if _on_discord(channel.channel_id) else plain(channel.name)
        note = "" if channel.is_listed else " (not listed: not read any more)"
        lines.append(f"{name} {channel.messages:,}{note}")
    return "\n".join(lines)


def _dataset_text(data: BotData, now_ms: int) -> str:
    if data.dataset_made_ms is None:
        return "none yet"
    age = duration_text((now_ms - data.dataset_made_ms) / 1000)
    examples = "" if data.dataset_examples is None else f"{data.dataset_examples:,} examples, "
    return f"{examples}{age} old"


def why_text(rows: Sequence[VerdictRow], guild_id: int) -> str:
    """The answer to !why: a line a verdict, newest first, linked where the server is known."""
    if not rows:
        return "Nothing was said here since I can remember."
    return "\n".join(_verdict_line(row, guild_id) for row in rows)


def _verdict_line(row: VerdictRow, guild_id: int) -> str:
    detail = f" ({plain(row.detail)})" if row.detail else ""
    line = f"<t:{row.at_ms // 1000}:R> **{row.verdict}**: {plain(row.reason)}{detail}"
    if row.verdict == "reply":
        line += f", {row.outcome or 'begun'}"
        if row.outcome == "sent":
            line += f" after {row.total_s:.1f} s"
    if _on_discord(guild_id):
        link = f"https://discord.com/channels/{guild_id}/{row.channel_id}/{row.message_id}"
        line += f" [jump](<{link}>)"
    return line


def quiet_text(seconds: int, until_ms: int) -> str:
    """The answer to !quiet."""
    return (
        f"Quiet here for {duration_text(seconds)}, until <t:{until_ms // 1000}:t>. "
        "`!quiet off` ends it."
    )


def help_text(rows: Sequence[tuple[str, str]]) -> str:
    """The answer to !help out of (usage, what it does)."""
    return "\n".join(f"`{usage}` {what}" for usage, what in rows)


def _on_discord(snowflake: int) -> bool:
    return snowflake >= FIRST_SNOWFLAKE
