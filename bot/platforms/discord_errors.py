"""What goes wrong with Discord, told apart: what passes by itself, what is final, and in words."""

from __future__ import annotations

import asyncio

import aiohttp
import discord

from storage.errors import MynahError

PORTAL = "https://discord.com/developers/applications"

_BAD_TOKEN = (
    f"Discord does not accept the bot's token. Copy a new one from the Bot page of {PORTAL} and "
    "store it with: python scripts/manage_token.py set"
)
_MISSING_INTENT = (
    "Discord does not let Mynah read messages or see who has which role. Switch on "
    f'"Message Content Intent" and "Server Members Intent" on the Bot page of {PORTAL}, '
    "then start Mynah again."
)
_REFUSED = {
    4010: "the shard is wrong",
    4011: "the bot is on so many servers that it has to be sharded, which Mynah does not do",
    4012: "this version of Discord's gateway is not spoken any more; update Mynah",
    4013: "the intents are wrong; update Mynah",
}
TOO_MANY_REQUESTS = 429
UNAUTHORIZED = 401


class BadTokenError(MynahError):
    """Discord does not know the token: no second attempt with it."""


class MissingIntentError(MynahError):
    """A privileged intent is not switched on: no second attempt until it is."""


class WrongServerError(MynahError):
    """It cannot be told which server to live on, or the bot is not on it."""


class GatewayRefusedError(MynahError):
    """Discord's gateway refuses this program for good."""


class UnreachableError(MynahError):
    """Discord could not be reached for longer than was to be waited."""


def is_passing(error: BaseException) -> bool:
    """Whether the same request may well succeed later: the network, an outage, a rate limit."""
    if isinstance(error, discord.HTTPException):
        return error.status >= 500 or error.status == TOO_MANY_REQUESTS
    return isinstance(
        error,
        OSError
        | aiohttp.ClientError
        | asyncio.TimeoutError
        | discord.GatewayNotFound
        | discord.RateLimited,
    )


def final_error(error: BaseException) -> MynahError | None:
    """Why no further connection makes sense, as a sentence; None where one does."""
    if isinstance(error, discord.LoginFailure):
        return BadTokenError(_BAD_TOKEN)
    if isinstance(error, discord.HTTPException) and error.status == UNAUTHORIZED:
        return BadTokenError(_BAD_TOKEN)
    if isinstance(error, discord.ConnectionClosed):
        if error.code == 4004:
            return BadTokenError(_BAD_TOKEN)
        if error.code == 4014:
            return MissingIntentError(_MISSING_INTENT)
        if error.code in _REFUSED:
            return GatewayRefusedError(f"Discord refuses the connection: {_REFUSED[error.code]}.")
    return None


def checked_token(token: str) -> str:
    """The token without spaces around it. Raises BadTokenError where it cannot be one."""
    token = token.strip()
    if not token or not token.isascii() or any(c.isspace() or not c.isprintable() for c in token):
        raise BadTokenError(_BAD_TOKEN)
    return token


def shown(error: BaseException) -> str:
    """An error in a few words for the log: nothing of what was said, and no token."""
    if isinstance(error, discord.HTTPException):
        return f"Discord answered {error.status} (code {error.code})"
    if isinstance(error, discord.ConnectionClosed):
        return f"the gateway closed the connection with {error.code}"
    return type(error).__name__
