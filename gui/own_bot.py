"""Whether the running bot was started by a window of this home: then Exit ends it, too.

A window that was killed leaves its bot alive and the next one adopts it; the note in
`data_storage/window/bot.json` says that it was ours. A bot that somebody started otherwise (a
service, by hand) is adopted as well, and not ended.
"""

from __future__ import annotations

import json
import logging

from gui.second_start import folder_of
from gui.snapshot import Snapshot
from storage.paths import Home

log = logging.getLogger(__name__)

FILE_NAME = "bot.json"
SAME_START_MS = 10_000
"""A process's start is known this exactly: clocks are set, and a venv's python.exe on Windows
starts another one, which is then the bot's."""


class OwnBot:
    """The note of one home. Writes a small file when a bot is started: any one thread."""

    def __init__(self, home: Home) -> None:
        self._path = folder_of(home) / FILE_NAME
        self._noted = self._read()

    def note(self, snapshot: Snapshot) -> None:
        """Call at each change: remembers a bot that this window started itself."""
        known = _identity(snapshot)
        if known is None or snapshot.is_adopted or self._is_noted(known):
            return
        self._noted = known
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(known), encoding="utf-8")
        except OSError as error:
            log.warning("It could not be noted which bot this window started: %s", error)

    def is_own(self, snapshot: Snapshot) -> bool:
        """Whether a window of this home started the bot that runs; False where none runs."""
        known = _identity(snapshot)
        return known is not None and (not snapshot.is_adopted or self._is_noted(known))

    def _is_noted(self, known: dict[str, int]) -> bool:
        apart_ms = abs(self._noted.get("started_at_ms", 0) - known["started_at_ms"])
        return self._noted.get("pid") == known["pid"] and apart_ms <= SAME_START_MS

    def _read(self) -> dict[str, int]:
        try:
            noted = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(noted, dict):
            return {}
        return {name: value for name, value in noted.items() if isinstance(value, int)}


def _identity(snapshot: Snapshot) -> dict[str, int] | None:
    """A pid alone may have come to mean another process."""
    if snapshot.pid is None or snapshot.started_at_ms is None:
        return None
    return {"pid": snapshot.pid, "started_at_ms": snapshot.started_at_ms}
