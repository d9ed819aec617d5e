"""Gathers the topic banks that every community shares."""

from __future__ import annotations

from data.samples import topics_life, topics_raids, topics_server


def all_banks() -> tuple[str, ...]:
    """The shared banks, in a fixed order."""
    return (topics_raids.BANK, topics_life.BANK, topics_server.BANK)
