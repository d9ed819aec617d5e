"""Says what a file is that is no export, by its first bytes: for a sentence that helps."""

from __future__ import annotations

HEAD_BYTES = 512

_BEGINNINGS = (
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"RIFF", "a picture, a sound or a film"),
    (b"ID3", "a sound"),
    (b"OggS", "a sound"),
    (b"\x1aE\xdf\xa3", "a film"),
    (b"SQLite format 3", "a database"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"Rar!", "a rar archive: unpack it first"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
)
_AGAIN = "export again with the format JSON"


def what_it_is(head: bytes, name: str) -> str | None:
    """In words, from the first bytes of a file of that name; None where they say nothing."""
    for beginning, what in _BEGINNINGS:
        if head.startswith(beginning):
            return f"{what}, no chat export" if ":" not in what else what
    if head[4:8] == b"ftyp":
        return "a film or a picture, no chat export"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:9].lower() in (b"<!doctype", b"<html lan") or text[:5].lower() == b"<html":
        return f"a web page; if it is an export, {_AGAIN}"
    if text.startswith(b"AuthorID,") or text.startswith(b'"AuthorID"'):
        return f"DiscordChatExporter's CSV, which lacks replies and edits: {_AGAIN}"
    if text.startswith(b"=====") and b"Guild: " in text:
        return f"DiscordChatExporter's plain text, which lacks replies and ids: {_AGAIN}"
    if name.lower() in ("messages.json", "messages.csv", "channel.json", "user.json"):
        return "perhaps a part of a Discord data package: name the package's zip or whole folder"
    if not head.strip():
        return "an empty file" if not head else None
    return None
