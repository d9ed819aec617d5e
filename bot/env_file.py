"""The home's .env: read whole, and one variable of it written. Nothing is interpolated."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dotenv import dotenv_values

from storage.errors import MynahError


class BadConfigError(MynahError):
    """A variable of .env or the environment cannot be used: starting again would not help."""


def read_env_file(path: Path) -> dict[str, str]:
    """The variables that have a value; none where there is no such file.

    Raises BadConfigError where the file cannot be read.
    """
    if not path.is_file():
        return {}
    try:  # -sig: Windows' editor begins a file with a byte order mark
        return filled(dotenv_values(path, interpolate=False, encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfigError(
            f"{path} cannot be read ({error}); it has to be a text file in UTF-8 that your user "
            "may read."
        ) from error


def filled(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Those with a value: what .env.example has empty, and what a service sets to "", is unset."""
    return {name: text.strip() for name, text in variables.items() if text and text.strip()}


def write_variable(path: Path, variable: str, text: str) -> None:
    """Set the variable's line, or add it, and leave every other as it is.

    The file is its owner's alone (0600) from its first byte on. Raises OSError, UnicodeDecodeError.
    """
    path = path.resolve()  # a link stays one
    old = path.read_bytes().decode("utf-8-sig") if path.exists() else ""
    line = f"{variable}={text}"
    found = re.compile(rf"^[ \t]*(?:export[ \t]+)?{variable}[ \t]*=[^\r\n]*", re.MULTILINE)
    if found.search(old):
        new = found.sub(lambda _: line, old)
    else:
        new = old + ("\n" if old and not old.endswith("\n") else "") + line + "\n"
    _replace(path, new.encode("utf-8"))


def _replace(path: Path, content: bytes) -> None:
    """Write beside, then rename: there is no moment in which others can read it."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
