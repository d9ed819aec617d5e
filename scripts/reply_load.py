"""What `bench_reply.py` measures beside the replies: two channels at once, idling, growth."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import psutil

from scripts.reply_bot import ReplayedBot
from scripts.reply_figures import Figures
from scripts.reply_replay import IN_VIEW, Replay, ReplayLine, endless

Note = Callable[[str], None]

ROUNDS = 7
LINES_BETWEEN = 3
WARM_UP_REPLIES = 100
MESSAGES_A_MINUTE = (0, 1, 10, 60)


def two_channels_of(replay: Replay) -> tuple[Iterator[ReplayLine], Iterator[ReplayLine]]:
    """The replayed lines in two channels, a different part of them in each."""
    channel = replay.lines[-1].channel
    other = replace(channel, channel_id=channel.channel_id + 1, name=f"{channel.name}-2")
    half = sum(bool(one.shown) for one in replay.lines) // 2
    return endless(replay, channel), endless(replay, other, half)


async def two_channels(
    bot: ReplayedBot, replay: Replay, quiet_s: float, *, rounds: int = ROUNDS, note: Note
) -> Figures:
    """The time until both of two replies that were asked for at once are sent, over one's alone."""
    sources = two_channels_of(replay)
    for source in sources:
        _tell(bot, source, IN_VIEW)
    one_s: list[float] = []
    both_s: list[float] = []
    for number in range(2 * rounds):
        for source in sources:
            _tell(bot, source, LINES_BETWEEN)
        await bot.caught_up(quiet_s)
        # One channel alone, both, the other channel alone, both.
        chosen = sources if number % 2 else sources[number // 2 % 2 :][:1]
        taken = await _ask(bot, chosen)
        if taken is not None:
            (both_s if number % 2 else one_s).append(taken)
        note(f"two channels: round {number + 1} of {2 * rounds}")
    if not one_s or not both_s:
        return {}
    one, both = statistics.median(one_s), statistics.median(both_s)
    return {
        "one_channel_full_p50_s": round(one, 4),
        "two_channels_full_p50_s": round(both, 4),
        "two_channels_ratio": round(both / one, 3),
    }


async def idle(
    bot: ReplayedBot,
    replay: Replay,
    quiet_s: float,
    *,
    least_s: float,
    rates: Sequence[int] = MESSAGES_A_MINUTE,
    note: Note,
) -> Figures:
    """CPU time of this process in percent of one core while it reads along, nobody asking."""
    lines, _ = two_channels_of(replay)
    _tell(bot, lines, IN_VIEW)
    process = psutil.Process()
    out: Figures = {}
    for rate in rates:
        await bot.caught_up(quiet_s)
        window_s = max(least_s, 60 / rate if rate else 0.0)
        count = round(window_s * rate / 60)
        note(f"idle: {rate} messages a minute for {window_s:.0f} s")
        cpu, began_s = process.cpu_times(), time.perf_counter()
        for number in range(count):
            await asyncio.sleep(began_s + number * window_s / count - time.perf_counter())
            _tell(bot, lines, 1)
        await asyncio.sleep(began_s + window_s - time.perf_counter())
        now, took_s = process.cpu_times(), time.perf_counter() - began_s
        used_s = now.user + now.system - cpu.user - cpu.system
        out[f"idle_cpu_percent_at_{rate}_a_minute"] = round(max(0.0, 100 * used_s / took_s), 2)
    return out


async def growth(
    bot: ReplayedBot,
    replay: Replay,
    count: int,
    *,
    warm_up: int = WARM_UP_REPLIES,
    note: Note,
) -> Figures:
    """Resident memory after `warm_up` replies, and after `count` more."""
    lines, _ = two_channels_of(replay)
    _tell(bot, lines, IN_VIEW)
    process = psutil.Process()
    sent = before = 0
    for number in range(warm_up + count):
        if number == warm_up:
            before = _rss_bytes(process)
        _tell(bot, lines, LINES_BETWEEN)
        sent += await _ask(bot, [lines]) is not None
        bot.clock.advance(5.0)  # else the limits against floods would silence it
        if number % 100 == 99:
            rss_mb = process.memory_info().rss / 1e6
            note(f"growth: {number + 1} of {warm_up + count} replies, {rss_mb:.1f} MB")
    after = _rss_bytes(process)
    return {
        "growth_replies": count,
        "growth_replies_sent": sent,
        "growth_rss_mb_before": round(before / 1e6, 2),
        "growth_rss_mb_after": round(after / 1e6, 2),
        "growth_percent": round(100 * (after - before) / before, 3),
    }


def _rss_bytes(process: psutil.Process) -> int:
    gc.collect()
    return int(process.memory_info().rss)


def _tell(bot: ReplayedBot, lines: Iterator[ReplayLine], count: int) -> None:
    for _ in range(count):
        bot.tell(next(lines))


async def _ask(bot: ReplayedBot, sources: Sequence[Iterator[ReplayLine]]) -> float | None:
    """Ask in each at once; seconds until the last reply was sent, None where not all were."""
    chosen = [next(one for one in source if one.may_ask) for source in sources]
    asked = [bot.ask(line) for line in chosen]
    await asyncio.wait({one.sent for one in asked})
    outcomes = [await bot.outcome(one) for one in asked]
    taken = [one.full_s for one in outcomes if one is not None]
    return max(taken) if len(taken) == len(asked) else None
