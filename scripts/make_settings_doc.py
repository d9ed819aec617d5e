"""Writes docs/settings.md from storage/settings.py; --check fails where the file is out of date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.edge import ending_in_a_sentence
from storage.manifest import write_text_atomically
from storage.paths import PROGRAM_DIR
from storage.settings import SETTINGS, Setting, to_text

DOC = PROGRAM_DIR / "docs" / "settings.md"

INTRO = """\
# Settings

This page is made from `storage/settings.py` by `python scripts/make_settings_doc.py`; do not edit
it.

Settings are kept in the home's database. A value out of range is refused with the range. A stored
value that cannot be used (an older or newer Mynah wrote it) gives the default and a warning.
*Live* settings count from the next message on, the others after a restart of the bot.

| setting | default | allowed | counts | command |
|---|---|---|---|---|
"""


def render() -> str:
    """The whole page."""
    rows = "".join(_row(setting) for setting in SETTINGS)
    return INTRO + rows + "".join(_section(setting) for setting in SETTINGS)


def _row(setting: Setting) -> str:
    default = to_text(setting, setting.default)
    shown = default if len(default) <= 30 else "see below"
    command = f"`{setting.command}`" if setting.command else ""
    counts = "live" if setting.live else "restart"
    cells = (f"[`{setting.name}`](#{setting.name})", shown, setting.allowed, counts, command)
    return f"| {' | '.join(cells)} |\n"


def _section(setting: Setting) -> str:
    text = f"\n## {setting.name}\n\n{setting.help}\n"
    default = to_text(setting, setting.default)
    return text if len(default) <= 30 else f"{text}\nDefault: `{default}`\n"


def main() -> int:
    """0: written, or up to date. 1: --check found it out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 where docs/settings.md differs"
    )
    arguments = parser.parse_args()
    current = DOC.read_text(encoding="utf-8") if DOC.exists() else ""
    if current == render():
        print(f"{DOC} is up to date.")
        return 0
    if arguments.check:
        print(f"{DOC} is out of date; run: python scripts/make_settings_doc.py", file=sys.stderr)
        return 1
    DOC.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(DOC, render())
    print(f"Written: {DOC}")
    return 0


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
