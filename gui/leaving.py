"""Exit: stops the bot where a window of ours started it, then ends the window.

Tk's thread alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from gui.own_bot import OwnBot
from gui.supervision import State
from gui.supervisor import Supervisor
from gui.ui_thread import UiThread

log = logging.getLogger(__name__)

LOOK_EVERY_MS = 50
PATIENCE_S = 30.0
"""The supervisor itself asks, terminates and kills within 20 s (gui/supervision.py)."""


class Leaving:
    """One window's way out."""

    def __init__(
        self,
        supervisor: Supervisor,
        ui: UiThread,
        own_bot: OwnBot,
        end: Callable[[], object],
    ) -> None:
        self._supervisor = supervisor
        self._ui = ui
        self._own_bot = own_bot
        self._end = end
        self._give_up_at_s: float | None = None

    def begin(self) -> bool:
        """Leave; whether that takes a while, because a bot is stopped first. May be called again:
        who asks a second time does not want to wait, and the bot is ended at once."""
        if self._give_up_at_s is not None:
            self._supervisor.force_stop()
            return True
        if not self._has_bot_to_stop():
            self._end()
            return False
        self._give_up_at_s = time.monotonic() + PATIENCE_S
        self._supervisor.stop()
        self._ui.every(LOOK_EVERY_MS, self._look)
        return True

    def _has_bot_to_stop(self) -> bool:
        seen = self._supervisor.snapshot()
        if seen.state in (State.STOPPED, State.FAILED):
            return False
        return seen.pid is None or self._own_bot.is_own(seen)

    def _look(self) -> None:
        assert self._give_up_at_s is not None
        is_over = time.monotonic() >= self._give_up_at_s
        if is_over:
            log.warning("The bot did not stop in time; the window ends without it.")
        if is_over or self._supervisor.snapshot().state in (State.STOPPED, State.FAILED):
            self._end()
