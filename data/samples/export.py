"""Writes a simulation as DiscordChatExporter's JSON, one file a channel."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from data.samples.cast import Channel, Community, Member, SampleMessage, Simulation

Simulate = Callable[[Community, int, int], Simulation]
_CUSTOM = re.compile(r":(\w+):")


def write_simulation(
    simulate: Simulate, community: Community, out_dir: Path, seed: int, message_count: int
) -> list[Path]:
    """Simulate and write; the paths, text channels first. Same arguments, same bytes."""
    return export(simulate(community, seed, message_count), out_dir)


def export(simulation: Simulation, out_dir: Path) -> list[Path]:
    """One DiscordChatExporter file a channel or thread under `out_dir`, which is made."""
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = []
    for channel in simulation.channels:
        name = f"{simulation.community.name} - {channel.name} [{channel.id}].json"
        path = out_dir / re.sub(r'[\\/:*?"<>|]', "_", name)
        document = channel_document(simulation, channel)
        text = json.dumps(document, ensure_ascii=False, indent=1)
        path.write_text(text + "\n", encoding="utf-8", newline="\n")
        paths.append(path)
    return paths


def channel_document(simulation: Simulation, channel: Channel) -> dict[str, object]:
    """The exporter's document of one channel."""
    community = simulation.community
    messages = simulation.messages[channel.id]
    exported = community.start + timedelta(days=community.days + 3)
    return {
        "guild": {"id": community.id, "name": community.name, "iconUrl": ""},
        "channel": {
            "id": channel.id,
            "type": channel.kind,
            "categoryId": channel.category_id,
            "category": channel.category,
            "name": channel.name,
            "topic": channel.about or None,
        },
        "dateRange": {"after": None, "before": None},
        "exportedAt": exported.isoformat(),
        "messages": [message_document(community, m) for m in messages],
        "messageCount": len(messages),
    }


def message_document(community: Community, message: SampleMessage) -> dict[str, object]:
    """The exporter's document of one message."""
    found = dict.fromkeys(_CUSTOM.findall(message.content))
    inline = [_emoji(community, f":{n}:") for n in found if n in community.custom_emoji]
    document: dict[str, object] = {
        "id": message.id,
        "type": message.kind,
        "timestamp": _iso(message.timestamp_ms),
        "timestampEdited": _iso(message.edited_ms) if message.edited_ms else None,
        "callEndedTimestamp": None,
        "isPinned": message.pinned,
        "content": message.content,
        "author": _author(message.author),
        "attachments": [_attachment(message, name) for name in message.attachments],
        "embeds": [],
        "stickers": _stickers(message),
        "reactions": [
            {"emoji": _emoji(community, name), "count": count} for name, count in message.reactions
        ],
        "mentions": [_author(member) for member in message.mentions],
        "inlineEmojis": inline,
    }
    if message.reference_id:
        document["reference"] = {
            "messageId": message.reference_id,
            "channelId": message.channel_id,
            "guildId": community.id,
        }
    return document


def _iso(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms // 1000, tz=timezone.utc)
    return moment.replace(microsecond=at_ms % 1000 * 1000).isoformat(timespec="milliseconds")


def _author(member: Member) -> dict[str, object]:
    return {
        "id": member.id,
        "name": member.name,
        "discriminator": "0000",
        "nickname": member.nick,
        "color": None,
        "isBot": member.is_bot,
        "roles": [],
        "avatarUrl": "",
    }


def _emoji(community: Community, name: str) -> dict[str, object]:
    bare = name.strip(":")
    if bare not in community.custom_emoji:
        return {"id": "", "name": name, "code": name, "isAnimated": False, "imageUrl": ""}
    number = str(int(community.id) + 1 + community.custom_emoji.index(bare))
    url = f"https://cdn.example.com/emojis/{number}.png"
    return {"id": number, "name": bare, "code": bare, "isAnimated": False, "imageUrl": url}


def _attachment(message: SampleMessage, name: str) -> dict[str, object]:
    number = str(int(message.id) + 1)
    return {
        "id": number,
        "url": f"https://files.example.com/{message.channel_id}/{number}/{name}",
        "fileName": name,
        "fileSizeBytes": 20_000 + int(message.id) % 900_000,
    }


def _stickers(message: SampleMessage) -> list[dict[str, object]]:
    if not message.sticker:
        return []
    url = f"https://files.example.com/stickers/{message.sticker.lower().replace(' ', '-')}.png"
    number = str(int(message.id) // 7)
    return [{"id": number, "name": message.sticker, "format": "PNG", "sourceUrl": url}]
