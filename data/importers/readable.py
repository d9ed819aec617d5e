"""Makes Discord's raw text readable: mentions as @Nick, emoji as :name:, placeholders for no text.

Exports carry readable text already unless they were made with markdown off; then these forms occur:
<@1> <@!1> <@&1> <#1> <:name:1> <a:name:1> <t:1:R> </command:1>.
Unknown ids read as Discord shows them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone

UNKNOWN_MEMBER = "@unknown-user"
UNKNOWN_ROLE = "@unknown-role"
UNKNOWN_CHANNEL = "#unknown"

_RAW = re.compile(
    r"<(?:@!?(?P<member>[0-9]{1,20})|@&(?P<role>[0-9]{1,20})|\#(?P<channel>[0-9]{1,20})"
    r"|a?:(?P<emoji>\w{1,64}):[0-9]{1,20}|t:(?P<time>-?[0-9]{1,12})(?::[a-zA-Z])?"
    r"|/(?P<command>[^:<>\n]{1,100}):[0-9]{1,20}|id:(?P<place>[a-z-]{1,32}))>"
)
_PLACEHOLDER = re.compile(r"\[(?:sticker|attachment|embed|forwarded): [^\]\n]*\]")
_BRACKETS = str.maketrans("[]", "()")
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLACEHOLDER_CHARS = 300


@dataclass
class Names:
    """What ids are called, as far as this import has met them."""

    members: dict[int, str] = field(default_factory=dict)
    roles: dict[int, str] = field(default_factory=dict)
    channels: dict[int, str] = field(default_factory=dict)


def readable(text: str, names: Names) -> str:
    """`text` without raw Discord forms, NUL characters and lone surrogates."""
    if "<" in text:
        text = _RAW.sub(lambda match: _said(match, names), text)
    return storable(text)


def storable(text: str) -> str:
    """`text` as UTF-8 and SQLite can hold it: no NUL, no lone surrogate."""
    if "\0" in text:
        text = text.replace("\0", "")
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def placeholder(kind: str, text: str) -> str:
    """What stands for a message that has no text of its author's: "[sticker: Wave]". One line."""
    line = " ".join(text.translate(_BRACKETS).split())
    return f"[{kind}: {line[:_PLACEHOLDER_CHARS]}]"


def is_placeholder(content: str) -> bool:
    """Whether `content` is only placeholders (sticker, attachment, ...): nobody's own words."""
    return bool(content) and not _PLACEHOLDER.sub("", content).strip()


def _said(match: re.Match[str], names: Names) -> str:
    kind, value = match.lastgroup, match[match.lastgroup or 0]
    if kind == "member":
        name = names.members.get(int(value))
        return f"@{name}" if name else UNKNOWN_MEMBER
    if kind == "role":
        name = names.roles.get(int(value))
        return f"@{name}" if name else UNKNOWN_ROLE
    if kind == "channel":
        name = names.channels.get(int(value))
        return f"#{name}" if name else UNKNOWN_CHANNEL
    if kind == "emoji":
        return f":{value}:"
    if kind == "time":
        return _moment(int(value)) or match[0]
    return f"/{value}" if kind == "command" else f"#{value}"


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, tz=timezone.utc).strftime("%d %b %Y %H:%M UTC")
    except (OverflowError, OSError, ValueError):
        return ""
