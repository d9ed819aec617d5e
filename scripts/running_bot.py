"""Tells the home's running bot that something was changed for it. Standard library alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from bot.protocol import ControlError, ask_running
from storage.paths import Home


def tell_running_bot(
    home: Home,
    do: str,
    done: str | Callable[[Mapping[str, Any]], str],
    *,
    timeout_s: float = 5.0,
    **data: Any,
) -> None:
    """Ask the bot to `do` it (with `data`) and print `done`, or what that makes of the answer;
    nothing where no bot runs in this home."""
    try:
        answer = ask_running(home.data_storage, do, timeout_s=timeout_s, **data)
    except ControlError as error:
        print(f"It is stored, but the running bot was not told. {error}", file=sys.stderr)
        return
    if answer is not None:
        print(done if isinstance(done, str) else done(answer), file=sys.stderr)
