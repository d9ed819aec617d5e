"""The endpoint file: where a home's running bot listens, and the key that opens it.

`data_storage/control.json`, readable by its owner alone from its first byte on (where the system
knows such modes; on Windows a user's folders are closed to others). A bot makes a new key at each
start, so the file of one that was killed opens nothing.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bot.wire.framing import VERSION, ControlError

ENDPOINT_NAME = "control.json"
KEY_BYTES = 32
MAX_BYTES = 16 << 10
"""What is longer was not written by a bot."""
_NUMBERS = ("port", "pid", "started_at_ms", "version")
_WINDOWS_TRIES = 20
_WINDOWS_PAUSE_S = 0.02


@dataclass(frozen=True)
class Endpoint:
    """Where a bot listens on 127.0.0.1."""

    port: int
    key: str = field(repr=False)
    """32 random bytes as 64 hex digits."""
    pid: int
    started_at_ms: int
    """When it began to listen, in milliseconds since 1970 in UTC."""
    version: int = VERSION
    """Of the protocol that it speaks."""
    began_s: float | None = None
    """When its process began, by the system's own account (psutil's `create_time`): together with
    `pid` this names one process, where the number alone may have gone on to another. None: not
    said, and then nobody may take the process `pid` for the bot."""


def new_key() -> str:
    """A key for one start of a bot: 64 hex digits."""
    return secrets.token_hex(KEY_BYTES)


def write_endpoint(folder: Path, endpoint: Endpoint) -> None:
    """Put the file into `folder` (a home's `data_storage`), whole or not at all, with mode 0600.

    It need not outlive a power cut, so nothing is synced. Raises ControlError.
    """
    path = folder / ENDPOINT_NAME
    temporary = path.with_name(f".{ENDPOINT_NAME}.new")
    try:
        temporary.unlink(missing_ok=True)  # a crashed bot's
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii", newline="\n") as file:
            json.dump(asdict(endpoint), file)
        _patiently(lambda: temporary.replace(path))
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise ControlError(
            f"{path} cannot be written ({error}); make room, or the folder writable."
        ) from error


def read_endpoint(folder: Path) -> Endpoint | None:
    """What the file says; None where there is none that can be read. It may be a dead bot's, or
    copied from another home. Never waits, whatever stands in the file's place."""
    try:
        value = json.loads(_short_text(folder / ENDPOINT_NAME))
        began_s = value.get("began_s")
        endpoint = Endpoint(
            **{name: value[name] for name in _NUMBERS},
            key=value["key"],
            began_s=began_s if type(began_s) is float else None,
        )
        is_whole = 0 < endpoint.port < 65_536 and len(bytes.fromhex(endpoint.key)) == KEY_BYTES
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    are_numbers = all(type(value[name]) is int for name in _NUMBERS)
    return endpoint if is_whole and are_numbers else None


def _short_text(path: Path) -> str:
    """The text of a regular file of at most MAX_BYTES. Raises OSError, ValueError."""
    # Opening a pipe would else wait for somebody to write into it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("This is no regular file.")
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError("This is longer than an endpoint.")
    return content.decode("ascii")


def remove_endpoint(folder: Path, pid: int) -> None:
    """Remove the file if it is process `pid`'s; another bot's stays. Never raises OSError."""
    endpoint = read_endpoint(folder)
    if endpoint is not None and endpoint.pid == pid:
        with suppress(OSError):
            _patiently(lambda: (folder / ENDPOINT_NAME).unlink(missing_ok=True))


def _patiently(act: Callable[[], object]) -> None:
    """Windows refuses to replace or remove a file for the moment in which another reads it."""
    for _ in range(_WINDOWS_TRIES if os.name == "nt" else 0):
        with suppress(PermissionError):
            act()
            return
        time.sleep(_WINDOWS_PAUSE_S)
    act()
