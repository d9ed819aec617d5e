"""Finds, keeps and forgets the bot's token: environment, then the system's keyring, then .env.

The token never stands in a command line, a log, or the environment of a process of ours. Not named
token.py: `python bot/main.py` puts this folder first on sys.path, where it would stand before the
standard library's. Blocking: call before the event loop runs, or from a worker thread.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bot.env_file import read_env_file, write_variable
from bot.keyring_process import KeyringUnusable, ask_keyring
from storage.errors import MynahError
from storage.paths import Home

log = logging.getLogger(__name__)

VARIABLE = "DISCORD_BOT_TOKEN"


SHORTEST = 10
"""Discord's have about 70 characters."""


class NoTokenError(MynahError):
    """There is no token, or what is there cannot be one."""


class TokenPlaceError(MynahError):
    """A place that holds the token, or should, is open to others or cannot be written."""


@dataclass(frozen=True)
class Token:
    """The bot's token. Only `secret` shows it; str and repr never do."""

    secret: str = field(repr=False)
    source: str
    """For people: "the keyring", "the environment"."""


def find_token(home: Home, *, given: str | None = None) -> Token:
    """The token to log in with; takes it out of this process's environment.

    Looked for in this order: `given` (the supervisor's line on stdin; empty: none), the
    environment, the keyring, the home's .env.

    Raises NoTokenError, TokenPlaceError or BadConfigError.
    """
    environment = os.environ.pop(VARIABLE, "")
    for source, text in _places(home, given or "", environment):
        if text.strip():
            return Token(clean(text, source), source)
    raise NoTokenError(
        "There is no Discord token yet. Put it in with `python scripts/manage_token.py set`, or "
        f"set {VARIABLE}. It stands in the Discord Developer Portal > your application > Bot."
    )


def _places(home: Home, given: str, environment: str) -> Iterator[tuple[str, str]]:
    """(place, token or "") in order; a place is looked at only when its turn comes."""
    yield "the supervisor", given
    yield "the environment", environment
    yield "the keyring", _from_keyring(home)
    yield str(home.env_file), _from_env_file(home)


def clean(text: str, source: str) -> str:
    """The token without what comes along when it is copied: quotes, blanks around it, "Bot ".

    Raises NoTokenError where the rest cannot be a token: it has blanks or other than ASCII.
    """
    token = text.strip().strip("\"'").strip()
    token = token[4:].strip() if token[:4].lower() == "bot " else token
    whole = len(token) >= SHORTEST and " " not in token
    if not whole or not token.isascii() or not token.isprintable():
        raise NoTokenError(
            f"What {source} holds as the token cannot be one; copy it again from the Discord "
            "Developer Portal > your application > Bot > Reset Token."
        )
    return token


def token_places(home: Home) -> list[str]:
    """Where a token is kept now, the one that counts first. Changes nothing."""
    held = [("the environment", os.environ.get(VARIABLE, "")), ("the keyring", _from_keyring(home))]
    held.append((str(home.env_file), read_env_file(home.env_file).get(VARIABLE, "")))
    return [place for place, text in held if text.strip()]


def keep_token(home: Home, text: str) -> str:
    """Keep the token in the keyring, else in .env; no older one stays in .env. Returns the place.

    Raises NoTokenError for what cannot be a token, TokenPlaceError where no place takes it.
    """
    token = clean(text, "your input")
    try:
        ask_keyring("set", home, token)
    except KeyringUnusable as error:
        log.warning("The keyring is not used. %s", error)
        _write_env_file(home.env_file, token)
        return str(home.env_file)
    if _in_env_file(home):
        _write_env_file(home.env_file, "")
    return "the keyring"


def forget_token(home: Home) -> list[str]:
    """Remove the token from keyring and .env; returns the places that held one.

    Raises TokenPlaceError where one cannot be changed.
    """
    places = []
    if _from_keyring(home):
        try:
            ask_keyring("delete", home)
        except KeyringUnusable as error:
            raise TokenPlaceError(f"The keyring keeps the token. {error}") from error
        places.append("the keyring")
    if _in_env_file(home):
        _write_env_file(home.env_file, "")
        places.append(str(home.env_file))
    return places


def _from_keyring(home: Home) -> str:
    try:
        return ask_keyring("get", home)
    except KeyringUnusable as error:
        log.info("The keyring is not used. %s", error)
        return ""


def _in_env_file(home: Home) -> bool:
    return bool(read_env_file(home.env_file).get(VARIABLE))


def _from_env_file(home: Home) -> str:
    token = read_env_file(home.env_file).get(VARIABLE, "")
    if token:
        _close_to_others(home.env_file)
    return token


def _close_to_others(path: Path) -> None:
    """On POSIX, make the file its owner's alone. Raises TokenPlaceError where that fails."""
    if os.name != "posix" or not stat.S_IMODE(path.stat().st_mode) & 0o077:
        return
    try:
        path.chmod(0o600)
    except OSError as error:
        raise TokenPlaceError(
            f"{path} holds the token and others may read it; that could not be changed ({error}). "
            f"Make it yours alone: chmod 600 {path}"
        ) from error
    if stat.S_IMODE(path.stat().st_mode) & 0o077:  # a file system without rights of its own
        raise TokenPlaceError(
            f"{path} holds the token and its file system lets everybody read it. "
            f"Set {VARIABLE} in the environment instead, and take the line out of the file."
        )
    log.warning("%s held the token open to others; now only you may read it.", path)


def _write_env_file(path: Path, token: str) -> None:
    try:
        write_variable(path, VARIABLE, token)
    except (OSError, UnicodeDecodeError) as error:
        raise TokenPlaceError(
            f"{path} cannot be changed ({error}); check the folder's rights and the disk's space."
        ) from error
