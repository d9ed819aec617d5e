"""Turns DiscordChatExporter's raw messages into our own records, or says why one cannot be used.

What is broken is never guessed at; what becomes of it is `file_import.py`'s business.

Mynah's own exports (data/exporting.py) say more under a key "mynah". Anybody can write that key, so
it is believed only where it asks for more care: an origin at least as strict as the import's own,
an exclusion, a "no" to learning, a channel off the allow-list.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from data.importers.fields import (
    LARGEST_ID,
    BadRecord,
    called,
    id_in,
    objects_in,
    text_in,
    time_ms_in,
)
from data.importers.readable import Names, placeholder, readable, storable
from storage.records import MemberRecord, MessageKind, MessageRecord, Origin, Reaction

_KINDS = {
    "Default": MessageKind.DEFAULT,
    "0": MessageKind.DEFAULT,
    "Reply": MessageKind.REPLY,
    "19": MessageKind.REPLY,
}


class MessageReader:
    """Turns one file's raw messages into records and notes the people it meets. One thread."""

    def __init__(self, channel_id: int, names: Names, origin: Origin) -> None:
        self._channel_id = channel_id
        self._names = names
        self._origin = origin
        self._known: dict[tuple[Any, ...], MemberRecord] = {}
        self._met: dict[int, tuple[MemberRecord, int]] = {}

    def take_met(self, exported_at_ms: int | None) -> dict[int, tuple[MemberRecord, int]]:
        """Everyone met since this was called last, as seen last, and the time in ms it was true.

        That is when the export was taken, where the file says so: it shows the names of that day.
        """
        met, self._met = self._met, {}
        if exported_at_ms is None:
            return met
        return {key: (member, exported_at_ms) for key, (member, _) in met.items()}

    def message(self, raw: Any) -> MessageRecord:
        """The record of one raw message. Raises BadRecord."""
        if type(raw) is not dict:
            raise BadRecord(f"a message is {called(raw)}, not an object")
        message_id = id_in(raw.get("id"), "id")
        created_at_ms = time_ms_in(raw.get("timestamp"), "timestamp")
        edited = raw.get("timestampEdited")
        author = self._member(raw.get("author"), "author", created_at_ms)
        mentioned = [
            self._member(one, "mention", created_at_ms) for one in objects_in(raw, "mentions")
        ]
        kind = _KINDS.get(str(raw.get("type", "Default")), MessageKind.SYSTEM)
        content = text_in(raw.get("content"), "content")
        own = raw.get("mynah")
        if type(own) is dict:  # as it was stored
            content = storable(content)
        elif not content or content.isspace():
            content = readable(_stand_in(raw), self._names)
        else:
            content = readable(content, self._names)
        return MessageRecord(
            message_id=message_id,
            channel_id=self._channel_id,
            author_id=author.member_id,
            content=content,
            created_at_ms=created_at_ms,
            origin=_stricter(self._origin, own),
            kind=kind,
            edited_at_ms=None if edited is None else time_ms_in(edited, "timestampEdited"),
            reply_to_id=_reply_to(raw) if kind is MessageKind.REPLY else None,
            reactions=tuple(_reaction(one) for one in objects_in(raw, "reactions")),
            mentioned_ids=tuple(dict.fromkeys(one.member_id for one in mentioned)),
            attachment_names=tuple(
                storable(text_in(one.get("fileName"), "attachment's fileName"))
                for one in objects_in(raw, "attachments")
            ),
        )

    def _member(self, raw: Any, what: str, at_ms: int) -> MemberRecord:
        if type(raw) is not dict:
            raise BadRecord(f"{what} is {called(raw)}, not an object")
        key = (raw.get("id"), raw.get("name"), raw.get("nickname"), raw.get("isBot"))
        try:
            member = self._known.get(key)
        except TypeError as error:
            raise BadRecord(f"{what} holds lists or objects where text belongs") from error
        if member is None:
            member = self._known[key] = _member(raw, what)
            for role in objects_in(raw, "roles"):
                self._names.roles[id_in(role.get("id"), "role's id")] = storable(
                    text_in(role.get("name"), "role's name")
                )
        self._names.members[member.member_id] = member.nickname
        self._met[member.member_id] = (member, at_ms)
        return member


def _member(raw: dict[str, Any], what: str) -> MemberRecord:
    member_id = id_in(raw.get("id"), f"{what}'s id")
    name = storable(text_in(raw.get("name"), f"{what}'s name")).strip()
    nickname = storable(text_in(raw.get("nickname"), f"{what}'s nickname")).strip()
    name = name or nickname or f"user-{member_id}"
    is_bot = raw.get("isBot", False)
    if type(is_bot) is not bool:
        raise BadRecord(f"{what}'s isBot is {called(is_bot)}, not true or false")
    member = MemberRecord(member_id, name, nickname or name, is_bot)
    own = raw.get("mynah")
    if type(own) is dict:
        if own.get("isExcluded") is True:
            member = replace(member, is_excluded=True)
        if own.get("consent") == "opted_out":
            member = replace(member, consent="opted_out")
    return member


def _stricter(given: Origin, own: Any) -> Origin:
    """The import's origin, or the one that Mynah's own export names where that allows no more."""
    if type(own) is not dict:
        return given
    try:
        claimed = Origin(own.get("origin"))
    except ValueError:
        return given
    return claimed if claimed.strictness >= given.strictness else given


def _stand_in(raw: dict[str, Any]) -> str:
    """What a reader sees of a message without text: what it forwards, its sticker, its files, or
    its embed."""
    forwarded = raw.get("forwardedMessage")
    if type(forwarded) is dict:
        text = text_in(forwarded.get("content"), "forwarded content")
        inner = text if text.strip() else _stand_in({**forwarded, "forwardedMessage": None})
        return placeholder("forwarded", inner) if inner else ""
    stickers = [text_in(one.get("name"), "sticker's name") for one in objects_in(raw, "stickers")]
    if stickers:
        return " ".join(placeholder("sticker", name) for name in stickers)
    files = [text_in(one.get("fileName"), "file's name") for one in objects_in(raw, "attachments")]
    if files:
        return " ".join(placeholder("attachment", name) for name in files)
    texts = (
        text_in(one.get(name), f"embed's {name}")
        for one in objects_in(raw, "embeds")
        for name in ("title", "description")
    )
    text = next((text for text in texts if text.strip()), "")
    return placeholder("embed", text) if text else ""


def _reaction(raw: dict[str, Any]) -> Reaction:
    emoji, count = raw.get("emoji"), raw.get("count")
    if type(emoji) is not dict or type(count) is not int or not 0 <= count <= LARGEST_ID:
        raise BadRecord("a reaction has no emoji object or no whole count")
    name = storable(text_in(emoji.get("name"), "reaction's emoji name"))
    is_custom = bool(emoji.get("id")) and bool(name)
    return Reaction(f":{name}:" if is_custom else name, count)


def _reply_to(raw: dict[str, Any]) -> int | None:
    reference = raw.get("reference")
    if reference is None:
        return None
    if type(reference) is not dict:
        raise BadRecord(f"reference is {called(reference)}, not an object")
    answered = reference.get("messageId")
    return None if answered is None else id_in(answered, "reference's messageId")
