"""Tells the home's running bot that something was changed for it. Standard library alone."""

from __future__ import annotations

import sys

from bot.protocol import ControlError, ask_running
from storage.paths import Home


def tell_running_bot(home: Home, do: str, done: str) -> None:
    """Ask the bot to `do` it and print `done`; nothing where no bot runs in this home."""
    try:
        if ask_running(home.data_storage, do) is not None:
            print(done, file=sys.stderr)
    except ControlError as error:
        print(f"It is stored, but the running bot was not told. {error}", file=sys.stderr)
