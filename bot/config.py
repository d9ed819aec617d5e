"""What the bot's process starts from: the stored settings, the home's .env, the environment.

.env seeds the config table: each of its variables once, the first time that it has a value and
nothing is stored for its setting. From then on what is stored counts, and a setting that is given
its default again keeps it. The process's environment is on top of what is stored, and is never
stored itself. The token is no setting: bot/secret.py finds it. Blocking: call before the event loop
runs, or from a worker thread.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bot.env_file import BadConfigError, filled, read_env_file
from bot.log_redaction import REDACTED
from storage.database import Database
from storage.paths import Home
from storage.settings import SETTINGS, Setting, SettingError, Settings, Value, load, parse

__all__ = ["BadConfigError", "Config", "read_config"]

API = "MYNAH_DISCORD_API"
GATEWAY = "MYNAH_DISCORD_GATEWAY"

_SEEDED = "env_seeded:"
"""Statistics of this name keep that a variable of .env was taken: in the database, so that a
restored backup and its marks are of one time."""
_SECRET_LIKE = re.compile(r"(?=[\w.+/=-]*[^\W\d])[\w.+/=-]{20,}")
"""Also a part of a token. Ids are digits alone."""
_SCHEMES = {API: ("https", "http"), GATEWAY: ("wss", "ws")}


@dataclass(frozen=True)
class Config:
    """What counts now. `warnings` are sentences for the log and the window."""

    settings: Settings
    warnings: tuple[str, ...] = ()
    discord_api: str | None = None
    """Base of Discord's REST API, such as "http://127.0.0.1:8080/api/v10"; None: Discord's own."""
    discord_gateway: str | None = None
    """The gateway's ws:// or wss:// address; None: Discord's own."""


def read_config(
    home: Home, database: Database, environment: Mapping[str, str] | None = None
) -> Config:
    """Seed the config table from the home's .env where that is due; then what counts.

    To be called at the start and again at each reload. `environment` defaults to the process's own.
    Raises BadConfigError that names the variable and what is allowed.
    """
    given = filled(os.environ if environment is None else environment)
    env_file = read_env_file(home.env_file)
    warnings = _seed(database, env_file, home.env_file)
    stored, bad_rows = load(database.config_rows())
    values: dict[str, Value] = dict(stored)
    values.update(_overrides(given))
    both = {**env_file, **given}
    addresses = {name: _address(name, both[name]) for name in (API, GATEWAY) if name in both}
    return Config(
        settings=Settings(values),
        warnings=(*warnings, *bad_rows, *_remarks(addresses)),
        discord_api=addresses.get(API),
        discord_gateway=addresses.get(GATEWAY),
    )


def _with_variables() -> Iterator[tuple[str, Setting]]:
    return ((s.environment, s) for s in SETTINGS if s.environment is not None)


def _seed(database: Database, env_file: Mapping[str, str], path: Path) -> list[str]:
    """Store what .env has for the first time; a sentence for each that is no longer looked at."""
    due: list[tuple[str, Setting]] = []
    warnings: list[str] = []
    rows = database.config_rows()
    for variable, setting in _with_variables():
        if variable not in env_file:
            continue
        if not database.statistics_since(_SEEDED + variable, 0):
            _parsed(variable, setting, env_file[variable], f" in {path}")
            due.append((variable, setting))
        elif _differs(setting, env_file[variable], rows):
            warnings.append(
                f"{variable} in {path} is not what is stored: .env counts at the first start only. "
                f"Change it with scripts/manage_settings.py set {setting.name} VALUE."
            )
    for variable, setting in due:  # only after all of them were good
        if setting.name not in rows:
            database.set_config(setting.name, env_file[variable])
        database.add_statistic(_SEEDED + variable, 1.0, time.time_ns() // 1_000_000)
    return warnings


def _differs(setting: Setting, text: str, rows: Mapping[str, str]) -> bool:
    try:
        stored = parse(setting, rows[setting.name]) if setting.name in rows else setting.default
        return parse(setting, text) != stored
    except SettingError:
        return True


def _overrides(environment: Mapping[str, str]) -> dict[str, Value]:
    return {
        setting.name: _parsed(variable, setting, environment[variable])
        for variable, setting in _with_variables()
        if variable in environment
    }


def _parsed(variable: str, setting: Setting, text: str, where: str = "") -> Value:
    try:
        return parse(setting, text)
    except SettingError:
        raise BadConfigError(
            f"{variable}{where} has to be {setting.allowed}; {_quoted(text)} is not. "
            "Correct it and start again."
        ) from None


def _address(variable: str, text: str) -> str:
    """The address without a slash at its end. Raises BadConfigError where it is none."""
    schemes = _SCHEMES[variable]
    try:
        parts = urlsplit(text)
        good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise BadConfigError(
            f"{variable} has to be an address that begins with {schemes[0]}:// or {schemes[1]}://; "
            f"{_quoted(text)} is not. Leave it empty for Discord itself."
        )
    return text.rstrip("/")


def _quoted(text: str) -> str:
    """What somebody wrote, but nothing in it that might be a token in the wrong line."""
    shown = _SECRET_LIKE.sub(REDACTED, text)
    return f'"{shown}"' if len(shown) <= 60 else f'"{shown[:57]}..."'


def _remarks(addresses: Mapping[str, str]) -> Iterator[str]:
    for name, address in addresses.items():
        yield f"{name} is set: the token goes to {address}, and not to Discord."
