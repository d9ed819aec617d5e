"""What settings and persona say of speaking in one channel, as facts for a verdict. Pure; any
thread."""

from __future__ import annotations

from dataclasses import replace

from bot.decide import Facts
from data.persona_file import Cares
from storage.quiet_hours import holds
from storage.settings import Settings


def with_manners(facts: Facts, settings: Settings, cares: Cares, at_ms: int) -> Facts:
    """The facts of a message of that time; `settings` are the channel's own. It is quiet where the
    setting's hours or the persona's say so."""
    hours = (settings.text("quiet_hours"), cares.quiet_hours)
    return replace(
        facts,
        response_rate=settings.number("response_rate"),
        may_speak=settings.switch("speaks_in_public"),
        lurks=settings.switch("lurk"),
        in_quiet_hours=any(holds(one, at_ms) for one in hours),
        threshold=settings.number("speak_threshold"),
        channel_cooldown_s=60 * settings.whole("unasked_channel_minutes"),
        member_cooldown_s=60 * settings.whole("unasked_member_minutes"),
        unasked_a_day=settings.whole("unasked_a_day"),
        attention_s=settings.whole("attention_seconds"),
        cares=cares.cares_about,
        dislikes=cares.dislikes,
    )
