"""Writes what is stored of a member as one JSON file that Discord takes. Blocking.

In memory alone: nothing of it is left on the disk to be forgotten.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from bot.order_values import File
from storage.records import MessageRecord

if TYPE_CHECKING:
    from data.member_view import MemberView
    from storage.database import Database

MOST_BYTES = 8 * 2**20
"""Discord takes 10 MiB from bots where a server has no more (`attachment_size_limit`)."""


def export_of(view: MemberView, database: Database, most_bytes: int) -> File | None:
    """As JSON where that is no larger, else as its gzip; None where that is too large as well.

    At most twice `most_bytes` are held. Ids are texts, times ISO 8601 in UTC.
    """
    plain: io.BytesIO | None = io.BytesIO()
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped:
        for piece in _pieces(view, database):
            zipped.write(piece)
            if plain is not None:
                plain.write(piece)
                plain = plain if plain.tell() <= most_bytes else None
            if packed.tell() > most_bytes:
                return None
    name = f"mynah-{view.member_id}.json"
    if plain is not None:
        return File(name, plain.getvalue())
    return File(f"{name}.gz", packed.getvalue()) if packed.tell() <= most_bytes else None


def _pieces(view: MemberView, database: Database) -> Iterator[bytes]:
    channels = {channel.channel_id: channel.name for channel in database.channels()}
    stored = json.dumps(view.as_json(), ensure_ascii=False, indent=2)
    yield f'{{"stored": {stored},\n"said": ['.encode()
    for number, message in enumerate(database.messages_of(view.member_id)):
        line = json.dumps(_shown(message, channels), ensure_ascii=False)
        yield f"{',' if number else ''}\n{line}".encode()
    yield b"\n]}\n"


def _shown(message: MessageRecord, channels: dict[int, str]) -> dict[str, object]:
    return {
        "message_id": str(message.message_id),
        "channel_id": str(message.channel_id),
        "channel": channels.get(message.channel_id, ""),
        "said_at": _iso(message.created_at_ms),
        "edited_at": _iso(message.edited_at_ms),
        "origin": message.origin.value,
        "kind": message.kind.value,
        "words": message.content,
        "reply_to_id": str(message.reply_to_id) if message.reply_to_id is not None else None,
        "mentioned_ids": [str(member_id) for member_id in message.mentioned_ids],
        "attachments": list(message.attachment_names),
        "reactions": [asdict(one) for one in message.reactions],
    }


def _iso(at_ms: int | None) -> str | None:
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, timezone.utc).isoformat()
