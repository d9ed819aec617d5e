"""A stand-in that discord.py of this process talks to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.discord_stand_in.stand_in import StandIn, addresses


@pytest.fixture
async def discord_server() -> AsyncIterator[StandIn]:
    """Every test that uses it ends with the check that nobody broke Discord's rules, unless it
    cleared `violations` itself."""
    async with StandIn(heartbeat_interval_ms=200) as stand_in:
        with addresses(stand_in):
            yield stand_in
        assert stand_in.violations == []
