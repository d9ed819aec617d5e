"""Watches over a version of the model that was deployed lately; goes back where it will not run.

A running bot tries a version out before it answers with it (bot/model_change.py). What this is for
is what shows later: a version that cannot be loaded at a start, or takes the process down again and
again. A start with it counts as failed until it ends in order; after two of those the version from
before answers again, well before the supervisor gives up. Once only: what was returned to is not on
trial.

All but `note_reply` and `is_over` block: call them in worker threads, one at a time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from storage.database import Database
from storage.errors import MynahError
from storage.model_registry import ModelRegistry
from storage.paths import Home
from storage.records import RETURNED, Deployment

log = logging.getLogger(__name__)

STARTS = 2
"""So many starts that did not end well are enough."""
HEALTHY_S = 600.0
"""How long the bot has to run with it; the supervisor counts crashes within as long."""
REPLIES = 3
"""So many answers are enough as well."""
LOOK_S = 10.0
"""How often it is asked whether it is over."""
TOLD_MS = 3 * 24 * 60 * 60 * 1000
"""How long it is told that the version from before was returned to."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Trial:
    """One bot's."""

    def __init__(
        self,
        home: Home,
        database: Database,
        clock_ms: Callable[[], int] = _now_ms,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._began_s = 0.0
        self._registry = ModelRegistry(database, home, clock_ms)
        self._database = database
        self._clock_ms = clock_ms
        self._watched: Deployment | None = None
        self._replies = 0

    def begin(self) -> None:
        """The deployed version is about to be loaded, or answers from now on. Counts the start
        where it is on trial; where too many failed, the version from before is deployed first.
        Raises MynahError where the database cannot be read or written."""
        self.leave()
        found = self._database.last_deployment()
        if found is None or not found.is_on_trial:
            return
        if found.starts >= STARTS:
            times = f"the bot went down {found.starts} times within minutes of its start"
            self._return_from(found, f"with {found.version_id} {times}")
            return
        self._database.count_start(found.deployment_id, 1)
        self._watched, self._replies, self._began_s = found, 0, self._clock()

    def give_up(self, reason: str) -> bool:
        """It could not be loaded: go back, if it is on trial. Whether another answers now."""
        found, self._watched = self._watched, None
        return found is not None and self._return_from(
            found, f"{found.version_id} could not be loaded: {reason.rstrip('.')}"
        )

    def note_reply(self) -> None:
        """It answered. Does not block."""
        self._replies += 1

    @property
    def is_over(self) -> bool:
        """Whether it has shown that it runs."""
        if self._watched is None:
            return False
        return self._replies >= REPLIES or self._clock() - self._began_s >= HEALTHY_S

    def settle(self) -> None:
        """It runs, so it is on trial no more."""
        found, self._watched = self._watched, None
        if found is not None:
            self._database.settle(found.deployment_id, self._clock_ms())
            log.info("%s runs well.", found.version_id)

    def leave(self) -> None:
        """The bot ends in order, or something else answers: this start did not fail."""
        found, self._watched = self._watched, None
        if found is not None:
            self._database.count_start(found.deployment_id, -1)

    def told(self) -> str:
        """That the version from before was returned to, and why, as a sentence; "" where it was
        not, or days ago."""
        found = self._database.last_deployment()
        if found is None or found.how != RETURNED or self._clock_ms() - found.at_ms > TOLD_MS:
            return ""
        return f"{found.version_id} answers again: {found.why}."

    def _return_from(self, found: Deployment, why: str) -> bool:
        self._database.settle(found.deployment_id, self._clock_ms())
        try:
            back = self._registry.rollback(how=RETURNED, why=why)
        except MynahError as error:
            log.warning("%s. There is no way back: %s", why, error)
            return False
        log.warning("%s answers again: %s.", back.version_id, why)
        return True
