"""The training profiles, as far as the window shows them; it reads lines, it does not import YAML.

Blocking: on a worker.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from storage.paths import PROGRAM_DIR, Home
from storage.readonly import read_manifest

SETTING = "training_profile"
PROFILES_DIR = PROGRAM_DIR / "model" / "profiles"
DEMO_BASE = "demo-base"
"""Ships with Mynah."""


@dataclass(frozen=True)
class TrainingProfile:
    """One profile. `key` is what the setting says: a name, or the path of a file of one's own."""

    key: str
    about: str = ""
    """In a line."""
    name: str = ""
    """That of what it trains."""
    base: str = ""
    """A name or a folder; "" where the file does not say."""
    has_base: bool = True
    """Whether the base is on this computer, or is none that could be downloaded by its name."""


def read_profiles(home: Home, chosen: str) -> tuple[TrainingProfile, ...]:
    """Those that ship, by name, and the chosen one where it is a file of one's own."""
    names = sorted(path.stem for path in PROFILES_DIR.glob("*.yaml"))
    return tuple(_read(home, key) for key in dict.fromkeys([*names, chosen]))


def _read(home: Home, key: str) -> TrainingProfile:
    shipped = PROFILES_DIR / f"{key}.yaml"
    path = shipped if shipped.is_file() else Path(key).expanduser()
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return TrainingProfile(key, f"It cannot be read: {error.strerror or error}.")
    base = _value(text, "base")
    about = _value(text, "about") or f"A profile of your own; it trains {base or 'no base'}."
    return TrainingProfile(key, about, _value(text, "name"), base, _has_base(home, base))


def _value(text: str, name: str) -> str:
    """What a line `name: value` says, its quotes and remark left out."""
    found = re.search(rf"^{name}:[ \t]*(.*?)[ \t]*(?:[ \t]#.*)?$", text, re.MULTILINE)
    return found[1].strip("\"'") if found else ""


def _has_base(home: Home, base: str) -> bool:
    if base in ("", DEMO_BASE) or read_manifest(home.models / "bases" / base) is not None:
        return True
    return Path(base).expanduser().is_dir()
