"""The connection to the running bot, and how it is found. Belongs to one event loop's thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.protocol import ControlClient, ControlError, Endpoint, NotRunningError, read_endpoint

log = logging.getLogger(__name__)

OnEvent = Callable[[str, dict[str, Any]], None]

_FAREWELL_S = 1.0


class BotLink:
    """At most one connection; made anew after it is lost, by whoever watches `is_open`."""

    def __init__(self, folder: Path, on_event: OnEvent, *, connect_timeout_s: float) -> None:
        """`folder` is a home's `data_storage`. Events are told in the order in which they come."""
        self._folder = folder
        self._connect_timeout_s = connect_timeout_s
        self._on_event = on_event
        self._client: ControlClient | None = None

    @property
    def is_open(self) -> bool:
        return self._client is not None and not self._client.is_closed

    def endpoint(self) -> Endpoint | None:
        """Where a bot of this home listens, or has listened."""
        return read_endpoint(self._folder)

    async def connect(self, endpoint: Endpoint) -> dict[str, Any] | None:
        """What the bot says of itself, or None where nobody answers in time."""
        await self.close()
        try:
            self._client = await ControlClient.connect(
                endpoint, on_event=self._on_event, timeout_s=self._connect_timeout_s
            )
        except ControlError as error:
            log.debug("No connection to the bot: %s", error)
            return None
        return self._client.hello

    async def ask(self, do: str, *, timeout_s: float, **data: Any) -> dict[str, Any]:
        """The answer's fields. Raises ControlError."""
        if self._client is None or not self.is_open:
            raise NotRunningError("The bot cannot be asked now: it is not running, or starting.")
        return await self._client.ask(do, timeout_s=timeout_s, **data)

    async def hear_out(self) -> None:
        """After the process has ended: hear what it still said, then close."""
        if self._client is not None:
            await asyncio.wait({self._client.closed}, timeout=_FAREWELL_S)
        await self.close()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()
