"""What can be downloaded (scripts/download_model.py), as values; and an address, judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

FITS = {
    "fits": ("fits", "good"),
    "tight": ("tight", "warn"),
    "does not fit": ("does not fit", "bad"),
}
"""What the catalogue says of this computer's memory: the words, and the tone of a row."""


@dataclass(frozen=True)
class Offer:
    """One model of the catalogue."""

    model_id: str
    name: str
    licence: str
    size_bytes: int
    memory_bytes: int
    fit: str
    """One of FITS; "" where it is not known."""
    path: str = ""
    """Where it lies, once it was downloaded."""
    has_part: bool = False
    """Whether a part of it has come: the download goes on there."""
    why: str = ""
    """What speaks against it on this computer, as a sentence."""
    licence_url: str = ""

    @property
    def is_here(self) -> bool:
        """Whether it was downloaded."""
        return bool(self.path)


def offers_of(answer: Mapping[str, Any]) -> list[Offer]:
    """Out of what `download_model.py list --json` prints."""
    return [
        Offer(
            str(one["id"]),
            str(one.get("name") or one["id"]),
            str(one.get("licence", "")),
            int(one.get("size_bytes", 0)),
            int(one.get("memory_bytes", 0)),
            str(one.get("fit", "")).replace("_", " "),
            path=str(one.get("path") or ""),
            has_part=bool(one.get("part_bytes")),
            why=str(one.get("why") or ""),
            licence_url=str(one.get("licence_url") or ""),
        )
        for one in answer.get("models", ())
    ]


def share_of(line: Mapping[str, Any]) -> float | None:
    """How much of a download has come, 0 to 1, out of a line of progress; None for another line."""
    if "bytes" not in line or not line.get("total"):
        return None
    return max(0.0, min(1.0, float(line["bytes"]) / float(line["total"])))


def address_fault(text: str) -> str:
    """What is wrong with the address of a model's server, as a sentence; "" where nothing is."""
    try:
        parts = urlsplit(text.strip())
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    return "" if is_good else "An address begins with http:// or https:// and names a host."
