"""Finishes, at a script's start, what an earlier process was cut off from erasing."""

from __future__ import annotations

import sys

from data.forgetting import resume
from scripts.running_bot import tell_running_bot
from storage.database import Database
from storage.paths import Home

FOLLOW_S = 600.0
"""How long the running bot may take to load another model."""


def finish_erasing(home: Home, database: Database) -> None:
    """Erase what is pending, before anything new is derived from what is stored; a look-up where
    nothing is. What still cannot be done is said, and bars nothing. Raises DatabaseError."""
    for report in resume(home, database):
        print(f"Erased what was pending: {report.messages:,} messages.", file=sys.stderr)
        for place, why in report.unfinished.items():
            print(f"Not erased yet in {place}: {why}", file=sys.stderr)
        if report.answers_now:
            tell_running_bot(
                home, "follow", "The running bot answers with another model.", timeout_s=FOLLOW_S
            )
