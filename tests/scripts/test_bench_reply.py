"""scripts/bench_reply.py and its parts, with the small base and counts that prove nothing."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from data.samples.community import write_exports
from data.samples.others import other_community
from model.inference import Sampling
from model.model_server import ModelServer
from scripts import reply_load
from scripts.reply_baseline import (
    Answer,
    BaselineError,
    RawRates,
    UsualLayout,
    reached,
    started_raw_loop,
    started_server,
)
from scripts.reply_bot import MeasuredReply, bench_settings, opened_bot
from scripts.reply_figures import Measured, children, figures, percentile, pss_mb, table
from scripts.reply_replay import (
    AFTER_BURST_S,
    BURST_LINES,
    BURST_S,
    IN_VIEW,
    Replay,
    ReplayError,
    ReplayLine,
    Stretch,
    Wanted,
    arrivals_s,
    prepare,
)
from storage.database import Database
from storage.errors import MynahError
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR, Home
from storage.records import ChannelRecord, MemberRecord
from tests.model.model_server_stand_in import ModelServerStandIn

SCRIPT = PROGRAM_DIR / "scripts" / "bench_reply.py"
MODEL = next(DEMO_BASE_DIR.glob("*.gguf"))
WANTED = Wanted(replies=6, lines_between=10, history_lines=200, seed=3)
CHANNEL = ChannelRecord(500, 50 << 22, "The Lantern", "tavern")
MIRA = MemberRecord(101, "mira", "mira")


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up community's channels as an exporter writes them."""
    folder = tmp_path_factory.mktemp("exports")
    write_exports(other_community(77), folder, 77, 1200)
    return folder


@pytest.fixture(scope="module")
def prepared(exports: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Replay]:
    home = Home(tmp_path_factory.mktemp("home")).ensure()
    return home, prepare(home, [exports], MODEL, WANTED)


# -- the replay -----------------------------------------------------------------------------------


def test_half_of_the_asks_come_after_a_burst_and_all_can_be_asked(
    prepared: tuple[Home, Replay],
) -> None:
    _, replay = prepared
    assert len(replay.stretches) == 6
    assert [one.is_after_burst for one in replay.stretches].count(True) == 3
    in_view: dict[int, int] = {}
    for stretch in replay.stretches:
        for line in stretch.lines:
            in_view[line.channel.channel_id] = in_view.get(line.channel.channel_id, 0) + 1
        asked = stretch.lines[-1]
        assert asked.may_ask
        assert asked.tokens > 0
        assert in_view[asked.channel.channel_id] > IN_VIEW


def test_the_history_is_what_was_said_before(prepared: tuple[Home, Replay]) -> None:
    home, replay = prepared
    first = replay.stretches[0].lines[0]
    with Database.open(home.database) as database:
        stored = list(database.messages())
        assert len(stored) == replay.history == 200
        assert database.member(first.author.member_id) is not None
        in_channel = [m for m in stored if m.channel_id == first.channel.channel_id]
    assert all(m.created_at_ms <= first.at_ms for m in in_channel)


def test_the_same_seed_replays_the_same(exports: Path, tmp_path: Path) -> None:
    homes = [Home(tmp_path / name).ensure() for name in "ab"]
    assert prepare(homes[0], [exports], MODEL, WANTED) == prepare(
        homes[1], [exports], MODEL, WANTED
    )


def test_files_that_are_too_short_are_refused(exports: Path, tmp_path: Path) -> None:
    many = Wanted(replies=5_000, lines_between=10, history_lines=10, seed=1)
    with pytest.raises(ReplayError, match="of 5000 replies: name more files"):
        prepare(Home(tmp_path / "home").ensure(), [exports], MODEL, many)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReplayError, match="no messages"):
        prepare(Home(tmp_path / "other").ensure(), [tmp_path / "empty"], MODEL, WANTED)


def made_up(gaps_s: list[float], *, is_after_burst: bool = False) -> Stretch:
    """Lines of 20 tokens with so long between them."""
    at_ms, lines = 0, []
    for gap in gaps_s:
        at_ms += round(gap * 1000)
        lines.append(ReplayLine(CHANNEL, MIRA, "so it is", at_ms, "mira: so it is\n", 20))
    return Stretch(tuple(lines), is_after_burst)


def test_text_arrives_at_the_pace_asked_for_in_its_own_proportions() -> None:
    stretch = made_up([0, 10, 20, 10, 30, 9_000, 10, 20])
    times = arrivals_s(stretch, 4.0, random.Random(1))
    assert times[-1] == pytest.approx(8 * 20 / 4.0)
    gaps = [b - a for a, b in pairwise(times)]
    assert gaps[1] == pytest.approx(2 * gaps[0])
    assert gaps[4] == pytest.approx(6 * gaps[0])  # the night counts as a minute


@pytest.mark.parametrize("tokens_a_second", [4.0, 27.0, 900.0])
def test_a_burst_ends_in_an_ask(tokens_a_second: float) -> None:
    stretch = made_up([7.0] * 30, is_after_burst=True)
    times = arrivals_s(stretch, tokens_a_second, random.Random(5))
    assert times == sorted(times)
    assert times[-1] == pytest.approx(30 * 20 / tokens_a_second, rel=0.01)
    burst = times[-1 - BURST_LINES : -1]
    assert burst[-1] - burst[0] <= BURST_S * 1.001
    assert times[-1] - burst[-1] <= AFTER_BURST_S[1]


def test_lines_that_all_came_at_once_are_told_evenly() -> None:
    times = arrivals_s(made_up([0.0] * 5), 10.0, random.Random(1))
    assert [b - a for a, b in pairwise(times)] == pytest.approx([2.0] * 4)


# -- what is measured against ---------------------------------------------------------------------


async def test_the_usual_layout_sends_everything_anew() -> None:
    with ModelServerStandIn("one two three") as stand_in:
        stand_in.silent_s, stand_in.between_s = 0.1, 0.03
        stand_in.timings = {"prompt_n": 33}
        server = await reached(ModelServer.of(stand_in.url, "", {}))
        usual = UsualLayout(server, 24, Sampling(seed=1))
        answer = await usual.reply("You are Mynah.", [("user", "mira: hi"), ("assistant", "yo")])
    [asked] = stand_in.asked
    assert [one["role"] for one in asked["messages"]] == ["system", "user", "assistant"]
    assert (asked["model"], asked["max_tokens"]) == ("stand-in-4b", 24)
    assert asked["ignore_eos"] is True
    assert answer.prompt_tokens == 33
    assert answer.reply_tokens == 6
    assert answer.ttft_s >= 0.1
    assert answer.full_s >= answer.ttft_s + 0.05


async def test_a_server_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MynahError, match="cannot be reached"):
        await reached(ModelServer.of("http://127.0.0.1:9", "", {}))
    with pytest.raises(BaselineError, match="cannot be started"):
        async with started_server(tmp_path / "none", MODEL, context_tokens=512, threads=(1, 1)):
            pass
    with pytest.raises(BaselineError, match="ended at once"):
        async with started_server(Path(sys.executable), MODEL, context_tokens=512, threads=(1, 1)):
            pass


async def test_the_raw_loop_measures_behind_prompts_of_any_length() -> None:
    async with started_raw_loop(MODEL, context_tokens=512, threads=(1, 1), use_mmap=True) as raw:
        for prompt_tokens in (300, 40, 480):
            rates = await raw.measure(prompt_tokens, 8, Sampling(seed=1))
            assert rates.greedy > 10
            assert rates.sampled > 10


# -- figures --------------------------------------------------------------------------------------


def reply(full_s: float, **changes: object) -> MeasuredReply:
    values: dict[str, object] = {
        "is_after_burst": False,
        "ttft_s": full_s / 2,
        "evaluated_after_ask": 50,
        "asked_tokens": 20,
        "prompt_tokens": 900,
        "unread": 2,
        "reply_tokens": 24,
        "reply_s": 2.0,
        "attempts": 1,
        "notes": 1,
        "found_by": ("full text", "vectors"),
        "stages_s": (("stored", 0.01),),
        **changes,
    }
    return MeasuredReply(full_s=full_s, **values)  # type: ignore[arg-type]


def test_figures_hold_what_was_measured_and_nothing_else() -> None:
    assert figures(Measured()) == {"replies": 0, "replies_not_sent": 0}
    measured = Measured(
        replies=[reply(float(n), is_after_burst=n % 2 == 0) for n in range(1, 101)],
        answers=[Answer(20.0, 25.0, 900, 24), Answer(20.0, 25.0, 940, 24)],
        raw=[RawRates(12.5, 12.0)],
        pss_mb=[10.0, 30.0, 20.0],
        prompt_tokens=1234,
        load={"growth_percent": 0.5},
    )
    made = figures(measured)
    assert (made["full_p50_s"], made["full_p95_s"], made["full_p99_s"]) == (50.0, 95.0, 99.0)
    assert (made["unread_lines"], made["replies_with_unread_lines"]) == (200, 100)
    assert made["ttft_ratio"] == 1.25
    assert made["full_p95_ratio"] == 3.8
    assert made["baseline_total_prompt_tokens"] == 1840
    assert made["decode_ratio"] == 0.96
    assert made["decode_ratio_same_sampler"] == 1.0
    assert made["prompt_tokens_after_ask_beyond_message_p50"] == 30
    assert (made["pss_mb"], made["total_prompt_tokens"]) == (30.0, 1234)
    assert made["replies_after_burst"] == 50
    shown = table(made)
    assert "(at most 40)" in shown
    assert "(at least 0.97)" in shown


def test_percentiles_are_nearest_ranks() -> None:
    assert [percentile([3.0, 1.0, 2.0], p) for p in (1, 50, 95, 100)] == [1.0, 2.0, 3.0, 3.0]


def test_memory_leaves_out_what_is_not_the_bot_s() -> None:
    hungry = "held = b'x' * 90_000_000; print(flush=True); input()"
    before = children()
    with subprocess.Popen(
        [sys.executable, "-c", hungry], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        started = children() - before
        assert process.pid in started
        assert pss_mb(MODEL, ()) > pss_mb(MODEL, started) + 80
        process.communicate(b"\n")


# -- load -----------------------------------------------------------------------------------------


async def test_two_channels_idling_and_growth(prepared: tuple[Home, Replay]) -> None:
    home, replay = prepared
    settings = bench_settings(seed=1, context_tokens=1024, threads=1, use_mmap=True)
    notes: list[str] = []
    async with opened_bot(
        home, MODEL, settings, reply_tokens=8, begin_ms=replay.lines[-1].at_ms + 1000
    ) as bot:
        two = await reply_load.two_channels(bot, replay, 0.05, rounds=2, note=notes.append)
        idle = await reply_load.idle(
            bot, replay, 0.05, least_s=0.5, rates=(0, 240), note=notes.append
        )
        growth = await reply_load.growth(bot, replay, 5, warm_up=3, note=notes.append)
    assert 0.3 < float(two["two_channels_ratio"]) < 30
    assert set(idle) == {"idle_cpu_percent_at_0_a_minute", "idle_cpu_percent_at_240_a_minute"}
    assert all(float(share) >= 0 for share in idle.values())
    assert growth["growth_replies_sent"] == 8
    assert abs(float(growth["growth_percent"])) < 50
    assert notes


# -- the whole ------------------------------------------------------------------------------------


def command(exports: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, str(SCRIPT), "--model", str(MODEL), "--replay", str(exports)),
        *("--vectors", "off", "--history-lines", "200", "--json", *more),
    ]


@pytest.mark.slow
def test_a_run_from_one_end_to_the_other(exports: Path, tmp_path: Path) -> None:
    home = tmp_path / "kept"
    with ModelServerStandIn() as stand_in:
        flags = ("--replies", "4", "--baseline", stand_in.url, "--home", str(home))
        done = subprocess.run(
            command(exports, *flags), capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        again = subprocess.run(
            command(exports, *flags), capture_output=True, text=True, check=False, timeout=120
        )
    made = json.loads(done.stdout.splitlines()[-1])
    assert made["replies"] + made["replies_not_sent"] == 4
    assert made["replies"] >= 3
    assert made["replies_after_burst"] >= 1
    assert made["least_tokens_written"] == 24
    for key in ("ttft_p50_s", "full_p95_s", "decode_ratio", "pss_mb", "prompt_rate", "full_ratio"):
        assert made[key] > 0
    assert made["total_prompt_tokens"] >= made["prompt_tokens_p50"]
    assert all(1 < len(one["messages"]) <= 1 + IN_VIEW for one in stand_in.asked)
    assert "reply 4 of 4" in done.stderr
    assert again.returncode == 2
    assert "holds messages already" in again.stderr
    with Database.open(Home(home).database) as database:
        assert len(database.verdicts(1_000)) > 40


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
async def test_ctrl_c_ends_it_with_what_was_measured(exports: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *command(exports, "--replies", "40", "--lines-between", "20"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    async for line in process.stderr:
        if line.startswith(b"reply 2 of"):
            process.send_signal(signal.SIGINT)
            break
    out, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 130, said.decode()
    assert b"Traceback" not in said
    made = json.loads(out.splitlines()[-1])
    assert made["stopped"] is True
    assert 1 <= made["replies"] < 40
