"""How a life of the bot ends: its exit code and a sentence, and which error means what. Values."""

from __future__ import annotations

from dataclasses import dataclass

from bot.composition import NoModelError
from bot.env_file import BadConfigError
from bot.model_change import TrialError
from bot.platforms.discord_addresses import BadAddressError
from bot.platforms.discord_errors import (
    BadTokenError,
    GatewayRefusedError,
    MissingIntentError,
    WrongServerError,
)
from bot.protocol import ExitCode
from bot.secret import NoTokenError, TokenPlaceError
from model.chat_format import LayoutError
from model.gguf_check import GgufError
from model.llama_runtime import LoadError
from storage.errors import MynahError
from storage.model_registry import RegistryError
from storage.paths import HomeError
from storage.settings import SettingError

_CONFIGURATION = (
    BadAddressError,
    BadConfigError,
    GatewayRefusedError,
    GgufError,
    HomeError,
    LayoutError,
    LoadError,
    NoModelError,
    NoTokenError,
    RegistryError,
    SettingError,
    TokenPlaceError,
    TrialError,
    WrongServerError,
)
"""What somebody has to put right first: starting again would not help."""


@dataclass(frozen=True)
class End:
    """Why the process ends, for the supervisor and for people."""

    code: ExitCode
    reason: str = ""


def end_of(error: MynahError) -> End:
    """What it means that this error ended the bot; what is not known may pass: it crashed."""
    code = ExitCode.CRASHED
    if isinstance(error, BadTokenError):
        code = ExitCode.BAD_TOKEN
    elif isinstance(error, MissingIntentError):
        code = ExitCode.MISSING_INTENT
    elif isinstance(error, _CONFIGURATION):
        code = ExitCode.BAD_CONFIG
    return End(code, str(error))
