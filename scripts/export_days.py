"""Reads export folders and reply links for measuring, without a home. Any JSON export file.

Every message is kept: what is scored is decided by the links, not by what may be learned from.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from data.preprocessor import CleanMessage, clean_content
from storage.errors import MynahError
from storage.records import Origin


class UnreadableExport(MynahError):
    """A file of the folder is no export, or the links are no links."""


def read_channels(folder: Path) -> dict[str, list[CleanMessage]]:
    """The messages of each export file below `folder`, by its path, in true order.

    Raises UnreadableExport where a file is none, or where there are no files.
    """
    paths = sorted(p for p in folder.rglob("*") if p.name.endswith((".json", ".json.gz")))
    if not paths:
        raise UnreadableExport(f"{folder} holds no .json or .json.gz exports. Give their folder.")
    return {str(path.relative_to(folder)): _read(path) for path in paths}


def read_links(path: Path) -> dict[int, set[int]]:
    """Parents by message; a message that is its own parent starts a conversation."""
    links: defaultdict[int, set[int]] = defaultdict(set)
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                child, parent = line.split()[:2]
                links[int(child)].add(int(parent))
    except (OSError, ValueError) as error:
        raise UnreadableExport(
            f"{path} cannot be read: {error}. Its lines should hold two message ids."
        ) from error
    return dict(links)


def _read(path: Path) -> list[CleanMessage]:
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as file:
            export = json.load(file)
        channel_id = int(export["channel"]["id"])
        names = _names(export["messages"])
        found = [_message(raw, channel_id, names) for raw in export["messages"]]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise UnreadableExport(f"{path} is no export of one channel: {error!r}.") from error
    return sorted(found, key=lambda m: (m.created_at_ms, m.message_id))


def _names(messages: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    people = [m["author"] for m in messages] + [p for m in messages for p in m.get("mentions", ())]
    return {int(p["id"]): p.get("nickname") or p.get("name") or "someone" for p in people}


def _message(raw: Mapping[str, Any], channel_id: int, names: Mapping[int, str]) -> CleanMessage:
    reply = (raw.get("reference") or {}).get("messageId")
    author_id = int(raw["author"]["id"])
    return CleanMessage(
        int(raw["id"]),
        channel_id,
        author_id,
        names[author_id],
        clean_content(raw.get("content") or "", names),
        _at_ms(raw["timestamp"]),
        Origin.EXPORT,
        int(reply) if reply else None,
        tuple(int(person["id"]) for person in raw.get("mentions", ())),
    )


def _at_ms(text: str) -> int:
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return round(at.timestamp() * 1000)
