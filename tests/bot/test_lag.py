"""lag: a loop that stands still is seen, and by as much as whoever waited saw of it."""

from __future__ import annotations

import asyncio
import time

from bot.lag import Lag, LagMeter


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


async def test_a_blocked_loop_is_measured() -> None:
    meter = LagMeter()
    measuring = asyncio.create_task(meter.run())
    await asyncio.sleep(0.2)
    time.sleep(0.4)  # noqa: ASYNC251 - this is what is measured
    await asyncio.sleep(0.12)
    measuring.cancel()
    lag = meter.lag()
    assert 330 <= lag.max_ms < 1_500
    assert lag.p50_ms <= lag.p99_ms <= lag.max_ms


def test_without_samples_there_is_no_lag() -> None:
    assert LagMeter().lag() == Lag(0.0, 0.0, 0.0)


def test_percentiles_are_those_of_an_event_at_any_instant() -> None:
    clock = Clock()
    meter = LagMeter(clock)
    for _ in range(580):  # 29 s in which all is well
        clock.now_s += 0.05
        meter.note(0.001)
    clock.now_s += 1.05
    meter.note(1.0)  # and a second in which nothing moved: 21 samples of 601
    lag = meter.lag()
    assert lag.max_ms == 1_000
    assert lag.p50_ms == 1
    assert lag.p99_ms == 700


def test_what_is_older_than_a_minute_is_forgotten() -> None:
    clock = Clock()
    meter = LagMeter(clock)
    meter.note(5.0)
    clock.now_s += 59
    assert meter.lag().max_ms == 5_000
    clock.now_s += 2
    assert meter.lag() == Lag(0.0, 0.0, 0.0)


def test_a_night_asleep_costs_no_memory() -> None:
    clock = Clock()
    meter = LagMeter(clock)
    meter.note(8 * 3600.0)
    meter.note(-0.01)
    assert len(meter._samples) == 1_200
    assert meter.lag().max_ms == 8 * 3_600_000
