"""Waits for the database where it will come back: locked by another process, or its disk full.

What was taken in must not be lost for a lock. Event loop's thread; the call runs in a worker's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from storage.connections import DatabaseBusyError, DatabaseUnwritableError

log = logging.getLogger(__name__)

RETRY_S = 1.0

P = ParamSpec("P")
T = TypeVar("T")


async def patiently(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`call` in a worker thread, again each second for as long as the database cannot be had.

    Only for what may be done twice. Raises whatever else the call raises.
    """
    has_said = False
    while True:
        try:
            return await asyncio.to_thread(call, *args, **kwargs)
        except (DatabaseBusyError, DatabaseUnwritableError) as error:
            if not has_said:
                log.warning("Nothing is lost, but it has to wait. %s", error)
                has_said = True
            await asyncio.sleep(RETRY_S)
