"""Keeps one client on Discord's gateway: resumes, reconnects, pauses in between.

Stands in for discord.Client.connect, which does the same with pauses that grow with every failure
of the last half hour, up to 17 minutes, and which dies where its very first connection fails.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import discord
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

from bot.platforms.discord_errors import final_error, is_passing, shown

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 60.0
FRESH_AFTER = 5
"""After so many failures in a row the old session is given up: its gateway may be the trouble."""


async def stay_on_gateway(client: discord.Client, lost: Callable[[bool], Awaitable[int]]) -> None:
    """Take in events until the client is closed.

    `lost` is awaited when the connection is; its argument says whether Discord only asked for a
    fresh session. It pauses as it likes and gives the number of failures since the gateway took us
    last. Raises what makes no further attempt sensible.
    """
    how: dict[str, Any] = {"initial": True}
    while not client.is_closed():
        may_resume = True
        try:
            opening = DiscordWebSocket.from_client(client, **how)
            client.ws = await asyncio.wait_for(opening, CONNECT_TIMEOUT_S)
            while True:
                await client.ws.poll_event()
        except ReconnectWebSocket as asked:
            may_resume = asked.resume
            log.info("The gateway's connection ended; %s", "resuming" if may_resume else "anew")
        except discord.ConnectionClosed as closed:
            if final_error(closed) is not None:
                raise
            log.info("The gateway closed the connection with %s", closed.code)
        except Exception as error:
            if not is_passing(error):
                raise
            log.info("The gateway cannot be reached: %s", shown(error))
        await asyncio.sleep(0)  # what was told before the loss is heard before it
        failures = await lost(not may_resume)
        how = _next(client.ws, may_resume and failures < FRESH_AFTER)


def _next(ws: DiscordWebSocket | None, may_resume: bool) -> dict[str, Any]:
    """How to connect after `ws`: with its session where it had one and may go on."""
    if ws is None:
        return {"initial": True}
    if not may_resume or ws.session_id is None:
        return {}
    return {
        "resume": True,
        "session": ws.session_id,
        "sequence": ws.sequence,
        "gateway": ws.gateway,
    }
