"""Builds small DiscordChatExporter files for the importers' tests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

CHANNEL_ID = 2000
START = datetime(2024, 5, 3, 19, 0, tzinfo=timezone.utc)


def author(number: int = 1, **changes: Any) -> dict[str, Any]:
    """An account of the file."""
    base: dict[str, Any] = {
        "id": str(100 + number),
        "name": f"name{number}",
        "discriminator": "0000",
        "nickname": f"Nick{number}",
        "color": None,
        "isBot": False,
        "roles": [],
        "avatarUrl": "",
    }
    return {**base, **changes}


def message(number: int, **changes: Any) -> dict[str, Any]:
    """Message `number`, a minute after the one before; `changes` replace fields."""
    base: dict[str, Any] = {
        "id": str(10_000 + number),
        "type": "Default",
        "timestamp": stamp(number),
        "timestampEdited": None,
        "callEndedTimestamp": None,
        "isPinned": False,
        "content": f"words {number}",
        "author": author(1 + number % 3),
        "attachments": [],
        "embeds": [],
        "stickers": [],
        "reactions": [],
        "mentions": [],
    }
    return {**base, **changes}


def stamp(minutes: int) -> str:
    """An ISO 8601 time that many minutes after START."""
    return (START + timedelta(minutes=minutes)).isoformat(timespec="milliseconds")


def reaction(name: str, count: int, emoji_id: str = "") -> dict[str, Any]:
    """A reaction of the file."""
    return {"emoji": {"id": emoji_id, "name": name, "code": name}, "count": count}


def export(messages: Sequence[Any], **changes: Any) -> dict[str, Any]:
    """A whole export. `changes` replace top-level fields; None leaves one out."""
    document = {
        "guild": {"id": "1000", "name": "The Lantern", "iconUrl": ""},
        "channel": {
            "id": str(CHANNEL_ID),
            "type": "GuildTextChat",
            "categoryId": "1500",
            "category": "Talk",
            "name": "general",
            "topic": None,
        },
        "dateRange": {"after": None, "before": None},
        "exportedAt": stamp(100_000),
        "messages": list(messages),
        "messageCount": len(messages),
    }
    return {key: value for key, value in {**document, **changes}.items() if value is not None}


def write(path: Path, document: Any) -> Path:
    """`document` as JSON at `path`, packed where it ends in .gz."""
    data = json.dumps(document, indent=1).encode()
    return write_bytes(path, data)


def write_bytes(path: Path, data: bytes) -> Path:
    """`data` at `path`, packed where it ends in .gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
